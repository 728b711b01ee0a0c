"""The store as of one moment, in one SQLite file, taken while daemons write: what a backup keeps of the database."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from axis.sql import migrate
from axis.sql.copy import Told, transfer
from axis.sql.copy_sqlite import sqlite_end
from axis.sql.driver import StoreError
from axis.sql.engine import is_postgres, told
from axis.sql.recovery import refuse_marked
from axis.sql.sqlite import sqlite_path


def snapshot(source: str, target: Path, heard: Told = lambda table, done, all: None) -> None:
    """Write the store at `source` into the new file `target` (mode 0600), and have it on stable storage.

    A PostgreSQL is read in one snapshot and compared row by row; SQLite copies its own pages. `StoreError` when the
    store has another schema or cannot be read, or the file cannot be written; `OSError`.
    """
    if migrate.needed(source):
        raise StoreError("the store has another schema: bring it to this version first (axis migrate)")
    refuse_marked(source)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    if is_postgres(source):
        from axis.sql.copy_postgres import snapshot_end

        url = f"sqlite:///{target}"
        migrate.upgrade(url)
        with snapshot_end(source) as here, sqlite_end(url) as there:
            transfer(here, there, heard)
        target.with_name(target.name + ".lock").unlink()
    else:
        path = sqlite_path(source)
        with (
            told(source),
            closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)) as here_file,
            closing(sqlite3.connect(target)) as there_file,
        ):
            _copy(here_file, there_file, target)
    settle(target)


def _copy(here: sqlite3.Connection, there: sqlite3.Connection, target: Path) -> None:
    try:
        here.backup(there)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error  # only what is written fills


def settle(path: Path) -> None:
    """Make a store one file that no connection has open: no write-ahead log beside it, everything on stable storage."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            if mode != "delete":
                raise StoreError(f"{path} is in use")
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
