"""What an attempt makes of a delivery."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.canonical import canonical
from axis.core.intake import decide_intake
from axis.core.model import AddDelivery, AddNotice, Cargo, Decision, Delivery, Document, EntryKind, MoveDelivery
from axis.core.network import ArrivedBy, Network
from axis.core.notice import Telling
from axis.core.problems import TABLE, Kind, Problem
from axis.core.retry import RetryPolicy
from axis.core.settlement import Prior, decide_expiry, decide_handover, decide_poison, decide_setback
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, IllegalTransition
from axis.core.statuses import arrived
from schemas.codes import AgencyCode
from tests.unit.core.world import (
    COMMUNE_1,
    FAR,
    NONCE,
    NOW,
    TEN,
    TWENTY,
    content,
    deliveries,
    document_of,
    ids,
    network,
    passed,
    sound,
    stored,
    submission,
    targets,
)

TAKEN = decide_intake(
    submission(), content(TWENTY, COMMUNE_1, FAR), passed(), (), {}, network(), NOW, ids("doc"), NONCE
)
DOCUMENT = document_of(TAKEN)
LEASED = {
    one.endpoint: one._replace(state=DeliveryState.LEASED, attempts=1, token=1, seq=7) for one in deliveries(TAKEN)
}
LATER = NOW + timedelta(minutes=5)


def hand_over(
    delivery: Delivery,
    event: DeliveryEvent = DeliveryEvent.ACK,
    document: Document | None = DOCUMENT,
    prior: Prior | None = None,
    at: Network | None = None,
) -> Decision[object]:
    return sound(decide_handover(delivery, event, document, prior or {}, "dms-20", at or network(), LATER, ids("made")))


def test_a_document_in_the_hands_of_its_recipient_is_delivered_and_has_arrived() -> None:
    delivery = LEASED["dms-20"]
    decision = hand_over(delivery)
    assert decision.changes[0] == MoveDelivery(
        delivery.id, DeliveryState.LEASED, DeliveryEvent.ACK, DeliveryState.DELIVERED, token=1, at=LATER
    )
    assert [entry.kind for entry in decision.entries] == [EntryKind.DELIVERED, EntryKind.STATUS]
    assert [(one.wire, one.receiver) for one in stored([decision])] == [("01", TWENTY)]
    assert targets(decision) == {"dms-10": [(TEN,)], "national": [(TEN,)]}
    assert list(decision.reply) == stored([decision])  # type: ignore[call-overload]


@pytest.mark.parametrize("endpoint", ["district", "national"])
def test_a_document_handed_to_another_axis_has_not_arrived_yet(endpoint: str) -> None:
    decision = hand_over(LEASED[endpoint])
    assert not stored([decision])
    assert [entry.kind for entry in decision.entries] == [EntryKind.DELIVERED]


def test_a_recipient_collects_what_is_queued_in_its_mailbox() -> None:
    queued = LEASED["dms-20"]._replace(state=DeliveryState.QUEUED, attempts=0, token=0)
    decision = hand_over(queued, DeliveryEvent.COLLECT)
    change = decision.changes[0]
    assert isinstance(change, MoveDelivery)
    assert (change.was, change.now, change.token) == (DeliveryState.QUEUED, DeliveryState.DELIVERED, 0)
    assert [one.wire for one in stored([decision])] == ["01"]
    assert decision.entries[0].actor == "dms-20"


def test_01_is_not_set_again_nor_where_the_recipient_owns_it() -> None:
    prior = arrived(DOCUMENT, TWENTY, (), network(), NOW, ids("status"))
    assert not stored([hand_over(LEASED["dms-20"], prior={TWENTY: stored([prior])})])
    assert not stored([hand_over(LEASED["dms-20"], at=network(arrived_by=ArrivedBy.RECIPIENT))])


def test_a_status_that_was_delivered_makes_no_further_status() -> None:
    status = LEASED["dms-20"]._replace(cargo=Cargo.STATUS, cargo_ref="status-1")
    assert not stored([hand_over(status)])
    assert not stored([hand_over(status._replace(document=None), document=None)])


@pytest.mark.parametrize(("state", "event"), list(product(DeliveryState, [DeliveryEvent.ACK, DeliveryEvent.COLLECT])))
def test_only_the_table_says_what_can_be_handed_over(state: DeliveryState, event: DeliveryEvent) -> None:
    delivery = LEASED["dms-20"]._replace(state=state)
    if (state, event) in DELIVERY:
        assert hand_over(delivery, event).changes
    else:
        with pytest.raises(IllegalTransition):
            hand_over(delivery, event)


# --- setbacks ----------------------------------------------------------------------------------------------

POLICY = RetryPolicy()
TELLING = Telling(DOCUMENT, None, ids("notice"), canonical)
DOWN = Problem(Kind.DESTINATION_UNAVAILABLE, "no answer", context={"host": "10.0.0.1"})


def set_back(
    delivery: Delivery = LEASED["dms-20"],
    problem: Problem = DOWN,
    age: timedelta = timedelta(0),
    jitter: float = 0,
    retry_after_s: float | None = None,
    broke: bool = False,
) -> MoveDelivery:
    now = delivery.created_at + age
    decision = sound(decide_setback(delivery, problem, POLICY, network(), now, jitter, retry_after_s, broke=broke))
    (change,), (entry,) = decision.changes, decision.entries
    assert isinstance(change, MoveDelivery)
    deferred = change.now is DeliveryState.QUEUED
    failed_of = decision.reply
    assert (failed_of is None) is deferred
    told = failed_of.kind if failed_of else problem.kind
    if failed_of is not None and failed_of.kind is not problem.kind:
        assert failed_of.kind in (Kind.DELIVERY_EXPIRED, Kind.DELIVERY_POISON)
        assert entry.facts["cause"] == problem.kind.value
    assert (change.id, change.token, change.at, change.problem) == (delivery.id, delivery.token, now, told.value)
    assert entry.kind is (EntryKind.DEFERRED if deferred else EntryKind.FAILED)
    assert (entry.facts["problem"], entry.facts["attempt"]) == (told.value, delivery.attempts)
    assert (change.due_at is not None) is deferred
    assert "10.0.0.1" not in repr(decision)
    return change


@pytest.mark.parametrize("kind", list(Kind))
def test_a_setback_defers_when_waiting_helps_and_fails_when_not(kind: Kind) -> None:
    change = set_back(problem=Problem(kind))
    waits = TABLE[kind].temporary and kind is not Kind.STORED_DAMAGED
    ended = DeliveryEvent.QUARANTINE if kind is Kind.STORED_DAMAGED else DeliveryEvent.REFUSE
    assert change.event is (DeliveryEvent.DEFER if waits else ended)
    assert change.now is (DeliveryState.QUEUED if waits else DeliveryState.FAILED)


@pytest.mark.parametrize(
    ("attempts", "retry_after_s", "wait_s"),
    [
        (1, None, 5),
        (2, None, 10),
        (1, 30, 30),  # the destination names its own wait
        (5, 30, 80),  # ours is longer
        (1, 7_200, 3_600),  # not beyond the ceiling of the policy
        (1, 10**9, 3_600),
        (1, 0, 5),
        (1, -10, 5),
        (20, 60, 3_600),
    ],
)
def test_a_wait_that_the_destination_names_is_kept_within_the_policy(
    attempts: int, retry_after_s: float | None, wait_s: int
) -> None:
    change = set_back(LEASED["dms-20"]._replace(attempts=attempts), retry_after_s=retry_after_s)
    assert change.due_at == NOW + timedelta(seconds=wait_s)


def test_a_delivery_whose_lifetime_is_spent_has_failed() -> None:
    last = set_back(age=timedelta(days=7) - timedelta(seconds=6))
    assert last.now is DeliveryState.QUEUED
    for retry_after_s in (None, 60.0):
        spent = set_back(age=timedelta(days=7), retry_after_s=retry_after_s)
        assert (spent.now, spent.event, spent.due_at) == (DeliveryState.FAILED, DeliveryEvent.REFUSE, None)
        assert spent.problem == "delivery-expired"


def test_a_delivery_that_was_queued_anew_has_a_new_lifetime() -> None:
    renewed = LEASED["dms-20"]._replace(renewed_at=NOW + timedelta(days=8))
    assert set_back(renewed, age=timedelta(days=14)).now is DeliveryState.QUEUED
    assert set_back(renewed, age=timedelta(days=15)).now is DeliveryState.FAILED


def test_attempts_that_break_again_and_again_set_the_delivery_aside() -> None:
    delivery = LEASED["dms-20"]
    for breaks in range(POLICY.breaks - 1):
        change = set_back(delivery._replace(breaks=breaks), Problem(Kind.INTERNAL), broke=True)
        assert (change.now, change.breaks) == (DeliveryState.QUEUED, breaks + 1)
    last = delivery._replace(breaks=POLICY.breaks - 1)
    assert set_back(last, Problem(Kind.INTERNAL), broke=True).problem == "delivery-poison"
    assert set_back(last).breaks == 0, "an attempt with an outcome begins the count anew"


def test_only_a_queued_delivery_ages_without_an_attempt() -> None:
    queued = LEASED["dms-20"]._replace(state=DeliveryState.QUEUED, last_problem="destination-unavailable")
    decision = sound(decide_expiry(queued, network(), LATER, TELLING))
    assert decision.reply == Problem(Kind.DELIVERY_EXPIRED)
    assert decision.entries[0].facts["cause"] == "destination-unavailable"
    with pytest.raises(IllegalTransition):
        decide_expiry(LEASED["dms-20"], network(), LATER, TELLING)


def test_a_failure_and_its_notice_are_one_decision() -> None:
    decision = sound(
        decide_setback(
            LEASED["dms-20"], Problem(Kind.DESTINATION_REFUSED), POLICY, network(), LATER, 0, telling=TELLING
        )
    )
    assert [type(change) for change in decision.changes] == [MoveDelivery, AddNotice, AddDelivery]
    assert [entry.kind for entry in decision.entries] == [EntryKind.FAILED, EntryKind.NOTICE]
    assert decision.entries[0].facts["notice"] == decision.entries[1].subject
    poison = sound(decide_poison(LEASED["dms-20"], network(), LATER, TELLING))
    assert [type(change) for change in poison.changes] == [MoveDelivery, AddNotice, AddDelivery]


@pytest.mark.parametrize("state", [state for state in DeliveryState if state is not DeliveryState.LEASED])
def test_only_a_leased_delivery_is_set_back(state: DeliveryState) -> None:
    with pytest.raises(IllegalTransition):
        set_back(LEASED["dms-20"]._replace(state=state))


@given(
    st.sampled_from(list(Kind)),
    st.integers(1, 500),
    st.timedeltas(timedelta(0), timedelta(days=8)),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(-1e6, 1e12),
)
def test_a_setback_ends_in_a_later_attempt_or_in_failure(
    kind: Kind, attempts: int, age: timedelta, jitter: float, retry_after_s: float | None
) -> None:
    change = set_back(LEASED["dms-20"]._replace(attempts=attempts), Problem(kind), age, jitter, retry_after_s)
    if change.due_at is not None:
        assert NOW + age < change.due_at <= NOW + age + POLICY.ceiling


@given(st.lists(st.sampled_from([TWENTY, TEN]), min_size=1, max_size=2, unique=True), st.booleans())
def test_every_recipient_of_a_hand_over_arrives_once(recipients: list[AgencyCode], again: bool) -> None:
    known = list(recipients) if again else []
    prior = {one: stored([arrived(DOCUMENT, one, (), network(), NOW, ids("status"))]) for one in known}
    decision = hand_over(LEASED["dms-20"]._replace(recipients=tuple(recipients)), prior=prior)
    assert sorted(one.receiver for one in stored([decision])) == sorted(set(recipients) - set(known))
