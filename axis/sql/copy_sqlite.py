"""SQLite as one end of a copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Table

from axis.sql.copy_end import End, Row, key_of, names
from axis.sql.driver import StoreError
from axis.sql.sqlite import alone, sqlite_path


class SqliteEnd:
    """Implements `End`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        (number,) = self._connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()  # noqa: S608
        return int(number)

    def rows(self, table: Table) -> Iterator[Row]:
        sql = f'SELECT {names(table)} FROM "{table.name}" ORDER BY {key_of(table)}'  # noqa: S608 - names of our own
        return iter(self._connection.execute(sql))  # no generator: left early, it would close what is closed by then

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
