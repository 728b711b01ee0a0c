"""Wake-ups between the processes of one PostgreSQL: a hint after a commit, never more than that.

A thread of its own tells the others (NOTIFY) that something was committed, at most twenty times a second, on a
connection that does not wait for the disk; another one listens. Inside the transactions NOTIFY would queue all
processes up at their commits (measured elsewhere: 5,390 commits a second became 2,170). A hint that is lost costs what
polling costs: the dispatcher looks once a second, the sequencer twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psycopg

from axis.sql.driver import StoreError

CHANNEL: Final = "axis_written"
PAUSE_S: Final = 0.05
LOOK_S: Final = 0.5
AGAIN_S: Final = 1.0


class News:
    """Tells other processes, and hears from them. `close` ends both threads."""

    def __init__(self, connect: Callable[[str], psycopg.Connection[Any]], heard: Callable[[], None]) -> None:
        """`connect` opens a connection that is called so; `heard` is called in a thread of ours."""
        self._connect = connect
        self._heard = heard
        self._written = threading.Event()
        self._stop = threading.Event()
        self._own = 0
        self._threads = [
            threading.Thread(target=self._again, args=(work,), name=f"axis-news-{name}", daemon=True)
            for name, work in (("tells", self._tell), ("hears", self._hear))
        ]
        for thread in self._threads:
            thread.start()

    def tell(self) -> None:
        """Something was committed. Costs nothing."""
        self._written.set()

    def close(self) -> None:
        self._stop.set()
        self._written.set()
        for thread in self._threads:
            thread.join()

    def _again(self, work: Callable[[], None]) -> None:
        """Work on connections that may break: whatever is missed meanwhile is found by looking."""
        while not self._stop.is_set():
            with suppress(psycopg.Error, StoreError):
                work()
            self._stop.wait(AGAIN_S)

    def _tell(self) -> None:
        with self._connect("tells") as connection:
            connection.execute("SET synchronous_commit = off")
            self._own = connection.info.backend_pid
            while not self._stop.is_set():
                self._written.wait()
                self._written.clear()
                if not self._stop.is_set():
                    connection.execute(f"NOTIFY {CHANNEL}")
                    self._stop.wait(PAUSE_S)

    def _hear(self) -> None:
        with self._connect("hears") as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._heard()  # what was told before is not heard
            while not self._stop.is_set():
                for note in connection.notifies(timeout=LOOK_S, stop_after=1):
                    if note.pid != self._own:
                        self._heard()
