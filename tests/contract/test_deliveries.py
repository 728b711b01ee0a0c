"""One delivery: claimed, leased, settled, deferred."""

from __future__ import annotations

from datetime import timedelta

import pytest

from axis.core.model import AddDelivery, AddDocument, DeliveryId
from axis.core.ports import Ledger, LostRace
from axis.core.states import DeliveryEvent, DeliveryState
from axis.core.times import rfc3339
from axis.sql.leases import leased
from axis.sql.ledger import SqlLedger
from axis.sql.store import SqlStore
from schemas.envelope import Priority
from tests.contract.asked import HERE, LEASE, add, add_all, ask, claim, move
from tests.factories_core import NOW, decision, delivery, document, later


async def test_a_delivery_reads_back_with_its_place_in_the_order(store: SqlStore) -> None:
    one = document()
    kept = [delivery(one), delivery(priority=Priority.EXPRESS, last_problem="x", settled_at=NOW, attempts=3, token=4)]
    await add(store, AddDocument(one))
    found = await add_all(store, *kept)
    assert [stored._replace(seq=0) for stored in found] == kept
    assert 0 < found[0].seq < found[1].seq
    assert await ask(store, lambda ledger: ledger.delivery(kept[0].id)) == found[0]
    assert await store.views.delivery(DeliveryId("none")) is None


async def test_seq_never_comes_twice(store: SqlStore) -> None:
    """Also not after the newest row is gone or a transaction was rolled back."""
    seqs = [one.seq for one in await add_all(store, *(delivery() for _ in range(5)))]

    def fail(ledger: Ledger) -> None:
        ledger.apply(decision(AddDelivery(delivery())))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.transact(fail)
    (last,) = await add_all(store, delivery())
    assert seqs == sorted(set(seqs))
    assert last.seq > seqs[-1]


async def test_urgent_goes_first_then_what_was_due_first(store: SqlStore) -> None:
    slow = delivery(due_at=later(seconds=-1), lane="1")
    old = delivery(due_at=later(seconds=-60), lane="2")
    express = delivery(priority=Priority.EXPRESS, lane="3", endpoint="b")
    early, elsewhere = delivery(due_at=later(seconds=1)), delivery(endpoint="c")
    await add(store, *map(AddDelivery, (slow, old, express, early, elsewhere)))
    got = await claim(store, limit=2, endpoints=(HERE, "b"))
    assert [one.id for one in got] == [express.id, old.id]
    assert [one.id for one in await claim(store, endpoints=(HERE, "b"))] == [slow.id]
    assert await claim(store, endpoints=(HERE, "b")) == []
    assert await claim(store, endpoints=()) == []


async def test_a_claim_is_one_attempt_with_a_new_token(store: SqlStore) -> None:
    await add_all(store, delivery())
    (got,) = await claim(store)
    assert (got.state, got.attempts, got.token, got.due_at) == (DeliveryState.LEASED, 1, 1, NOW + LEASE)
    assert await store.views.delivery(got.id) == got


def test_a_claim_changes_nothing_else() -> None:
    """Field by field, none of them left as it is by default."""
    kept = {"priority": Priority.EXPRESS, "seq": 7, "last_problem": "internal", "settled_at": NOW, "renewed_at": NOW}
    one = delivery(document())._replace(attempts=3, token=4, breaks=1, **kept)
    until = later(hours=1)
    counted = {"due_at": until, "attempts": 4, "token": 5, "state": DeliveryState.LEASED}
    assert leased(one, until) == one._replace(**counted, breaks=1)
    assert leased(one._replace(state=DeliveryState.LEASED), until) == one._replace(**counted, breaks=2)
    assert all(getattr(one, name) != value for name, value in one._field_defaults.items() if name != "state")


async def test_what_another_has_claimed_meanwhile_is_not_leased(store: SqlStore) -> None:
    """Several are leased by one statement: one of them seen under an old token, and none is."""
    one = document()
    await add(store, AddDocument(one), *(AddDelivery(delivery(one)) for _ in range(3)))

    def body(ledger: Ledger) -> object:
        assert isinstance(ledger, SqlLedger)
        seen = ledger._due(HERE, int(Priority.ORDINARY), rfc3339(NOW), 9, suspects=True)
        assert len(seen) == 3
        return ledger._lease([*seen[:2], seen[2]._replace(token=seen[2].token + 1)], later(minutes=1))

    with pytest.raises(LostRace):
        await store.transact(body)
    assert {one.state for one in await store.views.deliveries(one.ref)} == {DeliveryState.QUEUED}


