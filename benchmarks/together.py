"""Two that share the machine beside one: processes of a node on one PostgreSQL, nodes with stores of their own."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Generator
from benchmarks.nodes import fresh_database, key_of, node, packages, postgres, posts, side
from benchmarks.pairs import Measure
from benchmarks.served import Side, run
from tests.site import OFFICE, Site

CALLERS = 64
"""In all."""


def processes(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(postgres())
        site = stack.enter_context(node(folder / "one", store=fresh_database(running, "ours"), instance="a"))
        other = site.beside("b")
        other.start()
        stack.callback(lambda: other.running and other.stop())
        make = packages(site)
        sides = [side(each, posts(make, key_of(site, OFFICE))) for each in (site, other)]
        yield from _beside_one("two processes on one PostgreSQL", sides, lambda: _stored(site), slice_s, pairs)


def nodes(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        both = [stack.enter_context(node(folder / name)) for name in ("one", "two")]
        sides = [side(site, posts(packages(site), key_of(site, OFFICE))) for site in both]
        yield from _beside_one("two nodes", sides, lambda: sum(map(_stored, both)), slice_s, pairs)


def _stored(site: Site) -> int:
    return int(site.rows("SELECT count(*) FROM document")[0][0])


def _beside_one(
    name: str, sides: Sequence[Side], stored: Callable[[], int], slice_s: float, pairs: int
) -> Iterator[Measure]:
    """Half of the callers at each of two sides, beside all of them at the first alone."""
    count, warm = max(CALLERS, round(slice_s * 250)), 128
    found = []
    with ExitStack() as stack:
        generators = [stack.enter_context(Generator()) for _ in sides]
        threads = stack.enter_context(ThreadPoolExecutor(len(sides)))
        for generator, each in zip(generators, sides, strict=True):
            run(generator, each, warm)
        for _ in range(pairs):
            alone = run(generators[0], sides[0], count, CALLERS)
            halves = zip(generators, sides, strict=True)
            runs = list(threads.map(lambda one: run(*one, count // 2, CALLERS // 2), halves))
            seconds = max(one.answers.seconds for one in runs)
            both = sorted(time for one in runs for time in one.answers.times)
            slow = [times[len(times) * 99 // 100] for times in (both, sorted(alone.answers.times))]
            found.append((len(both) / seconds, alone.rate, slow[0] / slow[1]))
    ratios = sorted(a / b for a, b, _ in found)
    two, one = (statistics.median(each[place] for each in found) for place in range(2))
    ends = (ratios[0], ratios[-1])
    yield Measure(f"{name} beside one, rate", statistics.median(ratios), 1.4, True, two, one, pairs, "/s", ends)
    slower = sorted(each[2] for each in found)
    middle, ends = statistics.median(slower), (slower[0], slower[-1])
    yield Measure(f"{name} beside one, p99", middle, 2.0, False, middle, 1.0, pairs, "x", ends)
    sent, there = warm * len(sides) + pairs * (count + count // 2 * 2), stored()
    yield Measure(
        f"{name} beside one, lost", float(sent - there), 0.0, False, float(sent), float(there), pairs, "", (0, 0)
    )
