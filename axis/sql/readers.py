"""Connections that only read: any thread borrows one, nobody waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from axis.sql.driver import Database, Session, StoreError, unavailable
from axis.sql.read import Reader

T = TypeVar("T")
R = TypeVar("R", bound=Reader, covariant=True)
Lent = TypeVar("Lent", bound=Reader)

PATIENCE_S: Final = 5.0
"""How long recovery waits for readers to give their connections back. They hold one for the length of a question."""


class Readers(Generic[R]):
    """`reader` makes what is lent of a session: once for each connection, which is kept."""

    def __init__(self, database: Database, reader: Callable[[Session], R]) -> None:
        self._database = database
        self._reader = reader
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._free: list[R] = []
        self._lent = 0
        self._shut = False

    def ask(self, question: Callable[[R], T], snapshot: bool = False) -> T:
        """What `question` answers, over a connection that is its own meanwhile. With `snapshot`, everything read in it
        is of one moment. `Unavailable` when the store cannot be read now.
        """
        reader = self._lend()
        try:
            if reader is None:
                reader = self._reader(self._database.open_reader())
            return _in_snapshot(reader, question) if snapshot else question(reader)
        except (self._database.errors, StoreError) as error:
            if reader is not None:
                reader.session.connection.close()
                reader = None
            raise unavailable("not-stored", error) from error
        finally:
            self._take_back(reader)

    def _lend(self) -> R | None:
        with self._lock:
            if self._shut:
                raise unavailable("not-stored", "the store is closed or being reopened", 1)
            self._lent += 1
            return self._free.pop() if self._free else None

    def _take_back(self, reader: R | None) -> None:
        with self._lock:
            self._lent -= 1
            if reader is not None:
                self._free.append(reader)
            if self._shut:  # nobody else waits
                self._returned.notify_all()

    def close(self) -> None:
        """Close every connection, after those that are lent have come back; nothing is lent from here on."""
        with self._lock:
            self._shut = True
            if not self._returned.wait_for(lambda: self._lent == 0, PATIENCE_S):
                raise StoreError("a reader does not give its connection back")
            while self._free:
                self._free.pop().session.connection.close()

    def reopen(self) -> None:
        with self._lock:
            self._shut = False


def _in_snapshot(reader: Lent, question: Callable[[Lent], T]) -> T:
    connection = reader.session.connection
    connection.execute(reader.session.snapshot)
    try:
        return question(reader)
    finally:
        connection.execute("ROLLBACK")
