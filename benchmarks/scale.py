"""What grows: the backlog and the registry."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument
from axis.core.ports import Ledger
from axis.core.registry import Agency, Registry
from axis.core.routing import RoutingTable, Rule
from axis.sql import migrate
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from benchmarks.pairs import Measure
from schemas.codes import AgencyCode, Level
from tests.factories_core import decision, delivery, document, sha256

AGENCIES = 500
LEASE = timedelta(seconds=60)
Sql = Callable[[Ledger], Any]


def backlog(slice_s: float, pairs: int) -> Iterator[Measure]:
    """SQLite. Every delivery has a document of its own and one of five hundred destinations."""
    small, large = (10_000, 1_000_000) if slice_s >= 0.5 else (2_000, 50_000)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = []
        for count in (small, large):
            place = folder / str(count)
            place.mkdir()
            stores.append(asyncio.run(_filled(place, count)))
        found: dict[str, list[tuple[float, float]]] = {}
        for turn in range(pairs):
            times = [asyncio.run(_asked(url, place, turn)) for url, place in stores]
            for name in times[0]:
                found.setdefault(name, []).append((times[1][name], times[0][name]))
        for name, each in found.items():
            notes = f"{large:,} waiting deliveries beside {small:,}"
            yield _grown(f"backlog, {name}, SQLite", each, 2.0, notes)


async def _filled(folder: Path, count: int) -> tuple[str, Path]:
    url = f"sqlite:///{folder}/axis.db"
    migrate.upgrade(url)
    store = open_store(url, Blobs(folder / "blobs"))
    one = document()
    await store.transact(lambda ledger: ledger.apply(decision(AddDocument(one), AddDelivery(delivery(one)))))
    await store.close()
    with closing(sqlite3.connect(folder / "axis.db")) as held:
        for table in ("document", "delivery"):
            columns = [row[1] for row in held.execute(f"PRAGMA table_info({table})")]
            row = dict(zip(columns, held.execute(f"SELECT * FROM {table}").fetchone(), strict=True))
            held.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})",
                (_copy(row, number, table) for number in range(count)),
            )
        held.commit()
    return url, folder


def _copy(row: dict[str, Any], number: int, table: str) -> list[Any]:
    ref = f"{number:026d}"
    if table == "document":
        fresh = {
            "seq": None,
            "ref": ref,
            "document_id": ref,
            "document_key": ref,
            "number_key": ref,
            "digest": f"{number:064x}",
        }
    else:
        fresh = {
            "seq": None,
            "id": ref,
            "cargo_ref": ref,
            "document": ref,
            "lane": ref,
            "head": 1,
            "endpoint": f"noi-{number % AGENCIES}",
        }
    return list({**row, **fresh}.values())


async def _asked(url: str, folder: Path, turn: int) -> dict[str, float]:
    """Seconds of one of each, the median of some."""
    store = open_store(url, Blobs(folder / "blobs"))
    now = datetime.now(UTC) + timedelta(days=365 * 5)
    chance = random.Random(turn)
    destinations = [f"noi-{chance.randrange(AGENCIES)}" for _ in range(30)]
    fresh = [
        document(ref=f"z{turn:05d}{n:020d}", document_id=f"{turn}-{n}", digest=sha256(f"{turn}-{n}")) for n in range(30)
    ]
    taken = [_take(one, destinations[n]) for n, one in enumerate(fresh)]
    asked = {
        "claim one": [_body(store, _claim(one, now)) for one in destinations],
        "take in": [_body(store, one) for one in taken],
        "an item of a list of 50": [lambda one=one: store.views.inbox(one, 0, 50) for one in destinations],
    }
    times = {}
    for name, each in asked.items():
        measured = []
        for ask in each:
            begun = time.perf_counter()
            got = await ask()
            measured.append((time.perf_counter() - begun) / (len(got) if name.startswith("an item") else 1))
        times[name] = statistics.median(measured)
    await store.close()
    return times


def _body(store: SqlStore, body: Sql) -> Callable[[], Any]:
    return lambda: store.transact(body)


def _claim(endpoint: str, now: datetime) -> Sql:
    return lambda ledger: ledger.claim([endpoint], now, LEASE, 1)


def _take(one: Any, endpoint: str) -> Sql:
    sent = delivery(one, id=f"d{one.ref}", lane=one.ref, endpoint=endpoint)

    def body(ledger: Ledger) -> None:
        assert not ledger.same_document(one.sender, one.kind, one.document_id)
        ledger.apply(decision(AddDocument(one), AddDelivery(sent)))

    return body


def registry(slice_s: float, pairs: int) -> Iterator[Measure]:
    """A route, and whether a code lies in a subtree: with all agencies of the country beside a hundred."""
    small, large = _country(100), _country(111_339)
    found = []
    for turn in range(pairs):
        found.append(tuple(_ways(one, turn, round(20_000 * slice_s)) for one in (large, small)))
    yield _grown("registry, route and subtree", found, 3.0, "111,339 agencies beside 100")


def _country(count: int) -> tuple[RoutingTable, list[AgencyCode]]:
    top = AgencyCode.parse("000.00.00.H01")
    codes = [AgencyCode.parse(f"{n // 10_000:03d}.{n // 100 % 100:02d}.{n % 100:02d}.H01") for n in range(1, count)]
    agencies = [Agency(top, "top", Level.PROVINCE), *(Agency(code, "one", Level.COMMUNE, top) for code in codes)]
    table = RoutingTable((Rule("000.00.00.H01", "here"),), Registry(agencies))
    return table, codes


def _ways(country: tuple[RoutingTable, list[AgencyCode]], turn: int, count: int) -> float:
    table, codes = country
    top = [table.registry.path(AgencyCode.parse("000.00.00.H01"))]
    asked = random.Random(turn).choices(codes, k=count)
    begun = time.process_time()
    for code in asked:
        table.route(code)
        table.registry.within(code, top)
    return (time.process_time() - begun) / count


def _grown(name: str, found: list[Any], bound: float, notes: str) -> Measure:
    """How many times what the small one takes."""
    ratios = sorted(a / b for a, b in found)
    large, small = (statistics.median(one) * 1e6 for one in zip(*found, strict=True))
    ends = (ratios[0], ratios[-1])
    return Measure(name, statistics.median(ratios), bound, False, large, small, len(found), "us", ends, notes)
