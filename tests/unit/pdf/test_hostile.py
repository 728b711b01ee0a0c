"""Files that are broken, encrypted, or made to cost more than they may: an answer, in bounded time, never a pass."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signing.pdf import PdfLimits, PdfOutcome, PdfVerdict
from signing.verdict import Reason
from tests.pki import pki
from tests.unit.pdf.forge import by_hand, judge, object_with, one_signature, plain, sign, two_signatures, updated

MOST_SECONDS = 45.0
"""What the step limit comes to in the worst case that we found (4.5 s), times ten: throttled machines have taken
19 s. A node ends its judge of PDFs after 10 s of processor time in any case (ADR 0013)."""

pytestmark = pytest.mark.faults


def timed(octets: bytes, limits: PdfLimits = PdfLimits()) -> PdfVerdict:  # noqa: B008 - frozen
    """Judge within the bound. The least of three runs counts: others can make a run dearer, never cheaper."""
    spent = []
    while not spent or (spent[-1] >= MOST_SECONDS and len(spent) < 3):
        start = time.process_time()
        verdict = judge(octets, limits=limits)
        spent.append(time.process_time() - start)
    assert min(spent) < MOST_SECONDS, f"{min(spent):.1f} s"
    return verdict


def raw(objects: dict[int, bytes], *, root: int = 1, trailer: bytes = b"") -> bytes:
    """A whole PDF, octet by octet."""
    made, places = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        places[number] = len(made)
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, size = len(made), max(objects) + 1
    made += b"xref\n0 1\n0000000000 65535 f \n"
    made += b"".join(b"%d 1\n%010d 00000 n \n" % (number, place) for number, place in places.items())
    made += b"trailer\n<< /Size %d /Root %d 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, trailer, start)
    return made


CATALOG = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [3 0 R] >> >>"
PAGES = b"<< /Type /Pages /Kids [] /Count 0 >>"


# --- broken


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"%PDF-",
        b"%PDF-1.7\n",
        b"not a PDF at all",
        b"%PDF-1.7\n%%EOF\n",
        b"%PDF-1.7\nstartxref\n99999999\n%%EOF\n",
        b"%PDF-1.7\nstartxref\n0\n%%EOF\n",
        b"%PDF-1.7\nstartxref\n-5\n%%EOF\n",
        b"\x00" * 10_000,
        b"%PDF-1.7\nxref\n0 1000000000\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n",
    ],
)
def test_not_a_pdf(octets: bytes) -> None:
    verdict = timed(octets)
    assert (verdict.outcome, verdict.reason, verdict.codes) == (
        PdfOutcome.INDETERMINATE,
        Reason.STRUCTURE,
        ("damaged",),
    )


def test_a_signed_file_cut_anywhere_is_never_valid() -> None:
    octets = two_signatures()
    first = sign(plain(), pki().good, "Nguoi", box=(300, 100, 450, 160))
    for length in range(0, len(octets) - 1, 83):
        outcome = judge(octets[:length]).outcome
        assert outcome is not PdfOutcome.VALID or length == len(first), length


@settings(max_examples=60, deadline=timedelta(seconds=10))
@given(seed=st.integers(0, 2**32))
def test_octets_changed_at_random_are_never_valid_and_never_an_exception(seed: int) -> None:
    """Only what nothing signs, the padding and unsigned parts of a CMS, may change without harm."""
    chance, octets = random.Random(seed), bytearray(two_signatures())
    for _ in range(chance.randint(1, 4)):
        octets[chance.randrange(len(octets))] = chance.randrange(256)
    verdict = judge(bytes(octets))
    if verdict.outcome is PdfOutcome.VALID:
        covered = [signature.byte_range for signature in verdict.signatures]
        assert len(covered) == 2
        original = two_signatures()
        for start, length, again, rest in covered:
            assert bytes(octets[start : start + length]) == original[start : start + length]
            if again + rest == len(original):
                assert bytes(octets[again : again + rest]) == original[again : again + rest]


def test_encrypted() -> None:
    from pyhanko.pdf_utils.crypt import StandardSecurityHandler
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    made = copy_into_new_writer(PdfFileReader(BytesIO(plain())))
    handler = StandardSecurityHandler.build_from_pw("secret", "secret")
    made._assign_security_handler(handler)
    out = BytesIO()
    made.write(out)
    verdict = timed(out.getvalue())
    assert (verdict.outcome, verdict.reason, verdict.codes) == (
        PdfOutcome.INDETERMINATE,
        Reason.PROCESSING,
        ("encrypted",),
    )


def test_an_encryption_entry_added_later_does_not_hide_a_signature_from_blame() -> None:
    octets = one_signature() + b""
    verdict = judge(by_hand(octets, {90: b"<< /Filter /Standard /V 5 >>"}).replace(b"/Prev", b"/Encrypt 90 0 R /Prev"))
    assert verdict.outcome is not PdfOutcome.VALID


# --- limits


def test_a_file_beyond_the_limit_is_not_read() -> None:
    verdict = judge(one_signature(), limits=PdfLimits(most_octets=1000))
    assert (verdict.outcome, verdict.reason, verdict.codes) == (PdfOutcome.INDETERMINATE, Reason.LIMIT, ("limit",))


@pytest.mark.parametrize(
    "limits",
    [PdfLimits(most_revisions=2), PdfLimits(most_objects=5), PdfLimits(most_signatures=0), PdfLimits(most_steps=2000)],
)
def test_each_limit_ends_in_doubt(limits: PdfLimits) -> None:
    verdict = judge(two_signatures(), limits=limits)
    assert (verdict.outcome, verdict.codes) == (PdfOutcome.INDETERMINATE, ("limit",))


def stream(extra: bytes, data: bytes) -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


def xref_stream(index: bytes, widths: bytes, data: bytes = b"", extra: bytes = b"") -> bytes:
    body = stream(b"/Type /XRef /Size 5 /Root 1 0 R /W %s /Index %s %s" % (widths, index, extra), data)
    return b"%PDF-1.7\n4 0 obj\n" + body + b"\nendobj\nstartxref\n9\n%%EOF\n"


def revisions(many: int) -> bytes:
    octets = plain()
    for _ in range(many):
        octets = by_hand(octets, {90: b"<< >>"})
    return octets


def paths() -> bytes:
    """Every object has two references to the next: 2^60 paths to the last, and a revision to make somebody count."""

    def chain(made: IncrementalPdfFileWriter) -> None:
        below: generic.PdfObject = made.add_object(generic.pdf_string("end"))
        for _ in range(60):
            below = made.add_object(generic.ArrayObject([below, below]))
        made.root[pdf_name("/Extra")] = below
        made.update_root()

    return sign(sign(updated(plain(), chain), pki().good, "A"), pki().good, "B")


def object_stream(content: bytes, count: int = 1) -> bytes:
    """The catalogue in an object stream, whatever is in there."""
    packed = zlib.compress(content, 9)
    made = b"%PDF-1.7\n"
    place = len(made)
    made += b"3 0 obj\n%s\nendobj\n" % stream(b"/Type /ObjStm /N %d /First 4 /Filter /FlateDecode" % count, packed)
    start = len(made)
    entries = b"\0\0\0\0\0" + b"\2\0\0\3\0" + b"\0\0\0\0\0" + b"\1" + place.to_bytes(3, "big") + b"\0"
    entries += b"\1" + start.to_bytes(3, "big") + b"\0"
    body = stream(b"/Type /XRef /Size 5 /Root 1 0 R /W [1 3 1] /Index [0 5]", entries)
    return made + b"4 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (body, start)


def fields(many: int) -> bytes:
    refs = b" ".join(b"%d 0 R" % number for number in range(10, 10 + many))
    field = b"<< /FT /Sig /T (A) /V 5 0 R >>"
    return raw(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] >> >>" % refs,
            2: PAGES,
            5: b"<< /Type /Sig >>",
            **dict.fromkeys(range(10, 10 + many), field),
        }
    )


BOMBS: dict[str, Callable[[], bytes]] = {
    "a thousand million objects announced": lambda: xref_stream(b"[0 1000000000]", b"[0 0 0]"),
    "and taken back": lambda: xref_stream(b"[0 1000000000 1000000000 -1000000000]", b"[0 0 0]"),
    "in numbers that are none": lambda: xref_stream(b"[0 /A]", b"[0 0 0]"),
    "wide entries": lambda: xref_stream(b"[0 5]", b"[1000000000 0 0]"),
    "a table without end": lambda: xref_stream(b"[0 5]", b"[1 2 1]", extra=b"/Prev 9"),
    "many revisions": lambda: revisions(80),
    "many paths": paths,
    "a comment without end in an object stream": lambda: object_stream(b"1 0 %" + b"x" * 100),
    "an object stream that swells": lambda: object_stream(b"1 0 " + b"[" + b"0 " * 30_000_000 + b"]"),
    "an object stream of white space": lambda: object_stream(b" " * 60_000_000),
    "an object stream that announces much": lambda: object_stream(b"1 0 <<>>", 1_000_000_000),
    "deep arrays": lambda: raw({1: b"[" * 100_000, 2: PAGES}),
    "deep dictionaries": lambda: raw({1: b"<< /A " * 100_000, 2: PAGES}),
    "a long name": lambda: raw({1: b"<< /" + b"A" * 20_000_000 + b" 1 >>", 2: PAGES}),
    "a long string": lambda: raw({1: b"(" + b"(" * 10_000_000, 2: PAGES}),
    "a long hexadecimal string": lambda: raw({1: b"<" + b"0" * 20_000_000, 2: PAGES}),
    "a long number": lambda: raw({1: b"<< /Pages " + b"9" * 5_000_000 + b" >>", 2: PAGES}),
    "white space": lambda: raw({1: b" " * 20_000_000, 2: PAGES}),
    "a comment without end": lambda: b"%PDF-1.7\n1 0 obj\n%" + b"x" * 5_000_000 + b"\nstartxref\n9\n%%EOF\n",
    "no end of line": lambda: b"%PDF-1.7\n" + b"x" * 20_000_000,
    "ends of file": lambda: b"%PDF-1.7\n" + b"%%EOF\n" * 1_000_000,
    "many fields": lambda: fields(5000),
    "a field that is its own child": lambda: raw({1: CATALOG, 2: PAGES, 3: b"<< /FT /Sig /T (A) /Kids [3 0 R] >>"}),
    "fields that double": lambda: raw(
        {
            1: CATALOG,
            2: PAGES,
            **{n: b"<< /T (A) /Kids [%d 0 R %d 0 R] >>" % (n + 1, n + 1) for n in range(3, 60)},
            60: b"<< /FT /Sig /T (A) >>",
        }
    ),
    "a length that is its own stream": lambda: raw({1: b"<< /Length 1 0 R >>\nstream\nx\nendstream", 2: PAGES}),
    "a reference to itself": lambda: raw({1: b"1 0 R", 2: PAGES}),
    "a catalogue that is a number": lambda: raw({1: b"7", 2: PAGES}),
    "a form that is a number": lambda: raw({1: b"<< /AcroForm 7 >>", 2: PAGES}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb(name: str) -> None:
    verdict = timed(BOMBS[name]())
    assert verdict.outcome is not PdfOutcome.VALID
    if name in {"many revisions", "many paths", "many fields", "fields that double"}:
        assert verdict.codes == ("limit",), verdict.findings


def test_metadata_that_is_an_xml_bomb() -> None:
    """A later revision may change the XMP; pyHanko parses it as XML."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    for use in ('a="&e11;">', ">&e11;"):
        bomb = f'<!DOCTYPE x [<!ENTITY e0 "boom">{levels}]><x:xmpmeta xmlns:x="adobe:ns:meta/" {use}</x:xmpmeta>'
        number, _ = object_with(one_signature(), b"/Type /Metadata")
        body = stream(b"/Type /Metadata /Subtype /XML", bomb.encode())
        assert timed(by_hand(one_signature(), {number: body})).outcome is PdfOutcome.INVALID


def test_an_honest_document_of_many_objects_and_signatures() -> None:
    """Limits are for bombs: ten thousand objects and five signatures are an ordinary document."""
    octets = plain(objects=10_000)
    for number in range(5):
        octets = sign(octets, pki().good, f"Ky{number}")
    verdict = timed(octets)
    assert (verdict.outcome, len(verdict.signatures), verdict.findings) == (PdfOutcome.VALID, 5, ())
