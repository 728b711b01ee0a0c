"""Two servers under the same load in turn: what each takes a request, in processor time and in time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Answers, Door, Generator
from benchmarks.pairs import Measure

Requests = Callable[[int], Sequence[bytes]]
"""Makes so many requests that were not sent yet."""
IDLE_S = 0.0015
"""Less than this in 50 ms is what an idle node takes."""


def processor_s(pid: int) -> float:
    """User and system time of a process with all its threads, to the nanosecond (its processor clock)."""
    return time.clock_gettime((~pid << 3) | 2)


def children(pid: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(stat.parent.name)


@dataclass
class Side:
    """A server that runs: its process, those of its database, and how to make requests for it."""

    door: Door
    pid: int
    requests: Requests
    database: int | None = None
    """The process whose children serve the database."""
    good: tuple[int, ...] = (200, 202)
    each: int = 1
    """How many items one request carries."""
    own: list[float] = field(default_factory=list)

    def spent(self) -> float:
        return processor_s(self.pid)

    def spent_elsewhere(self) -> float:
        if self.database is None:
            return 0.0
        total = 0.0
        for pid in children(self.database):
            with suppress(OSError):
                total += processor_s(pid)
        return total


@dataclass(frozen=True)
class Run:
    """One run: items a second, processor time an item in the server and in its database (us), times of answers (s)."""

    rate: float
    cost: float
    elsewhere: float
    answers: Answers


def settle(pid: int) -> None:
    """Wait until a process has nothing left to do: what it owes for what was answered is its cost, too."""
    quiet, before = 0, processor_s(pid)
    while quiet < 4:
        time.sleep(0.05)
        now = processor_s(pid)
        quiet = quiet + 1 if now - before < IDLE_S else 0
        before = now


def run(generator: Generator, side: Side, count: int, callers: int = 64) -> Run:
    """One run. The clock of the processor begins when all are connected and what was before is done, and ends when
    nothing is left of these."""
    spent: list[float] = []
    elsewhere: list[float] = []

    def between() -> None:
        settle(side.pid)
        spent.append(side.spent())
        elsewhere.append(side.spent_elsewhere())

    answers = generator.run(side.door, side.requests(count), callers=callers, between=between)
    bad = {status for status in answers.statuses if status not in side.good}
    assert not bad, f"answers that count for nothing: {bad}"
    items = count * side.each
    cost, there = (spent[1] - spent[0]) / items, (elsewhere[1] - elsewhere[0]) / items
    return Run(items / answers.seconds, cost * 1e6, there * 1e6, answers)


def how_many(generator: Generator, side: Side, slice_s: float, callers: int, at_least: int) -> int:
    """How many requests make a slice; the server is warm afterwards."""
    run(generator, side, max(callers, at_least), callers)
    quick = run(generator, side, max(callers * 2, at_least), callers)
    return max(at_least, callers, round(slice_s * quick.rate / side.each))


def contest(
    name: str,
    generator: Generator,
    ours: Side,
    floor: Side,
    *,
    target: float | None,
    slice_s: float,
    pairs: int,
    callers: int = 64,
    by_rate: bool = False,
    at_least: int = 64,
    notes: str = "",
) -> Measure:
    """`pairs` runs of each in turn. The ratio is of what an item costs in processor time, the floor's over ours: the
    share of a core that is not lost; `by_rate` of items a second instead."""
    count = how_many(generator, ours, slice_s, callers, at_least)
    floors = how_many(generator, floor, slice_s, callers, at_least)
    found: list[tuple[Run, Run]] = []
    for number in range(pairs):
        if number % 2:
            second = run(generator, floor, floors, callers)
            found.append((run(generator, ours, count, callers), second))
        else:
            first = run(generator, ours, count, callers)
            found.append((first, run(generator, floor, floors, callers)))
    ratios = sorted(a.rate / b.rate if by_rate else b.cost / a.cost for a, b in found)
    middle = statistics.median
    times = sorted(one for a, _ in found for one in a.answers.times)
    more = {
        "ours_rate": middle(a.rate for a, _ in found),
        "floor_rate": middle(b.rate for _, b in found),
        "rate_ratio": middle(a.rate / b.rate for a, b in found),
        "cost_ratio": middle(b.cost / a.cost for a, b in found),
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[len(times) * 99 // 100] * 1e3,
    }
    if ours.database is not None:
        more["ours_database_us"] = middle(a.elsewhere for a, _ in found)
    if floor.database is not None:
        more["floor_database_us"] = middle(b.elsewhere for _, b in found)
    told = (lambda one: one.rate) if by_rate else (lambda one: one.cost)
    return Measure(
        name,
        middle(ratios),
        target,
        True,
        middle(told(a) for a, _ in found),
        middle(told(b) for _, b in found),
        pairs,
        "/s" if by_rate else "us",
        (ratios[0], ratios[-1]),
        notes,
        more,
    )
