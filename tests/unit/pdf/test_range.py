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
    "has fractions": (lambda a, b, n: f"[0 {a}.9 {b} {n - b}]", UNCOVERED),
}


@pytest.mark.parametrize("name", RANGES)
def test_a_byte_range_that(name: str) -> None:
    octets = one_signature()
    make, expected = RANGES[name]
    verdict = judge(with_range(octets, make(*gap(octets), len(octets))))
    if name == "has fractions":
        assert verdict.outcome is not PdfOutcome.VALID
    else:
        assert words(only(verdict)) == expected, only(verdict).verdict.checks[-1]
    assert verdict.outcome is PdfOutcome.INVALID


def test_signature_wrapping() -> None:
    """The second part moved to the end behind octets of the attacker, and the range with it: the digest still fits."""
    octets = one_signature()
    left, right = gap(octets)
    evil = b"\n4 0 obj\n<< /Length 20 >>\nstream\nBT (9.000.000) Tj ET\nendstream\nendobj\n"
    spread = octets[:right] + evil + octets[right:]
    moved = with_range(spread, f"[0 {left} {right + len(evil)} {len(octets) - right}]")
    assert judge(moved).outcome is PdfOutcome.INVALID


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
    gone = octets[left:right].replace(b"0000>", b"00 0>")
    assert len(gone) == right - left
    assert judge(octets[:left] + gone + octets[right:]).outcome is PdfOutcome.INVALID


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


def test_contents_beyond_the_limit() -> None:
    verdict = judge(prepared(plain(), lambda data: b"\x30\x00", room=1 << 20))
    assert words(only(verdict)) == (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.LIMIT)
