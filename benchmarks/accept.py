"""Documents taken in: signed packages of 10 KB over TLS, judged, stored, answered with a signed receipt."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Generator
from benchmarks.nodes import floor, fresh_database, key_of, node, packages, postgres, posts, side, trusted
from benchmarks.pairs import Measure, bounded
from benchmarks.served import contest, run
from tests.site import OFFICE


def sqlite(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        make = packages(site)
        ours = side(site, posts(make, key_of(site, OFFICE)))
        least = stack.enter_context(floor(site, posts(make), sqlite=str(folder / "floor.db"), trust=trusted(site)))
        yield contest("accept, 10 KB, SQLite", generator, ours, least, target=0.6, slice_s=slice_s, pairs=pairs)


def flushes(slice_s: float, pairs: int) -> Iterator[Measure]:
    """How often the node syncs anything to its disk, seen from outside: by strace, so that the rest takes longer then.

    Everything counts: the groups of the store, and the rounds of the log.
    """
    if not shutil.which("strace"):
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        assert site.process is not None
        ours = side(site, posts(packages(site), key_of(site, OFFICE)))
        count = max(256, round(slice_s * 512))
        run(generator, ours, 64)
        found = []
        for _ in range(max(1, min(pairs, 5))):
            told = folder / "syncs"
            command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o", str(told)]
            with subprocess.Popen([*command, "-p", str(site.process.pid)]) as watching:
                time.sleep(0.5)
                run(generator, ours, count)
                watching.terminate()
            lines = [line for line in told.read_text().splitlines() if "sync" in line and "resumed" not in line]
            assert lines, "nothing was synced, or nothing was seen"
            found.append(len(lines) / count)
        yield bounded("flushes a document at 64 callers", found, 1 / 8, "", "strace: fsync and fdatasync")


def on_postgres(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(postgres())
        generator = stack.enter_context(Generator())
        other = stack.enter_context(node(folder / "sqlite"))
        site = stack.enter_context(node(folder / "postgres", store=fresh_database(running, "ours")))
        fresh_database(running, "floor")
        make = packages(site)
        ours = side(site, posts(make, key_of(site, OFFICE)), running)
        small = side(other, posts(packages(other), key_of(other, OFFICE)))
        facts = {"postgres": running.conninfo("floor"), "trust": trusted(site)}
        least = stack.enter_context(floor(site, posts(make), running=running, **facts))
        yield contest("accept, 10 KB, PostgreSQL", generator, ours, least, target=0.6, slice_s=slice_s, pairs=pairs)
        yield contest(
            "accept, 10 KB, PostgreSQL beside our SQLite",
            generator,
            ours,
            small,
            target=0.7,
            slice_s=slice_s,
            pairs=pairs,
            by_rate=True,
        )
