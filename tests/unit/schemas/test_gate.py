"""The raw-byte gate against the bad-input catalogue (rows X01-X25, X42 as far as bytes tell)."""

import mmap
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SchemaError
from schemas.gate import check_bytes
from schemas.limits import XmlLimits
from tests.samples import DOCUMENT, sample

LIMITS = XmlLimits()
BOM = b"\xef\xbb\xbf"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


def code_of(raw: bytes | memoryview | mmap.mmap, limits: XmlLimits = LIMITS) -> str:
    try:
        check_bytes(raw, limits)
    except SchemaError as error:
        return error.violations[0].code if error.malformed else "not malformed"
    return "ok"


REFUSED = [
    (
        "X01 external entity to a file",
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        "xml-doctype",
    ),
    ("X02 external entity to http", b'<!DOCTYPE r [<!ENTITY x SYSTEM "http://127.0.0.1/">]><r>&x;</r>', "xml-doctype"),
    ("X03 parameter entity", b'<!DOCTYPE r [<!ENTITY % x SYSTEM "http://a/">%x;]><r/>', "xml-doctype"),
    ("X04 external subset", b'<!DOCTYPE r PUBLIC "-//a//b" "http://a/b.dtd"><r/>', "xml-doctype"),
    ("X05 harmless internal subset", b"<!DOCTYPE r []><r/>", "xml-doctype"),
    ("X06 billion laughs", b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><r>&b;</r>', "xml-doctype"),
    ("X08 attribute defaults", b'<!DOCTYPE r [<!ATTLIST r Id ID "x">]><r/>', "xml-doctype"),
    ("X10 after a long comment", DECLARATION + b"<!--" + b"x" * 100_000 + b"--><!DOCTYPE r><r/>", "xml-doctype"),
    ("X10 behind newlines", DECLARATION + b"\n\r\n\t <!DOCTYPE\nr><r/>", "xml-doctype"),
    ("X10 after a processing instruction", b"<?a <!-- ?><!DOCTYPE r><r/>", "xml-doctype"),
    ("X10 after a comment that holds a root", b"<!-- <r/> --><!DOCTYPE r><r/>", "xml-doctype"),
    ("X10 after a comment that looks ended", b"<!--> <r/> --><!DOCTYPE r><r/>", "xml-doctype"),
    ("X10 after a BOM", BOM + b"<!DOCTYPE r><r/>", "xml-doctype"),
    ("X10 in UTF-16", "<!DOCTYPE r><r/>".encode("utf-16"), "xml-encoding"),
    ("X17 UTF-7", b'<?xml version="1.0" encoding="UTF-7"?><r>+ADw-a/+AD4-</r>', "xml-encoding"),
    ("X18 UTF-16 without BOM", "<r/>".encode("utf-16-le"), "xml-encoding"),
    ("X18 UTF-16 big endian without BOM", "<r/>".encode("utf-16-be"), "xml-encoding"),
    ("X18 UTF-32", "<r/>".encode("utf-32"), "xml-encoding"),
    ("X18 UTF-32 big endian with BOM", b"\0\0\xfe\xff" + "<r/>".encode("utf-32-be"), "xml-encoding"),
    ("X18 EBCDIC", '<?xml version="1.0"?><r/>'.encode("cp037"), "xml-encoding"),
    ("X19 windows-1258", b'<?xml version="1.0" encoding="windows-1258"?><r/>', "xml-encoding"),
    ("X19 Shift_JIS", b"<?xml version='1.0' encoding='Shift_JIS'?><r/>", "xml-encoding"),
    ("X19 latin-1", b'<?xml version="1.0" encoding="iso-8859-1"?><r/>', "xml-encoding"),
    ("X20 declared UTF-16, sent UTF-8", b'<?xml version="1.0" encoding="UTF-16"?><r/>', "xml-encoding"),
    ("X20 UTF-16 BOM, declared UTF-8", b"\xff\xfe" + DECLARATION + b"<r/>", "xml-encoding"),
    ("X21 overlong slash", b"<r>\xc0\xaf</r>", "xml-encoding"),
    ("X21 surrogate", b"<r>\xed\xa0\x80</r>", "xml-encoding"),
    ("X21 lone continuation", b"<r>\x80</r>", "xml-encoding"),
    ("X21 beyond Unicode", b"<r>\xf4\x90\x80\x80</r>", "xml-encoding"),
    ("X21 cut at the end", b"<r/>\xe1\xba", "xml-encoding"),
    ("X22 NUL in text", b"<r>a\0b</r>", "xml-nul"),
    ("X22 NUL after the root", b"<r/>\0", "xml-nul"),
    ("X24 XML 1.1", b'<?xml version="1.1"?><r/>', "xml-version"),
    ("X24 XML 1.2", b'<?xml version="1.2" encoding="UTF-8"?><r/>', "xml-version"),
    ("X24 XML 2.0", b"<?xml version='2.0'?><r/>", "xml-version"),
    ("X25 empty", b"", "xml-empty"),
    ("X25 white space only", b" \r\n", "xml-malformed"),
    ("X25 junk before the declaration", b"1212" + DECLARATION + b"<r/>", "xml-malformed"),
    ("X25 two BOMs", BOM + BOM + b"<r/>", "xml-malformed"),
    ("X25 declaration without version", b'<?xml encoding="UTF-8"?><r/>', "xml-malformed"),
    ("X25 comment that does not end", b"<!-- <r/>", "xml-malformed"),
    ("X25 processing instruction that does not end", b"<?a <r/>", "xml-malformed"),
    ("X42 gzip", b"\x1f\x8b\x08\x00", "xml-encoding"),
    ("JSON", b'{"a": 1}', "xml-malformed"),
    ("an end tag first", b"</r>", "xml-malformed"),
]


@pytest.mark.parametrize(("raw", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_hostile_bytes_are_refused_with_their_code(raw: bytes, code: str) -> None:
    assert code_of(raw) == code


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


def test_too_many_bytes_are_refused_and_one_less_passes() -> None:
    raw = b"<r>" + b"x" * 100 + b"</r>"
    assert code_of(raw, XmlLimits(max_bytes=len(raw) - 1)) == "xml-too-large"
    assert code_of(raw, XmlLimits(max_bytes=len(raw))) == "ok"


@pytest.mark.parametrize("offset", range(4))
def test_a_character_across_two_pieces_is_still_one_character(offset: int) -> None:
    raw = b"<r>" + b"x" * ((1 << 20) - 3 - offset) + "\U0001f600".encode() + b"</r>"
    assert code_of(raw) == "ok"
    assert code_of(raw.replace("\U0001f600".encode(), b"\xf0\x9f\x98")) == "xml-encoding"


def test_a_memory_map_and_a_view_are_read_like_bytes() -> None:
    for raw, code in ((sample(DOCUMENT), "ok"), (b"<!DOCTYPE r><r/>", "xml-doctype"), (b"<r>\0</r>", "xml-nul")):
        with tempfile.TemporaryFile() as file:
            file.write(raw)
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                assert code_of(mapped) == code
        assert code_of(memoryview(raw)) == code


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    code_of(raw)


@given(st.lists(st.sampled_from([b"<!-- - -->", b"<?p ?>", b" ", b"\r\n", b"<!--<r>-->", b"<?p <r/>?>"]), max_size=8))
def test_no_prolog_hides_a_document_type(pieces: list[bytes]) -> None:
    prolog = b"".join(pieces)
    assert code_of(prolog + b"<!DOCTYPE r><r/>") == "xml-doctype"
    assert code_of(prolog + b"<r/>") == "ok"
