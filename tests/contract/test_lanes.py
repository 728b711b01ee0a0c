"""Several deliveries of one lane: who waits for whom, and who ends together."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from axis.core.model import AddDelivery, DeliveryId
from axis.core.ports import LostRace
from axis.core.states import DeliveryEvent, DeliveryState
from axis.sql.address import connect
from axis.sql.engine import is_postgres, sqlite_path
from axis.sql.store import SqlStore
from schemas.envelope import Priority
from tests.contract.asked import HERE, LEASE, add, add_all, ask, claim, move
from tests.factories_core import NOW, delivery, later


@pytest.mark.parametrize("state", ["queued", "leased", "failed"])
async def test_what_is_open_parks_its_successors(store: SqlStore, state: str) -> None:
    first, second = delivery(lane="l"), delivery(lane="l", priority=Priority.EXPRESS)
    if state == "queued":
        first = first._replace(due_at=later(hours=1))
    first, second = await add_all(store, first, second)
    if state != "queued":
        (first,) = await claim(store)
    if state == "failed":
        await add(store, move(first, DeliveryEvent.REFUSE, problem="destination-refused"))
    assert await claim(store) == []
    assert await ask(store, lambda ledger: ledger.is_head(first))
    assert not await ask(store, lambda ledger: ledger.is_head(second))


async def test_the_next_of_a_lane_goes_when_its_predecessor_is_delivered(store: SqlStore) -> None:
    first, second, third = await add_all(store, *(delivery(lane="l") for _ in range(3)))
    for expected in (first, second, third):
        (got,) = await claim(store)
        assert got.id == expected.id
        await add(store, move(got, DeliveryEvent.ACK))
    assert await claim(store) == []


async def test_several_that_were_handed_over_end_as_each_of_them_would(store: SqlStore) -> None:
    """By two statements for all of them, at the time and under the token of each; what stands behind them moves up."""
    stored = await add_all(store, *(delivery(lane=lane) for lane in ("one", "two", "three", "one", "two")))
    claimed = await claim(store)
    assert [one.id for one in claimed] == [one.id for one in stored[:3]]
    at = {one.id: later(seconds=place) for place, one in enumerate(claimed)}
    ended = [move(one, DeliveryEvent.ACK, at=at[one.id]) for one in claimed[:2]]
    deferred = move(claimed[2], DeliveryEvent.DEFER, due_at=later(hours=1), problem="internal", breaks=1)
    await add(store, *ended, deferred)
    for one in claimed[:2]:
        delivered = one._replace(state=DeliveryState.DELIVERED, settled_at=at[one.id])
        assert await store.views.delivery(one.id) == delivered
    waits = claimed[2]._replace(state=DeliveryState.QUEUED, due_at=later(hours=1), last_problem="internal", breaks=1)
    assert await store.views.delivery(waits.id) == waits
    assert [one.id for one in await claim(store)] == [one.id for one in stored[3:]]


@pytest.mark.parametrize("trouble", ["claimed-by-another", "handed-over-already", "never-claimed"])
async def test_of_several_that_were_handed_over_none_ends_where_one_was_lost(store: SqlStore, trouble: str) -> None:
    await add_all(store, *(delivery() for _ in range(3)))
    claimed = await claim(store, limit=2 if trouble == "never-claimed" else 3)
    last = claimed[-1]
    if trouble == "claimed-by-another":
        last = (await claim(store, at=NOW + LEASE, limit=1))[0]
        claimed = [*(one for one in claimed if one.id != last.id), last._replace(token=last.token - 1)]
    if trouble == "handed-over-already":
        await add(store, move(last, DeliveryEvent.ACK))
    if trouble == "never-claimed":
        claimed.append(last._replace(id=DeliveryId("another"), token=0))
    before = [await store.views.delivery(one.id) for one in claimed]
    with pytest.raises(LostRace):
        await add(store, *(move(one, DeliveryEvent.ACK) for one in claimed))
    assert [await store.views.delivery(one.id) for one in claimed] == before


async def test_the_mark_of_a_head_is_only_a_hint(store: SqlStore, url: str) -> None:
    """Two that are added at once on PostgreSQL may both be marked: who goes first is asked of the lane."""
    first, _ = await add_all(store, delivery(lane="l"), delivery(lane="l", priority=Priority.EXPRESS))
    await asyncio.to_thread(everybody_is_head, url)
    assert [item.delivery for item in await store.views.inbox(HERE, 0, 10)] == [first.id]
    assert [one.id for one in await claim(store)] == [first.id]


def everybody_is_head(url: str) -> None:
    everybody = "UPDATE delivery SET head = 1"
    if is_postgres(url):
        with connect(url, "test") as beside:
            beside.execute(everybody)
        return
    connection = sqlite3.connect(sqlite_path(url))
    connection.execute(everybody)
    connection.commit()
    connection.close()


async def test_a_failed_delivery_goes_on_when_a_person_asks(store: SqlStore) -> None:
    first, second = await add_all(store, delivery(lane="l"), delivery(lane="l"))
    (got,) = await claim(store)
    await add(store, move(got, DeliveryEvent.REFUSE))
    failed = await store.views.delivery(first.id)
    assert failed is not None
    assert failed.settled_at == later(seconds=1)
    await add(store, move(failed, DeliveryEvent.REQUEUE, due_at=later(seconds=2)))
    (again,) = await claim(store, at=later(seconds=2))
    assert (again.id, again.settled_at) == (first.id, None)
    await add(store, move(again, DeliveryEvent.ACK))
    assert [one.id for one in await claim(store)] == [second.id]


async def test_eight_workers_keep_the_order_of_every_lane(store: SqlStore) -> None:
    """Each delivery once, never two of a lane at once, in order."""
    lanes, length = 20, 6
    await add(store, *(AddDelivery(delivery(lane=f"l{n % lanes}")) for n in range(lanes * length)))
    done: dict[str, list[int]] = {}
    busy: set[str] = set()

    async def worker() -> None:
        while sum(map(len, done.values())) < lanes * length:
            for got in await claim(store, limit=3):
                assert got.lane not in busy
                busy.add(got.lane)
                await asyncio.sleep(0)
                done.setdefault(got.lane, []).append(got.seq)
                busy.remove(got.lane)
                await add(store, move(got, DeliveryEvent.ACK))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(worker())
    assert len(done) == lanes
    for seqs in done.values():
        assert seqs == sorted(set(seqs))
        assert len(seqs) == length
