"""Which database an address names. The rest of the house opens stores through here.

What one database does otherwise than the other stands in `axis.sql.sqlite` and `axis.sql.postgres`, nowhere else. The
driver of PostgreSQL is an extra and is imported only when an address asks for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec

from sqlalchemy import Engine

from axis.sql import sqlite
from axis.sql.driver import NoDriver
from axis.sql.sqlite import InstanceLock, sqlite_path
from axis.sql.store import SqlStore
from axis.sql.views import Questions, Shelf

__all__ = [
    "InstanceLock",
    "is_postgres",
    "migration_engine",
    "open_readonly",
    "open_store",
    "schema_version",
    "sqlite_path",
    "told",
]


def is_postgres(url: str) -> bool:
    return url.startswith("postgresql")


def _need_driver() -> None:
    if find_spec("psycopg") is None:
        raise NoDriver("PostgreSQL needs the extra [postgres]: psycopg is not installed (requirements/postgres.lock)")


def open_store(
    url: str,
    blobs: Shelf,
    *,
    instance: str = "main",
    connection_class: type[sqlite3.Connection] = sqlite3.Connection,
) -> SqlStore:
    """Open the store: SQLite for this process alone, PostgreSQL beside others. `StoreError` when it cannot keep its
    promises.

    Close it with `SqlStore.close`. `instance` is this process's name among those of one database. `connection_class` is
    for tests that make SQLite fail.
    """
    if is_postgres(url):
        _need_driver()
        from axis.sql import postgres

        return postgres.open_postgres(url, blobs, instance)
    return sqlite.open_sqlite(url, blobs, connection_class=connection_class)


def open_readonly(url: str, *, patient: bool = False) -> AbstractContextManager[Questions]:
    """Ask a store without a daemon, or beside a running one. Nothing is written, no lock is taken.

    A `patient` connection has no time limits: one question may read everything, and there may be hours between two.
    """
    if is_postgres(url):
        _need_driver()
        from axis.sql import postgres

        return postgres.open_readonly(url, patient)
    return sqlite.open_readonly(url)


@contextmanager
def told(url: str) -> Iterator[None]:
    """What the driver says while a store is read, in our words: `StoreDamaged`, `StoreError`."""
    if is_postgres(url):
        _need_driver()
        from axis.sql import address

        with address.told(url):
            yield
    else:
        with sqlite.told(url):
            yield


@contextmanager
def migration_engine(url: str) -> Iterator[Engine]:
    """An engine for alembic, while no daemon has the store. `StoreError` when one has."""
    if is_postgres(url):
        _need_driver()
        from axis.sql import postgres

        with postgres.migration_engine(url) as engine:
            yield engine
    else:
        with sqlite.migration_engine(url) as engine:
            yield engine


def schema_version(url: str) -> str | None:
    """The revision of the store at `url`, `None` where there is none yet. Makes nothing."""
    if is_postgres(url):
        _need_driver()
        from axis.sql import postgres

        return postgres.schema_version(url)
    return sqlite.schema_version(sqlite_path(url))
