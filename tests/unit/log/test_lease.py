"""Several sequencers on one store: one writes, the others stand by, and one that lost its lease changes nothing."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.flow.lease import LENGTH, LeaseLost, LogLease
from axis.flow.sequence import Sequencer
from axis.log.files import Batch, LogFolder
from axis.log.heads import CheckpointStore, HeadReason, HeadRefused
from axis.log.writer import Fenced, LogWriter, Step
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from tests.unit.log.logs import NOW, ORIGIN, SIGNER, lines, signed, verified
from tests.unit.log.rounds import all_entries, intend, sizes, stored

ROOT = bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A node without a log."""
    return tmp_path


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def past_the_lease(self) -> None:
        self.now += LENGTH.total_seconds() + 1


def lease_of(store: SqlStore, name: str, clock: Clock) -> LogLease:
    return LogLease(store, name, clock)


def sequencer(
    store: SqlStore, path: Path, name: str, clock: Clock, hook: Callable[[Step], None] = lambda step: None
) -> Sequencer:
    return Sequencer(
        store,
        LogFolder(path / "log", name),
        CheckpointStore(path / "heads", name),
        SIGNER,
        ORIGIN,
        lambda: NOW,
        hook=hook,
        lease=lease_of(store, name, clock),
    )


async def takes_over(one: Sequencer) -> None:
    assert one._lease is not None
    assert await one._stand_by(one._lease)


def check_log(path: Path, size: int) -> None:
    report = verified(path)
    assert report.ok, list(lines(report))
    assert report.checkpoint is not None
    assert report.checkpoint.size == size
    assert len(set(all_entries(path, size))) == size
    assert sizes(path) == sorted(set(sizes(path))), "two heads of one size"


# --- the lease -----------------------------------------------------------------------------------------------------


async def test_a_lease_has_one_holder_until_it_was_unchanged_for_its_length(path: Path) -> None:
    clock = Clock()
    async with stored(path) as store:
        one, other = lease_of(store, "one", clock), lease_of(store, "other", clock)
        assert await one.acquire()
        assert not await other.acquire()
        clock.now += LENGTH.total_seconds() - 1
        await one.renew()
        assert not await other.acquire(), "it was renewed since the other saw it"
        clock.past_the_lease()
        assert await other.acquire()
        assert other.token == one.token + 1
        with pytest.raises(LeaseLost):
            await store.transact(one.hold)
        await store.transact(other.hold)


async def test_a_lease_is_free_when_it_was_given_back_and_for_its_own_holder(path: Path) -> None:
    clock = Clock()
    async with stored(path) as store:
        first = lease_of(store, "one", clock)
        assert await first.acquire()
        again, other = lease_of(store, "one", clock), lease_of(store, "other", clock)
        assert await again.acquire(), "the process was killed and started again"
        with pytest.raises(LeaseLost):
            await store.transact(first.hold)
        await again.release()
        assert await other.acquire()
        await again.release()  # harmless
        await store.transact(other.hold)


async def test_of_two_that_take_a_free_lease_at_once_one_has_it(path: Path) -> None:
    async with stored(path) as store:
        for n in range(10):
            clock = Clock()
            leases = [lease_of(store, f"{n}-{name}", clock) for name in range(4)]
            got = await asyncio.gather(*(lease.acquire() for lease in leases))
            assert sum(got) == (1 if n == 0 else 0)


# --- the store of heads --------------------------------------------------------------------------------------------


def test_a_shared_store_of_heads_refuses_an_older_token(path: Path) -> None:
    old, new = CheckpointStore(path / "heads", "old"), CheckpointStore(path / "heads", "new")
    old.open(1)
    first = old.advance(None, signed(1, ROOT))
    new.open(2)
    assert new.latest() == first
    with pytest.raises(HeadRefused) as caught:
        old.advance(first, signed(2, ROOT))
    assert caught.value.reason is HeadReason.FENCED
    with pytest.raises(HeadRefused), old.keeping():
        pass
    second = new.advance(first, signed(2, ROOT))
    with new.keeping():
        assert new.latest() == second
    assert [head.checkpoint.size for head in new.history()] == [1, 2]
    with pytest.raises(HeadRefused):
        CheckpointStore(path / "heads", "older").open(1)


