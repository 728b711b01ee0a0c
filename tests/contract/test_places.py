"""PostgreSQL: no place is left for one more connection that reads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from axis.core.problems import Unavailable
from axis.sql import readers as sharing
from axis.sql.postgres import PostgresDatabase
from axis.sql.readers import Readers
from axis.sql.views import Questions
from tests.contract.test_rights import CLERK, clerk


def store_id(ask: Questions) -> str | None:
    return ask.meta("store_id")


def test_who_finds_no_place_waits_for_the_connection_of_another(
    postgres_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F123. The role may have one; whoever asks has it in turn."""
    with clerk(postgres_store) as (url, owner):
        owner.execute(f"ALTER ROLE {CLERK} CONNECTION LIMIT 1")
        readers, held, go = Readers(PostgresDatabase(url, "main"), Questions), threading.Event(), threading.Event()

        def long(ask: Questions) -> str | None:
            held.set()
            assert go.wait(20)
            return store_id(ask)

        try:
            with ThreadPoolExecutor(4) as pool:
                first = pool.submit(readers.ask, long)
                assert held.wait(20)
                monkeypatch.setattr(sharing, "SHARE_S", 0.1)
                with pytest.raises(Unavailable, match="store-unavailable") as told:
                    readers.ask(store_id)
                assert "too many connections" in str(told.value.problem.context), "the fault never fired"
                monkeypatch.setattr(sharing, "SHARE_S", 20.0)
                others = [pool.submit(readers.ask, store_id) for _ in range(3)]
                go.set()
                assert {one.result() for one in (first, *others)} == {readers.ask(store_id)}
        finally:
            go.set()
            readers.close()
            owner.execute(f"ALTER ROLE {CLERK} CONNECTION LIMIT -1")


def test_where_nobody_has_one_nobody_waits(postgres_store: str) -> None:
    with clerk(postgres_store) as (url, owner):
        owner.execute(f"ALTER ROLE {CLERK} CONNECTION LIMIT 0")
        readers = Readers(PostgresDatabase(url, "main"), Questions)
        try:
            with pytest.raises(Unavailable):
                readers.ask(store_id)
        finally:
            owner.execute(f"ALTER ROLE {CLERK} CONNECTION LIMIT -1")
        assert readers.ask(store_id)
        readers.close()
