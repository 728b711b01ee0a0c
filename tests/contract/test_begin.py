"""SQLite: a transaction that may write says so when it begins, and what only reads cannot write."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDelivery
from axis.core.problems import Unavailable
from axis.sql.driver import StoreError
from axis.sql.filesystem import kind_of
from axis.sql.readers import PATIENCE_S, Readers
from axis.sql.sqlite import SqliteDatabase, open_sqlite, sqlite_path
from axis.sql.views import Questions
from tests.factories_core import decision, delivery
from tests.stores import ready

BEGUN: list[tuple[str, int]] = []
"""How each transaction began, and whether its connection was one that only reads."""


class Watched(sqlite3.Connection):
    """A connection that writes down how its transactions begin."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.set_trace_callback(self._traced)
        self.reads = 0

    def _traced(self, sql: str) -> None:
        if sql.startswith("PRAGMA query_only = ON"):
            self.reads = 1
        if sql.lstrip().upper().startswith("BEGIN"):
            BEGUN.append((" ".join(sql.split()), self.reads))


async def test_every_transaction_that_may_write_begins_immediate(sqlite_url: str, tmp_path: Path) -> None:
    """F20. A transaction that begins by reading and writes later can be refused in the middle, without a wait."""
    BEGUN.clear()
    store = open_sqlite(sqlite_url, Blobs(tmp_path / "blobs"), connection_class=Watched)
    try:
        for _ in range(3):
            await store.transact(lambda ledger: ledger.apply(decision(AddDelivery(delivery()))))
            await store.views.counts()
    finally:
        await store.close()
    writing = [sql for sql, reads in BEGUN if not reads]
    assert len(writing) >= 4, "three transactions and the proof of the start"
    assert set(writing) == {"BEGIN IMMEDIATE"}, writing


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/axis.db"
    ready(url)
    return url


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:30 / /srv rw shared:2 - nfs4 10.0.0.1:/srv rw,vers=4.2
31 30 8:2 / /srv/axis rw - xfs /dev/sdb1 rw
32 21 0:31 / /mnt/công\\040văn rw - cifs //nas/cv rw
33 21 8:3 / /var/lib rw - ext4 /dev/sdc1 rw
34 33 0:32 / /var/lib rw - fuse.sshfs nas: rw
a line that says nothing
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/axis.db", "ext4"),
        ("/srv/axis.db", "nfs4"),
        ("/srv/axis/axis.db", "xfs"),
        ("/srvother/axis.db", "ext4"),
        ("/mnt/công văn/axis.db", "cifs"),
        ("/var/lib/axis.db", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_says_where_a_file_lies(path: str, kind: str) -> None:
    assert kind_of(Path(path), MOUNTS) == kind
    assert kind_of(Path(path), "") == ""


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_store_on_a_network_file_system_does_not_open(
    kind: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F22. The kernel's own list is what a test can lay out; nobody has such a mount at hand."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:30 / {tmp_path} rw - {kind} nas:/ rw\n")
    monkeypatch.setattr("axis.sql.filesystem.MOUNTS", mounts)
    with pytest.raises(StoreError, match=rf"network file system \({kind}\)"):
        open_sqlite(sqlite_url, Blobs(tmp_path / "blobs"))
    mounts.unlink()
    store = open_sqlite(sqlite_url, Blobs(tmp_path / "blobs"))
    store._close()


def test_who_closes_the_readers_waits_until_the_last_question_is_answered(sqlite_url: str) -> None:
    """And no longer: nobody has to come by once more."""
    database = SqliteDatabase(sqlite_path(sqlite_url))
    readers = Readers(database, Questions)
    asked, answered, closed = Event(), Event(), Event()

    def question(ask: Questions) -> str | None:
        asked.set()
        assert answered.wait(20)
        return ask.meta("store_id")

    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(readers.ask, question)
        assert asked.wait(20)
        closing = threads.submit(lambda: (readers.close(), closed.set()))
        assert not closed.wait(0.05)
        answered.set()
        assert closed.wait(PATIENCE_S / 2)
        assert reading.result()
        closing.result()
    with pytest.raises(Unavailable):
        readers.ask(lambda ask: ask.meta("store_id"))
    database.close()
