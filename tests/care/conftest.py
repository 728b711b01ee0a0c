"""Nodes that have done some of everything, made once and copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.care.world import Node, made


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return made(tmp_path_factory.mktemp("original") / "node")


@pytest.fixture
def node(original: Node, tmp_path: Path) -> Node:
    """A sound node on SQLite whose daemon is stopped."""
    return original.copy(tmp_path / "node")


@pytest.fixture
def on_postgres(postgres_store: str, tmp_path: Path) -> Node:
    """The same on PostgreSQL."""
    return made(tmp_path / "postgres-node", postgres_store)


@pytest.fixture(params=["sqlite", "postgres"])
def both(request: pytest.FixtureRequest) -> Node:
    found: Node = request.getfixturevalue("node" if request.param == "sqlite" else "on_postgres")
    return found
