"""What an operator may do to a delivery, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from axis.core.canonical import canonical
from axis.core.model import AddDelivery, AddNotice, Cargo, Delivery, EntryKind, FreeEndpoint, HoldEndpoint, MoveDelivery
from axis.core.notice import Telling
from axis.core.problems import Kind, Refused
from axis.core.queue import APPLIES_TO, Action, Order, decide_endpoint_hold, decide_operation
from axis.core.states import DeliveryState, IllegalTransition
from tests.factories_core import delivery, document
from tests.unit.core.world import NOW, TEN, ids, network, sound

DOCUMENT = document(sender=TEN)
OF_DOCUMENT = delivery(DOCUMENT, endpoint="dms-20")


def order(action: Action) -> Order:
    return Order(action, "an", "ho da sua", NOW)


def telling() -> Telling:
    return Telling(DOCUMENT, None, ids("n"), canonical)


def test_the_log_tells_who_did_it_and_why() -> None:
    decision = sound(decide_operation(OF_DOCUMENT, order(Action.HOLD), network(), telling()))
    (entry,) = decision.entries
    assert (entry.kind, entry.subject) == (EntryKind.OPERATED, OF_DOCUMENT.id)
    assert dict(entry.facts) == {"action": "hold", "operator": "an", "reason": "ho da sua", "endpoint": "dms-20"}


@pytest.mark.parametrize(("action", "state", "cargo"), list(product(Action, DeliveryState, Cargo)))
def test_only_the_table_says_what_can_be_done(action: Action, state: DeliveryState, cargo: Cargo) -> None:
    one: Delivery = OF_DOCUMENT._replace(state=state, cargo=cargo)
    if state in APPLIES_TO[action]:
        assert isinstance(decide_operation(one, order(action), network(), telling()).changes[0], MoveDelivery)
    else:
        with pytest.raises(IllegalTransition):
            decide_operation(one, order(action), network(), telling())


def test_what_is_sent_again_is_due_now() -> None:
    failed = OF_DOCUMENT._replace(state=DeliveryState.FAILED)
    decision = sound(decide_operation(failed, order(Action.RETRY), network(), telling()))
    (change,) = decision.changes
    assert isinstance(change, MoveDelivery)
    assert (change.now, change.due_at) == (DeliveryState.QUEUED, NOW)


def test_a_document_that_is_given_up_has_failed_and_its_sender_is_told() -> None:
    decision = sound(decide_operation(OF_DOCUMENT, order(Action.GIVE_UP), network(), telling()))
    assert decision.reply is DeliveryState.FAILED
    assert [entry.kind for entry in decision.entries] == [EntryKind.OPERATED, EntryKind.FAILED, EntryKind.NOTICE]
    assert [type(change) for change in decision.changes] == [MoveDelivery, AddNotice, AddDelivery]
    assert decision.entries[1].facts["problem"] == "given-up"


def test_a_document_that_failed_is_given_up_by_name_and_once() -> None:
    """Its sender heard of it when it failed."""
    one = OF_DOCUMENT._replace(state=DeliveryState.FAILED, last_problem="delivery-expired")
    decision = sound(decide_operation(one, order(Action.GIVE_UP), network(), telling()))
    assert decision.reply is DeliveryState.FAILED
    assert [entry.kind for entry in decision.entries] == [EntryKind.OPERATED, EntryKind.FAILED]
    assert (decision.entries[0].facts["operator"], decision.entries[1].facts["cause"]) == ("an", "delivery-expired")
    (change,) = decision.changes
    assert isinstance(change, MoveDelivery)
    assert (change.now, change.problem) == (DeliveryState.FAILED, "given-up")
    with pytest.raises(IllegalTransition):
        decide_operation(one._replace(last_problem="given-up"), order(Action.GIVE_UP), network(), telling())


def test_a_document_without_content_is_not_sent_again() -> None:
    one = OF_DOCUMENT._replace(state=DeliveryState.FAILED, last_problem="given-up")
    gone = replace(telling(), document=replace(DOCUMENT, removed_at=NOW))
    with pytest.raises(Refused) as refused:
        decide_operation(one, order(Action.RETRY), network(), gone)
    assert refused.value.problem.kind is Kind.CONTENT_REMOVED
    notice = one._replace(cargo=Cargo.NOTICE)
    assert decide_operation(notice, order(Action.RETRY), network(), gone).reply is DeliveryState.QUEUED


@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.ON_HOLD, DeliveryState.FAILED])
def test_a_notice_that_is_given_up_is_dropped_and_makes_no_other(state: DeliveryState) -> None:
    one = OF_DOCUMENT._replace(state=state, cargo=Cargo.NOTICE)
    decision = sound(decide_operation(one, order(Action.GIVE_UP), network(), telling()))
    assert (decision.reply, len(decision.changes)) == (DeliveryState.DROPPED, 1)


def test_an_endpoint_is_held_and_freed_and_doing_so_twice_changes_nothing() -> None:
    hold = decide_endpoint_hold("dms-20", False, order(Action.HOLD), network())
    assert hold.changes == (HoldEndpoint("dms-20", NOW, "an", "ho da sua"),)
    assert (hold.entries[0].kind, hold.entries[0].subject) == (EntryKind.OPERATED, "")
    assert decide_endpoint_hold("dms-20", True, order(Action.RELEASE), network()).changes == (FreeEndpoint("dms-20"),)
    for held, action in ((True, Action.HOLD), (False, Action.RELEASE)):
        again = decide_endpoint_hold("dms-20", held, order(action), network())
        assert (again.changes, again.entries, again.reply) == ((), (), False)
