"""One SQLite file, one connection, one thread; every transaction is on disk before it is answered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar

from adapters.national.simulator.settings import SettingsError
from adapters.national.simulator.tables import NAMES, TABLES, VERSION

P = ParamSpec("P")
T = TypeVar("T")
Row = sqlite3.Row


class Database:
    """Methods of its children are plain functions; `run` calls them on the database's own thread."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="national-store")
        self._db = self._thread.submit(_open, path).result()

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of this database. A caller that goes away does not undo what it began."""
        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(function, *args, **kwargs)))

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`run` for programs without a loop."""
        return self._thread.submit(function, *args, **kwargs).result()

    def close(self) -> None:
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()

    def digest(self) -> str:
        """A hash over everything that is stored, to tell whether something changed."""
        told = sha256()
        for table in NAMES:
            for row in self._db.execute(f"SELECT * FROM {table} ORDER BY rowid"):  # noqa: S608 - our own names
                told.update(repr((table, tuple(row))).encode())
        return told.hexdigest()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def do(self, sql: str, *values: object) -> None:
        self._db.execute(sql, values)

    def one(self, sql: str, *values: object) -> Row | None:
        found = self._db.execute(sql, values).fetchall()
        return found[0] if found else None

    def all(self, sql: str, **named: object) -> list[Row]:
        return self._db.execute(sql, named).fetchall()

    def put(self, octets: bytes) -> str:
        """Keep octets under their SHA-256."""
        digest = sha256(octets).hexdigest()
        self.do("INSERT INTO packages VALUES (?, ?) ON CONFLICT DO NOTHING", digest, octets)
        return digest


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.row_factory = sqlite3.Row
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        db.execute(f"PRAGMA {pragma}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        db.close()
        raise SettingsError("data: the store was written by another version of the simulator")
    return db
