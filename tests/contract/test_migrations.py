"""A store is made by migrations alone, and what they make is what the tables say."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from axis.blobs import Blobs
from axis.sql import migrate
from axis.sql.driver import NoStore, StoreError
from axis.sql.engine import InstanceLock, open_readonly, open_store
from axis.sql.silent import end_silent
from axis.sql.statements import Statements
from axis.sql.tables import SCHEMA_VERSION, Base
from tests.postgres import Server
from tests.site import until


def schema(path: Path) -> dict[str, list[str]]:
    """Every object of a database as its words, in no order: what SQLite itself remembers. It quotes what it renamed."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
    finally:
        connection.close()
    words = {
        name: sorted((sql or "").replace('"', "").replace(",", " ").replace("(", " ").replace(")", " ").split())
        for name, sql in rows
    }
    return {name: found for name, found in words.items() if name != "alembic_version"}


def test_the_migrated_schema_is_what_the_tables_say(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/axis.db"
    migrate.upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()
    described = create_engine(f"sqlite:///{tmp_path}/described.db")
    Base.metadata.create_all(described)
    described.dispose()
    migrated = schema(tmp_path / "axis.db")
    assert migrated == schema(tmp_path / "described.db")
    assert len(migrated) > len(Base.metadata.tables)


def test_the_last_revision_is_the_one_that_the_tables_name() -> None:
    assert ScriptDirectory.from_config(migrate.config()).get_heads() == [SCHEMA_VERSION]


def test_migrating_twice_changes_nothing_and_keeps_the_identity(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/axis.db"
    assert migrate.current(url) is None
    assert migrate.needed(url)
    migrate.upgrade(url)
    before = (tmp_path / "deep/axis.db").read_bytes()
    assert migrate.current(url) == SCHEMA_VERSION
    assert not migrate.needed(url)
    migrate.upgrade(url)
    assert (tmp_path / "deep/axis.db").read_bytes() == before


def test_asking_for_the_schema_makes_no_file(tmp_path: Path) -> None:
    assert migrate.needed(f"sqlite:///{tmp_path}/axis.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
def test_a_migration_that_dies_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Killed after the tables exist, before the commit."""
    url = f"sqlite:///{tmp_path}/axis.db"
    script = f"""
import os, secrets
def die(size):
    os.kill(os.getpid(), 9)
secrets.token_hex = die
from axis.sql import migrate
migrate.upgrade({url!r})
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    assert schema(tmp_path / "axis.db") == {}
    migrate.upgrade(url)
    assert not migrate.needed(url)


@pytest.mark.faults
def test_a_migration_that_dies_half_way_leaves_nothing_on_postgresql(postgres: Server) -> None:
    url = postgres.database()
    script = f"""
import os, secrets
def die(size):
    os.kill(os.getpid(), 9)
secrets.token_hex = die
from axis.sql import migrate
migrate.upgrade({url!r})
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert migrate.current(url) is None

    def free() -> bool:
        try:
            migrate.upgrade(url)
        except StoreError:  # the server has not noticed yet that the first one is gone
            return False
        return True

    until("it is migrated", free)
    assert not migrate.needed(url)


def test_a_store_in_use_is_not_migrated(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path / "axis.db")
    with pytest.raises(StoreError, match="another process"):
        migrate.upgrade(f"sqlite:///{tmp_path}/axis.db")
    lock.release()


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/axis.db"
    migrate.upgrade(url)
    connection = sqlite3.connect(tmp_path / "axis.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        migrate.upgrade(url)
    with pytest.raises(StoreError, match="schema 9999"):
        open_store(url, Blobs(tmp_path / "blobs"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("axis.db", "looks like"),
        ("mysql://localhost/axis", "not supported"),
        ("postgresql+psycopg2://localhost/axis", "not supported"),
        ("postgresql+psycopg://localhost", "names a database"),
        ("postgresql+psycopg://axis:secret@localhost/axis", "holds no password"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_an_address_that_names_no_store_is_refused(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        migrate.needed(url)


def test_the_migrated_schema_is_what_the_tables_say_on_postgresql(postgres: Server, postgres_store: str) -> None:
    described = postgres.database()
    engines = [create_engine(url) for url in (postgres_store, described)]
    Base.metadata.create_all(engines[1])
    found = []
    for engine in engines:
        with engine.connect() as connection:
            if engine is engines[0]:
                assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
            columns = connection.exec_driver_sql(
                "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2"
            ).fetchall()
            indexes = connection.exec_driver_sql(
                "SELECT indexdef FROM pg_indexes"
                " WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
            ).fetchall()
            checks = connection.exec_driver_sql(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = 'public'::regnamespace"
                " AND conrelid <> coalesce(to_regclass('alembic_version'), 0) ORDER BY 1"
            ).fetchall()
        engine.dispose()
        found.append((columns, indexes, checks))
    assert found[0] == found[1]
    assert len(found[0][1]) > len(Base.metadata.tables)


def test_migrating_postgresql_twice_changes_nothing(postgres: Server) -> None:
    url = postgres.database()
    assert migrate.current(url) is None
    with pytest.raises(NoStore, match="there is no store"):
        open_store(url, Blobs(Path("nowhere")))
    migrate.upgrade(url)
    assert not migrate.needed(url)
    with open_readonly(url) as questions:
        first = questions.meta("store_id")
    migrate.upgrade(url)
    with open_readonly(url) as questions:
        assert questions.meta("store_id") == first


def test_a_postgresql_store_in_use_is_not_migrated(postgres_store: str, tmp_path: Path) -> None:
    store = open_store(postgres_store, Blobs(tmp_path / "blobs"))
    with pytest.raises(StoreError, match="another process"):
        migrate.upgrade(postgres_store)
    asyncio.run(store.close())
    migrate.upgrade(postgres_store)


def test_a_store_that_is_migrated_just_before_it_is_ours_is_not_opened(
    postgres: Server, postgres_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of the old version finds its server again while the new version's migration ends."""
    database = postgres_store.partition("@/")[2].partition("?")[0]

    def meanwhile(connection: psycopg.Connection[Any]) -> Sequence[str]:
        postgres.run("UPDATE alembic_version SET version_num = '9999'", database)
        return end_silent(connection)

    monkeypatch.setattr("axis.sql.postgres.end_silent", meanwhile)
    with pytest.raises(StoreError, match="schema 9999"):
        open_store(postgres_store, Blobs(tmp_path / "blobs"))


def test_the_same_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.upgrade(f"sqlite:///{tmp_path}/axis.db")

    def meanwhile(path: Path) -> InstanceLock:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        return InstanceLock(path)

    monkeypatch.setattr("axis.sql.sqlite.InstanceLock", meanwhile)
    with pytest.raises(StoreError, match="schema 9999"):
        open_store(f"sqlite:///{tmp_path}/axis.db", Blobs(tmp_path / "blobs"))
    InstanceLock(tmp_path / "axis.db").release()


def test_claims_skip_what_another_worker_holds_and_nobody_waits_for_a_row() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = Statements(dialect)
    assert statements.due.endswith("FOR UPDATE SKIP LOCKED")
    assert statements.hold_lane.endswith("FOR NO KEY UPDATE NOWAIT")
    for table in Base.metadata.sorted_tables:
        CreateTable(table).compile(dialect=dialect)
        for index in table.indexes:
            CreateIndex(index).compile(dialect=dialect)
