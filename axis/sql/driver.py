"""What the store asks of a database: the part that is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from axis.core.problems import Kind, Problem, Unavailable
from axis.sql.statements import Statements


class StoreError(Exception):
    """The store cannot be opened as it must be. The message is for the person at the terminal."""


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """The part that `sqlite3` and psycopg have in common."""

    def execute(self, sql: str, params: Mapping[str, Any] = ..., /) -> Cursor: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Session:
    """A driver's connection, the statements in its dialect, and how it says "already there"."""

    connection: Connection
    statements: Statements
    is_duplicate: Callable[[Exception], bool]

    def run(self, sql: str, /, **params: str | bytes | int | None) -> Cursor:
        return self.connection.execute(sql, params)

    def write(self, sql: str, params: Mapping[str, Any], /) -> Cursor:
        return self.connection.execute(sql, params)


class WriteConnection(Protocol):
    """The one connection that writes. Used by one thread."""

    @property
    def session(self) -> Session: ...
    @property
    def in_transaction(self) -> bool: ...
    def begin(self) -> None:
        """Start a transaction that may write, at once: a later upgrade could lose updates (ADR 0003)."""
        ...

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class Database(Protocol):
    """One database. `errors` are the driver's exceptions."""

    @property
    def errors(self) -> type[Exception]: ...
    def is_busy(self, error: Exception) -> bool:
        """Say whether only waiting was cut short: nothing is wrong with the connection."""
        ...

    def is_fatal(self, error: Exception) -> bool:
        """Say whether the connection must not be used any more (I/O errors, damage)."""
        ...

    def is_bug(self, error: Exception) -> bool:
        """Say whether the statement or its values were wrong: ours to mend, no trouble of the database."""
        ...

    def open_writer(self) -> WriteConnection: ...
    def recover(self) -> WriteConnection:
        """After a failed commit, with every connection closed: what is visible from now on is on stable storage."""
        ...

    def open_reader(self) -> Session: ...
    def close(self) -> None: ...


def unavailable(outcome: str, error: BaseException | str, retry_after_s: float = 5) -> Unavailable:
    """The store cannot answer now. `outcome` is `not-stored` or `unknown`: then the sender repeats and gets either the
    first receipt or its first storing."""
    problem = Problem(Kind.STORE_UNAVAILABLE, extra={"outcome": outcome}, context={"error": repr(error)})
    return Unavailable(problem, retry_after_s)
