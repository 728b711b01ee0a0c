"""The stores that the suite runs over: every verb of the ledger and the views, against real databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from tests.contract.asked import empty_sqlite


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The databases that the suite runs over."""
    if request.param == "sqlite":
        return empty_sqlite(tmp_path)
    made: str = request.getfixturevalue("postgres_store")
    return made


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(url, Blobs(tmp_path / "blobs"))
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return empty_sqlite(tmp_path)
