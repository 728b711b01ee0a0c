"""The simulation's own parts: what is stopped waits, what is over is gone, and the book of leases is read rightly."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
from collections.abc import Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sim.book import misused
from tests.sim.disk import Disks
from tests.sim.loop import LIFE, Life, SimLoop, wait
from tests.sim.process import Order

LEASE = timedelta(seconds=20)
BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)


def run(life: Life, work: Coroutine[Any, Any, Any], outside: Coroutine[Any, Any, Any]) -> None:
    """Let `work` be of that life, until `outside` has come to its end."""
    loop = SimLoop(random.Random(1))
    try:
        inside = Context()
        inside.run(LIFE.set, life)
        inside.run(loop.create_task, work)
        loop.run_until_complete(outside)
    finally:
        loop.close()


@pytest.mark.parametrize(("stopped", "dies"), [(True, False), (True, True), (False, True)])
def test_what_is_stopped_does_nothing_until_it_goes_on_and_what_is_over_nothing_any_more(
    stopped: bool, dies: bool
) -> None:
    life, seen = Life("one"), []

    async def ticks() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append(asyncio.get_running_loop().time())

    async def outside() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        await asyncio.sleep(2.5)
        life.stopped = stopped
        if dies:
            life.end()
        await asyncio.sleep(10)
        assert seen == [1, 2]
        loop.go_on(life)
        await asyncio.sleep(2.2)

    run(life, ticks(), outside())
    assert seen == [1, 2] if dies else [1, 2, 12.5, 13.5, 14.5]


def test_a_thread_keeps_its_lock_while_it_stands_and_loses_it_when_its_process_ends(tmp_path: Path) -> None:
    """As flock(2) does: the far process cannot have it before."""
    life, path = Life("one"), tmp_path / "lock"

    def free() -> bool:
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(handle)

    def locked() -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            life.stopped = True
            wait(0)
            raise AssertionError("it went on")
        finally:
            os.close(handle)

    async def outside() -> None:
        assert free()
        await asyncio.sleep(5)
        assert not free()
        life.end()
        assert free()

    run(life, asyncio.sleep(0), asyncio.sleep(0))
    run(life, asyncio.to_thread(locked), outside())


def test_the_locks_of_a_process_end_with_it(tmp_path: Path) -> None:
    """Wherever it was: it may have died between having one and knowing that."""
    life, disks, path = Life("one"), Disks(), tmp_path / "lock"

    def lock() -> None:
        fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX | fcntl.LOCK_NB)

    with disks.mounted():
        inside = Context()
        inside.run(LIFE.set, life)
        inside.run(lock)
        with pytest.raises(BlockingIOError):
            lock()
        disks.let_go(life)
        lock()


def test_an_order_is_due_so_many_calls_after_the_first_at_its_place() -> None:
    order = Order("sync", "heads", 2, lambda: None)
    calls = [("sync", "/log/tile"), ("write", "/heads"), ("sync", "/heads"), ("", "COMMIT"), ("write", "/blobs")]
    assert [order.due(*call) for call in calls] == [False, False, False, False, True]


# --- the book of leases


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


def claimed(who: str, seconds: float, token: int, until: float | None = None) -> tuple[Any, ...]:
    """It takes a delivery; `until` is when the lease of another ends."""
    was = "queued" if until is None else "leased"
    return who, seconds, "d", was, "leased", token - 1, token, at(until or 0), at(seconds + LEASE.total_seconds())


def settled(who: str, seconds: float, token: int) -> tuple[Any, ...]:
    return who, seconds, "d", "leased", "delivered", token, token, at(0), at(0)


def held(who: str, seconds: float, was: str, now: str) -> tuple[Any, ...]:
    """The fact of the log's lease: holders before and after."""
    return who, seconds, json.dumps({"holder": was}), json.dumps({"holder": now})


KEPT = [claimed("a", 0, 1), claimed("b", 21, 2, until=20), settled("b", 22, 2)]
LOG = [
    held("a", 0, "", "a"),
    held("a", 3, "a", "a"),
    held("b", 13, "a", "b"),
    held("b", 14, "b", ""),
    held("a", 14, "", "a"),
]


def test_a_book_that_was_kept_says_nothing() -> None:
    assert list(misused(KEPT, LOG, LEASE)) == []


@pytest.mark.parametrize(
    ("deliveries", "log", "says"),
    [
        ([*KEPT[:2], settled("a", 22, 2)], [], "FENCE: 22.000 a settles d"),
        ([KEPT[0], claimed("b", 19, 2, until=20)], [], "LEASE: 19.000 b takes d of (1, 'a')"),
        ([], [*LOG[:2], held("b", 12, "a", "b")], "LEASE: 12.000 b takes the log of a"),
    ],
)
def test_a_lease_that_was_not_kept_is_told(deliveries: list[Any], log: list[Any], says: str) -> None:
    (found,) = misused(deliveries, log, LEASE)
    assert found.startswith(says)
