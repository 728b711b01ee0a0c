"""Several processes on one PostgreSQL: here several stores in one process, each with connections of its own.

What real processes do when they are killed or stopped stands in `tests/faults`.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.model import (
    AddDelivery,
    AddDocument,
    AddStatus,
    AdoptStatus,
    Delivery,
    Document,
    MoveDelivery,
    StatusReport,
)
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Unavailable
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, advance
from axis.sql import migrate
from axis.sql.address import connect
from axis.sql.driver import StoreError
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from schemas.status import Standing
from tests.contract.asked import HERE, LEASE
from tests.factories_core import NOW, RECEIVER, SENDER, decision, delivery, document, later, report
from tests.postgres import Server, server


@pytest.fixture
def stores(postgres_store: str, tmp_path: Path) -> Iterator[list[SqlStore]]:
    opened = [open_store(postgres_store, Blobs(tmp_path / "blobs"), instance=f"axis-{n}") for n in range(3)]
    yield opened
    for one in opened:
        asyncio.run(one.close())


def take(one: Document) -> Callable[[Ledger], Document | str]:
    """An intake in small: the same package gets what is stored, another one under the same id is a conflict."""

    def body(ledger: Ledger) -> Document | str:
        seen = ledger.same_document(one.sender, one.kind, one.document_id)
        same = next((found for found in seen if found.digest == one.digest), None)
        if same is not None:
            return same
        if seen:
            return "conflict"
        ledger.apply(decision(AddDocument(one), AddDelivery(delivery(one))))
        for orphan in ledger.orphans(one.sender, one.document_id, one.number):
            ledger.apply(decision(AdoptStatus(orphan.ref, one.ref, Standing.APPLIED)))
        return one

    return body


def tell(told: StatusReport) -> Callable[[Ledger], bool]:
    """A status in small: it finds its document or waits as an orphan."""

    def body(ledger: Ledger) -> bool:
        found = ledger.match_document(SENDER, RECEIVER, told.document_id, told.number, None)
        ledger.apply(decision(AddStatus(told._replace(document=None if found is None else found.ref))))
        return found is not None

    return body


async def test_the_same_package_in_three_processes_at_once_is_one_document(stores: list[SqlStore]) -> None:
    for _ in range(15):
        first = document()
        offered = [replace(first, ref=document().ref) for _ in range(9)]
        taken = await asyncio.gather(*(stores[n % 3].transact(take(one)) for n, one in enumerate(offered)))
        assert len({one.ref for one in taken if isinstance(one, Document)}) == 1
        assert "conflict" not in taken
    counts = await stores[0].views.counts()
    assert counts.documents == {"accepted": 15}
    assert counts.deliveries == {HERE: {"queued": 15}}


async def test_two_packages_under_one_id_are_never_both_taken(stores: list[SqlStore]) -> None:
    """The unique key covers one package only: what keeps the second one out is that nobody else decides meanwhile."""
    for _ in range(15):
        first = document()
        offered = [document(document_id=first.document_id) for _ in range(9)]
        taken = await asyncio.gather(*(stores[n % 3].transact(take(one)) for n, one in enumerate(offered)))
        assert sum(isinstance(one, Document) for one in taken) == 1
    assert (await stores[0].views.counts()).documents == {"accepted": 15}


@pytest.mark.parametrize("by", ["id", "number"])
async def test_a_status_that_races_its_document_finds_it_or_is_found(stores: list[SqlStore], by: str) -> None:
    for n in range(25):
        one = document(number=f"{n}/QĐ")
        told = report(document_id=one.document_id if by == "id" else None, number=None if by == "id" else one.number)
        await asyncio.gather(stores[n % 3].transact(take(one)), stores[(n + 1) % 3].transact(tell(told)))
        stored = await stores[0].views.status(told.ref)
        assert stored is not None
        assert stored.document == one.ref, "an orphan whose document is there"


async def test_workers_of_three_processes_keep_the_order_of_every_lane(stores: list[SqlStore]) -> None:
    """Each delivery once, never two of a lane at once, in order; while more are added."""
    lanes, length = 12, 8
    total = lanes * length
    done: dict[str, list[int]] = {}
    busy: set[str] = set()

    async def add() -> None:
        for n in range(total):
            added = decision(AddDelivery(delivery(lane=f"l{n % lanes}")))
            await stores[n % 3].transact(lambda ledger, added=added: ledger.apply(added))

    async def worker(store: SqlStore) -> None:
        while sum(map(len, done.values())) < total:
            for got in await store.transact(lambda ledger: ledger.claim([HERE], NOW, LEASE, 3)):
                assert got.lane not in busy
                busy.add(got.lane)
                await asyncio.sleep(0.001)
                done.setdefault(got.lane, []).append(got.seq)
                busy.remove(got.lane)
                step = advance(DELIVERY, got.state, DeliveryEvent.ACK)
                moved = MoveDelivery(got.id, got.state, DeliveryEvent.ACK, step, got.token, later(seconds=1))
                await store.transact(lambda ledger, moved=moved: ledger.apply(decision(moved)))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(add())
        for n in range(9):
            group.create_task(worker(stores[n % 3]))
    assert sum(map(len, done.values())) == total
    for seqs in done.values():
        assert seqs == sorted(set(seqs))


async def test_statuses_of_one_document_in_three_processes_are_told_one_after_the_other(stores: list[SqlStore]) -> None:
    """Each decision sees every status that was stored before it."""
    one = document()
    await stores[0].transact(lambda ledger: ledger.apply(decision(AddDocument(one))))

    def body(ledger: Ledger) -> int:
        assert ledger.document(one.ref) == one
        before = len(ledger.statuses(one.ref, RECEIVER))
        ledger.apply(decision(AddStatus(report(one))))
        return before

    seen = await asyncio.gather(*(stores[n % 3].transact(body) for n in range(24)))
    assert sorted(seen) == list(range(24))


async def test_one_delivery_is_acknowledged_once_however_many_say_so(stores: list[SqlStore]) -> None:
    sent = delivery()
    await stores[0].transact(lambda ledger: ledger.apply(decision(AddDelivery(sent))))

    def body(ledger: Ledger) -> bool:
        found = ledger.delivery(sent.id)
        assert found is not None
        if found.state is DeliveryState.DELIVERED:
            return False
        step = advance(DELIVERY, found.state, DeliveryEvent.COLLECT)
        ledger.apply(decision(MoveDelivery(found.id, found.state, DeliveryEvent.COLLECT, step, found.token, NOW)))
        return True

    told = await asyncio.gather(*(stores[n % 3].transact(body) for n in range(9)))
    assert sum(told) == 1


async def test_what_is_added_while_the_last_of_its_lane_is_delivered_goes_on(stores: list[SqlStore]) -> None:
    """Neither is forgotten: the one that delivers makes it head, or it is written as head."""
    for n in range(25):
        first, second = delivery(lane=f"l{n}"), delivery(lane=f"l{n}")
        await stores[0].transact(lambda ledger, one=first: ledger.apply(decision(AddDelivery(one))))
        (got,) = await stores[0].transact(lambda ledger: ledger.claim([HERE], NOW, LEASE, 1))
        step = advance(DELIVERY, got.state, DeliveryEvent.ACK)
        done = MoveDelivery(got.id, got.state, DeliveryEvent.ACK, step, got.token, later(seconds=1))
        await asyncio.gather(
            stores[1].transact(lambda ledger, move=done: ledger.apply(decision(move))),
            stores[2].transact(lambda ledger, one=second: ledger.apply(decision(AddDelivery(one)))),
        )
        (next_one,) = await stores[0].transact(lambda ledger: ledger.claim([HERE], NOW, LEASE, 1))
        assert next_one.id == second.id


async def test_a_delivery_is_claimed_by_one_process_only(stores: list[SqlStore]) -> None:
    await stores[0].transact(lambda ledger: ledger.apply(decision(*(AddDelivery(delivery()) for _ in range(120)))))
    claimed: list[Delivery] = []
    while len(claimed) < 120:
        for got in await asyncio.gather(
            *(store.transact(lambda ledger: ledger.claim([HERE], NOW, LEASE, 7)) for store in stores)
        ):
            claimed += got
    assert len({one.id for one in claimed}) == 120


async def test_what_has_a_smaller_number_and_is_committed_later_is_skipped_by_nobody(stores: list[SqlStore]) -> None:
    """Mailboxes, workers and the log go by what is open, never by the highest number that they saw (E5)."""
    gate, inside = threading.Event(), threading.Event()
    early, late = delivery(lane="l1"), delivery(lane="l2")

    def slow(ledger: Ledger) -> None:
        ledger.apply(decision(AddDelivery(early)))
        ledger.delivery(early.id)  # it has its number
        inside.set()
        assert gate.wait(10)

    async def seen() -> tuple[set[str], set[str], int]:
        """What the mailbox lists, what a worker takes, and how many intents get a place in the log."""
        listed = {item.delivery for item in await stores[2].views.inbox(HERE, 0, 10)}
        taken = await stores[2].transact(lambda ledger: ledger.claim([HERE], NOW, LEASE, 10))

        def log(ledger: Ledger) -> int:
            waiting = [one.id for one in ledger.intents(10)]
            ledger.indexed(ledger.log_size(), waiting)
            return len(waiting)

        return listed, {one.id for one in taken}, await stores[2].transact(log)

    holding = asyncio.ensure_future(stores[0].transact(slow))
    await asyncio.to_thread(inside.wait, 10)
    await stores[1].transact(lambda ledger: ledger.apply(decision(AddDelivery(late))))
    assert await seen() == ({late.id}, {late.id}, 1)
    gate.set()
    await holding
    numbers = [await stores[1].transact(lambda ledger, one=one: ledger.delivery(one.id)) for one in (early, late)]
    assert numbers[0] and numbers[1] and numbers[0].seq < numbers[1].seq, "the fault would be none"
    assert await seen() == ({early.id}, {early.id}, 1), "it was passed over"


async def test_who_is_in_the_way_for_too_long_is_told_to_come_back(
    stores: list[SqlStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process holds the id; the second hears 503 after its patience, not an error of the database."""
    monkeypatch.setattr("axis.sql.group.PATIENCE_S", 0.2)
    gate, inside, one = threading.Event(), threading.Event(), document()

    def hold(ledger: Ledger) -> None:
        ledger.same_document(one.sender, one.kind, one.document_id)
        inside.set()
        assert gate.wait(10)

    holding = asyncio.ensure_future(stores[0].transact(hold))
    await asyncio.to_thread(inside.wait, 10)
    others = document()
    with pytest.raises(Unavailable) as told:
        await stores[1].transact(take(one))
    assert told.value.problem.extra == {"outcome": "not-stored"}
    assert await stores[1].transact(take(others)) == others, "others are not kept waiting"
    gate.set()
    await holding
    assert await stores[1].transact(take(one)) == one


