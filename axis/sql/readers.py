"""Connections that only read: any thread borrows one, nobody waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from axis.sql.driver import Database, Session, StoreError, unavailable

T = TypeVar("T")

PATIENCE_S: Final = 5.0
"""How long recovery waits for readers to give their connections back. They hold one for the length of a question."""


class Readers:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._state = threading.Condition()
        self._free: list[Session] = []
        self._lent = 0
        self._shut = False

    def ask(self, question: Callable[[Session], T], snapshot: bool = False) -> T:
        """What `question` answers, over a connection that is its own meanwhile. With `snapshot`, everything read in it
        is of one moment. `Unavailable` when the store cannot be read now.
        """
        with self._state:
            if self._shut:
                raise unavailable("not-stored", "the store is closed or being reopened", 1)
            self._lent += 1
            session = self._free.pop() if self._free else None
        try:
            if session is None:
                session = self._database.open_reader()
            return _in_snapshot(session, question) if snapshot else question(session)
        except (self._database.errors, StoreError) as error:
            if session is not None:
                session.connection.close()
                session = None
            raise unavailable("not-stored", error) from error
        finally:
            with self._state:
                self._lent -= 1
                if session is not None:
                    self._free.append(session)
                self._state.notify_all()

    def close(self) -> None:
        """Close every connection, after those that are lent have come back; nothing is lent from here on."""
        with self._state:
            self._shut = True
            if not self._state.wait_for(lambda: self._lent == 0, PATIENCE_S):
                raise StoreError("a reader does not give its connection back")
            while self._free:
                self._free.pop().connection.close()

    def reopen(self) -> None:
        with self._state:
            self._shut = False


def _in_snapshot(session: Session, question: Callable[[Session], T]) -> T:
    session.connection.execute(session.snapshot)
    try:
        return question(session)
    finally:
        session.connection.execute("ROLLBACK")
