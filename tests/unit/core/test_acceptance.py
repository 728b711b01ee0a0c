"""Which verdict lets a package in, by profile; and what is answered when it does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from axis.core.acceptance import ACCEPTANCE, Acceptance, accept, refusal
from axis.core.model import Profile
from axis.core.problems import Kind
from signing.verdict import REASONS, Reason, SubIndication, indication_of
from tests.unit.core.world import passed, verdict_of

# The whole table a second time, in the words in which it was agreed: what is not listed is refused.
AGREED = {
    Profile.REQUIRED: {None: "accept", "TRY_LATER": "hold"},
    Profile.VERIFY_IF_PRESENT: {None: "accept", "TRY_LATER": "hold", "UNSIGNED": "accept"},
    Profile.LEGACY_TOLERATED: {None: "accept", "TRY_LATER": "hold", "UNSIGNED": "accept", "NOT_VERIFIABLE": "accept"},
}


@pytest.mark.parametrize(("profile", "sub"), list(product(Profile, [None, *SubIndication])))
def test_a_verdict_is_accepted_held_or_refused_as_agreed(profile: Profile, sub: SubIndication | None) -> None:
    assert accept(profile, verdict_of(sub)) == AGREED[profile].get(sub, "refuse")


def test_every_profile_has_a_row() -> None:
    assert set(ACCEPTANCE) == set(Profile)


@pytest.mark.parametrize("profile", list(Profile))
def test_no_profile_lets_in_what_failed_was_revoked_or_belongs_to_somebody_else(profile: Profile) -> None:
    never = [sub for sub in SubIndication if sub.startswith("REVOKED") or indication_of(sub) == "TOTAL-FAILED"]
    never += [SubIndication.SIG_CONSTRAINTS_FAILURE, SubIndication.NO_CERTIFICATE_CHAIN_FOUND]
    assert len(never) > 8
    assert {accept(profile, verdict_of(sub)) for sub in never} == {Acceptance.REFUSE}


def test_only_missing_revocation_evidence_holds() -> None:
    holding = {sub for row in ACCEPTANCE.values() for sub, outcome in row.items() if outcome is Acceptance.HOLD}
    assert holding == {SubIndication.TRY_LATER}


@pytest.mark.parametrize("reason", [r for r in Reason if r not in (Reason.GOOD, Reason.PROCESSING)])
def test_a_refusal_says_which_rule_in_both_languages(reason: Reason) -> None:
    problem = refusal(verdict_of(SubIndication.SIG_CONSTRAINTS_FAILURE, reason))
    kinds = {Reason.NOT_BOUND: Kind.CERTIFICATE_MISMATCH, Reason.UNSIGNED: Kind.SIGNATURE_MISSING}
    assert problem.kind is kinds.get(reason, Kind.SIGNATURE_FAILED)
    assert (problem.detail, problem.extra["reason_vi"]) == (REASONS[reason].en, REASONS[reason].vi)
    assert problem.extra["reason"] == reason.value
    assert problem.extra["indication"] == "INDETERMINATE"
    assert problem.extra["sub_indication"] == "SIG_CONSTRAINTS_FAILURE"
    assert not problem.temporary


def test_our_own_failure_to_judge_is_no_fault_of_the_sender() -> None:
    problem = refusal(verdict_of(SubIndication.POLICY_PROCESSING_ERROR, Reason.PROCESSING))
    assert (problem.kind, problem.temporary) == (Kind.INTERNAL, True)


def test_a_refusal_names_what_the_signature_leaves_out() -> None:
    short = replace(verdict_of(SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.COVERAGE), not_covered=("edXMLManifest",))
    assert refusal(short).extra["not_covered"] == ("edXMLManifest",)
    assert "not_covered" not in refusal(passed()).extra