async def test_a_process_that_lost_the_race_for_a_key_hears_so(stores: list[SqlStore]) -> None:
    one = document()
    await stores[0].transact(lambda ledger: ledger.apply(decision(AddDocument(one))))
    again = replace(document(), document_id=one.document_id, digest=one.digest)
    with pytest.raises(LostRace):
        await stores[1].transact(lambda ledger: ledger.apply(decision(AddDocument(again))))


async def test_what_the_driver_believes_to_be_prepared_is_there_after_an_error(
    postgres: Server, postgres_store: str, tmp_path: Path
) -> None:
    """After some executions psycopg has the server prepare a statement. In a pipeline that has failed the server skips
    that, and the driver would use what is not there, for ever. The server is slow to fail, so that all of it is sent.
    """
    store = open_store(postgres_store, Blobs(tmp_path / "blobs"))  # before: it does not start on a trigger
    with connect(postgres_store, "test") as beside:
        beside.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1);"
            " RAISE unique_violation; END $$"
        )
        beside.execute(
            "CREATE TRIGGER slow BEFORE INSERT ON document FOR EACH ROW"
            " WHEN (NEW.subject = 'no') EXECUTE FUNCTION slow()"
        )
    for _ in range(12):
        await store.transact(lambda ledger: ledger.apply(decision(AddDelivery(delivery()))))
        refused = decision(AddDocument(document(subject="no")), AddDelivery(delivery()))
        with pytest.raises(LostRace):
            await store.transact(lambda ledger, made=refused: ledger.apply(made))
    assert (await store.views.counts()).deliveries == {HERE: {"queued": 12}}
    await store.close()


