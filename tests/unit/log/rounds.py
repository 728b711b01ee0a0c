"""A sequencer over the real SQLite store, in this process or in a child that is killed at a named step.

As a program: ``python -m tests.unit.log.rounds FOLDER start|round STEP`` starts, runs one round, and dies by SIGKILL
after STEP of the one or the other. With ``rotating`` behind it, the log goes over to another key meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from axis.blobs import Blobs
from axis.core.entry import leaf
from axis.core.model import Decision, LogEntry
from axis.core.ports import Ledger
from axis.flow.sequence import Sequencer
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore
from axis.log.tiles import bundle_at
from axis.log.writer import Step
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from signing.note import NoteSigner
from tests.stores import ready
from tests.unit.log.logs import NOW, ORIGIN, SIGNER, STRANGER, entry, lines, verified


@asynccontextmanager
async def stored(path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{path}/axis.db"
    ready(url)
    store = open_store(url, Blobs(path / "blobs"))
    try:
        yield store
    finally:
        await store.close()


def sequencer(
    store: SqlStore,
    path: Path,
    *,
    now: Callable[[], datetime] = lambda: NOW + timedelta(days=1),
    batch: int = 2048,
    hook: Callable[[Step], None] = lambda step: None,
    merge_delay: timedelta = timedelta(seconds=5),
    signer: NoteSigner = SIGNER,
    leaving: NoteSigner | None = None,
) -> Sequencer:
    return Sequencer(
        store,
        LogFolder(path / "log"),
        CheckpointStore(path / "heads"),
        signer,
        ORIGIN,
        now,
        leaving=leaving,
        batch=batch,
        hook=hook,
        merge_delay=merge_delay,
    )


async def intend(store: SqlStore, numbers: Sequence[int]) -> None:
    """Commit one log intent for each number, all in one transaction."""
    await intend_entries(store, [entry(number) for number in numbers])


async def intend_entries(store: SqlStore, entries: Sequence[LogEntry]) -> None:
    def body(ledger: Ledger) -> None:
        ledger.apply(Decision(tuple(entries), (), None))

    await store.transact(body)


async def drain(path: Path, batch: int = 2048, signer: NoteSigner = SIGNER, leaving: NoteSigner | None = None) -> int:
    """Open everything as a start does, and run rounds until nothing waits."""
    async with stored(path) as store, sequencer(store, path, batch=batch, signer=signer, leaving=leaving) as one:
        added = 0
        while more := await one.round():
            added += more
        return added


def all_entries(path: Path, size: int) -> list[bytes]:
    folder = LogFolder(path / "log")
    return [one for index in range((size + 255) // 256) for one in folder.entries(bundle_at(index, size))]


def sizes(path: Path) -> list[int]:
    return [head.checkpoint.size for head in CheckpointStore(path / "heads").history()]


async def check(path: Path, size: int) -> None:
    """The log is sound, has each of the first `size` entries once and in no gap, and the store knows each index."""
    report = verified(path)
    assert report.ok, list(lines(report))
    assert report.checkpoint is not None
    assert report.checkpoint.size == size
    assert sorted(all_entries(path, size)) == sorted(leaf(entry(number)) for number in range(size))
    assert len(set(sizes(path))) == len(sizes(path)), "two heads of one size"
    async with stored(path) as store:
        assert await store.transact(lambda ledger: ledger.log_size()) == size
        assert await store.transact(lambda ledger: list(ledger.intents(10))) == []


class Struck(Exception):
    """Raised by a hook where a test wants trouble."""


async def _die(path: Path, during: str, step: Step, signer: NoteSigner, leaving: NoteSigner | None) -> None:
    phase = "start"

    def hook(done: Step) -> None:
        if done is step and during == phase:
            os.kill(os.getpid(), signal.SIGKILL)

    async with stored(path) as store, sequencer(store, path, hook=hook, signer=signer, leaving=leaving) as one:
        phase = "round"
        await one.round()


if __name__ == "__main__":
    keys = (STRANGER, SIGNER) if sys.argv[4:] == ["rotating"] else (SIGNER, None)
    asyncio.run(_die(Path(sys.argv[1]), sys.argv[2], Step(sys.argv[3]), *keys))
