"""The mix of sizes for ten minutes, as fast as it is answered: what a node keeps up, and what of it grows meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from time import monotonic

from benchmarks.large import Watch
from benchmarks.load import Answers, Generator
from benchmarks.mix import KB, WANTED, at, documents, sizes
from benchmarks.nodes import key_of, node, posts, side
from benchmarks.pairs import Measure
from tests.site import OFFICE

SECONDS = 600
SHORT = 10
"""Seconds of a short look."""
AT_ONCE = 2_000
"""Documents that are made ready together, while those before them are sent."""
MB = 1 << 20


@dataclass(frozen=True)
class Part:
    """What came of documents that were sent together: when in the whole, their times (s), what the node has (MB)."""

    begun: float
    ended: float
    times: list[float]
    memory: float
    journal: float

    @property
    def rate(self) -> float:
        return len(self.times) / (self.ended - self.begun)


def group(slice_s: float, _: int) -> Iterator[Measure]:
    seconds = SECONDS if slice_s >= 0.5 else SHORT
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        assert site.process is not None
        watch, shown = Watch(site.process.pid), key_of(site, OFFICE)
        ours = side(site, posts(lambda wanted: documents(site, [10 * KB] * wanted), shown))
        generator.run(ours.door, ours.requests(64))
        journal = folder / "node" / "data" / "axis.db-wal"
        seeds, parts = count(), list[Part]()

        def ready() -> list[bytes]:
            chosen = sizes(AT_ONCE, next(seeds))
            return list(posts(lambda _: documents(site, chosen), shown)(0))

        def send(requests: list[bytes]) -> Answers:
            return generator.run(ours.door, requests)

        with ThreadPoolExecutor(1) as thread:
            todo, begun, ended = ready(), monotonic(), 0.0
            while ended < seconds:
                sent = thread.submit(send, todo)
                todo = ready()
                answers = sent.result()
                assert set(answers.statuses) == {202}, set(answers.statuses)
                before, ended = ended, monotonic() - begun
                parts.append(Part(before, ended, answers.times, watch.now()[1], journal.stat().st_size / MB))
        answered = sum(len(part.times) for part in parts)
        stored = int(site.rows("SELECT count(*) FROM document")[0][0]) - 64
        yield from measures(parts, answered, stored)


def measures(parts: list[Part], answered: int, stored: int) -> Iterator[Measure]:
    middle = max(1, len(parts) // 2)
    halves = {"first": parts[:middle], "second": parts[middle:] or parts}
    more = {
        "documents": float(answered),
        "journal_mb": max(part.journal for part in parts),
        "memory_mb_at_the_begin": parts[0].memory,
        **{f"memory_mb_after_the_{which}_half": half[-1].memory for which, half in halves.items()},
        **{f"rate_of_the_{which}_half": median(part.rate for part in half) for which, half in halves.items()},
        **{f"p99_ms_of_the_{which}_half": slowest(half) * 1e3 for which, half in halves.items()},
    }
    rate, rates, notes = answered / parts[-1].ended, sorted(part.rate for part in parts), "one run"
    ends, name = (rates[0] / WANTED, rates[-1] / WANTED), "mix of sizes, ten minutes"
    yield Measure(f"{name}, rate", rate / WANTED, 1.0, True, rate, WANTED, 1, "/s", ends, notes, more)
    lost = float(answered - stored)
    yield Measure(f"{name}, lost", lost, 0.0, False, float(answered), float(stored), 1, "", (lost, lost), notes)


def slowest(parts: list[Part]) -> float:
    """The 99th percentile of all their times (s)."""
    return at(sorted(time for part in parts for time in part.times), 99)
