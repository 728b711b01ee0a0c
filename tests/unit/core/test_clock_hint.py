"""What others' clocks say of ours: enough of them, who were authenticated, and more than say that it is right."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from axis.core.clock_hint import FRESH, SLACK, Heard, Hint, likely_off
from axis.flow.hearing import Hearing
from tests.pki import NOW, pki, revocation_list

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def axis(who: str, ahead: timedelta, at: datetime = NOW) -> Hint:
    return Hint(Heard.AXIS, who, ahead, at)


def signer(who: str, ahead: timedelta) -> Hint:
    return Hint(Heard.SIGNER, who, ahead, NOW)


LIST = Hint(Heard.LIST, "ca", 2 * HOUR, NOW)
FOUR = [signer(name, HOUR * number) for number, name in enumerate("abcd", 1)]

CASES: dict[str, tuple[list[Hint], timedelta | None]] = {
    "nothing": ([], None),
    "one neighbour": ([axis("a", HOUR)], None),
    "two neighbours": ([axis("a", HOUR), axis("b", HOUR)], -HOUR),
    "two neighbours that are behind": ([axis("a", -HOUR), axis("b", -HOUR)], HOUR),
    "two, and two say that it is right": ([axis(name, HOUR if name in "ab" else SECOND) for name in "abcd"], None),
    "two the one way, two the other": ([axis(name, HOUR if name in "ab" else -HOUR) for name in "abcd"], None),
    "within what is forgiven": ([axis("a", SLACK), axis("b", SLACK)], None),
    "long ago": ([axis("a", HOUR, NOW - FRESH - SECOND), axis("b", HOUR, NOW - FRESH - SECOND)], None),
    "an authority's list": ([LIST], -2 * HOUR),
    "a list, and two neighbours say that it is right": ([LIST, axis("a", SECOND), axis("b", SECOND)], None),
    "three agencies": (FOUR[:3], None),
    "four agencies: at least so much": (FOUR, -HOUR),
    "agencies whose time has passed say nothing": ([signer(name, -HOUR) for name in "abcd"], None),
    "neighbours say how much": ([LIST, axis("a", 3 * HOUR)], -3 * HOUR),
}


@pytest.mark.parametrize("what", CASES)
def test_how_wrong_a_clock_likely_is(what: str) -> None:
    hints, found = CASES[what]
    assert likely_off(hints, NOW) == found


def test_a_neighbour_is_heard_once_however_often_it_answers() -> None:
    hearing = Hearing(lambda: NOW, timedelta)
    for _ in range(5):
        hearing.heard_date("a", "Mon, 23 Nov 2026 09:00:00 GMT")
    for date in (None, "", "tomorrow", "Mon, 99 Nov 2026 09:00:00 GMT", "x" * 10_000):
        hearing.heard_date("b", date)
    assert hearing.likely_off() is None
    hearing.heard_date("b", "Mon, 23 Nov 2026 09:00:00 GMT")
    assert hearing.likely_off() == -HOUR


def test_a_clock_that_is_set_right_is_right_at_once() -> None:
    wall, off = NOW, timedelta()
    hearing = Hearing(lambda: wall, lambda: off)
    for name in "ab":
        hearing.heard(Heard.AXIS, name, NOW + HOUR)
    assert hearing.likely_off() == -HOUR
    wall, off = NOW + HOUR, HOUR
    assert hearing.likely_off() is None


def test_a_list_counts_when_an_authority_of_ours_signed_it() -> None:
    ahead = revocation_list(pki().authority, at=NOW + HOUR, until=NOW + 9 * HOUR, number=2)
    forged = revocation_list(pki().from_other_root, name=pki().authority.certificate.subject, at=NOW + HOUR, number=2)
    with capture_logs():
        for listed, found in ((ahead, -HOUR), (forged, None)):
            hearing = Hearing(lambda: NOW, timedelta)
            hearing.look_at(pki().trust_with(*pki().crls(), listed))
            assert hearing.likely_off() == found
