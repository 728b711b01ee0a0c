"""A log that the sequencer made, to copy and continue."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.unit.log.rounds import intend, sequencer, stored


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 leaves in two rounds, everything closed in order."""
    path = tmp_path_factory.mktemp("sequenced")

    async def build() -> None:
        async with stored(path) as store, sequencer(store, path) as one:
            for first, end in ((0, 100), (100, 250)):
                await intend(store, range(first, end))
                assert await one.round() == end - first

    asyncio.run(build())
    return path


@pytest.fixture
def path(grown: Path, tmp_path: Path) -> Path:
    shutil.copytree(grown, tmp_path / "node")
    return tmp_path / "node"
