"""What rows name and what is there, held against each other on a disk: neither need fit in memory.

SQLite keeps both in a file without a name, in the system's folder for such files (`SQLITE_TMPDIR`, `TMPDIR`): it is
gone with the process. Some 500 octets of it for each file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from axis.core.model import PayloadRef
from axis.holding import Sort, StoredFile
from axis.sql.soundness import NamedFile

_MADE: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -8192;
CREATE TABLE named (sha256 TEXT, kind TEXT, owner TEXT, size INTEGER);
CREATE TABLE there (name TEXT, sort INTEGER, place TEXT, size INTEGER, mtime REAL, listing INTEGER,
                    PRIMARY KEY (name, sort)) WITHOUT ROWID;
BEGIN;
"""
_FILE: Final = "SELECT sort, place, size, mtime FROM there"
_IS_NAMED: Final = "EXISTS (SELECT 1 FROM named WHERE sha256 = name)"
_IS_THERE: Final = "EXISTS (SELECT 1 FROM there WHERE name = sha256)"


class Compared:
    """First what rows name, or what is there, then the questions. `OSError` where the disk has no room for it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._listings = 0

    def rows_name(self, named: Iterable[NamedFile]) -> None:
        rows = ((one.ref.sha256, one.kind, one.owner, one.ref.size) for one in named)
        self._run_many("INSERT INTO named VALUES (?, ?, ?, ?)", rows)
        self._run("CREATE INDEX IF NOT EXISTS by_name ON named (sha256)")

    def were_named(self, names: Iterable[str]) -> None:
        """Those of `names` of which there is a file count as named."""
        asked = "INSERT INTO named SELECT ?1, '', '', 0 WHERE EXISTS (SELECT 1 FROM there WHERE name = ?1)"
        self._run_many(asked, ((name,) for name in names))

    def are_there(self, files: Iterable[StoredFile]) -> None:
        """One listing; what a later one says of a name counts."""
        self._listings += 1
        rows = ((one.name, one.sort.value, one.where, one.size, one.mtime, self._listings) for one in files)
        self._run_many("INSERT OR REPLACE INTO there VALUES (?, ?, ?, ?, ?, ?)", rows)

    def names(self) -> Iterator[NamedFile]:
        """All that was named, in the order of digests; of one digest in the order in which it came."""
        for sha256, kind, owner, size in self._run("SELECT * FROM named ORDER BY sha256, rowid"):
            yield NamedFile(kind, owner, PayloadRef(sha256, size))

    def refs(self, *, missing: bool = False) -> Iterator[PayloadRef]:
        """Each that was named once, in the order of digests; or those of which there is no file."""
        for row in self._run(f"SELECT DISTINCT sha256, size {_refs(missing)} ORDER BY sha256"):
            yield PayloadRef(*row)

    def number(self, *, missing: bool = False) -> tuple[int, int]:
        """How many `refs` are, and how many octets they have."""
        asked = f"SELECT count(*), coalesce(sum(size), 0) FROM (SELECT DISTINCT sha256, size {_refs(missing)})"  # noqa: S608 - our own names
        ((number, octets),) = self._run(asked)
        return int(number), int(octets)

    def is_named(self, name: str) -> bool:
        return self._run("SELECT 1 FROM named WHERE sha256 = ? LIMIT 1", name).fetchone() is not None

    def file(self, name: str) -> StoredFile | None:
        """The one to read: what is aside and named as well is read where it is named."""
        row = self._run(f"{_FILE} WHERE name = ? ORDER BY listing DESC, sort LIMIT 1", name).fetchone()
        return None if row is None else _stored(row)

    def files(self, *, named: bool) -> Iterator[StoredFile]:
        """Those whose name a row has, or has not, in the order of names."""
        yield from map(_stored, self._run(f"{_FILE} WHERE {'' if named else 'NOT '}{_IS_NAMED} ORDER BY name, sort"))

    def number_of_files(self) -> int:
        ((number,),) = self._run("SELECT count(DISTINCT name) FROM there")
        return int(number)

    def _run(self, asked: str, *values: str) -> sqlite3.Cursor:
        with _told():
            return self._database.execute(asked, values)

    def _run_many(self, asked: str, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:  # a loop of our own: an error of who gives the rows is not one of this file
            self._run(asked, *row)


@contextmanager
def compared() -> Iterator[Compared]:
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        with _told():
            database.executescript(_MADE)
        yield Compared(database)


def _refs(missing: bool) -> str:
    return f"FROM named WHERE NOT {_IS_THERE}" if missing else "FROM named"


def _stored(row: tuple[int, str, int, float]) -> StoredFile:
    sort, place, size, mtime = row
    return StoredFile(Sort(sort), place, size, mtime)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(f"what is to be compared cannot be put aside (TMPDIR): {error}") from error
