"""The raw-byte gate against the bad-input catalogue (rows X01-X25, X42 as far as bytes tell)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SchemaError
from schemas.gate import PIECE, Raw, check_prolog, checked
from schemas.limits import XmlLimits
from tests.samples import DOCUMENT, sample

LIMITS = XmlLimits()
BOM = b"\xef\xbb\xbf"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


def code_of(raw: Raw, limits: XmlLimits = LIMITS) -> str:
    try:
        check_prolog(b"".join(checked(raw, limits)))
    except SchemaError as error:
        return error.violations[0].code if error.malformed else "not malformed"
    return "ok"


@pytest.mark.parametrize(
    "raw",
    [
        b"<r/>",
        BOM + DECLARATION + b"<r/>",
        b"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<!-- a --><r/>",
        b"\n<r/>",
        b"<r><![CDATA[<!DOCTYPE r>]]></r>",
        b"<!-- <!DOCTYPE r> --><r><!-- <!DOCTYPE r> --></r>",
        "<r>Độ khẩn 😀</r>".encode(),
        sample(DOCUMENT),
    ],
)
def test_plain_utf8_passes(raw: bytes) -> None:
    assert code_of(raw) == "ok"


@pytest.mark.parametrize("head", [b"", DECLARATION, DECLARATION.replace(b'"', b"'"), DECLARATION.lower()])
@pytest.mark.parametrize("space", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"<r/>", "ok"),
        (b"<!DOCTYPE r><r/>", "xml-doctype"),
        (b"<?p?><!DOCTYPE r><r/>", "xml-doctype"),
        (b"<!--<r>--><!DOCTYPE r><r/>", "xml-doctype"),
        (b"r <r/>", "xml-malformed"),
    ],
)
def test_what_follows_the_usual_head_is_no_less_looked_at(head: bytes, space: bytes, rest: bytes, code: str) -> None:
    assert code_of(head + space + rest) == code


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (DECLARATION.replace(b"1.0", b"1.1"), "xml-version"),
        (DECLARATION.replace(b"UTF-8", b"US-ASCII"), "xml-encoding"),
        (DECLARATION.replace(b"UTF-8", b"UTF-16"), "xml-encoding"),
        (b"\x1f\x8b", "xml-encoding"),
        (b"x", "xml-malformed"),
    ],
)
def test_a_head_that_is_nearly_usual_is_not(head: bytes, code: str) -> None:
    assert code_of(head + b"<r/>") == code


def test_too_many_bytes_are_refused_and_one_less_passes() -> None:
    raw = b"<r>" + b"x" * 100 + b"</r>"
    assert code_of(raw, XmlLimits(max_bytes=len(raw) - 1)) == "xml-too-large"
    assert code_of(raw, XmlLimits(max_bytes=len(raw))) == "ok"


@pytest.mark.parametrize("offset", range(4))
def test_a_character_across_two_pieces_is_still_one_character(offset: int) -> None:
    raw = b"<r>" + b"x" * (PIECE - 3 - offset) + "\U0001f600".encode() + b"</r>"
    assert code_of(raw) == "ok"
    assert code_of(raw.replace("\U0001f600".encode(), b"\xf0\x9f\x98")) == "xml-encoding"


class Slices:
    """Octets that can only be asked for by slices, as those of a file."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def __len__(self) -> int:
        return len(self.octets)

    def __getitem__(self, at: slice) -> bytes:
        return self.octets[at]


def test_a_file_and_a_view_are_read_like_bytes() -> None:
    for raw, code in ((sample(DOCUMENT), "ok"), (b"<!DOCTYPE r><r/>", "xml-doctype"), (b"<r>\0</r>", "xml-nul")):
        assert code_of(Slices(raw)) == code
        assert code_of(memoryview(raw)) == code


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    code_of(raw)


@given(st.lists(st.sampled_from([b"<!-- - -->", b"<?p ?>", b" ", b"\r\n", b"<!--<r>-->", b"<?p <r/>?>"]), max_size=8))
def test_no_prolog_hides_a_document_type(pieces: list[bytes]) -> None:
    prolog = b"".join(pieces)
    assert code_of(prolog + b"<!DOCTYPE r><r/>") == "xml-doctype"
    assert code_of(prolog + b"<r/>") == "ok"
