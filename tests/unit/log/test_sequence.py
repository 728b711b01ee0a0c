"""The sequencer over the real store: killed at every step, out of room, and put back to where it was before."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from axis.core.entry import leaf
from axis.flow import sequence
from axis.log.disk import Locked
from axis.log.files import LogFolder
from axis.log.heads import HISTORY, CheckpointStore
from axis.log.tiles import bundle_at
from axis.log.writer import LogMismatch, Mismatch, Step
from signing.note import sign_note
from tests.unit.log.logs import NOW, ORIGIN, SIGNER, STRANGER, batch, entry, grow, lines, signed, verified, writer_at
from tests.unit.log.rounds import drain, intend, intend_entries, sequencer, stored

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 leaves in two rounds, everything closed in order."""
    path = tmp_path_factory.mktemp("sequenced")

    async def build() -> None:
        async with stored(path) as store, sequencer(store, path) as one:
            for first, end in ((0, 100), (100, 250)):
                await intend(store, range(first, end))
                assert await one.round() == end - first

    asyncio.run(build())
    return path


@pytest.fixture
def path(grown: Path, tmp_path: Path) -> Path:
    shutil.copytree(grown, tmp_path / "node")
    return tmp_path / "node"


def all_entries(path: Path, size: int) -> list[bytes]:
    folder = LogFolder(path / "log")
    return [one for index in range((size + 255) // 256) for one in folder.entries(bundle_at(index, size))]


def sizes(path: Path) -> list[int]:
    return [head.checkpoint.size for head in CheckpointStore(path / "heads").history()]


async def check(path: Path, size: int) -> None:
    """The log is sound, has each of the first `size` entries once and in no gap, and the store knows each index."""
    report = verified(path)
    assert report.ok, list(lines(report))
    assert report.checkpoint is not None
    assert report.checkpoint.size == size
    assert sorted(all_entries(path, size)) == sorted(leaf(entry(number)) for number in range(size))
    assert len(set(sizes(path))) == len(sizes(path)), "two heads of one size"
    async with stored(path) as store:
        assert await store.transact(lambda ledger: ledger.log_size()) == size
        assert await store.transact(lambda ledger: list(ledger.intents(10))) == []


async def test_intents_become_leaves_in_their_order(path: Path) -> None:
    await check(path, 250)
    assert all_entries(path, 250) == [leaf(entry(number)) for number in range(250)]
    assert sizes(path) == [0, 100, 250]
    assert await drain(path) == 0
    assert sizes(path) == [0, 100, 250]


async def test_a_backlog_larger_than_a_batch_takes_several_rounds(path: Path) -> None:
    async with stored(path) as store:
        await intend(store, range(250, 300))
    assert await drain(path, batch=20) == 50
    assert sizes(path) == [0, 100, 250, 270, 290, 300]
    await check(path, 300)


async def test_entries_with_the_same_octets_are_separate_leaves(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        await intend_entries(store, [entry(0)] * 3)
    assert await drain(tmp_path) == 3
    assert all_entries(tmp_path, 3) == [leaf(entry(0))] * 3
    assert verified(tmp_path).ok


def killed(path: Path, during: str, step: Step) -> None:
    """Start and run a round in a child that dies there."""
    command = [sys.executable, "-m", "tests.unit.log.rounds", str(path), during, step.value]
    child = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.faults
@pytest.mark.parametrize("step", Step)
async def test_nothing_is_lost_doubled_or_signed_twice_when_killed_after_any_step(step: Step, path: Path) -> None:
    """SIGKILL in a child. 20 intents wait, 5 more come before the restart; the batch crosses a full tile."""
    async with stored(path) as store:
        await intend(store, range(250, 270))
    killed(path, "round", step)
    async with stored(path) as store:
        await intend(store, range(270, 275))
    added = await drain(path)
    assert added == (25 if step is Step.READ else 5), "the start redoes what was begun"
    assert sizes(path) == ([0, 100, 250, 275] if step is Step.READ else [0, 100, 250, 270, 275])
    await check(path, 275)


@pytest.mark.faults
@pytest.mark.parametrize("step", [Step.JOURNAL, Step.TILES, Step.SIGNED, Step.HEAD, Step.MARKED, Step.PUBLISHED])
async def test_nothing_is_lost_when_the_healing_start_is_killed_as_well(step: Step, path: Path) -> None:
    async with stored(path) as store:
        await intend(store, range(250, 270))
    killed(path, "round", Step.TILES)
    killed(path, "start", step)
    assert await drain(path) == 0
    assert sizes(path) == [0, 100, 250, 270]
    await check(path, 270)


@pytest.mark.faults
@pytest.mark.parametrize("step", [Step.SIGNED, Step.HEAD, Step.PUBLISHED, Step.TIDIED])
async def test_the_very_first_start_may_be_killed(step: Step, tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        await intend(store, range(3))
    killed(tmp_path, "start", step)
    assert await drain(tmp_path) == 3
    await check(tmp_path, 3)


class Struck(Exception):
    pass


async def test_an_error_after_any_step_is_healed_by_the_next_round(path: Path) -> None:
    for step in Step:
        node = path.parent / step
        shutil.copytree(path, node)
        armed: list[Step] = []

        def strike(done: Step, armed: list[Step] = armed) -> None:
            if done in armed:
                armed.clear()
                raise Struck

        async with stored(node) as store, sequencer(store, node, hook=strike) as one:
            armed.append(step)
            await intend(store, range(250, 270))
            with pytest.raises(Struck):
                await one.round()
            assert not armed, "the fault did not fire"
            await intend(store, range(270, 275))
            while await one.round():
                pass
        await check(node, 275)


class Fault:
    """Makes the Nth call of one function of `os` fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, at: int, code: int) -> None:
        self.fired = False
        self._calls = 0
        real: Callable[..., Any] = getattr(os, name)

        def failing(*arguments: Any, **options: Any) -> Any:
            self._calls += 1
            if self._calls == at:
                self.fired = True
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, failing)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
async def test_a_failure_of_any_call_to_the_disk_leaves_a_log_that_goes_on(path: Path, call: str, code: int) -> None:
    """A blind sweep: the round is repeated with the 1st, 2nd, 3rd ... call failing, until none is left to fail."""
    at = 0
    while True:
        at += 1
        node = path.parent / f"{call}-{at}"
        shutil.copytree(path, node)
        writer = writer_at(node)
        writer.open()
        writer.reconcile(250)
        marked = 250
        with pytest.MonkeyPatch.context() as patched:
            fault = Fault(patched, call, at, code)
            try:
                writer.commit(batch(250, 20))
                marked = 270
                writer.publish()
            except OSError as error:
                if error.errno != code:
                    raise
        writer.close()
        writer = writer_at(node)
        writer.open()
        left = writer.reconcile(marked)
        if left.redo:
            assert left.redo == batch(250, 20)
            writer.commit(left.redo)
        writer.publish()
        if writer.head.checkpoint.size == 250:
            writer.commit(batch(250, 20))
            writer.publish()
        writer.close()
        report = verified(node)
        assert report.ok, (call, at, list(lines(report)))
        assert sizes(node) == [0, 100, 250, 270]
        shutil.rmtree(node)
        if not fault.fired:
            break
    assert at > 1, "nothing was made to fail"


async def test_every_file_is_synced_before_it_gets_its_name_and_every_name_before_the_head(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut needs and a kill does not show: data, then name, then folder, then the commit."""
    events: list[tuple[str, str]] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        events.append(("sync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        events.append(("name", str(target)))
        real_replace(source, target)

    writer = writer_at(path)
    writer.open()
    writer.reconcile(250)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        patched.setattr(os, "replace", replace)
        writer.commit(batch(250, 20))
        writer.publish()
    writer.close()
    committed = events.index(("sync", str(path / "heads" / HISTORY)))
    named = {name: place for place, (what, name) in enumerate(events) if what == "name"}
    written = ("round", "tile/entries/000", "tile/entries/001.p/14", "tile/0/000", "tile/0/001.p/14", "tile/1/000.p/1")
    assert set(named) == {str(path / "log" / name) for name in (*written, "checkpoint")}
    for name, place in named.items():
        assert ("sync", name + ".new") in events[:place]
        end = len(events) if name.endswith("checkpoint") else committed
        assert ("sync", str(Path(name).parent)) in events[place:end], name
        assert (place > committed) == name.endswith("checkpoint")
    for made in ("tile/entries/001.p", "tile/0/001.p", "tile/1", "tile/1/000.p"):
        assert ("sync", str((path / "log" / made).parent)) in events[:committed]
    order = [named[str(path / "log" / name)] for name in written]
    assert order == sorted(order), "journal, entries, hashes from the leaves upwards"


async def refused(path: Path) -> Mismatch:
    with pytest.raises(LogMismatch) as caught:
        await drain(path)
    return caught.value.reason


def put_back(path: Path, older: Path, *names: str) -> None:
    for name in names:
        for item in path.glob(f"{name}*"):
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        for item in older.glob(f"{name}*"):
            shutil.copytree(item, path / item.name) if item.is_dir() else shutil.copyfile(item, path / item.name)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("axis.db",), Mismatch.STORE_BEHIND),
        (("log",), Mismatch.FOLDER_BEHIND),
        (("heads",), Mismatch.HEADS_BEHIND),
        (("log", "heads"), Mismatch.STORE_AHEAD),
        (("log", "axis.db"), Mismatch.FOLDER_BEHIND),
        (("heads", "axis.db"), Mismatch.HEADS_BEHIND),
    ],
)
async def test_a_part_put_back_to_an_older_state_is_refused_by_name(
    names: tuple[str, ...], reason: Mismatch, path: Path, grown: Path
) -> None:
    """Two rounds later; F96 to F98. The database is an ordinary backup: it was closed in order."""
    for first in (250, 300):
        async with stored(path) as store:
            await intend(store, range(first, first + 50))
        await drain(path)
    put_back(path, grown, *names)
    before = sizes(path)
    assert await refused(path) is reason
    assert sizes(path) == before, "something was signed"


async def test_a_database_put_back_by_one_round_learns_its_indexes_again_only_from_the_same_intents(
    path: Path, grown: Path
) -> None:
    async with stored(path) as store:
        await intend(store, range(250, 260))
    backup = path.parent / "backup"
    shutil.copytree(path, backup)
    await drain(path)
    put_back(path, backup, "axis.db")  # still holds the ten intents, without indexes
    assert await drain(path) == 0
    await check(path, 260)
    put_back(path, grown, "axis.db")  # does not hold them
    assert await refused(path) is Mismatch.STORE_DIFFERS
    async with stored(path) as store:
        await intend(store, range(500, 510))  # takes the same ids for other entries
    assert await refused(path) is Mismatch.STORE_DIFFERS


async def test_a_round_that_was_begun_is_not_finished_with_other_intents(path: Path, grown: Path) -> None:
    """The database was put back after a crash, and gave the same ids to other entries."""

    def hook(done: Step) -> None:
        if done is Step.TILES:
            raise Struck

    async with stored(path) as store:
        await intend(store, range(250, 260))
        with pytest.raises(Struck):
            async with sequencer(store, path, hook=hook) as one:
                await one.round()
    put_back(path, grown, "axis.db")
    assert await refused(path) is Mismatch.STORE_DIFFERS
    async with stored(path) as store:
        await intend(store, range(500, 510))
    assert await refused(path) is Mismatch.STORE_DIFFERS
    assert sizes(path) == [0, 100, 250]


async def test_lost_heads_are_refused(path: Path) -> None:
    (path / "heads" / HISTORY).unlink()
    assert await refused(path) is Mismatch.HEADS_LOST


async def test_heads_of_another_key_or_log_are_refused(path: Path) -> None:
    last = list(CheckpointStore(path / "heads").history())[-1]
    for note in (
        sign_note(last.checkpoint.text, STRANGER),
        signed(250, last.checkpoint.root, origin="another/log"),
    ):
        (path / "heads" / HISTORY).write_text(json.dumps({"note": note}) + "\n")
        assert await refused(path) is Mismatch.HEADS_FOREIGN


async def test_a_published_checkpoint_of_another_history_is_refused(path: Path) -> None:
    checkpoint = path / "log/checkpoint"
    checkpoint.write_text(signed(250, bytes(32)))
    assert await refused(path) is Mismatch.FORKED
    checkpoint.write_text(signed(251, bytes(32)))
    assert await refused(path) is Mismatch.HEADS_BEHIND


@pytest.mark.parametrize("octets", [None, b"", b"\xff", b"rubbish\n"])
async def test_a_checkpoint_that_is_lost_or_cannot_be_read_is_published_again(path: Path, octets: bytes | None) -> None:
    file = path / "log/checkpoint"
    before = file.read_bytes()
    file.unlink()
    if octets is not None:
        file.write_bytes(octets)
    await drain(path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["tile/0/000.p/250", "tile/entries/000.p/250"])
async def test_a_damaged_edge_is_refused_before_anything_is_signed(path: Path, name: str) -> None:
    file = path / "log" / name
    octets = bytearray(file.read_bytes())
    octets[100] ^= 1
    file.write_bytes(octets)
    assert await refused(path) is Mismatch.FOLDER_DIFFERS


async def test_a_flipped_bit_between_writing_and_signing_is_not_signed(path: Path) -> None:
    """The Yeti lesson: what is signed is what the disk says, and it must be what was committed."""
    for number, name in enumerate(("tile/0/001.p/4", "tile/entries/001.p/4", "tile/0/000", "tile/1/000.p/1")):
        node = path.parent / str(number)
        shutil.copytree(path, node)

        def flip(done: Step, file: Path = node / "log" / name) -> None:
            if done is Step.TILES:
                octets = bytearray(file.read_bytes())
                octets[31] ^= 4
                file.write_bytes(octets)

        async with stored(node) as store, sequencer(store, node, hook=flip) as one:
            await intend(store, range(250, 260))
            with pytest.raises(LogMismatch) as caught:
                await one.round()
        assert caught.value.reason is Mismatch.FOLDER_DIFFERS
        assert sizes(node) == [0, 100, 250]


def test_an_old_hash_that_was_altered_under_a_running_sequencer_is_not_signed(tmp_path: Path) -> None:
    """It would be copied into the next partial tile; only the root shows it."""
    grow(tmp_path, 300)
    writer = writer_at(tmp_path)
    writer.open()
    writer.reconcile(300)
    file = tmp_path / "log/tile/1/000.p/1"
    file.write_bytes(bytes(32))
    with pytest.raises(LogMismatch) as caught:
        writer.commit(batch(300, 300))
    writer.close()
    assert caught.value.reason is Mismatch.FOLDER_DIFFERS
    assert sizes(tmp_path) == [0, 300]


async def test_two_sequencers_cannot_have_one_log(path: Path, tmp_path: Path) -> None:
    async with stored(path) as store, stored(tmp_path) as other, sequencer(store, path):
        with pytest.raises(Locked):
            async with sequencer(other, path):
                pass


async def test_the_store_of_heads_must_lie_elsewhere(path: Path) -> None:
    async with stored(path) as store:
        for one, other in (("log", "log/heads"), ("log/x", "log"), ("log", "log")):
            with pytest.raises(ValueError, match="store of heads"):
                sequence.Sequencer(
                    store, LogFolder(path / one), CheckpointStore(path / other), SIGNER, ORIGIN, lambda: NOW
                )
        with pytest.raises(ValueError, match="named after its origin"):
            sequence.Sequencer(
                store, LogFolder(path / "log"), CheckpointStore(path / "heads"), SIGNER, "x", lambda: NOW
            )


async def test_the_lag_is_the_age_of_the_oldest_intent_and_never_too_small(tmp_path: Path) -> None:
    clock = [NOW]
    async with stored(tmp_path) as store, sequencer(store, tmp_path, now=lambda: clock[0], batch=2) as one:
        assert one.lag(NOW) == timedelta()
        await intend(store, range(3))  # at NOW, NOW + 1 s, NOW + 2 s
        clock[0] = NOW + timedelta(minutes=5)
        assert one.lag(clock[0]) == timedelta(minutes=5)
        await one.round()  # two of three
        assert one.lag(clock[0]) == timedelta(minutes=5)
        await one.round()
        assert one.lag(clock[0]) == timedelta()
        clock[0] += timedelta(minutes=7)
        assert one.lag(clock[0]) == timedelta(minutes=7), "nobody asked the store since"
        await one.round()
        assert one.lag(clock[0]) == timedelta()


class Watch:
    """A hook that lets a test wait for steps. A round's steps come from threads and from the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stepped = asyncio.Event()

    def __call__(self, done: Step) -> None:
        self._loop.call_soon_threadsafe(self._stepped.set)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not happened():
                await self._stepped.wait()
                self._stepped.clear()


async def test_a_running_sequencer_follows_and_finishes_when_told_to_stop(tmp_path: Path) -> None:
    stop, watch = asyncio.Event(), Watch()
    async with (
        stored(tmp_path) as store,
        sequencer(store, tmp_path, hook=watch) as one,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(one.run(stop))
        await intend(store, range(10))
        one.wake()
        await watch.until(lambda: one.head.checkpoint.size == 10)
        await intend(store, range(10, 20))  # nobody wakes it: another process
        await watch.until(lambda: one.head.checkpoint.size == 20)
        await intend(store, range(20, 30))
        stop.set()
        one.wake()
    await check(tmp_path, 30)


async def test_a_full_disk_is_waited_out_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F10: intents wait in the database; the lag says how long."""
    monkeypatch.setattr(sequence, "RETRY", timedelta(milliseconds=1))
    stop, full, refusals, watch = asyncio.Event(), [True], [0], Watch()

    def hook(done: Step) -> None:
        watch(done)
        if full[0] and done is Step.BUNDLES:
            refusals[0] += 1
            raise OSError(errno.ENOSPC, "no space left on device")

    async with (
        stored(tmp_path) as store,
        sequencer(store, tmp_path, hook=hook) as one,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(one.run(stop))
        await intend(store, range(5))
        await watch.until(lambda: refusals[0] >= 3)
        assert one.head.checkpoint.size == 0
        assert one.lag(NOW + timedelta(hours=1)) >= timedelta(hours=1)
        full[0] = False
        await watch.until(lambda: one.head.checkpoint.size == 5)
        stop.set()
        one.wake()
    await check(tmp_path, 5)


async def test_any_other_trouble_of_the_disk_ends_the_run(tmp_path: Path) -> None:
    def hook(done: Step) -> None:
        if done is Step.BUNDLES:
            raise OSError(errno.EIO, "input/output error")

    async with stored(tmp_path) as store, sequencer(store, tmp_path, hook=hook) as one:
        await intend(store, range(5))
        with pytest.raises(OSError, match="input/output"):
            await one.run(asyncio.Event())


async def test_a_cancelled_round_leaves_no_half_running(path: Path) -> None:
    """Whoever cancels waits for the disk work that was begun; the rest is made up for at the next start."""
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    done: list[Step] = []

    def hook(step: Step) -> None:
        done.append(step)
        if step is Step.JOURNAL:
            loop.call_soon_threadsafe(began.set)

    async with stored(path) as store, sequencer(store, path, hook=hook) as one:
        done.clear()
        await intend(store, range(250, 260))
        task = asyncio.ensure_future(one.round())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done[-1] is Step.HEAD
    assert await drain(path) == 0
    await check(path, 260)
