"""Connections that only read: any thread borrows one. Nobody waits for another, as long as the server has places."""

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
SHARE_S: Final = 2.0
"""How long a question waits for a connection of another one where no more can be opened."""


class Readers(Generic[R]):
    """`reader` makes what is lent of a session: once for each connection, which is kept."""

    def __init__(self, database: Database, reader: Callable[[Session], R]) -> None:
        self._database = database
        self._reader = reader
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._free: list[R] = []
        self._lent = 0
        self._open = 0
        self._shut = False

    def ask(self, question: Callable[[R], T], snapshot: bool = False) -> T:
        """What `question` answers, over a connection that is its own meanwhile. With `snapshot`, everything read in it
        is of one moment. `Unavailable` when the store cannot be read now.
        """
        reader = self._lend()
        try:
            reader = reader or self._opened()
            return _in_snapshot(reader, question) if snapshot else question(reader)
        except (self._database.errors, StoreError) as error:
            if reader is not None:
                self._drop(reader)
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

    def _opened(self) -> R:
        """A connection more; one that comes back, where there is no place for more: a role may have few of them."""
        try:
            made = self._reader(self._database.open_reader())
        except (self._database.errors, StoreError):
            with self._lock:
                self._returned.wait_for(lambda: self._free or self._shut or not self._open, SHARE_S)
                if self._shut or not self._free:
                    raise
                return self._free.pop()
        with self._lock:
            self._open += 1
        return made

    def _drop(self, reader: Reader) -> None:
        reader.session.connection.close()
        with self._lock:
            self._open -= 1
            self._returned.notify_all()

    def _take_back(self, reader: R | None) -> None:
        with self._lock:
            self._lent -= 1
            if reader is not None:
                self._free.append(reader)
            self._returned.notify_all()

    def close(self) -> None:
        """Close every connection, after those that are lent have come back; nothing is lent from here on."""
        with self._lock:
            self._shut = True
            self._returned.notify_all()
            if not self._returned.wait_for(lambda: self._lent == 0, PATIENCE_S):
                raise StoreError("a reader does not give its connection back")
            while self._free:
                self._free.pop().session.connection.close()
                self._open -= 1

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
