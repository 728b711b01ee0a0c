"""Copy a whole store into an empty one, from one database to another: all of it, or nothing.

Both ends are held alone meanwhile. Everything goes over in one transaction, is read back there, and compared with what
was read here, row by row as a digest for each table; only then it is committed. So a copy that was interrupted has left
nothing, and is simply begun again. Counters go over too: a number that was given once is not given again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Table

from axis.sql import migrate
from axis.sql.driver import StoreError
from axis.sql.engine import is_postgres
from axis.sql.sqlite import alone, sqlite_path
from axis.sql.tables import Base

BATCH: Final = 500
EVERY: Final = 5_000
"""Rows between two words about the progress."""

Row = Sequence[Any]
Told = Callable[[str, int, int], None]
"""Hears the table, how many of its rows are over, and how many there are."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One table, the same at both ends. `digest` is over its rows in the order of the key."""

    table: str
    rows: int
    digest: str


class End(Protocol):
    """One of the two databases, held alone, inside one transaction."""

    def count(self, table: Table) -> int: ...
    def rows(self, table: Table) -> Iterator[Row]:
        """Every row in the order of the primary key, its columns in the order of the table."""
        ...

    def clear(self, table: Table) -> None: ...
    def fill(self, table: Table, rows: Iterable[Row]) -> None: ...
    def counter(self, table: Table) -> int:
        """The greatest number that was given out, 0 before the first."""
        ...

    def set_counter(self, table: Table, last: int) -> None: ...
    def commit(self) -> None: ...


def tables() -> Sequence[Table]:
    """Every table, those that others refer to first."""
    return Base.metadata.sorted_tables


def copy_store(source: str, target: str, told: Told = lambda table, done, all: None) -> Sequence[Copied]:
    """Copy the store at `source` into `target`, which is made where it is missing and must be empty.

    `StoreError` when a daemon has one of them, when the target holds anything, or when the copy does not read back.
    """
    if migrate.needed(source):
        raise StoreError("the store to be copied has another schema: bring it to this version first (axis migrate)")
    if migrate.needed(target):
        migrate.upgrade(target)
    with _end(source) as here, _end(target) as there:
        return transfer(here, there, told)


def transfer(here: End, there: End, told: Told) -> Sequence[Copied]:
    """Every row from one end to the other, read back, compared and committed. `StoreError`, and nothing is kept."""
    _refuse_full(there)
    found = []
    for table in tables():
        there.clear(table)
        found.append(_copy(table, here, there, told))
    for one, table in zip(found, tables(), strict=True):
        if _digest(there.rows(table)) != (one.rows, one.digest):
            raise StoreError(f"the table {one.table} does not read back as it was written; nothing was kept")
    there.commit()
    return found


def _refuse_full(there: End) -> None:
    full = [table.name for table in tables() if table.name != "meta" and there.count(table)]
    if full:
        raise StoreError(f"the target is not empty ({', '.join(full)}): a copy goes into a new database only")


def _copy(table: Table, here: End, there: End, told: Told) -> Copied:
    whole, digest, done = here.count(table), hashlib.sha256(), 0

    def passing() -> Iterator[Row]:
        nonlocal done
        for row in here.rows(table):
            _feed(digest, row)
            yield row
            done += 1
            if not done % EVERY:
                told(table.name, done, whole)

    there.fill(table, passing())
    if counted(table):
        there.set_counter(table, here.counter(table))
    told(table.name, done, whole)
    return Copied(table.name, done, digest.hexdigest())


def counted(table: Table) -> bool:
    """Whether the database counts up the key."""
    return table.autoincrement_column is not None


def _digest(rows: Iterable[Row]) -> tuple[int, str]:
    digest, number = hashlib.sha256(), 0
    for row in rows:
        _feed(digest, row)
        number += 1
    return number, digest.hexdigest()


def _feed(digest: hashlib._Hash, row: Row) -> None:
    for value in row:
        if value is None:
            digest.update(b"-")
            continue
        octets = value if isinstance(value, bytes) else str(int(value) if isinstance(value, bool) else value).encode()
        digest.update(b"%s%d:" % (type(value).__name__.replace("bool", "int").encode(), len(octets)))
        digest.update(octets)


def names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.c)


def key_of(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.primary_key)


def _end(url: str) -> AbstractContextManager[End]:
    if is_postgres(url):
        from axis.sql.copy_postgres import postgres_end

        return postgres_end(url)
    return sqlite_end(url)


class SqliteEnd:
    """Implements `End`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        (number,) = self._connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()  # noqa: S608
        return int(number)

    def rows(self, table: Table) -> Iterator[Row]:
        sql = f'SELECT {names(table)} FROM "{table.name}" ORDER BY {key_of(table)}'  # noqa: S608 - names of our own
        yield from self._connection.execute(sql)

    def clear(self, table: Table) -> None:
        self._connection.execute(f'DELETE FROM "{table.name}"')  # noqa: S608

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        places = ", ".join("?" * len(table.c))
        sql = f'INSERT INTO "{table.name}" ({names(table)}) VALUES ({places})'  # noqa: S608
        self._connection.executemany(sql, rows)

    def counter(self, table: Table) -> int:
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        return int(row[0]) if row else 0

    def set_counter(self, table: Table, last: int) -> None:
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))

    def commit(self) -> None:
        self._connection.execute("COMMIT")


@contextmanager
def sqlite_end(url: str) -> Iterator[End]:
    with alone(sqlite_path(url)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield SqliteEnd(connection)
        except sqlite3.Error as error:
            raise StoreError(f"the copy failed, nothing was kept: {error}") from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
