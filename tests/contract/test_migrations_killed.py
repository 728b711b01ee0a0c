"""A migration that is killed behind any of its statements, and several of them at once: the next one finishes, nothing
is lost, and nothing is ever there by half."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event

from axis.sql import migrate
from axis.sql.address import connection_facts
from axis.sql.driver import StoreError
from axis.sql.engine import is_postgres, sqlite_path
from axis.sql.tables import SCHEMA_VERSION
from tests.postgres import Server
from tests.site import until

pytestmark = pytest.mark.faults
FIRST = "0001"
SAMPLE = 8
HEARD = ("after_cursor_execute", "commit")
REFUSED = 3
"""How a process ends that was told to wait."""


@dataclass
class Stores:
    """Where stores are made, and copied while nobody has them."""

    folder: Path
    server: Server | None
    numbers: Iterator[int]

    def empty(self) -> str:
        if self.server is not None:
            return self.server.database()
        place = self.folder / str(next(self.numbers))
        place.mkdir()
        return f"sqlite:///{place}/axis.db"

    def copy(self, url: str) -> str:
        if self.server is not None:
            return self.server.database(url.partition("@/")[2].partition("?")[0])
        made = self.empty()
        shutil.copyfile(sqlite_path(url), sqlite_path(made))
        return made


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    return Stores(tmp_path, server, count())


def forked(work: Callable[[], None]) -> int:
    """Do it in a process of its own, which has nothing open yet: where a signal ended it, less than nothing."""
    child = os.fork()
    if not child:
        try:
            work()
        except StoreError:
            os._exit(REFUSED)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def statements(url: str) -> int:
    """How many statements a migration has, with its commit."""
    seen = 0

    def behind(*_: object) -> None:
        nonlocal seen
        seen += 1

    for name in HEARD:
        event.listen(Engine, name, behind)
    try:
        migrate.upgrade(url)
    finally:
        for name in HEARD:
            event.remove(Engine, name, behind)
    return seen


def dying(url: str, last: int) -> Callable[[], None]:
    """Migrate, and end behind the statement of this number; before the commit, where that is one more."""

    def work() -> None:
        seen = 0

        def behind(*_: object) -> None:
            nonlocal seen
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

        for name in HEARD:
            event.listen(Engine, name, behind)
        migrate.upgrade(url)

    return work


def first(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of the first schema, with rows in the tables that later ones change."""
    url, upgrade = stores.empty(), command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda made, _: upgrade(made, FIRST))
        migrate.upgrade(url)
    engine = create_engine(url)
    with engine.begin() as here:
        for table in ("document", "delivery"):
            _add_rows(here, table)
    engine.dispose()
    return url


def _add_rows(here: Connection, name: str) -> None:
    table = Table(name, MetaData(), autoload_with=here)
    own = {"cargo": "document", "state": {"document": "accepted", "delivery": "queued"}[name]}
    for number in range(3):
        keys = {"ref": f"d{number}", "id": f"v{number}", "document": f"d{number}", "digest": f"g{number}"}
        values = {one.name: number if one.type.python_type is int else f"{one.name} {number}" for one in table.c}
        del values["seq"]
        here.execute(table.insert().values({**values, **{k: v for k, v in (keys | own).items() if k in values}}))


def content(url: str) -> dict[str, list[str]]:
    """Every table with its columns and rows."""
    if is_postgres(url):
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        with psycopg.connect(**connection_facts(url)) as here:  # type: ignore[arg-type]
            return {name: _rows(here.execute(f'SELECT * FROM "{name}"')) for (name,) in here.execute(tables).fetchall()}  # type: ignore[call-overload]
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    with closing(sqlite3.connect(sqlite_path(url))) as beside:
        return {name: _rows(beside.execute(f'SELECT * FROM "{name}"')) for (name,) in beside.execute(tables).fetchall()}


def _rows(asked: Any) -> list[str]:
    names = [one[0] for one in asked.description]
    return [*names, *sorted(str(dict(zip(names, row, strict=True))) for row in asked.fetchall())]


def finished(url: str) -> None:
    """The next one does it. A server may notice a little late that the one before is gone."""

    def free() -> bool:
        try:
            migrate.upgrade(url)
        except StoreError:
            if not is_postgres(url):
                raise
            return False
        return True

    until("it is migrated", free)


@pytest.mark.parametrize("of", ["nothing", "the first schema"])
def test_a_migration_that_is_killed_behind_any_statement_is_done_by_the_next(
    stores: Stores, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stores.empty() if of == "nothing" else first(stores, monkeypatch)
    before = content(old) if of != "nothing" else {}
    made = stores.copy(old) if of != "nothing" else stores.empty()
    migrate.upgrade(made)
    after = content(made)
    assert {"document", "delivery", "follow_up", "endpoint_hold"} <= after.keys()
    assert sum("'ref': 'd" in row for row in after["document"]) == (0 if of == "nothing" else 3)
    whole = statements(stores.copy(old) if of != "nothing" else stores.empty())
    assert whole > (30 if of == "nothing" else 15)
    chosen = range(1, whole + 1)
    if os.environ.get("AXIS_TEST_SWEEP") != "all":
        chosen = sorted({1, whole, *random.SystemRandom().sample(chosen, SAMPLE)})  # type: ignore[assignment]
    print(f"statements {list(chosen)} of {whole}")
    for last in chosen:
        url = stores.copy(old) if of != "nothing" else stores.empty()
        assert ended(forked(dying(url, last))) == -signal.SIGKILL
        left = content(url)
        assert left == before, f"half of it is there behind statement {last}"
        finished(url)
        found = content(url)
        assert found.keys() == after.keys()
        assert {name: rows for name, rows in found.items() if name != "meta"} == {
            name: rows for name, rows in after.items() if name != "meta"
        }


def test_of_several_that_migrate_one_store_at_once_one_does_and_the_others_are_told(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = first(stores, monkeypatch)
    for _ in range(5):
        url = stores.copy(old)
        children = [forked(lambda url=url: migrate.upgrade(url)) for _ in range(3)]  # type: ignore[misc]
        codes = sorted(ended(one) for one in children)
        assert set(codes) <= {0, REFUSED}
        assert codes[0] == 0
        assert migrate.current(url) == SCHEMA_VERSION
        assert sum("'ref': 'd" in row for row in content(url)["document"]) == 3
