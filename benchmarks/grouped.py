"""How many documents a second the store takes in, on SQLite and on PostgreSQL, with the same bodies.

One body is what an intake does: look for the key, keep 10 KB of octets, store the document, one delivery and one log
entry, look for orphans. Documents a second, and CPU a document in this process and in the server. Both databases lie on
the same disk (TMPDIR), the runs alternate.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument, PayloadRef
from axis.core.ports import About, Ledger
from axis.sql import migrate
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from benchmarks.pairs import Measure
from tests.factories_core import decision, delivery, document, sha256
from tests.postgres import Server, server

CALLERS = 64
OCTETS = b"x" * 10_240


async def _take(store: SqlStore, name: str) -> None:
    one = document(ref=name, document_id=name, digest=sha256(name), payload=PayloadRef(sha256(name), len(OCTETS)))
    sent = delivery(one, id=f"d-{name}", lane=name)
    made = decision(AddDocument(one), AddDelivery(sent))

    def body(ledger: Ledger) -> None:
        if not ledger.same_document(one.sender, one.kind, one.document_id):
            ledger.put_payload(one.payload, OCTETS)
            ledger.apply(made)
            assert not ledger.orphans(one.sender, one.document_id, one.number)

    await store.transact(body, About(one.sender, one.document_id, one.number))


async def rate(urls: list[str], seconds: float, folder: Path) -> int:
    """Documents taken through all of the stores together, in this process."""
    stores = [open_store(url, Blobs(folder / "blobs"), instance=f"n{n}") for n, url in enumerate(urls)]
    done, until = 0, time.perf_counter() + seconds

    async def caller(number: int) -> None:
        nonlocal done
        turn = 0
        while time.perf_counter() < until:
            await _take(stores[number % len(stores)], f"{number}-{turn}-{until}")
            turn, done = turn + 1, done + 1

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    for store in stores:
        await store.close()
    return done


def server_seconds(running: Server) -> float:
    """CPU of the server's processes that live, and of those that it has waited for."""
    assert running.process is not None
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == running.process.pid:
                ticks += int(fields[11]) + int(fields[12])
            elif int(stat.parent.name) == running.process.pid:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    found: list[tuple[tuple[float, float, float], ...]] = []
    with tempfile.TemporaryDirectory() as name, server(folder=tempfile.gettempdir()) as running:
        for pair in range(pairs):
            folder = Path(name) / str(pair)
            folder.mkdir()
            running.run(f"CREATE DATABASE p{pair} TEMPLATE template0")
            urls = [running.url(f"p{pair}"), f"sqlite:///{folder}/axis.db"]
            for url in urls:
                migrate.upgrade(url)
            found.append(tuple(_once(url, slice_s, folder, running) for url in urls))
    ratios = sorted(ours[0] / other[0] for ours, other in found)
    middle = statistics.median
    more = {
        "postgres_us": middle(ours[1] for ours, _ in found),
        "postgres_server_us": middle(ours[2] for ours, _ in found),
        "sqlite_us": middle(other[1] for _, other in found),
    }
    yield Measure(
        "store alone, PostgreSQL beside SQLite",
        middle(ratios),
        0.7,
        True,
        middle(ours[0] for ours, _ in found),
        middle(other[0] for _, other in found),
        pairs,
        "/s",
        (ratios[0], ratios[-1]),
        more=more,
    )


def _once(url: str, seconds: float, folder: Path, running: Server) -> tuple[float, float, float]:
    began, cpu, elsewhere = time.perf_counter(), time.process_time(), server_seconds(running)
    done = asyncio.run(rate([url], seconds, folder))
    took = time.perf_counter() - began
    return done / took, (time.process_time() - cpu) / done * 1e6, (server_seconds(running) - elsewhere) / done * 1e6
