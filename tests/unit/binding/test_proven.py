"""A time stamp proves when a document was signed: whom the certificate spoke for then counts too."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from axis.core.binding import Binding, Bindings, hold_to_binding
from axis.core.times import rfc3339
from schemas.codes import AgencyCode
from signing.verdict import Reason, Verdict
from tests.pki import NOW, pki
from tests.unit.timestamp.stamped import judge, signed, stamped

AGENCY = AgencyCode("H99.07")
DAY = timedelta(days=1)


def verdict_on(package_is_stamped: bool) -> Verdict:
    """Signed, and perhaps stamped, a day ago."""
    return judge(stamped() if package_is_stamped else signed(at=NOW - DAY)).verdict


def held(verdict: Verdict, *periods: tuple[datetime | None, datetime | None]) -> Verdict:
    rows = [Binding(pki().good.sha256, AGENCY, begins, ends) for begins, ends in periods]
    return hold_to_binding(verdict, AGENCY, Bindings(rows))


ENDED = (NOW - 9 * DAY, NOW - timedelta(hours=1))
PERIODS: dict[str, tuple[list[tuple[datetime | None, datetime | None]], bool, bool]] = {
    "ended since it was signed": ([ENDED], True, False),
    "ended before it was signed": ([(NOW - 9 * DAY, NOW - 2 * DAY)], False, False),
    "ended at the very time": ([(NOW - 9 * DAY, NOW - DAY)], False, False),
    "taken back": ([(NOW - 2 * DAY, NOW - 2 * DAY)], False, False),
    "begun since it was signed": ([(NOW - timedelta(hours=1), None)], True, True),
    "not begun": ([(NOW + DAY, None)], False, False),
    "a gap now": ([ENDED, (NOW + DAY, None)], True, False),
    "of nobody": ([], False, False),
}


@pytest.mark.parametrize("name", PERIODS)
def test_a_stamp_may_save_a_document_and_never_spoils_one(name: str) -> None:
    periods, with_stamp, without = PERIODS[name]
    for is_stamped, good in ((True, with_stamp), (False, without)):
        verdict = held(verdict_on(is_stamped), *periods)
        assert (verdict.passed, verdict.reason) == (good, Reason.GOOD if good else Reason.NOT_BOUND)


def test_the_verdict_says_for_which_time_it_was_asked() -> None:
    saved = held(verdict_on(True), ENDED).checks[-1]
    assert rfc3339(NOW - DAY) in saved.required
    assert saved.observed.endswith(f"until {rfc3339(ENDED[1])}")
    refused = held(verdict_on(False), ENDED).checks[-1]
    assert rfc3339(NOW) in refused.required


def test_whoever_signed_last_for_an_agency_only_the_signer_is_named() -> None:
    """Who speaks for an agency is remembered: of each certificate, what stands in it."""
    first = verdict_on(False)
    assert first.signer is not None
    second = first.but(signer=replace(first.signer, certificate="ab" * 32, subject="CN=another"))
    bindings = Bindings(Binding(one, AGENCY) for one in (first.signer.certificate, "ab" * 32))
    for verdict in (first, second, first, first):
        named = hold_to_binding(verdict, AGENCY, bindings).signer
        assert verdict.signer is not None
        assert named == replace(verdict.signer, speaks_for=(AGENCY.text,))


def test_a_verdict_with_other_values_is_what_replacing_them_makes() -> None:
    first = verdict_on(False)
    told = first.stored()
    other = first.but(place="x", quirks=("y",))
    assert other == replace(first, place="x", quirks=("y",))
    assert (first.stored(), other.stored()) == (told, replace(first, place="x", quirks=("y",)).stored())
