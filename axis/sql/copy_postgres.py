"""PostgreSQL as one end of a copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import Table

from axis.sql.address import connect, told
from axis.sql.copy_end import End, Row, key_of, names
from axis.sql.driver import StoreError
from axis.sql.postgres import alone, share

BATCH: Final = 500
"""Rows that come from the server in one go."""


class PostgresEnd:
    """Implements `End`. Rows come through a cursor of the server and go in by COPY: none of both is ever whole."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def _run(self, text: str, *values: object) -> psycopg.Cursor[Any]:
        return self._connection.execute(sql.SQL(text), values or None)

    def count(self, table: Table) -> int:
        row = self._run(f'SELECT count(*) FROM "{table.name}"').fetchone()  # noqa: S608 - names of our own
        assert row is not None
        return int(row[0])

    def rows(self, table: Table) -> Iterator[Row]:
        text = f'SELECT {names(table)} FROM "{table.name}" ORDER BY {key_of(table)}'  # noqa: S608
        with self._connection.cursor(f"copy_{table.name}") as cursor:
            cursor.itersize = BATCH
            cursor.execute(sql.SQL(text), binary=True)
            yield from cursor

    def clear(self, table: Table) -> None:
        self._run(f'DELETE FROM "{table.name}"')  # noqa: S608

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        text = f'COPY "{table.name}" ({names(table)}) FROM STDIN'
        with self._connection.cursor() as cursor, cursor.copy(sql.SQL(text)) as copy:
            for row in rows:
                try:
                    copy.write_row(row)
                except psycopg.DataError as error:
                    raise StoreError(f"a row of {table.name} cannot be written ({row[0]}): {error}") from error

    def _sequence(self, table: Table) -> str:
        counted = table.autoincrement_column
        assert counted is not None
        row = self._run("SELECT pg_get_serial_sequence(%s, %s)", table.name, counted.name).fetchone()
        assert row is not None
        return str(row[0])

    def counter(self, table: Table) -> int:
        text = f"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {self._sequence(table)}"  # noqa: S608
        row = self._run(text).fetchone()
        assert row is not None
        return int(row[0])

    def set_counter(self, table: Table, last: int) -> None:
        self._run("SELECT setval(%s::regclass, %s, %s)", self._sequence(table), max(last, 1), last > 0)

    def commit(self) -> None:
        try:
            self._run("COMMIT")
        except psycopg.OperationalError as error:
            raise StoreError(
                f"nobody knows whether the copy was committed ({' '.join(str(error).split())}): run the same command "
                "again; where it says that the target is not empty, the copy is there, and whole"
            ) from error


@contextmanager
def snapshot_end(url: str) -> Iterator[End]:
    """The database as of one moment, to read from only, beside daemons that write."""
    with told(url):
        limits = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
        with connect(url, "axis: backs up", readonly=True, **limits) as connection:
            share(connection, url)  # a migration rewrites tables under a snapshot, which then has none of their rows
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresEnd(connection)
            connection.execute("ROLLBACK")


@contextmanager
def postgres_end(url: str) -> Iterator[End]:
    with alone(url) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            yield PostgresEnd(connection)
        except psycopg.Error as error:
            raise StoreError(f"the copy failed, nothing was kept: {error}") from error
        finally:
            if not connection.closed and connection.info.transaction_status:
                connection.execute("ROLLBACK")
