"""What is dated after our own clock waits for its time, at most a day, and is never good before (F117, F118)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from signing.ahead import WAITS
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.policy import IF_PRESENT, OWN_NETWORK
from signing.verdict import CheckStatus, Reason, SubIndication
from tests.pki import NOW, YEAR, Holder, issue, pki, revocation_list
from tests.unit.signing.forge import by_parts

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
LATER = SubIndication.TRY_LATER


def judged(holder: Holder, trust: Trust, at: datetime = NOW, proven: datetime | None = None) -> CertificateVerdict:
    return judge_certificate(holder.der, trust, at, OWN_NETWORK, proven=proven)


# --- the signing time


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (OWN_NETWORK.signing_time_ahead, None),
        (OWN_NETWORK.signing_time_ahead + SECOND, LATER),
        (WAITS, LATER),
        (WAITS + SECOND, SubIndication.SIG_CONSTRAINTS_FAILURE),
        (365 * DAY, SubIndication.SIG_CONSTRAINTS_FAILURE),
    ],
    ids=["forgiven", "waits", "a day", "more than a day", "a year"],
)
def test_what_was_signed_after_our_time_waits_for_at_most_a_day(ahead: timedelta, found: SubIndication | None) -> None:
    judgement = by_parts(at=NOW + ahead).judge()
    verdict = judgement.verdict
    assert (verdict.sub_indication, verdict.reason) == (found, Reason.GOOD if found is None else Reason.TIME)
    assert (judgement.verified is not None) == (found in (None, LATER))
    assert verdict.path or found not in (None, LATER), "it waits under the root that its signer leads to"


def test_it_is_good_when_its_time_has_come() -> None:
    package = by_parts(at=NOW + HOUR)
    assert package.judge().verdict.sub_indication is LATER
    assert package.judge(at=NOW + HOUR).verdict.passed


def test_the_field_is_forgiven_seven_hours_and_then_waits_as_well() -> None:
    assert by_parts(at=NOW + 7 * HOUR).judge(policy=IF_PRESENT).verdict.passed
    assert by_parts(at=NOW + 8 * HOUR).judge(policy=IF_PRESENT).verdict.sub_indication is LATER


def test_what_is_wrong_beside_it_is_said_at_once() -> None:
    for holder, reason in (
        (pki().expired, Reason.EXPIRED),
        (pki().from_other_root, Reason.UNTRUSTED),
        (pki().wrong_usage, Reason.KEY_USAGE),
    ):
        verdict = by_parts(holder.signer(), NOW + HOUR).judge().verdict
        assert (verdict.reason, verdict.sub_indication is LATER) == (reason, False)
        assert [one.id for one in verdict.checks if one.status is CheckStatus.NOT_OK] == ["sig-time", reason.value]
    changed = by_parts(at=NOW + HOUR)
    changed.header[0].text = "x"
    assert changed.judge().verdict.reason is Reason.DIGEST


def test_what_lacks_evidence_as_well_asks_for_that() -> None:
    verdict = by_parts(at=NOW + HOUR).judge(trust=pki().trust_without_lists).verdict
    assert (verdict.sub_indication, verdict.reason) == (LATER, Reason.REVOCATION_UNKNOWN)


# --- the certificate


def test_a_certificate_that_is_not_valid_yet_waits_for_that() -> None:
    new = issue("mới cấp", pki().authority, validity=(NOW + HOUR, NOW + YEAR))
    verdict = judged(new, pki().trust)
    assert (verdict.sub_indication, verdict.reason, verdict.at) == (LATER, Reason.NOT_YET_VALID, NOW)
    assert verdict.path[1] == pki().authority.sha256
    assert judged(new, pki().trust, NOW + HOUR).sub_indication is None
    assert judged(new, pki().trust, proven=NOW - HOUR).sub_indication is SubIndication.NOT_YET_VALID


def test_it_waits_for_nothing_where_it_will_not_be_good() -> None:
    stranger = issue("lạ", validity=(NOW + HOUR, NOW + YEAR))
    assert judged(stranger, pki().trust).reason is Reason.UNTRUSTED
    far = issue("xa", pki().authority, validity=(NOW + WAITS + SECOND, NOW + YEAR))
    assert judged(far, pki().trust).sub_indication is SubIndication.NOT_YET_VALID
    gone = issue("thu hồi", pki().authority, validity=(NOW + HOUR, NOW + YEAR))
    listed = pki().trust_with(*pki().crls(), revocation_list(pki().authority, [gone.certificate], number=2))
    assert judged(gone, listed).reason is Reason.REVOKED


# --- what an authority says


def test_a_list_that_is_dated_ahead_acquits_nobody_and_what_it_names_waits() -> None:
    """By our clock an older list is in force, and says nothing against it."""
    ahead = revocation_list(
        pki().authority, [pki().good.certificate], at=NOW + 2 * HOUR, until=NOW + DAY, revoked_at=NOW + HOUR, number=2
    )
    trust = pki().trust_with(*pki().crls(), ahead)
    verdict = judged(pki().good, trust)
    assert (verdict.sub_indication, verdict.reason) == (LATER, Reason.REVOCATION_UNKNOWN)
    assert judged(pki().good, trust, NOW + HOUR).reason is Reason.REVOKED
    assert judged(pki().good, trust, proven=NOW - HOUR).sub_indication is None, "it was before"
    assert judged(pki().rsa, trust).sub_indication is None, "it names another one"
    of_another = revocation_list(
        issue("CA", ca=True), [pki().good.certificate], at=NOW + 2 * HOUR, until=NOW + DAY, revoked_at=NOW + HOUR
    )
    assert judged(pki().good, pki().trust_with(*pki().crls(), of_another)).sub_indication is None, "by nobody we know"


def test_a_certificate_that_has_ended_by_what_its_authority_says_is_not_good() -> None:
    """Our clock is half a day behind: to us it is still valid."""
    ends = issue("sắp hết", pki().authority, validity=(NOW - YEAR, NOW + HOUR))
    ahead = revocation_list(pki().authority, at=NOW + 12 * HOUR, until=NOW + 2 * DAY, number=2)
    assert judged(ends, pki().trust).sub_indication is None
    verdict = judged(ends, pki().trust_with(*pki().crls(), ahead))
    assert (verdict.sub_indication, verdict.reason) == (LATER, Reason.REVOCATION_UNKNOWN)
