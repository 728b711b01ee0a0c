"""SQLite in a simulation: a real database, whose writer is a callback of the loop in place of a thread. Its COMMIT may
be the end of the process, before or after it has happened.

Several processes may have it, each with a writer of its own: it stands for a shared database whose transactions come
one after the other. What PostgreSQL does with two of them at once is seen by `tests/crash/test_processes.py`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

from axis.log import turn
from axis.sql import group, sqlite
from axis.sql.group import GroupCommitter, Job
from tests.sim.loop import wait


class Jobs:
    """The queue of a group committer, who is called when there is something in it."""

    def __init__(self) -> None:
        self._jobs: deque[Job | None] = deque()
        self.committer: GroupCommitter | None = None
        self._called = False

    def qsize(self) -> int:
        return len(self._jobs)

    def put(self, job: Job | None) -> None:
        self._jobs.append(job)
        if job is not None:
            self._call()

    def get(self, timeout: float | None = None) -> Job | None:
        return self.get_nowait()

    def get_nowait(self) -> Job | None:
        if not self._jobs:
            raise Empty
        return self._jobs.popleft()

    def _call(self) -> None:
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._called = False
        committer = self.committer
        if committer is None or not (self._jobs or committer._again):
            return
        jobs, last = committer._next_group(closing=False)
        committer._turn(jobs)
        if last:
            self._jobs.append(None)
        elif self._jobs or committer._again:
            self._call()


class Writer:
    """In place of the writer's thread: does its turns when the queue calls, and the rest when it is waited for."""

    def __init__(self, target: Callable[[], None], **_named: Any) -> None:
        self._target = target

    def start(self) -> None:
        committer: Any = getattr(self._target, "__self__", None)
        committer._jobs.committer = committer

    def join(self) -> None:
        committer: Any = getattr(self._target, "__self__", None)
        if committer._jobs.committer is not None:
            committer._jobs.committer = None
            self._target()


class Here:
    """In place of an errand on the loop, which the writer's thread would wait for: there is one thread."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._work()


class Unlocked:
    """In place of the lock that keeps a second process away from a file of SQLite."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def release(self) -> None:
        """Nobody was kept out."""


@contextmanager
def single_threaded() -> Iterator[None]:
    """Inside, stores that are opened have no thread, and may be opened twice; whoever waits for a folder of the log
    lets others run."""
    real = group.threading, group.SimpleQueue, group.Errand, sqlite.InstanceLock, turn.time
    group.threading = SimpleNamespace(Lock=threading.Lock, Thread=Writer)  # type: ignore[assignment]
    group.SimpleQueue = Jobs  # type: ignore[assignment, misc]
    group.Errand = Here  # type: ignore[assignment, misc]
    sqlite.InstanceLock = Unlocked  # type: ignore[assignment, misc]
    turn.time = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time(), sleep=wait)  # type: ignore[assignment]
    try:
        yield
    finally:
        group.threading, group.SimpleQueue, group.Errand, sqlite.InstanceLock, turn.time = real  # type: ignore[misc]


def connection_class(
    commits: Callable[[bool], None], opened: Callable[[sqlite3.Connection], None]
) -> type[sqlite3.Connection]:
    """Connections that call `commits` before (False) and after (True) each COMMIT, and `opened` when they are made."""

    class Watched(sqlite3.Connection):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            opened(self)

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql != "COMMIT":
                return super().execute(sql, parameters)
            commits(False)
            done = super().execute(sql, parameters)
            commits(True)
            return done

    return Watched
