"""A delivery that is open again stands before what follows it in its lane, whoever works on that just then; and a
document that is released finds the statuses that come just then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from axis.core.model import AddDelivery, AddDocument, AdoptStatus, Delivery, MoveDelivery, MoveDocument
from axis.core.ports import Ledger
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, IntakeState, advance
from axis.sql.store import SqlStore
from schemas.status import Standing
from tests.contract.test_two_processes import HERE, LEASE, stores, tell
from tests.factories_core import NOW, decision, delivery, document, later, passed, report

__all__ = ["stores"]


async def handed_over_and_followed(store: SqlStore) -> tuple[Delivery, Delivery]:
    """The first of a lane, delivered, and the one behind it, due."""
    first = delivery(lane="one", state=DeliveryState.DELIVERED, settled_at=NOW)
    second = delivery(lane="one")
    await store.transact(lambda ledger: ledger.apply(decision(AddDelivery(first), AddDelivery(second))))
    found = [await store.views.delivery(one.id) for one in (first, second)]
    assert found[0] and found[1] and found[0].seq < found[1].seq
    return found[0], found[1]


def again(one: Delivery) -> MoveDelivery:
    state = advance(DELIVERY, one.state, DeliveryEvent.RESEND)
    return MoveDelivery(one.id, one.state, DeliveryEvent.RESEND, state, one.token, NOW, NOW, breaks=0)


def claim(ledger: Ledger) -> Sequence[Delivery]:
    return ledger.claim([HERE], later(seconds=1), LEASE, 9)


async def test_what_is_just_claimed_behind_it_is_seen(stores: list[SqlStore]) -> None:
    first, second = await handed_over_and_followed(stores[0])
    gate, inside = threading.Event(), threading.Event()

    def slow(ledger: Ledger) -> Sequence[Delivery]:
        got = claim(ledger)
        inside.set()
        assert gate.wait(10)
        return got

    holding = asyncio.ensure_future(stores[0].transact(slow))
    await asyncio.to_thread(inside.wait, 10)
    asked = asyncio.ensure_future(stores[1].transact(lambda ledger: ledger.behind(first)))
    await asyncio.sleep(0.1)
    gate.set()
    assert [one.id for one in await holding] == [second.id]
    assert await asked == {DeliveryState.LEASED}


async def test_what_is_behind_it_is_not_claimed_while_it_is_decided_nor_before_it_afterwards(
    stores: list[SqlStore],
) -> None:
    first, second = await handed_over_and_followed(stores[0])
    gate, inside = threading.Event(), threading.Event()

    def slow(ledger: Ledger) -> None:
        assert ledger.behind(first) == {DeliveryState.QUEUED}
        inside.set()
        assert gate.wait(10)
        ledger.apply(decision(again(first)))

    holding = asyncio.ensure_future(stores[0].transact(slow))
    await asyncio.to_thread(inside.wait, 10)
    assert await stores[1].transact(claim) == []
    gate.set()
    await holding
    assert [one.id for one in await stores[1].transact(claim)] == [first.id]
    parked = await stores[2].views.delivery(second.id)
    assert parked is not None
    assert not await in_its_turn(stores[2], second), "it is no head of its lane"


async def in_its_turn(store: SqlStore, one: Delivery) -> bool:
    def body(ledger: Ledger) -> bool:
        (found,) = ledger.session.run(f"SELECT head FROM delivery WHERE id = '{one.id}'").fetchone()  # type: ignore[attr-defined]
        return bool(found)

    return await store.transact(body)


async def test_a_status_that_races_the_release_of_its_document_finds_it_or_is_found(stores: list[SqlStore]) -> None:
    """The status is not stored yet when the document is let go: it was an orphan for ever, and nobody told."""
    held = document(state=IntakeState.HELD, receipt_state=IntakeState.HELD)
    await stores[0].transact(lambda ledger: ledger.apply(decision(AddDocument(held))))
    told = report(document_id=held.document_id)
    gate, inside = threading.Event(), threading.Event()

    def slow(ledger: Ledger) -> bool:
        found = tell(told)(ledger)
        ledger.status(told.ref)  # it is told to the database
        inside.set()
        assert gate.wait(10)
        return found

    def let_go(ledger: Ledger) -> None:
        found = ledger.document(held.ref)
        assert found is not None
        ledger.apply(decision(MoveDocument(held.ref, found.state, IntakeState.ACCEPTED, passed())))
        for orphan in ledger.orphans(held.sender, held.document_id, held.number):
            ledger.apply(decision(AdoptStatus(orphan.ref, held.ref, Standing.APPLIED)))

    telling = asyncio.ensure_future(stores[0].transact(slow))
    await asyncio.to_thread(inside.wait, 10)
    letting = asyncio.ensure_future(stores[1].transact(let_go))
    await asyncio.sleep(0.1)
    gate.set()
    assert not await telling
    await letting
    stored = await stores[2].views.status(told.ref)
    assert stored is not None
    assert stored.document == held.ref
