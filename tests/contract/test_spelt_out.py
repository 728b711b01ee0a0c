"""Conditions without lists on SQLite: they say what the lists said, in a new store and in one of the schema before."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy.dialects import postgresql, sqlite

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument
from axis.sql import migrate
from axis.sql.driver import StoreError
from axis.sql.engine import migration_engine, open_store, sqlite_path
from axis.sql.statements import Statements
from axis.sql.tables import spelt_out
from tests.contract.test_migrations import schema
from tests.factories_core import decision, delivery, document

A_LIST = re.compile(r"\bIN \('[^']*'(?:, '[^']*'){2,}\)")
LISTED = {
    "document": ["state IN ('accepted', 'held', 'refused')"],
    "delivery": [
        "state IN ('queued', 'leased', 'on-hold', 'delivered', 'failed', 'dropped')",
        "cargo IN ('document', 'status', 'notice')",
    ],
    "ix_delivery_lane": ["state IN ('failed', 'leased', 'on-hold', 'queued')"],
    "ix_follow_up_told": ["became IN ('lost', 'refused', 'waiting')"],
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path}/axis.db"
    migrate.upgrade(found)
    return found


def before(folder: Path) -> str:
    """A store of the schema before."""
    found = f"sqlite:///{folder}/before.db"
    with migration_engine(found) as engine, engine.begin() as connection:
        command.upgrade(migrate.config(connection), "0006")
    return found


def texts(url: str) -> dict[str, str]:
    with closing(sqlite3.connect(sqlite_path(url))) as raw:
        return dict(raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def said(statements: object) -> Iterator[str]:
    for value in vars(statements).values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (one for one in value.values() if isinstance(one, str))
        elif type(value).__module__.startswith("axis.sql"):
            yield from said(value)


@pytest.mark.parametrize("condition", [*chain(*LISTED.values()), "a = 1 AND state IN ('a', 'b', 'c') AND b = 2"])
def test_what_is_spelt_out_says_the_same(condition: str) -> None:
    words = [*re.findall(r"'([^']*)'", condition), "another", "", None]
    given = "SELECT 1 AS a, 2 AS b, :state AS state, :cargo AS cargo, :became AS became"
    with closing(sqlite3.connect(":memory:")) as raw:
        for word in words:
            row = {"state": word, "cargo": word, "became": word}
            asked = f"SELECT ({condition}) IS ({spelt_out(condition)}) FROM ({given})"
            assert raw.execute(asked, row).fetchone() == (1,)
    assert not A_LIST.search(spelt_out(condition))


def test_two_are_left_as_they_are() -> None:
    assert spelt_out("state IN ('accepted', 'held')") == "state IN ('accepted', 'held')"


def test_sqlite_is_told_no_list_and_postgresql_is(url: str) -> None:
    assert not [text for text in texts(url).values() if A_LIST.search(text)]
    of_sqlite = [*said(Statements(sqlite.dialect(paramstyle="named")))]
    of_postgres = [*said(Statements(postgresql.dialect()))]  # type: ignore[no-untyped-call]
    assert len(of_sqlite) == len(of_postgres) > 100
    assert not [text for text in of_sqlite if A_LIST.search(text)]
    assert len([text for text in of_postgres if A_LIST.search(text)]) > 10


async def test_a_store_of_the_schema_before_keeps_its_rows_and_its_indexes(url: str, tmp_path: Path) -> None:
    """What was written under lists is found under what is spelt out, and the file is whole."""
    old = before(tmp_path)
    assert {name for name, text in texts(old).items() if A_LIST.search(text)} == {*LISTED}
    one = document()
    going = delivery(one)
    opened = open_store(url, Blobs(tmp_path / "blobs"))
    await opened.transact(lambda ledger: ledger.apply(decision(AddDocument(one), AddDelivery(going))))
    await opened.close()
    with closing(sqlite3.connect(sqlite_path(old))) as raw:
        raw.execute("ATTACH ? AS new", (str(sqlite_path(url)),))
        for table in ("document", "document_recipient", "delivery"):
            names = ", ".join(name for _, name, *_ in raw.execute(f"PRAGMA main.table_info({table})"))
            raw.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
        raw.commit()
    migrate.upgrade(old)
    assert schema(sqlite_path(old)) == schema(sqlite_path(url))
    with closing(sqlite3.connect(sqlite_path(old))) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        open_ones = spelt_out(*LISTED["ix_delivery_lane"])
        asked = f"SELECT id FROM delivery INDEXED BY ix_delivery_lane WHERE {open_ones}"
        assert raw.execute(asked).fetchall() == [(going.id,)]
    opened = open_store(old, Blobs(tmp_path / "blobs"))
    later = going._replace(seq=2)
    assert not await opened.transact(lambda ledger: ledger.is_head(later))
    await opened.close()


@pytest.mark.parametrize("column", ["state", "cargo"])
def test_what_no_row_may_say_is_still_refused(url: str, column: str) -> None:
    with closing(sqlite3.connect(sqlite_path(url))) as raw:
        names = [name for _, name, *_ in raw.execute("PRAGMA table_info(delivery)")]
        row = dict.fromkeys(names, 1) | {"document": None, "state": "queued", "cargo": "status"}
        sql = f"INSERT INTO delivery VALUES ({', '.join(f':{name}' for name in names)})"
        raw.execute(sql, row)
        with pytest.raises(sqlite3.IntegrityError, match=f"ck_delivery_{column}"):
            raw.execute(sql, row | {column: "another", "seq": 2, "id": 2})


@pytest.mark.parametrize("name", ["delivery", "ix_delivery_lane"])
def test_a_store_that_says_something_else_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    old = before(tmp_path)
    with closing(sqlite3.connect(sqlite_path(old))) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ?", ("'leased', ", "", name))
        raw.commit()
    found = texts(old)
    with pytest.raises(StoreError, match=f"not as axis made it: {name}"):
        migrate.upgrade(old)
    assert migrate.current(old) == "0006"
    assert texts(old) == found
