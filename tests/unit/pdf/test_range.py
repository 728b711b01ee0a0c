"""Games with ByteRange and Contents (Mladenov et al., CCS 2019: signature wrapping, universal signature forgery)."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from signing.pdf import PdfOutcome
from signing.verdict import Reason, SubIndication
from tests.pki import pki
from tests.unit.pdf.forge import (
    Words,
    cms_of,
    fill,
    gap,
    judge,
    one_signature,
    only,
    plain,
    prepared,
    sign,
    two_signatures,
    words,
)
from tests.unit.pdf.test_cms import signed

UNCOVERED: Words = (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.COVERAGE)
MALFORMED: Words = (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.STRUCTURE)


def with_range(octets: bytes, text: str) -> bytes:
    """The same file with another ByteRange in the room of the old one."""
    left = octets.rindex(b"/ByteRange")
    start = octets.index(b"[", left)
    found = re.compile(rb"\][ \n]*").search(octets, start)
    assert found is not None
    end = found.end()
    assert len(text) <= end - start, "no room"
    return octets[:start] + text.encode().ljust(end - start) + octets[end:]


RANGES: dict[str, tuple[Callable[[int, int, int], str], Words]] = {
    "does not begin at the beginning": (lambda a, b, n: f"[1 {a - 1} {b} {n - b}]", UNCOVERED),
    "does not reach the end of its revision": (lambda a, b, n: f"[0 {a} {b} {n - b - 20}]", UNCOVERED),
    "reaches beyond the file": (lambda a, b, n: f"[0 {a} {b} {n - b + 1}]", UNCOVERED),
    "begins its gap too early": (lambda a, b, n: f"[0 {a - 30} {b} {n - b}]", UNCOVERED),
    "ends its gap too late": (lambda a, b, n: f"[0 {a} {b + 30} {n - b - 30}]", UNCOVERED),
    "has no gap": (lambda a, b, n: f"[0 {n} {n} 0]", UNCOVERED),
    "has a gap without the brackets": (lambda a, b, n: f"[0 {a + 1} {b - 1} {n - b + 1}]", UNCOVERED),
    "overlaps itself": (lambda a, b, n: f"[0 {b} {a} {n - a}]", UNCOVERED),
    "is negative": (lambda a, b, n: f"[0 -{a} {b} {n - b}]", UNCOVERED),
    "has three numbers": (lambda a, b, n: f"[0 {a} {b}]", MALFORMED),
    "has six numbers": (lambda a, b, n: f"[0 {a} {b} 9 {b + 9} {n - b - 9}]", MALFORMED),
    "is empty": (lambda a, b, n: "[]", MALFORMED),
    "is null": (lambda a, b, n: "null", MALFORMED),
    "is no array": (lambda a, b, n: f"({a})", MALFORMED),
    "has names for numbers": (lambda a, b, n: "[/A /B /C /D]", MALFORMED),
    "has fractions": (lambda a, b, n: f"[0 {a}.9 {b} {n - b}]", MALFORMED),
    "has numbers that are not whole by their kind": (lambda a, b, n: f"[0 {a}.0 {b} {n - b}]", MALFORMED),
    "has a number that stands elsewhere": (lambda a, b, n: f"[0 4 0 R {b} {n - b}]", MALFORMED),
}


@pytest.mark.parametrize("name", RANGES)
def test_a_byte_range_that(name: str) -> None:
    octets = one_signature()
    make, expected = RANGES[name]
    verdict = judge(with_range(octets, make(*gap(octets), len(octets))))
    assert words(only(verdict)) == expected, only(verdict).verdict.checks[-1]
    assert verdict.outcome is PdfOutcome.INVALID


def test_signature_wrapping() -> None:
    """Entries of the attacker in the gap, behind a Contents that ends early: digest, value and table all hold."""
    octets = prepared(plain(), signed)
    left, right = gap(octets)
    assert judge(octets).outcome is PdfOutcome.VALID
    short = b"<%s>" % cms_of(octets).rstrip(b"\0").hex().encode()
    for evil in (b" /Reason (9.000.000) ", b" /Reason <39>"):
        wrapped = octets[:left] + short + evil.rjust(right - left - len(short)) + octets[right:]
        verdict = judge(wrapped)
        assert (words(only(verdict)), verdict.outcome) == (UNCOVERED, PdfOutcome.INVALID)


@pytest.mark.parametrize("value", [b"", b"null", b"<00>", b"<>", b"(x)", b"[]", b"7 0 R"])
def test_universal_signature_forgery(value: bytes) -> None:
    """Contents that are not there, are null, or hold nothing: some readers took that for a pass."""
    octets = one_signature()
    left, right = gap(octets)
    key = octets[:left] if value else octets[: octets.rindex(b"/Contents", 0, left)]
    verdict = judge(key + value.ljust(len(octets) - len(key) - len(octets[right:])) + octets[right:])
    assert verdict.outcome is not PdfOutcome.VALID
    assert only(verdict).outcome is PdfOutcome.INVALID


def test_no_byte_range_at_all() -> None:
    octets = one_signature().replace(b"/ByteRange", b"/ByteStrange"[:10])
    verdict = judge(octets)
    assert only(verdict).outcome is PdfOutcome.INVALID
    assert words(only(verdict)) == MALFORMED


def test_the_range_of_the_first_signature_on_the_second() -> None:
    octets = two_signatures()
    first, second = gap(octets, 0), gap(octets, 1)
    swapped = with_range(octets, f"[0 {first[0]} {first[1]} {len(octets) - first[1]}]")
    swapped = fill(swapped, cms_of(octets, 0).rstrip(b"\0"), *second)
    verdict = judge(swapped)
    assert words(verdict.signatures[1]) == UNCOVERED


def test_a_gap_with_white_space_in_it() -> None:
    octets = one_signature()
    left, right = gap(octets)
    assert octets[left:right].endswith(b"0000>")
    verdict = judge(octets[: right - 5] + b"  00>" + octets[right:])
    assert words(only(verdict)) == UNCOVERED


def test_a_gap_with_an_odd_number_of_digits() -> None:
    octets = one_signature()
    left, right = gap(octets)
    shorter = octets[: right - 2] + b">" + octets[right:]
    verdict = judge(with_range(shorter, f"[0 {left} {right - 1} {len(octets) - right}]"))
    assert words(only(verdict)) == UNCOVERED


def test_the_gap_of_another_entry_with_the_same_value() -> None:
    """The range leaves out a copy of Contents; the Contents that the reader takes is among what is signed."""
    value = signed(b"").hex().encode()
    head = b"%PDF-1.7\n4 0 obj\n<< /Type /Sig /SubFilter /adbe.pkcs7.detached /Copy "
    left = len(head)
    right = left + len(value) + 2
    rest = b" /Contents <%s> /ByteRange [0 %d %d %08d] >>\nendobj\n"
    others = (
        b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [3 0 R] >> >>\nendobj\n",
        b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n",
        b"3 0 obj\n<< /FT /Sig /T (A) /V 4 0 R >>\nendobj\n",
    )
    places, made = [9], head + b"<" + value + b">" + rest % (value, left, right, 0)
    for other in others:
        places.insert(len(places) - 1, len(made))
        made += other
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(made)
    made += b"xref\n0 5\n0000000000 65535 f \n" + table + b"trailer\n<< /Size 5 /Root 1 0 R >>\n"
    made += b"startxref\n%d\n%%%%EOF\n" % start
    made = made.replace(b"%d 00000000]" % right, b"%d %08d]" % (right, len(made) - right))
    assert words(only(judge(made))) == UNCOVERED


def test_octets_behind_the_cms_in_the_gap() -> None:
    octets = one_signature()
    left, right = gap(octets)
    room = octets[left:right].replace(b"0000>", b"00ff>")
    verdict = judge(octets[:left] + room + octets[right:])
    assert words(only(verdict)) == MALFORMED


def test_a_comment_that_looks_like_the_contents() -> None:
    """The gap stands in a comment of the dictionary; the real Contents, which the reader sees, are signed with it."""
    octets = one_signature()
    left, _ = gap(octets)
    start = octets.rindex(b"/Contents", 0, left)
    assert re.search(rb"/Contents\s*\Z", octets[:left])
    faked = octets[:start] + b"%Contents" + octets[start + 9 :]
    assert judge(faked).outcome is not PdfOutcome.VALID


def test_an_honest_signature_with_much_room_is_good() -> None:
    signature = only(judge(sign(plain(), pki().rsa, others=[pki().authority, pki().root])))
    assert signature.outcome is PdfOutcome.VALID


@pytest.mark.faults
def test_contents_beyond_the_limit() -> None:
    verdict = judge(prepared(plain(), lambda data: b"\x30\x00", room=1 << 20))
    assert words(only(verdict)) == (PdfOutcome.INDETERMINATE, SubIndication.POLICY_PROCESSING_ERROR, Reason.LIMIT)
