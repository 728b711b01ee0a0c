"""The sequencer over the real store: killed at every step, out of room, cancelled, told to stop."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from axis.core.entry import leaf
from axis.flow import sequence
from axis.log.heads import HISTORY
from axis.log.writer import Step
from axis.sql.views import SqlViews
from tests.unit.log.logs import NOW, batch, entry, lines, verified, writer_at
from tests.unit.log.rounds import Struck, all_entries, check, drain, intend, intend_entries, sequencer, sizes, stored

ROOT = Path(__file__).parents[3]


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
        published = name.endswith("checkpoint")  # it shows what the heads have: an older one after a power cut does too
        assert published or ("sync", str(Path(name).parent)) in events[place:committed], name
        assert (place > committed) == published
    for made in ("tile/entries/001.p", "tile/0/001.p", "tile/1", "tile/1/000.p"):
        assert ("sync", str((path / "log" / made).parent)) in events[:committed]
    order = [named[str(path / "log" / name)] for name in written]
    assert order == sorted(order), "journal, entries, hashes from the leaves upwards"
    for folder in ("tile/entries", "tile/0"):
        assert events.count(("sync", str(path / "log" / folder))) == 1, (
            "for the full tile, and for the folder beside it"
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


async def test_a_load_waits_for_more_and_a_few_do_not(tmp_path: Path) -> None:
    """A round costs its syncs whatever it adds."""
    async with stored(tmp_path) as store, sequencer(store, tmp_path, merge_delay=timedelta(days=1)) as one:
        await intend(store, range(sequence.FEW))
        assert await one.round(gather=True) == sequence.FEW
        await intend(store, range(sequence.FEW, 2 * sequence.FEW + 1))
        assert await one.round(gather=True) == 0
        assert await one.round() == sequence.FEW + 1
    await check(tmp_path, 2 * sequence.FEW + 1)


async def test_a_load_ends_its_rounds_at_whole_tiles(tmp_path: Path) -> None:
    async with stored(tmp_path) as store, sequencer(store, tmp_path, merge_delay=timedelta()) as one:
        await intend(store, range(100))
        assert await one.round(gather=True) == 100, "no tile is full yet"
        await intend(store, range(100, 700))
        assert await one.round(gather=True) == 412
        assert one.lag(NOW + timedelta(days=2)) >= timedelta(days=1), "some of them still wait"
        assert await one.round(gather=True) == 188, "the rest does not wait for a whole one"
    await check(tmp_path, 700)


async def test_a_load_is_in_the_log_within_the_merge_delay_and_at_once_when_told_to_stop(tmp_path: Path) -> None:
    stop, watch = asyncio.Event(), Watch()
    async with (
        stored(tmp_path) as store,
        sequencer(store, tmp_path, hook=watch, merge_delay=timedelta(milliseconds=250)) as one,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(one.run(stop))
        await intend(store, range(300))
        one.wake()
        await watch.until(lambda: one.head.checkpoint.size == 300)
        stop.set()
        one.wake()
    stop.clear()
    async with (
        stored(tmp_path) as store,
        sequencer(store, tmp_path, merge_delay=timedelta(days=1)) as one,
        asyncio.TaskGroup() as group,
    ):
        await intend(store, range(300, 400))
        group.create_task(one.run(stop))
        stop.set()
        one.wake()
    await check(tmp_path, 400)


async def test_a_load_that_gathers_is_looked_at_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody says that there is more: each look counts all that waits."""
    stop, watch, looks = asyncio.Event(), Watch(), [0]
    async with (
        stored(tmp_path) as store,
        sequencer(store, tmp_path, hook=watch, merge_delay=timedelta(seconds=1)) as one,
        asyncio.TaskGroup() as group,
    ):
        ask = type(store.views).backlog

        async def counted(views: SqlViews) -> tuple[int, datetime | None]:
            looks[0] += 1
            one.wake()
            return await ask(views)

        monkeypatch.setattr(type(store.views), "backlog", counted)
        await intend(store, range(200))
        group.create_task(one.run(stop))
        await watch.until(lambda: one.head.checkpoint.size == 200)
        assert looks == [2], "at once, and when it had waited long enough"
        stop.set()
        one.wake()


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
