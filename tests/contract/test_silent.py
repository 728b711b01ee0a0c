"""PostgreSQL: other ends of a line that say nothing any more, and what a process does about them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
import pytest

from axis.sql import silent
from axis.sql.address import connect
from axis.sql.silent import end_silent
from tests.faults.line import Line
from tests.postgres import Server
from tests.site import until

TOUCH = "UPDATE meta SET value = value WHERE name = 'store_id'"


def count(connection: psycopg.Connection[Any], where: str) -> int:
    asked = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {where}"
    (found,) = connection.execute(asked).fetchone() or (0,)  # type: ignore[call-overload]
    return int(found)


def test_a_transaction_whose_process_says_nothing_is_ended_and_nothing_else(
    postgres_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent, "SILENT_S", 0.5)
    with (
        connect(postgres_store, "axis gone: writes") as gone,
        connect(postgres_store, "axis well: writes") as well,
        connect(postgres_store, "axis slow: reads") as reads,
        connect(postgres_store, "axis here: writes") as here,
    ):
        reads.execute("BEGIN")
        gone.execute("BEGIN")
        with suppress(psycopg.OperationalError), gone.pipeline():  # its end is told when it is left
            gone.execute(TOUCH)
            gone.execute("SELECT 1")
            until("it has the row", lambda: count(here, "application_name = 'axis gone: writes' AND state = 'active'"))
            assert list(end_silent(here)) == [], "it was heard of a moment ago"
            assert until("it is ended", lambda: end_silent(here)) == ["gone"]
            until("the row is free", lambda: here.execute(f"{TOUCH} RETURNING 1").fetchone())
        assert gone.closed
        assert [one.execute("SELECT 1").fetchone() for one in (well, reads)] == [(1,), (1,)]


def test_an_answer_is_waited_for_so_long(postgres: Server, template: str) -> None:
    name = postgres.database(template).partition("@/")[2].partition("?")[0]
    with Line(postgres.folder / ".s.PGSQL.5432") as line:
        connection = connect(f"{line.url(name)}&patience=0.8", "test")
        with pytest.raises(psycopg.errors.QueryCanceled):  # a server that is merely slow says so first
            connection.execute("SELECT pg_sleep(5)")
        assert connection.execute("SELECT 1").fetchone() == (1,)
        line.cut()
        with pytest.raises(psycopg.OperationalError, match=r"no answer within 0\.8 s"):
            connection.execute("SELECT 1")
        assert line.held > 0
        assert connection.closed