async def test_what_waits_longer_than_anything_may_is_made_due_and_nothing_else(store: SqlStore) -> None:
    """Queued or leased, of the endpoint that is asked about; and no more than so many."""
    ahead = [delivery(due_at=later(days=3), priority=one) for one in (Priority.ORDINARY, Priority.EXPRESS)]
    leased, in_time = delivery(), delivery(due_at=later(hours=1))
    elsewhere = delivery(endpoint="elsewhere", due_at=later(days=3))
    await add(store, AddDelivery(leased))
    (taken,) = await store.transact(lambda ledger: ledger.claim([HERE], NOW, timedelta(days=3), 1))
    await add(store, *map(AddDelivery, (*ahead, in_time, elsewhere)))
    moved = [
        await store.transact(lambda ledger: ledger.hasten(HERE, later(minutes=1), later(hours=2), 2)) for _ in range(3)
    ]
    assert moved == [2, 1, 0]
    due = await claim(store, at=later(minutes=1))
    assert {one.id for one in due} == {one.id for one in (*ahead, leased)}
    assert next(one.token for one in due if one.id == leased.id) == taken.token + 1


async def test_all_that_waits_at_an_endpoint_begins_anew_page_after_page(store: SqlStore) -> None:
    """What is first in its lane and what stands behind it; not what is under way, nor at another endpoint."""
    leased = delivery()
    await add(store, AddDelivery(leased))
    await claim(store)
    waiting = await add_all(store, delivery(lane="1"), delivery(), delivery(lane="1"), delivery(lane="1"), delivery())
    elsewhere = delivery(endpoint="elsewhere")
    await add(store, AddDelivery(elsewhere))
    after: int | None = 0
    pages = []
    while after is not None:
        after = await store.transact(lambda ledger, after=after: ledger.begin_anew(HERE, later(days=9), after, 2))  # type: ignore[misc]
        pages.append(after)
    assert pages == [waiting[1].seq, waiting[3].seq, waiting[4].seq, None]
    renewed = [await store.views.delivery(one.id) for one in (*waiting, leased, elsewhere)]
    assert [one and one.renewed_at for one in renewed] == [later(days=9)] * 5 + [None] * 2


async def test_a_lease_is_prolonged_by_who_has_it_and_by_nobody_else(store: SqlStore) -> None:
    await add_all(store, delivery())
    (first,) = await claim(store)
    end = NOW + 2 * LEASE
    await store.transact(lambda ledger: ledger.prolong(first, end))
    assert await claim(store, at=end - timedelta(microseconds=1)) == []
    (second,) = await claim(store, at=end)
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.prolong(first, later(days=1)))
    await add(store, move(second, DeliveryEvent.ACK))
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.prolong(second, later(days=1)))


async def test_a_lease_that_ran_out_is_due_again(store: SqlStore) -> None:
    await add_all(store, delivery())
    (first,) = await claim(store)
    assert await claim(store, at=NOW + LEASE - timedelta(microseconds=1)) == []
    (second,) = await claim(store, at=NOW + LEASE)
    assert (second.id, second.attempts, second.token) == (first.id, 2, 2)


async def test_only_the_holder_of_the_token_settles(store: SqlStore) -> None:
    """The first worker was away for longer than its lease; its answer comes too late, whatever it says (E7)."""
    await add_all(store, delivery())
    (stale,) = await claim(store)
    (holder,) = await claim(store, at=NOW + LEASE)
    for event in (DeliveryEvent.ACK, DeliveryEvent.DEFER, DeliveryEvent.REFUSE, DeliveryEvent.EXPIRE):
        with pytest.raises(LostRace):
            await add(store, move(stale, event))
    assert await store.views.delivery(holder.id) == holder
    await add(store, move(holder, DeliveryEvent.ACK))
    settled = await store.views.delivery(holder.id)
    assert settled == holder._replace(state=DeliveryState.DELIVERED, settled_at=later(seconds=1))
    with pytest.raises(LostRace):
        await add(store, move(holder, DeliveryEvent.ACK))


async def test_a_lost_race_leaves_nothing_of_its_decision(store: SqlStore) -> None:
    await add_all(store, delivery())
    (got,) = await claim(store)
    one = document()
    with pytest.raises(LostRace):
        await add(store, AddDocument(one), move(got._replace(token=7), DeliveryEvent.ACK))
    assert await store.views.document(one.ref) is None
    assert (await store.views.backlog())[0] == 1


async def test_a_deferred_delivery_waits_for_its_time(store: SqlStore) -> None:
    await add_all(store, delivery())
    (got,) = await claim(store)
    due = later(minutes=5)
    await add(store, move(got, DeliveryEvent.DEFER, due_at=due, problem="destination-unavailable"))
    assert await claim(store, at=due - timedelta(seconds=1)) == []
    (again,) = await claim(store, at=due)
    assert (again.last_problem, again.attempts) == ("destination-unavailable", 2)
