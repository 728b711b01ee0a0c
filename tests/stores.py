"""Empty stores: on SQLite a process migrates one and copies it, because migrating costs more than most tests do."""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from axis.sql.engine import is_postgres, sqlite_path
from axis.sql.migrate import needed, upgrade


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "axis.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def ready(url: str) -> str:
    """Make or migrate the store at `url`, as `upgrade` does, and return the address. A new one has its own identity."""
    if not needed(url):
        return url
    if is_postgres(url) or (path := sqlite_path(url)).exists():
        upgrade(url)
        return url
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(_migrated())
    with closing(sqlite3.connect(path)) as books:
        books.execute("PRAGMA synchronous = OFF")
        books.execute("UPDATE meta SET value = ? WHERE name = 'store_id'", (secrets.token_hex(16),))
        books.commit()
    return url
