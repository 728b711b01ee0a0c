"""Copy a whole store into an empty one, from one database to another: all of it, or nothing.

Both ends are held alone meanwhile. Everything goes over in one transaction, is read back there, and compared with what
was read here, row by row as a digest for each table; only then it is committed. So a copy that was interrupted has left
nothing, and is simply begun again. Counters go over too: a number that was given once is not given again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Table

from axis.sql import migrate
from axis.sql.copy_end import End, Row
from axis.sql.copy_sqlite import sqlite_end
from axis.sql.driver import StoreError
from axis.sql.engine import is_postgres
from axis.sql.recovery import refuse_marked
from axis.sql.tables import SCHEMA_VERSION, Base, meta
from axis.sql.unfinished import left_by

EVERY: Final = 5_000
"""Rows between two words about the progress."""

Told = Callable[[str, int, int], None]
"""Hears the table, how many of its rows are over, and how many there are."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One table, the same at both ends. `digest` is over its rows in the order of the key."""

    table: str
    rows: int
    digest: str


def tables() -> Sequence[Table]:
    """Every table, those that others refer to first."""
    return Base.metadata.sorted_tables


def copy_store(
    source: str,
    target: str,
    told: Told = lambda table, done, all: None,
    *,
    before: Callable[[], None] = lambda: None,
    restoring: str | None = None,
) -> Sequence[Copied]:
    """Copy the store at `source` into `target`, which is made where it is missing and must be empty.

    `before` is done first, while both are held and nothing changes in either. With `restoring` the target may hold what
    an unfinished restore of that backup has left, and is emptied in the same transaction.

    `StoreError` when a daemon has one of them, when the target holds anything, or when the copy does not read back.
    """
    if migrate.needed(source):
        raise StoreError("the store to be copied has another schema: bring it to this version first (axis migrate)")
    if restoring is None:
        refuse_marked(source)
    refuse_full(target, restoring)
    if migrate.needed(target):
        migrate.upgrade(target)
    with _end(source) as here, _end(target) as there:
        before()
        return transfer(here, there, told, restoring)


def refuse_full(target: str, restoring: str | None = None) -> None:
    """`StoreError` unless a copy could go into the store at `target`: empty, or not there, or what a restore of the
    backup `restoring` has left, and no daemon has it.

    A store of another schema counts as full and is left as it is: the program that it belongs to may still be wanted.
    """
    found = migrate.current(target)
    if found not in (None, SCHEMA_VERSION):
        raise StoreError(f"the target is not empty (a store of schema {found}): a copy goes into a new database only")
    if found is not None:
        with _end(target) as there:
            _refuse_full(there, restoring)


def transfer(here: End, there: End, told: Told, restoring: str | None = None) -> Sequence[Copied]:
    """Every row from one end to the other, read back, compared and committed. `StoreError`, and nothing is kept."""
    _refuse_full(there, restoring)
    found = []
    for table in reversed(tables()):
        there.clear(table)
    for table in tables():
        found.append(_copy(table, here, there, told))
    for one, table in zip(found, tables(), strict=True):
        if _digest(there.rows(table)) != (one.rows, one.digest):
            raise StoreError(f"the table {one.table} does not read back as it was written; nothing was kept")
    there.commit()
    return found


def _refuse_full(there: End, restoring: str | None) -> None:
    if restoring is not None and left_by({row[0]: row[1] for row in there.rows(meta)}) == restoring:
        return
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


def _end(url: str) -> AbstractContextManager[End]:
    if is_postgres(url):
        from axis.sql.copy_postgres import postgres_end

        return postgres_end(url)
    return sqlite_end(url)