def test_two_processes_of_one_name_do_not_run(stores: list[SqlStore], postgres_store: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"'axis-1'.*instance"):
        open_store(postgres_store, Blobs(tmp_path / "blobs"), instance="axis-1")


async def test_a_commit_wakes_the_other_processes_and_not_its_own(stores: list[SqlStore]) -> None:
    heard = [asyncio.Event() for _ in stores]
    for store, event in zip(stores, heard, strict=True):
        store.listen(event.set)
    async with asyncio.timeout(10):
        for event in heard:
            await event.wait()  # each looks once when it begins to listen
            event.clear()
        await stores[0].transact(take(document()))
        await heard[1].wait()
        await heard[2].wait()
    assert not heard[0].is_set()


async def test_who_only_looks_wakes_nobody(stores: list[SqlStore]) -> None:
    """Else two idle processes would wake each other for ever: each claims when it is woken."""
    told = 0

    def tell() -> None:
        nonlocal told
        told += 1

    stores[0]._committer.committed = tell
    await stores[0].transact(lambda ledger: ledger.claim([HERE], NOW, LEASE, 10))
    assert told == 0
    await stores[0].transact(take(document()))
    assert told == 1


async def test_a_connection_that_is_cut_in_a_transaction_loses_that_group_only(
    postgres: Server, postgres_store: str, tmp_path: Path
) -> None:
    store = open_store(postgres_store, Blobs(tmp_path / "blobs"), instance="cut")
    before, lost, after = document(), document(), document()
    await store.transact(take(before))

    def cut(ledger: Ledger) -> None:
        ledger.apply(decision(AddDocument(lost)))
        ledger.document(lost.ref)  # it is in the transaction, and no commit can follow
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'axis cut: writes'"
        )
        ledger.document(lost.ref)

    with pytest.raises(Unavailable) as told:
        await store.transact(cut)
    assert told.value.problem.extra == {"outcome": "not-stored"}
    assert not store.poisoned
    assert await store.transact(take(after)) == after
    assert await store.views.document(lost.ref) is None
    assert await store.views.document(before.ref) == before
    await store.close()


