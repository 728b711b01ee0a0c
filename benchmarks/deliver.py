"""Documents handed on: pushed over keep-alive beside a bare client, and how soon after a kill the first one leaves."""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from axis.demo.network import HOST
from axis.operator import read_token
from benchmarks.load import Door, Generator, request
from benchmarks.nodes import floor, key_of, padded, posts, side
from benchmarks.pairs import Measure, bounded
from benchmarks.served import processor_s
from tests.site import OFFICE, Site, pushed, row, until

CALLED = "000.00.71.H99"
NAME = "duoc-goi"
WINDOW = 16
COPIES = ["document", "payload", "delivery"]


@contextmanager
def called(folder: Path, generator: Generator) -> Iterator[tuple[Site, Door, Any]]:
    """A node that pushes to a receiver: the node, where the receiver listens, and how many it has got."""
    with ExitStack() as stack:
        site = Site(folder / "node")
        sink = stack.enter_context(floor(site, lambda wanted: [], module="sink"))
        url = f"https://{HOST}:{sink.door.port}/"
        site.registry += row(CALLED)
        site.endpoints += pushed(NAME, CALLED, url, f'ca = "{site.pki.tls_ca}"\nwindow = {WINDOW}\n')
        site.configure()
        site.start()
        stack.callback(lambda: site.running and site.stop())

        def got() -> dict[str, Any]:
            asked = [request("GET", "/")]
            found: dict[str, Any] = json.loads(generator.run(sink.door, asked, callers=1, keep=True).bodies[0])
            return found

        yield site, sink.door, got


def order(site: Site, action: str) -> None:
    """What an operator does to the receiver's deliveries."""
    body = json.dumps({"endpoint": NAME, "operator": "bench", "reason": "bench"}).encode()
    headers = {"Axis-Operator": read_token(site.folder / "data") or "", "Content-Type": "application/json"}
    url = f"{site.pages}/operator/queue/{action}"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        assert answer.status == 200


def _until(what: str, got: Any, wanted: int) -> None:
    until(what, lambda: got()["count"] >= wanted, 120)


def push(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site, sink, got = stack.enter_context(called(folder, generator))
        assert site.process is not None
        make = posts(
            lambda wanted: [site.package(OFFICE, [CALLED], [padded(10_000)]) for _ in range(wanted)],
            key_of(site, OFFICE),
        )
        taken = side(site, make)
        facts = {"url": f"https://{HOST}:{sink.port}/", "ca": str(site.pki.tls_ca), "callers": WINDOW, "size": 10_000}
        client = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.floor.push", json.dumps(facts)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert client.stdin is not None
        assert client.stdout is not None
        stack.callback(client.stdin.close)
        count = max(64, round(slice_s * 300))

        def ours() -> float:
            before = got()["count"]
            order(site, "hold")
            generator.run(taken.door, taken.requests(count))
            time.sleep(0.3)  # the log's round of what was taken in
            begun = processor_s(site.process.pid)  # type: ignore[union-attr]
            order(site, "release")
            _until("all pushed", got, before + count)
            time.sleep(0.3)  # and of what was delivered
            return (processor_s(site.process.pid) - begun) / count  # type: ignore[union-attr]

        def least() -> float:
            begun = processor_s(client.pid)
            client.stdin.write(f"{count * 4}\n".encode())  # type: ignore[union-attr]
            client.stdin.flush()  # type: ignore[union-attr]
            client.stdout.readline()  # type: ignore[union-attr]
            return (processor_s(client.pid) - begun) / (count * 4)

        ours(), least()
        found = [(ours(), least()) if n % 2 else tuple(reversed((least(), ours()))) for n in range(pairs)]
        ratios = sorted(b / a for a, b in found)
        mine, theirs = (statistics.median(one) * 1e6 for one in zip(*found, strict=True))
        spread = (ratios[0], ratios[-1])
        yield Measure(
            "push, 10 KB, keep-alive", statistics.median(ratios), 0.6, True, mine, theirs, pairs, "us", spread
        )


def recovery(slice_s: float, pairs: int) -> Iterator[Measure]:
    """The queue is made of copies of one accepted document, under other ids, in the store of the killed node."""
    queued = 100_000 if slice_s >= 0.5 else 5_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site, _, got = stack.enter_context(called(folder, generator))
        order(site, "hold")
        site.take(site.package(OFFICE, [CALLED], [padded(10_000)]), OFFICE)
        site.kill()
        multiply(site, queued)
        site.start()
        order(site, "release")
        until("the first", lambda: got()["count"] or None)
        times = []
        for _ in range(min(pairs, 5 if slice_s >= 0.5 else 2)):
            site.kill()
            before = got()["count"]
            begun = time.time()
            site.start(wait=False)
            until("the first one after the kill", lambda before=before: got()["count"] > before or None, 120)
            times.append(time.time() - begun)
        yield bounded("recovery after a kill, to the first delivery", times, 5.0, "s", f"{queued} deliveries queued")


def multiply(site: Site, wanted: int) -> None:
    """Copy the one document of a stopped node `wanted` times, with its octets once, each in a lane of its own."""
    path = site.folder / "data" / "axis.db"
    with closing(sqlite3.connect(path)) as held:
        for table, fresh in (
            ("document", {"seq": None, "ref": "ref", "document_id": "id", "document_key": "id", "digest": "digest"}),
            ("delivery", {"seq": None, "id": "ref", "cargo_ref": "ref", "document": "ref", "lane": "lane"}),
        ):
            columns = [row[1] for row in held.execute(f"PRAGMA table_info({table})")]
            one = dict(zip(columns, held.execute(f"SELECT * FROM {table} ORDER BY 1 LIMIT 1").fetchone(), strict=True))

            def rows(one: dict[str, Any] = one, fresh: dict[str, Any] = fresh) -> Iterator[list[Any]]:
                for number in range(wanted):
                    given = {
                        "ref": f"{number:026d}",
                        "id": f"{number}/copy",
                        "digest": f"{number:064x}",
                        "lane": f"copy {number}",
                    }
                    yield [given.get(fresh[name]) if name in fresh else value for name, value in one.items()]

            held.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", rows())
        held.commit()
