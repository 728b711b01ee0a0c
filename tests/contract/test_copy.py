"""A store moves from one database to another, whole or not at all."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument, AddStatus, Delivery, Document, PayloadRef
from axis.core.ports import Ledger
from axis.sql.copy import copy_store, tables
from axis.sql.driver import StoreError
from axis.sql.engine import open_readonly, open_store
from tests.factories_core import decision, delivery, document, report, sha256
from tests.faults.snip import Snip, Way
from tests.postgres import Server
from tests.stores import ready

OCTETS = b"\x00\xff edXML \x00" * 50


@pytest.fixture
def urls(tmp_path: Path, postgres_store: str) -> dict[str, str]:
    return {"sqlite": f"sqlite:///{tmp_path}/axis.db", "postgres": postgres_store}


async def fill(url: str, folder: Path, number: int = 30) -> tuple[Document, Delivery]:
    """Documents with everything, and counters that are ahead of their tables."""
    store = open_store(url, Blobs(folder / "blobs"))
    one, last = document(), delivery()
    for n in range(number):
        one = document(subject=f"V/v số {n}: 'ngoặc', \\ gạch, \t tab, 😀")
        last = delivery(one)
        changes = (AddDocument(one), AddDelivery(last), AddStatus(report(one)), AddStatus(report(document_id=None)))
        octets = OCTETS + bytes([n])

        def body(ledger: Ledger, changes: Any = changes, octets: bytes = octets) -> None:
            ledger.put_payload(PayloadRef(sha256(octets), len(octets)), octets)
            ledger.apply(decision(*changes))

        await store.transact(body)
    await store.transact(lambda ledger: ledger.indexed(0, [intent.id for intent in ledger.intents(20)]))

    def lost(ledger: Ledger) -> None:
        ledger.apply(decision(*(AddDelivery(delivery()) for _ in range(5))))
        ledger.document(one.ref)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.transact(lost)
    await store.close()
    return one, last


@pytest.mark.parametrize(("from_", "to"), [("sqlite", "postgres"), ("postgres", "sqlite")])
async def test_everything_is_the_same_in_the_copy(urls: dict[str, str], tmp_path: Path, from_: str, to: str) -> None:
    source, target = urls[from_], urls[to]
    ready(source)
    one, last = await fill(source, tmp_path)
    heard: list[tuple[str, int, int]] = []
    copied = await asyncio.to_thread(copy_store, source, target, lambda *told: heard.append(told))
    assert [found.table for found in copied] == [table.name for table in tables()]
    counts = {found.table: found.rows for found in copied}
    assert (counts["document"], counts["status_report"], counts["payload"]) == (30, 60, 30)
    assert heard[-1][1] == heard[-1][2]
    with open_readonly(source) as before, open_readonly(target) as after:
        assert before.meta("store_id") == after.meta("store_id")
        assert before.recent(100) == after.recent(100)
        assert after.deliveries_of(one.ref) == before.deliveries_of(one.ref)
        assert after.octets(PayloadRef(sha256(OCTETS + b"\x05"), 0)) == OCTETS + b"\x05"
        assert after.backlog() == before.backlog()
        known = after.delivery(last.id)
        assert known is not None
    # It goes on where the other one was: no number comes twice, and the log has its size.
    store = open_store(target, Blobs(tmp_path / "blobs"))
    assert await store.transact(lambda ledger: ledger.log_size()) == 20
    fresh = delivery()
    await store.transact(lambda ledger: ledger.apply(decision(AddDelivery(fresh))))
    stored = await store.views.delivery(fresh.id)
    assert stored is not None
    assert stored.seq > known.seq + (5 if from_ == "postgres" else 0)
    await store.close()


async def test_there_and_back_is_what_it_was(urls: dict[str, str], tmp_path: Path) -> None:
    ready(urls["sqlite"])
    await fill(urls["sqlite"], tmp_path)
    there = await asyncio.to_thread(copy_store, urls["sqlite"], urls["postgres"])
    back = await asyncio.to_thread(copy_store, urls["postgres"], f"sqlite:///{tmp_path}/back.db")
    assert there == back


async def test_a_target_that_holds_anything_is_refused(urls: dict[str, str], tmp_path: Path) -> None:
    ready(urls["sqlite"])
    await fill(urls["sqlite"], tmp_path, 2)
    await asyncio.to_thread(copy_store, urls["sqlite"], urls["postgres"])
    with pytest.raises(StoreError, match=r"not empty.*document"):
        await asyncio.to_thread(copy_store, urls["sqlite"], urls["postgres"])
    with pytest.raises(StoreError, match="not empty"):
        await asyncio.to_thread(copy_store, urls["postgres"], urls["sqlite"])


@pytest.mark.parametrize("running", ["sqlite", "postgres"])
async def test_a_store_in_use_is_neither_copied_nor_filled(urls: dict[str, str], tmp_path: Path, running: str) -> None:
    ready(urls["sqlite"])
    store = open_store(urls[running], Blobs(tmp_path / "blobs"))
    for source, target in (("sqlite", "postgres"), ("postgres", "sqlite")):
        with pytest.raises(StoreError, match="another process"):
            await asyncio.to_thread(copy_store, urls[source], urls[target])
    await store.close()


async def test_what_does_not_read_back_is_not_kept(
    urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from axis.sql.copy_postgres import PostgresEnd

    ready(urls["sqlite"])
    await fill(urls["sqlite"], tmp_path, 3)
    honest = PostgresEnd.fill

    def careless(self: PostgresEnd, table: Any, rows: Any) -> None:
        honest(self, table, rows)
        if table.name == "payload":
            self._run(
                "UPDATE payload SET octets = octets || 'x'::bytea WHERE sha256 = (SELECT min(sha256) FROM payload)"
            )

    monkeypatch.setattr(PostgresEnd, "fill", careless)
    with pytest.raises(StoreError, match="payload does not read back"):
        await asyncio.to_thread(copy_store, urls["sqlite"], urls["postgres"])
    monkeypatch.undo()
    await asyncio.to_thread(copy_store, urls["sqlite"], urls["postgres"])


async def test_a_row_that_does_not_go_over_is_said_once_and_nothing_is_kept(
    urls: dict[str, str], tmp_path: Path
) -> None:
    """What reads the other end was closed after it, and said so on the terminal."""
    ready(urls["sqlite"])
    await fill(urls["sqlite"], tmp_path, 3)
    with closing(sqlite3.connect(tmp_path / "axis.db")) as there, there:
        there.execute("UPDATE document SET subject = 'a' || char(0) WHERE seq = 1")
    with pytest.raises(StoreError, match=r"row of document cannot be written"):
        copy_store(urls["sqlite"], urls["postgres"])
    gc.collect()


@pytest.mark.faults
async def test_a_copy_that_is_killed_leaves_nothing_and_is_begun_again(urls: dict[str, str], tmp_path: Path) -> None:
    ready(urls["sqlite"])
    await fill(urls["sqlite"], tmp_path, 5)
    script = f"""
