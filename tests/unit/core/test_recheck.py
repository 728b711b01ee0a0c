"""A held document judged again: released, refused, or held until the budget is spent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.acceptance import Acceptance, accept
from axis.core.intake import decide_intake, decide_recheck
from axis.core.model import AddDelivery, Decision, Document, EntryKind, MarkCrossed, MoveDocument, Profile, Role
from axis.core.network import Network
from axis.core.states import IllegalTransition, IntakeState
from schemas.codes import AgencyCode
from signing.verdict import Reason, SubIndication, Verdict
from tests.unit.core.world import (
    COMMUNE_1,
    FAR,
    MINISTRY,
    NATIONAL,
    NONCE,
    NOW,
    TWENTY,
    content,
    document_of,
    ids,
    network,
    passed,
    routing,
    sound,
    submission,
    targets,
    verdict_of,
    waiting,
)

REVOKED = verdict_of(SubIndication.REVOKED, Reason.REVOKED)
HOUR = timedelta(hours=1)


def held(*to: AgencyCode) -> Document:
    return document_of(decide_intake(submission(), content(*to), waiting(), (), {}, network(), NOW, ids("doc"), NONCE))


def recheck(
    document: Document, verdict: Verdict, after: timedelta = HOUR, at: Network | None = None
) -> Decision[Document]:
    acceptance = accept(Profile.REQUIRED, verdict)
    return sound(decide_recheck(document, acceptance, verdict, at or network(), NOW + after, ids()))


def test_a_held_document_that_passes_is_released_and_delivered() -> None:
    document = held(TWENTY, COMMUNE_1)
    decision = recheck(document, passed())
    assert decision.changes[0] == MoveDocument(document.ref, IntakeState.HELD, IntakeState.ACCEPTED, passed())
    assert targets(decision) == {"dms-20": [(TWENTY,)], "district": [(COMMUNE_1,)]}
    assert [entry.kind for entry in decision.entries] == [EntryKind.RELEASED, EntryKind.ROUTED]
    assert decision.entries[0].facts["event"] == "pass"
    assert (decision.reply.state, decision.reply.verdict) == (IntakeState.ACCEPTED, passed())


def test_the_receipt_still_says_held_after_the_release() -> None:
    assert recheck(held(), passed()).reply.receipt_state is IntakeState.HELD


def test_a_held_document_that_fails_is_refused_and_delivered_to_nobody() -> None:
    document = held()
    decision = recheck(document, REVOKED)
    assert decision.changes == (MoveDocument(document.ref, IntakeState.HELD, IntakeState.REFUSED, REVOKED),)
    assert [entry.facts["event"] for entry in decision.entries] == ["fail"]


@pytest.mark.parametrize(
    ("after", "state", "event"),
    [
        (timedelta(0), IntakeState.HELD, None),
        (timedelta(hours=72) - timedelta(microseconds=1), IntakeState.HELD, None),
        (timedelta(hours=72), IntakeState.REFUSED, "expire"),
        (timedelta(days=30), IntakeState.REFUSED, "expire"),
    ],
)
def test_doubt_lasts_as_long_as_the_budget(after: timedelta, state: IntakeState, event: str | None) -> None:
    decision = recheck(held(), waiting(), after)
    assert decision.reply.state is state
    assert [entry.facts["event"] for entry in decision.entries] == ([event] if event else [])
    assert bool(decision.changes) is (event is not None)


def test_a_pass_after_the_budget_is_still_a_pass() -> None:
    assert recheck(held(), passed(), timedelta(days=30)).reply.state is IntakeState.ACCEPTED


@pytest.mark.parametrize("state", [IntakeState.ACCEPTED, IntakeState.REFUSED])
def test_only_a_held_document_is_decided_again(state: IntakeState) -> None:
    with pytest.raises(IllegalTransition):
        recheck(replace(held(), state=state), passed())


@pytest.mark.parametrize(("to", "marked"), [((TWENTY,), False), ((TWENTY, FAR), True)])
def test_a_release_through_the_national_axis_marks_the_document(to: tuple[AgencyCode, ...], marked: bool) -> None:
    document = held(*to)
    decision = recheck(document, passed())
    assert (MarkCrossed(document.ref) in decision.changes) is marked
    assert decision.reply.crossed is marked


def test_a_document_from_the_national_axis_is_not_marked_twice() -> None:
    sub = submission(NATIONAL)
    document = document_of(
        decide_intake(sub, content(TWENTY, sender=MINISTRY), waiting(), (), {}, network(), NOW, ids("doc"), NONCE)
    )
    decision = recheck(document, passed())
    assert decision.reply.crossed
    assert not [change for change in decision.changes if isinstance(change, MarkCrossed)]


def test_a_good_document_goes_on_waiting_while_one_recipient_has_no_route() -> None:
    """All recipients or none: the routes changed since it was held."""
    without = network(routing(**{"*": None}))
    waits = recheck(held(TWENTY, FAR), passed(), at=without)
    assert (waits.changes, waits.reply.state) == ((), IntakeState.HELD)
    spent = recheck(held(TWENTY, FAR), passed(), timedelta(days=4), at=without)
    assert spent.reply.state is IntakeState.REFUSED


def test_a_good_document_goes_on_waiting_while_a_route_leads_back_to_who_brought_it() -> None:
    """It would be refused there, as it would have been here."""
    document = replace(held(TWENTY), by="province-97", via=Role.NODE)
    back = network(routing(**{"H99.20": "province-97"}))
    assert recheck(document, passed(), at=back).reply.state is IntakeState.HELD
    assert recheck(document, passed(), at=network()).reply.state is IntakeState.ACCEPTED


def test_a_good_change_goes_on_waiting_while_what_it_concerns_is_held() -> None:
    document = held(TWENTY)
    waits = decide_recheck(document, Acceptance.ACCEPT, passed(), network(), NOW + HOUR, ids(), early=True)
    assert (waits.changes, waits.reply.state) == ((), IntakeState.HELD)
    late = decide_recheck(document, Acceptance.ACCEPT, passed(), network(), NOW + 100 * HOUR, ids(), early=True)
    assert late.changes == (), "as long as that, and no budget ends it before"
    refused = decide_recheck(document, Acceptance.REFUSE, REVOKED, network(), NOW + HOUR, ids(), early=True)
    assert refused.reply.state is IntakeState.REFUSED


def test_a_copy_that_was_held_is_released_only_to_those_it_is_for() -> None:
    decision = recheck(replace(held(TWENTY, COMMUNE_1), only_for=(COMMUNE_1,)), passed())
    assert targets(decision) == {"district": [(COMMUNE_1,)]}


@given(
    st.sampled_from([passed(), waiting(), REVOKED]),
    st.timedeltas(timedelta(0), timedelta(days=5)),
    st.lists(st.sampled_from([TWENTY, COMMUNE_1, FAR]), min_size=1, unique=True),
)
def test_nothing_leaves_unless_the_document_is_accepted(
    verdict: Verdict, after: timedelta, to: list[AgencyCode]
) -> None:
    decision = recheck(held(*to), verdict, after)
    leaving = [change for change in decision.changes if isinstance(change, AddDelivery)]
    assert bool(leaving) is (decision.reply.state is IntakeState.ACCEPTED)
    assert (decision.reply.state is IntakeState.ACCEPTED) is (accept(Profile.REQUIRED, verdict) is Acceptance.ACCEPT)
