"""What a restore does to a store: what that does not know of the log is taken from the log, and while the restore is
not finished the store says so (`axis.sql.unfinished`).
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from axis.sql import sqlite
from axis.sql.driver import NoStore, OtherSchema, StoreError
from axis.sql.engine import is_postgres, open_readonly, told
from axis.sql.sqlite import InstanceLock, alone, sqlite_path
from axis.sql.unfinished import MARK, left_by, refuse_unfinished

_FORGET = f"DELETE FROM meta WHERE name = '{MARK}'"  # noqa: S608 - a name of our own


def adopt_entries(path: Path, entries: Iterable[tuple[int, bytes, str, str]]) -> list[int]:
    """Give the store in the SQLite file `path` the entries (place, octets, kind, instant) from where it ends.

    An entry that waits in the store for its place gets it. Every other one is added as it stands in the log: its place
    is returned, because whatever record it tells of is not here. All or nothing. `StoreError`.
    """
    lost = []
    with sqlite.told(f"sqlite:///{path}"), alone(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        waiting: dict[bytes, deque[int]] = defaultdict(deque)
        for id_, leaf in connection.execute("SELECT id, leaf FROM log_intent WHERE log_index IS NULL ORDER BY id"):
            waiting[bytes(leaf)].append(id_)
        for place, octets, kind, at in entries:
            if waiting[octets]:
                id_ = waiting[octets].popleft()
                connection.execute("UPDATE log_intent SET log_index = ? WHERE id = ?", (place, id_))
            else:
                connection.execute(
                    "INSERT INTO log_intent (leaf, kind, at, log_index) VALUES (?, ?, ?, ?)", (octets, kind, at, place)
                )
                lost.append(place)
        connection.execute("COMMIT")
    return lost


def mark(path: Path, backup: str) -> None:
    """Say in the store in the SQLite file `path`, that nobody else has, that the restore of `backup` is not finished.
    `StoreError`."""
    with sqlite.told(f"sqlite:///{path}"), closing(sqlite3.connect(path)) as connection, connection:
        asked = "INSERT INTO meta (name, value) SELECT ?, ? || ' ' || value FROM meta WHERE name = 'openings'"
        connection.execute(asked, (MARK, backup))


def marked(url: str) -> str | None:
    """The backup whose restore into the store at `url` was not finished; `None` where there is no such store, or a node
    has opened it since. `StoreError` where a server cannot be asked."""
    if not is_postgres(url):
        path = sqlite_path(url)
        if not path.is_file() or path.with_name(path.name + "-wal").exists():
            return None  # a node has opened it: nothing is opened that a person may want as it is
    try:
        with told(url), open_readonly(url) as questions:
            return left_by(dict(questions.session.run("SELECT name, value FROM meta").fetchall()))
    except (NoStore, OtherSchema):
        return None
    except StoreError:
        if is_postgres(url):
            raise
        return None  # no store at all


def refuse_marked(url: str) -> None:
    """`Unfinished` where a restore has filled the store at `url` and was not finished."""
    backup = marked(url)
    refuse_unfinished([] if backup is None else [(backup,)], "this store")


def unmark(url: str) -> None:
    """The last step of a restore. `StoreError`."""
    if is_postgres(url):
        from axis.sql import postgres

        with told(url), postgres.alone(url) as connection:
            connection.execute(_FORGET)
        return
    path = sqlite_path(url)
    lock = InstanceLock(path)
    try:
        with told(url), closing(sqlite3.connect(path, isolation_level=None)) as there:
            # Before the write-ahead log: whoever is killed here leaves nothing beside the file that is part of it.
            there.execute("PRAGMA synchronous = EXTRA")
            there.execute(_FORGET)
            there.execute("PRAGMA journal_mode = WAL")
    finally:
        lock.release()