def test_a_last_line_with_a_hole_was_never_acknowledged(path: Path) -> None:
    """Found by a seed: the power went at a sync, the end of the line was on the disk and its beginning was not."""
    heads = CheckpointStore(path / "heads", "one")
    heads.open(1)
    first = heads.advance(None, signed(1, ROOT))
    heads.close()
    file = path / "heads" / "heads.jsonl"
    file.write_bytes(file.read_bytes() + bytes(100) + b'rest"}\n')
    again = CheckpointStore(path / "heads", "one")
    assert again.peek() == first
    again.open(2)
    assert again.latest() == first
    again.advance(first, signed(2, ROOT))
    assert [head.checkpoint.size for head in again.history()] == [1, 2]
    again.close()


def test_nothing_is_synced_while_others_are_kept_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may take its time, and a process may be stopped while it waits for one: the others go on all the same."""
    synced = []

    def sync(handle: int) -> None:
        real(handle)
        if (lock := path / "heads" / "turn").exists():
            with lock.open() as beside:
                fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
            synced.append(handle)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", sync)
    writer = LogWriter(LogFolder(path / "log", "one"), CheckpointStore(path / "heads", "one"), SIGNER, ORIGIN)
    for token in range(1, 3):
        writer.open(token)
        writer.reconcile(token - 1)
        synced.clear()
        writer.commit(Batch(token - 1, (token,), (b"leaf",)))
        writer.publish()
        assert synced
        writer.close()
    assert [head.checkpoint.size for head in CheckpointStore(path / "heads").history()] == [0, 1, 2]


# --- sequencers ----------------------------------------------------------------------------------------------------


async def test_one_writes_and_the_other_stands_by(path: Path) -> None:
    clock = Clock()
    async with stored(path) as store, sequencer(store, path, "one", clock) as one:
        async with sequencer(store, path, "other", clock) as other:
            assert (one.leading, other.leading) == (True, False)
            await intend(store, range(10))
            assert await other.round() == 0
            assert await one.round() == 10
            assert not await other._stand_by(other._lease)  # type: ignore[arg-type]
            assert other.seen == one.head
        assert one.leading
    check_log(path, 10)


async def test_an_orderly_end_gives_the_log_to_the_next_at_once(path: Path) -> None:
    clock = Clock()
    async with stored(path) as store, sequencer(store, path, "other", clock) as other:
        assert other.leading
        await other._lease.release()  # type: ignore[union-attr]
        async with sequencer(store, path, "one", clock) as one:
            assert one.leading
            await intend(store, range(10))
            with pytest.raises((LeaseLost, Fenced)):
                await other.round()
            assert await one.round() == 10
    check_log(path, 10)


ROUND = [step for step in Step if step is not Step.TIDIED]


@pytest.mark.parametrize("more", [0, 3])
@pytest.mark.parametrize("stopped_after", ROUND)
async def test_a_process_that_was_stopped_past_its_lease_publishes_nothing(
    path: Path, stopped_after: Step, more: int
) -> None:
    """Stopped after each step of a round of 300; the other takes over, finishes it, and may write `more` rounds."""
    clock, gate, stopped = Clock(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    armed = False

    def hook(step: Step) -> None:
        if armed and step is stopped_after and not stopped.is_set():
            stopped.set()
            assert gate.wait(20)

    async with stored(path) as store:
        beside = sequencer(store, path, "slow", clock, hook)
        async with beside as slow:
            await intend(store, range(250))
            assert await slow.round() == 250
            armed = True
            await intend(store, range(250, 550))
            # Its own thread, because some hooks are called on the loop, and would stop the other one too.
            work = loop.run_in_executor(None, lambda: asyncio.run(_round(slow)))
            assert await asyncio.to_thread(stopped.wait, 20)
            async with sequencer(store, path, "other", clock) as other:
                assert not other.leading
                clock.past_the_lease()
                await takes_over(other)
                size = 550
                await other.round()
                for _ in range(more):
                    await intend(store, range(size, size + 100))
                    size += 100
                    await other.round()
                assert other.head.checkpoint.size == size
                published = (path / "log" / "checkpoint").read_text()
                gate.set()
                told = await work
                assert (path / "log" / "checkpoint").read_text() == published
                assert isinstance(told, LeaseLost | Fenced) or stopped_after is Step.PUBLISHED
                await intend(store, range(size, size + 5))
                assert await other.round() == 5
                assert await store.transact(lambda ledger: ledger.log_size()) == size + 5
    check_log(path, size + 5)


async def test_a_process_that_was_stopped_while_it_took_the_log_over_sees_no_mismatch(path: Path) -> None:
    """Found by a seed: it had read the newest head, and when it went on a newer one was published, as if the heads had
    been put back; or the round that it was about to finish was marked."""
    clock = Clock()
    async with stored(path) as store, sequencer(store, path, "slow", clock) as slow:
        await intend(store, range(250, 300))
        size, _, _ = await store.transact(slow._begun)
        intents = await store.transact(lambda ledger: ledger.intents(300))
        begun = Batch(size, tuple(one.id for one in intents), tuple(one.leaf for one in intents))
        async with sequencer(store, path, "other", clock) as other:
            clock.past_the_lease()
            await takes_over(other)
            await other.round()
            with pytest.raises(Fenced):
                slow._writer.reconcile(size)
            with pytest.raises(LeaseLost):
                await store.transact(slow._same_leaves(begun))


async def _round(one: Sequencer) -> BaseException | int:
    try:
        return await one.round()
    except (LeaseLost, Fenced) as error:
        return error


async def test_a_database_that_forgot_newer_leases_learns_of_them_from_the_store_of_heads(path: Path) -> None:
    """It was put back or moved: its tokens begin below the fence, and nobody may stand before it for ever."""
    clock = Clock()
    heads = CheckpointStore(path / "heads", "elsewhere")
    heads.open(7)
    heads.close()
    async with stored(path) as store, sequencer(store, path, "one", clock) as one:
        assert not one.leading
        await takes_over(one)
        assert one._lease is not None and one._lease.token == 8
        await intend(store, range(10))
        assert await one.round() == 10
    check_log(path, 10)


async def test_a_process_that_lost_the_log_stands_by_again_and_takes_it_back(path: Path) -> None:
    clock, stop = Clock(), asyncio.Event()
    async with stored(path) as store, sequencer(store, path, "one", clock) as one:
        async with sequencer(store, path, "other", clock) as other:
            clock.past_the_lease()
            await takes_over(other)
            running = asyncio.create_task(one.run(stop))
            await until(lambda: not one.leading)
            await intend(store, range(20))
            assert await other.round() == 20
        await until(lambda: one.leading)
        await intend(store, range(20, 30))
        stop.set()
        one.wake()
        await running
        assert one.head.checkpoint.size == 30
    check_log(path, 30)


@pytest.fixture
def stores(postgres_store: str, tmp_path: Path) -> Iterator[list[SqlStore]]:
    """Two processes of one node on a real PostgreSQL, as two stores."""
    opened = [open_store(postgres_store, Blobs(tmp_path / "blobs"), instance=name) for name in ("one", "other")]
    yield opened
    for one in opened:
        asyncio.run(one.close())


async def test_whoever_ends_last_finishes_the_log(stores: list[SqlStore], path: Path) -> None:
    """What the other one commits after the writer has ended is not left for the next start."""
    clock, stop, ends = Clock(), asyncio.Event(), AsyncExitStack()
    one = await ends.enter_async_context(sequencer(stores[0], path, "one", clock))
    async with ends, sequencer(stores[1], path, "other", clock) as other:
        assert (one.leading, other.leading) == (True, False)
        await intend(stores[1], range(10))
        stop.set()
        await one.run(stop)
        assert one.head.checkpoint.size == 10
        await intend(stores[1], range(10, 30))
        await other.run(stop)
        assert not other.leading, "it is not taken from one that lives"
        await ends.aclose()
        await other.run(stop)
        assert other.head.checkpoint.size == 30
        assert await stores[0].transact(lambda ledger: ledger.log_size()) == 30
    check_log(path, 30)
