"""What the store does for the delivery engine: suspects, holds, turns, ages, and lists for people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from axis.core.model import AddDocument, Delivery, FreeEndpoint, HoldEndpoint, MoveDelivery
from axis.core.ports import Age, LostRace
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, advance
from axis.sql.store import SqlStore
from schemas.envelope import Priority
from tests.contract.asked import HERE, LEASE, add, add_all
from tests.factories_core import NOW, delivery, document, later


@pytest.fixture
def url(sqlite_url: str) -> str:
    return sqlite_url


async def claim(store: SqlStore, at: Any = NOW, limit: int = 10, turn: int = 0, suspects: bool = True) -> list[str]:
    got = await store.transact(lambda ledger: ledger.claim([HERE], at, LEASE, limit, turn, suspects))
    return [one.id for one in got]


async def now_of(store: SqlStore, one: Delivery) -> Delivery:
    found = await store.views.delivery(one.id)
    assert found is not None
    return found


def move(was: Delivery, event: DeliveryEvent, **changes: Any) -> MoveDelivery:
    at = changes.pop("at", later(seconds=1))
    return MoveDelivery(was.id, was.state, event, advance(DELIVERY, was.state, event), was.token, at, **changes)


async def test_an_attempt_that_is_never_heard_of_again_is_counted(store: SqlStore) -> None:
    (one,) = await add_all(store, delivery())
    for breaks in range(4):
        assert await claim(store, NOW + breaks * LEASE) == [one.id]
        assert (await now_of(store, one)).breaks == breaks
    claimed = await now_of(store, one)
    await add(store, move(claimed, DeliveryEvent.DEFER, due_at=later(days=1), breaks=0))
    assert (await now_of(store, one)).breaks == 0


async def test_suspects_are_claimed_one_at_a_time_and_hold_up_nobody_else(store: SqlStore) -> None:
    suspects = await add_all(store, *(delivery(breaks=2, due_at=later(seconds=-9)) for _ in range(5)))
    others = await add_all(store, *(delivery(breaks=place % 2) for place in range(3)))
    got = await claim(store, limit=3)
    assert got[0] == suspects[0].id
    assert set(got[1:]) <= {one.id for one in others}
    assert await claim(store, suspects=False) == [one.id for one in others if one.id not in got]
    assert await claim(store, suspects=False) == []
    assert await claim(store) == [suspects[1].id]


async def test_each_fourth_turn_of_a_claim_goes_to_the_longest_due(store: SqlStore) -> None:
    old = await add_all(store, *(delivery(due_at=later(seconds=-60 + place)) for place in range(2)))
    await add_all(store, *(delivery(priority=Priority.EXPRESS) for _ in range(9)))
    got = await claim(store, limit=8)
    assert [got.index(one.id) for one in old] == [3, 7]
    (late,) = await add_all(store, delivery(due_at=later(seconds=-1)))
    assert await claim(store, limit=1, turn=3) == [late.id]


async def test_what_is_on_hold_is_not_claimed_parks_its_lane_and_goes_on_when_released(store: SqlStore) -> None:
    first, second = await add_all(store, delivery(lane="1"), delivery(lane="1"))
    await add(store, move(first, DeliveryEvent.HOLD))
    assert await claim(store) == []
    assert await store.views.inbox(HERE, 0, 10) == []
    held = await now_of(store, first)
    assert (held.state, held.settled_at) == (DeliveryState.ON_HOLD, None)
    await add(store, move(held, DeliveryEvent.RELEASE))
    assert await claim(store) == [first.id]
    assert (await now_of(store, second)).state is DeliveryState.QUEUED


async def test_a_dropped_status_lets_its_lane_go_on(store: SqlStore) -> None:
    first, second = await add_all(store, delivery(lane="1"), delivery(lane="1"))
    await add(store, move(first, DeliveryEvent.DROP, problem="given-up"))
    dropped = await now_of(store, first)
    assert (dropped.state, dropped.last_problem, dropped.settled_at) == (
        DeliveryState.DROPPED,
        "given-up",
        later(seconds=1),
    )
    assert await claim(store) == [second.id]


async def test_a_delivery_that_is_queued_anew_begins_anew(store: SqlStore) -> None:
    await add_all(store, delivery())
    (id_,) = await claim(store)
    leased = await store.transact(lambda ledger: ledger.delivery(id_))  # type: ignore[arg-type]
    assert leased is not None
    await add(store, move(leased, DeliveryEvent.REFUSE, problem="destination-refused", breaks=3))
    failed = await now_of(store, leased)
    await add(store, move(failed, DeliveryEvent.REQUEUE, due_at=later(days=9), at=later(days=9)))
    renewed = await now_of(store, leased)
    assert (renewed.state, renewed.attempts, renewed.breaks) == (DeliveryState.QUEUED, 0, 0)
    assert (renewed.since, renewed.created_at, renewed.settled_at) == (later(days=9), leased.created_at, None)
    assert renewed.token == leased.token, "who settles is told by a number that never comes again"
    assert await claim(store, later(days=9)) == [id_]


async def test_an_endpoint_is_held_once_and_freed_once(store: SqlStore) -> None:
    await add_all(store, delivery(), delivery(endpoint="b"))
    hold = HoldEndpoint(HERE, NOW, "an", "bảo trì")
    await add(store, hold)
    assert await store.views.holds() == {HERE}
    assert await store.transact(lambda ledger: ledger.holds()) == {HERE}
    assert await store.views.inbox(HERE, 0, 10) == []
    assert await store.transact(lambda ledger: ledger.waiting(HERE, 0, 10)) == []
    assert len(await store.views.inbox("b", 0, 10)) == 1
    with pytest.raises(LostRace):
        await add(store, hold)
    await add(store, FreeEndpoint(HERE))
    assert len(await store.views.inbox(HERE, 0, 10)) == 1
    with pytest.raises(LostRace):
        await add(store, FreeEndpoint(HERE))


async def test_the_queue_is_listed_by_endpoint_state_and_document(store: SqlStore) -> None:
    one = document()
    await add(store, AddDocument(one))
    mine, other, theirs = await add_all(store, delivery(one), delivery(), delivery(endpoint="b"))
    await add(store, move(other, DeliveryEvent.HOLD), move(theirs, DeliveryEvent.DROP))

    async def listed(*asked: Any) -> list[str]:
        return [found.id for found in await store.views.queue(*asked)]

    assert await listed(None, None, None, 10) == [mine.id, other.id]
    assert await listed(None, None, None, 1) == [mine.id]
    assert await listed(None, None, None, 10, mine.seq) == [other.id]
    assert await listed(HERE, DeliveryState.ON_HOLD, None, 10) == [other.id]
    assert await listed("b", None, None, 10) == []
    assert await listed(None, DeliveryState.DROPPED, None, 10) == [theirs.id]
    assert await listed(None, None, one.ref, 10) == await listed(None, None, one.document_id, 10) == [mine.id]
    assert await listed("b", None, one.ref, 10) == []


async def test_the_shape_counts_what_is_open_by_age(store: SqlStore) -> None:
    ages = [timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=5), timedelta(days=5), timedelta(days=50)]
    made = await add_all(store, *(delivery(created_at=NOW - age) for age in ages for _ in range(2)))
    await add(store, move(made[0], DeliveryEvent.COLLECT), move(made[9], DeliveryEvent.HOLD))
    heaps = await store.views.shape(NOW)
    assert [(heap.endpoint, heap.state.value, heap.age, heap.number) for heap in heaps] == [
        (HERE, "on-hold", Age.OLDER, 1),
        (HERE, "queued", Age.MINUTE, 1),
        (HERE, "queued", Age.HOUR, 2),
        (HERE, "queued", Age.DAY, 2),
        (HERE, "queued", Age.WEEK, 2),
        (HERE, "queued", Age.OLDER, 1),
    ]
    assert [heap.oldest for heap in heaps][-1] == NOW - ages[-1]
