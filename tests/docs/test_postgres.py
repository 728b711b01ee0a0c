"""The page tells how a database is made; what it says makes one that the axis takes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import psycopg

from axis.blobs import Blobs
from axis.sql import migrate
from axis.sql.engine import open_store
from tests.docs.shell import ROOT
from tests.postgres import Server

SQL = re.compile(r"^```sql\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def test_the_database_of_the_page_is_one_that_a_plain_role_can_run_on(postgres: Server, tmp_path: Path) -> None:
    (text,) = SQL.findall((ROOT / "docs/operations.md").read_text())
    for statement in filter(str.strip, text.replace("axis", "truc").split(";")):
        postgres.run(statement)
    url = postgres.url("truc").replace("axis@", "truc@")
    migrate.upgrade(url)
    store = open_store(url, Blobs(tmp_path / "blobs"))
    assert store.id
    asyncio.run(store.close())
    with psycopg.connect(postgres.conninfo("truc")) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'truc'").fetchone()
    assert row == (False,)