@pytest.mark.faults
@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGKILL])
async def test_a_server_that_is_restarted_is_found_again(how: signal.Signals, tmp_path: Path) -> None:
    """An immediate shutdown in a burst, or its first process killed: what was answered is there, and the store goes on
    without a restart."""
    with server() as own:
        url = own.database()
        migrate.upgrade(url)
        store = open_store(url, Blobs(tmp_path / "blobs"))
        kept: list[Document] = []
        failures: list[Unavailable] = []
        stop = asyncio.Event()

        async def more(what: Sequence[object], number: int = 40) -> None:
            wanted = len(what) + number
            async with asyncio.timeout(30):
                while len(what) < wanted:  # noqa: ASYNC110 - eight callers add to it
                    await asyncio.sleep(0.01)

        async def caller() -> None:
            while not stop.is_set():
                one = document()
                try:
                    await store.transact(take(one))
                    kept.append(one)
                except Unavailable as error:
                    failures.append(error)
                    await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(caller())
            for _ in range(2):
                await more(kept)
                await asyncio.to_thread(own.stop, how)
                await more(failures)
                await asyncio.to_thread(own.start)
            await more(kept)
            stop.set()
        assert failures, "nobody noticed"
        assert not store.poisoned
        for one in kept:
            assert await store.views.document(one.ref) == one
        await store.close()


def test_one_more_connection_can_look_while_all_of_them_work(stores: list[SqlStore], postgres_store: str) -> None:
    with connect(postgres_store, "test") as beside:
        names = {name for (name,) in beside.execute("SELECT application_name FROM pg_stat_activity")}
    assert {f"axis axis-{n}: writes" for n in range(3)} <= names