import os
from axis.sql.copy import copy_store
def told(table, done, whole):
    if table == "status_report":
        os.kill(os.getpid(), {int(signal.SIGKILL)})
copy_store({urls["sqlite"]!r}, {urls["postgres"]!r}, told)
"""
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    found: object = "another process"
    async with asyncio.timeout(20):
        while "another process" in str(found):  # the server needs a moment to see that nobody is there any more
            await asyncio.sleep(0.05)
            found = (await asyncio.gather(again(urls), return_exceptions=True))[0]
    assert found is None


async def again(urls: dict[str, str]) -> None:
    await asyncio.to_thread(copy_store, urls["sqlite"], urls["postgres"])


@pytest.mark.parametrize("way", [Way.LOST, Way.UNHEARD], ids=["lost", "unheard"])
async def test_a_copy_of_whose_commit_nobody_hears_is_there_whole_or_not_at_all(
    way: Way, urls: dict[str, str], postgres: Server, template: str, tmp_path: Path
) -> None:
    """F120. It is not said that nothing was kept, and the same command says what there is."""
    ready(urls["sqlite"])
    await fill(urls["sqlite"], tmp_path)
    target = postgres.database(template)
    name = target.partition("@/")[2].partition("?")[0]
    with Snip(postgres.folder / ".s.PGSQL.5432", {"copy": (b"COPY ",)}, (way,), of=b"axis", every=1) as line:
        with pytest.raises(StoreError, match="nobody knows whether the copy was committed"):
            copy_store(urls["sqlite"], line.url(name))
        assert line.fired == {("copy", way): 1}
    if way is Way.UNHEARD:
        with pytest.raises(StoreError, match="the target is not empty"):
            copy_store(urls["sqlite"], target)
        target, urls["sqlite"] = postgres.database(template), target
    assert {one.table: one.rows for one in copy_store(urls["sqlite"], target)}["document"] == 30
