"""What is written behind a signature, and what of a signed document is read from there: one reading, or a change.

Most of these were valid once, and `pdftotext` of poppler 22.12 showed 9.000.000 where 1.000.000 had been signed.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest

from signing.pdf import Changes, PdfOutcome
from signing.verdict import Reason, SubIndication
from tests.pki import pki
from tests.unit.pdf.forge import (
    Words,
    by_hand,
    fill,
    gap,
    judge,
    object_with,
    one_signature,
    only,
    plain,
    prepared,
    raw_pdf,
    sign,
    updated,
    words,
)
from tests.unit.pdf.test_cms import signed

CHANGED: Words = (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.DIGEST)
SHOWN = b"BT /F1 24 Tf 72 720 Td (1.000.000) Tj ET"
NOTHING: Mapping[int, bytes] = MappingProxyType({})
EVIL = b"BT /F1 24 Tf 72 600 Td (9.000.000) Tj ET"


def stream_of(content: bytes, length: int = 0) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (length or len(content), content)


def base(
    page: bytes = b"/Contents 4 0 R", root: bytes = b"", objects: Mapping[int, bytes] = NOTHING, **more: Any
) -> bytes:
    """A page with what stands in it, as objects 1 to 5 and those of `objects`."""
    known = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % root,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> "
        b"/Properties << /Layer 5 0 R >> >> %s >>" % page,
        4: stream_of(SHOWN),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
    }
    return raw_pdf({**known, **objects}, **more)


def root_of(octets: bytes) -> int:
    return int(re.findall(rb"/Root (\d+) 0 R", octets)[-1])


def holding(octets: bytes, at: int, hidden: bytes) -> bytes:
    """A revision with one new stream that nobody sees, in which `hidden` lies at the place `at` of the file."""
    room = at - len(octets.rstrip(b"\n")) - 1 - len(b"90 0 obj\n<< /Length 12345 >>\nstream\n")
    made = by_hand(octets, {90: stream_of(b" " * room + hidden, 12345)}, root=root_of(octets))
    made = made.replace(b"12345", b"%05d" % (room + len(hidden)))
    assert made.index(hidden, len(octets)) == at
    return made


def assert_changed(octets: bytes, detail: str) -> None:
    signature = only(judge(octets))
    assert (words(signature), signature.changes) == (CHANGED, Changes.OTHER)
    assert signature.changes_detail == detail


# --- what was signed is read from what was signed


@cache
def with_far_object() -> bytes:
    """The table has object 60 where the file does not reach: readers show a page without it."""
    return sign(base(b"/Contents [4 0 R 60 0 R]", places={60: 30000}, size=70), pki().good)


@cache
def with_long_stream() -> bytes:
    """A stream longer than the file: readers look for its end, and find it where it seems to be."""
    return sign(base(objects={4: stream_of(SHOWN, 30000)}, size=70), pki().good)


@cache
def with_open_string() -> bytes:
    note = b"<< /Type /Annot /Subtype /FreeText /Rect [72 500 300 540] /DA (/F1 24 Tf) /Contents (1"
    return sign(base(b"/Annots [60 0 R]", objects={60: note}), pki().good)


def test_an_object_beyond_the_end_of_what_was_signed() -> None:
    octets = with_far_object()
    assert judge(octets).outcome is PdfOutcome.VALID
    hidden = b"60 0 obj\n%s\nendobj\n" % stream_of(EVIL)
    assert_changed(holding(octets, 30000, hidden), "object 60 goes on behind the signature")


def test_a_stream_that_goes_on_behind_the_signature() -> None:
    octets = with_long_stream()
    assert judge(octets).outcome is PdfOutcome.VALID
    at = octets.index(SHOWN) + 30000 - len(EVIL)
    assert_changed(holding(octets, at, EVIL + b"\nendstream\nendobj\n"), "object 4 goes on behind the signature")


def test_a_string_that_goes_on_behind_the_signature() -> None:
    octets = with_open_string()
    assert judge(octets).outcome is PdfOutcome.VALID
    end = len(octets) + 100
    assert_changed(holding(octets, end, b" 9.000.000) >>\nendobj\n"), "object 60 goes on behind the signature")


def test_a_trailer_that_goes_on_behind_the_signature() -> None:
    whole = prepared(base(trailer=b"/Open []"), lambda data: b"").replace(b"/Open []", b"/Open ( ")
    left, right = gap(whole)
    octets = fill(whole, signed(whole[:left] + whole[right:]), left, right)
    assert judge(octets).codes == ("damaged",)
    assert_changed(holding(octets, len(octets) + 100, b") >>\n"), "a table goes on behind the signature")


# --- sizes of tables


def sized(octets: bytes, size: int, start: int) -> bytes:
    """With another size in the trailers from `start` on."""
    return octets[:start] + re.sub(rb"/Size \d+", b"/Size %d" % size, octets[start:])


def test_a_table_of_fewer_objects_makes_old_objects_new() -> None:
    """No preparation needed: any document, signed by anybody, with any content in its place."""
    octets = one_signature()
    number, content = object_with(octets, b"1.000.000")
    _, pages = object_with(octets, b"/Type /Pages")
    (pages_number,) = {int(one) for one in re.findall(rb"/Pages (\d+) 0 R", octets)}
    small = sized(by_hand(octets, {pages_number: pages}, root=root_of(octets)), number, len(octets))
    changed = by_hand(small, {number: content.replace(b"1.000", b"9.000")}, root=root_of(octets))
    assert_changed(changed, "a later revision of fewer objects")


def test_an_object_beyond_the_size_that_was_signed_is_not_there_yet() -> None:
    octets = sign(base(b"/Contents 60 0 R", objects={60: stream_of(SHOWN)}, stream=6, size=7), pki().good)
    assert judge(octets).outcome is PdfOutcome.VALID
    changed = by_hand(octets, {60: stream_of(EVIL)}, root=root_of(octets))
    assert_changed(changed, "object 60 is beyond the size that was signed")
    assert_changed(
        by_hand(octets, {90: b"<< >>"}, root=root_of(octets)), "object 60 is beyond the size that was signed"
    )


def test_an_object_beyond_the_size_of_its_own_revision() -> None:
    octets = one_signature()
    made = sized(by_hand(octets, {90: b"<< >>"}, root=root_of(octets)), 90, len(octets))
    assert_changed(made, "object 90 is beyond the size of its revision")


# --- kinds of values


def test_a_string_in_the_place_of_a_name() -> None:
    """A layer that is off is shown where `OFF` is no word of PDF."""
    layer = b"/OC /Layer BDC %s EMC %s" % (EVIL, SHOWN)
    root = b"/OCProperties << /OCGs [7 0 R] /D << /BaseState /OFF >> >>"
    objects = {4: stream_of(layer), 7: b"<< /Type /OCG /Name (x) >>"}
    octets = sign(base(root=root, objects=objects), pki().good)
    number, catalogue = object_with(octets, b"/Catalog")
    changed = by_hand(octets, {number: catalogue.replace(b"/OFF", b"(/OFF)")}, root=number)
    assert_changed(changed, "revision 3 has a string where a name was signed")
    assert judge(by_hand(octets, {number: catalogue}, root=number)).outcome is PdfOutcome.VALID


# --- tables and octets behind the signature


def behind(**changes: bytes) -> bytes:
    """A revision with one new object that nobody sees, and in its octets what `changes` say."""
    octets = one_signature()
    made = by_hand(octets, {90: b"<< /A (x) >>"}, root=root_of(octets))
    tail = made[len(octets) :]
    for old, new in changes.items():
        assert tail.count(old.encode()) == 1, (old, tail)
        tail = tail.replace(old.encode(), new)
    return octets + tail


def moved(tail: bytes, by: int) -> bytes:
    """With the last place that `startxref` says moved."""
    at = tail.rindex(b"startxref") + 10
    return tail[:at] + b"%d" % (int(tail[at:].split()[0]) + by) + b"\n%%EOF\n"


def twice() -> bytes:
    """Readers differ in which of two entries of one table counts."""
    octets = one_signature()
    number, content = object_with(octets, b"1.000.000")
    made = by_hand(octets, {number: content.replace(b"1.000", b"9.000"), 90: content}, root=root_of(octets))
    return made.replace(b"\n90 0 obj", b"\n%d 0 obj " % number).replace(b"\n90 1\n", b"\n%d 1\n" % number)


def doubled_key() -> bytes:
    octets = one_signature()
    number, catalogue = object_with(octets, b"/Catalog")
    pages = re.search(rb"/Pages \d+ 0 R", catalogue)
    assert pages is not None
    doubled = catalogue[: pages.end()] + b" /Pages 91 0 R " + catalogue[pages.end() :]
    made = by_hand(octets, {number: doubled, 90: b"<< /A (x) >>"}, root=number)
    return made.replace(b"<< /A (x) >>\nendobj", b"<< /A (x) >>       ")


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "octets that no table leads to": (
        lambda: moved(behind(**{"xref\n90": b"4 0 obj\n<< >>\nendobj\nxref\n90"}), 21),
        "octets that no table leads to",
    ),
    "an entry that stands twice": (twice, "object 4 stands twice in a table"),
    "a key that stands twice, and no endobj": (doubled_key, "a later revision that breaks the grammar"),
    "an entry with another number": (
        lambda: behind(**{"00000 n": b"000_0 n"}),
        "a table that is not written as tables are",
    ),
    "a generation that there is not": (
        lambda: behind(**{"00000 n": b"99999 n"}),
        "a table that is not written as tables are",
    ),
    "an object behind blanks": (
        lambda: behind(**{f"{len(one_signature()):010}": b"%010d" % (len(one_signature()) - 1)}),
        "object 90 is not where it is said to be",
    ),
    "a table beside its place": (lambda: moved(behind(), 1), "a table that is not where it is said to be"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_revision_with(name: str) -> None:
    make, detail = ODD[name]
    assert_changed(make(), detail)


def test_objects_that_lie_over_each_other() -> None:
    octets = one_signature()
    inner = b"91 0 obj\n<< >>\nendobj\n"
    made = by_hand(octets, {90: stream_of(inner), 91: b"<< >>"}, root=root_of(octets))
    at, own = made.index(inner), made.rindex(inner)
    made = made[:own] + b"%" * (len(inner) - 1) + b"\n" + made[own + len(inner) :]
    made = made.replace(b"%010d 00000 n" % own, b"%010d 00000 n" % at)
    assert_changed(made, "objects that lie over each other")


@pytest.mark.parametrize("streams", [False, True], ids=["a table", "a stream"])
def test_what_an_honest_tool_writes_is_none_of_it(streams: bool) -> None:
    """Also where it writes an object again that stays as it is, and says its name in a comment."""
    octets = sign(plain(stream_xrefs=streams), pki().good)
    second = judge(sign(octets, pki().rsa, "Hai"))
    assert [one.changes for one in second.signatures] == [Changes.SIGNATURES, Changes.NONE]
    assert judge(updated(octets, lambda made: made.update_root())).outcome is PdfOutcome.VALID
    head, word, end = by_hand(octets, {90: b"<< >>"}, root=root_of(octets)).rpartition(b"startxref")
    assert judge(head + b"%by me\n" + word + end).outcome is PdfOutcome.VALID
