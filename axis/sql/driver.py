"""What the store asks of a database: the part that is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from axis.core.ports import About, LostRace
from axis.core.problems import Kind, Problem, Unavailable
from axis.sql.statements import Statements

MOVED: Final = "the row is not in the state that the decision was made from"


class StoreError(Exception):
    """The store cannot be opened as it must be. The message is for the person at the terminal."""


class NoStore(StoreError):
    """There is no database where the configuration says, or nothing in it."""


class OtherSchema(StoreError):
    """The database was made by an older version of this program."""


class StoreInUse(StoreError):
    """Another process has it, and it is for one alone."""


class Unfinished(StoreError):
    """A restore has filled it, and was ended before its last step."""


class NoDriver(StoreError):
    """The library for this kind of database is not installed."""


class StoreDamaged(StoreError):
    """The database met a damaged page or index while it was read."""


class Contended(Exception):
    """Another process works on the same thing at this moment. The body runs again, in a later group."""


class AsksMore(Exception):
    """A body that runs where nothing may be asked asks something. It runs again, where it may."""


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """The part that `sqlite3` and psycopg have in common."""

    def execute(self, sql: str, params: Mapping[str, Any] = ..., /) -> Cursor: ...
    def close(self) -> None: ...


class Session:
    """A driver's connection with the statements in its dialect.

    What `write`, `change` and `alone` find wrong may be raised later: by the next `run`, or at the latest by `settle`.
    So a database behind a network can be told many things at once.
    """

    snapshot = "BEGIN"
    """Begins a transaction that reads everything as of one moment."""

    def __init__(
        self, connection: Connection, statements: Statements, is_duplicate: Callable[[Exception], bool]
    ) -> None:
        self.connection = connection
        self.statements = statements
        self.is_duplicate = is_duplicate

    def run(self, sql: str, /, **params: str | bytes | int | None) -> Cursor:
        """Ask, and have the answer."""
        return self.connection.execute(sql, params)

    def write(self, sql: str, params: Mapping[str, Any], /) -> None:
        """Add rows. `LostRace` where a key is there already."""
        try:
            self.connection.execute(sql, params)
        except Exception as error:
            raise self.blame(error) from error

    def change(self, sql: str, rows: int = 1, /, **params: str | bytes | int | None) -> None:
        """Change exactly so many rows. `LostRace` when they are not there."""
        try:
            changed = self.connection.execute(sql, params).rowcount
        except Exception as error:
            raise self.blame(error) from error
        if changed != rows:
            raise LostRace(MOVED)

    def alone(self, *key: str) -> None:
        """Be the only one in this transaction's life who decides about `key`: what is not there yet has no row that
        could be locked. `Contended` when another process does. Nothing where there is one writer."""

    def foreseen(self, *question: str) -> Sequence[Any] | None:
        """The rows that answer a question which was asked for the whole group, where that still holds. A question is
        `document` or `orphans`, the sender, the key of the id, and for orphans the key of the number."""
        return None

    def settle(self) -> None:
        """Raise what was found wrong and not told yet."""

    def blame(self, error: Exception) -> Exception:
        """The exception that says what the driver's means."""
        return LostRace("someone else stored that key first") if self.is_duplicate(error) else error


class Messenger(Protocol):
    """Tells the other processes of a database that something was committed."""

    def tell(self) -> None: ...
    def close(self) -> None: ...


class WriteConnection(Protocol):
    """The one connection that writes. Used by one thread."""

    @property
    def session(self) -> Session: ...
    @property
    def in_transaction(self) -> bool: ...
    @property
    def wrote(self) -> bool:
        """Whether anything may have been changed since `begin`."""
        ...

    def save(self) -> None:
        """Begin a body: what follows can be undone alone."""
        ...

    def undo(self) -> None:
        """Back to the last `save`. The transaction goes on."""
        ...

    def release(self) -> None:
        """End a body that is kept."""
        ...

    @property
    def together(self) -> bool:
        """Whether rows of several bodies are told to the database at once: then it cannot say whose were wrong."""
        ...

    def begin(self, together: bool = True, about: Sequence[About] = ()) -> None:
        """Start a transaction that may write, at once: a later upgrade could lose updates (ADR 0003). `together`
        allows that bodies are not told apart, where that saves something. What the group will ask is looked for on the
        same way, where there is one."""
        ...

    def foresee(self, about: Sequence[About]) -> None:
        """Look for what the bodies of a group will ask, if that was not done. Raises what is wrong with it."""
        ...

    def silence(self) -> AbstractContextManager[None]:
        """While bodies run on the event loop: one that must wait for an answer over a network ends with `AsksMore`."""
        ...

    def finish(self) -> None:
        """Tell the database what it was not told yet. Raises what is wrong with it: nothing of the group is stored."""
        ...

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def prove(self) -> None:
        """Between two transactions: `StoreError` where an answered COMMIT is no longer as durable as when it was
        opened."""
        ...

    def relieve(self) -> Sequence[str]:
        """Between two transactions: end those of other processes that stand still with what they have locked, and say
        whose they were."""
        ...

    def try_room(self) -> None:
        """Between two transactions: write something new of some size, and take it back. Raises what hinders that."""
        ...

    def close(self) -> None: ...


class Database(Protocol):
    """One database. `errors` are the driver's exceptions."""

    @property
    def errors(self) -> type[Exception]: ...
    @property
    def reconnects(self) -> bool:
        """Whether a connection may be lost while all is well with the database."""
        ...

    def reopens(self, error: BaseException) -> bool:
        """Say whether a store that failed so may be opened anew for ever. On SQLite only where there was no room: any
        other second failure means a broken disk."""
        ...

    @property
    def reads_aside(self) -> bool:
        """Whether even a question by key goes over a network, so that it must not be asked on the event loop."""
        ...

    @property
    def concerns(self) -> tuple[str, ...]:
        """What its administrator should hear of: it works, but does what it should not."""
        ...

    def is_busy(self, error: Exception) -> bool:
        """Say whether only waiting was cut short: nothing is wrong with the connection."""
        ...

    def is_contended(self, error: Exception) -> bool:
        """Say whether another process was in the way: the same body may succeed when it is run again."""
        ...

    def is_of_one(self, error: Exception) -> bool:
        """Say whether an error that is nobody's in particular (`WriteConnection.together`) may be that of one body
        alone, so that it is worth while to run each by itself."""
        ...

    def is_fatal(self, error: Exception) -> bool:
        """Say whether the connection must not be used any more (I/O errors, damage)."""
        ...

    def is_full(self, error: Exception) -> bool:
        """Say whether a server elsewhere has no room left: nobody here sees its disk."""
        ...

    def is_bug(self, error: Exception) -> bool:
        """Say whether the statement or its values were wrong: ours to mend, no trouble of the database."""
        ...

    def open_writer(self) -> WriteConnection: ...
    def recover(self) -> WriteConnection:
        """After a failed commit, with every connection closed: what is visible from now on is on stable storage."""
        ...

    def open_reader(self) -> Session: ...
    def messenger(self, heard: Callable[[], None]) -> Messenger | None:
        """Begin to tell other processes, and to hear from them: `heard` is called in some thread. `None` where there
        are no others."""
        ...

    def close(self) -> None: ...


def unavailable(outcome: str, error: BaseException | str, retry_after_s: float = 5) -> Unavailable:
    """The store cannot answer now. `outcome` is `not-stored` or `unknown`: then the sender repeats and gets either the
    first receipt or its first storing."""
    problem = Problem(Kind.STORE_UNAVAILABLE, extra={"outcome": outcome}, context={"error": repr(error)})
    return Unavailable(problem, retry_after_s)
