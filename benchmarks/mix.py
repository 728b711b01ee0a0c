"""Many sizes at once: X-Road's published mix, as fast as it goes, then at half of that rate."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Answers, Generator
from benchmarks.nodes import floor, key_of, node, padded, posts, side, trusted
from benchmarks.pairs import Measure
from tests.site import HOME_AFFAIRS, OFFICE, Site

KB, MB = 1000, 1_000_000
SHARES = {2 * KB: 0.3, 10 * KB: 0.6, 100 * KB: 0.09, 2 * MB: 0.009, 10 * MB: 0.001}
WANTED = 400.0
SECONDS = 10
"""How long one run takes at the rate that is wanted: so that journals are copied and rounds of the log happen in it."""
IN_ROWS = 128 * KB
"""Octets of the largest package that the floor keeps in its row; ours, too."""
LEAST = 100
"""Fewer answers of one size say nothing about its 99th percentile."""

BySize = dict[int, list[float]]


def sizes(count: int, seed: int) -> list[int]:
    """So many sizes in their shares, shuffled; every size at least once."""
    chosen = [size for size, share in SHARES.items() for _ in range(max(1, round(share * count)))]
    random.Random(seed).shuffle(chosen)
    return chosen


def documents(site: Site, wanted: list[int]) -> list[bytes]:
    # The smallest package that has everything is some 4 KB: it stands for the 2 KB of the mix.
    return [site.package(OFFICE, [HOME_AFFAIRS], [padded(size)]) for size in wanted]


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        shown = key_of(site, OFFICE)
        ours = side(site, posts(lambda wanted: documents(site, [10 * KB] * wanted), shown))
        generator.run(ours.door, ours.requests(64))
        (folder / "large").mkdir()
        kept = {"sqlite": str(folder / "floor.db"), "stream": str(folder / "large"), "in_rows": IN_ROWS}
        least = stack.enter_context(floor(site, ours.requests, trust=trusted(site), **kept))
        generator.run(least.door, ours.requests(64))
        count, rates, found, floors = max(150, round(slice_s * SECONDS * WANTED)), [], [], []
        for turn in range(max(1, min(pairs, 5 if slice_s >= 0.5 else 2))):
            fast = sizes(count, turn)
            answers = generator.run(ours.door, posts(lambda _, fast=fast: documents(site, fast), shown)(0))
            assert set(answers.statuses) == {202}, set(answers.statuses)
            rates.append(len(fast) / answers.seconds)
            slow = sizes(count, 1000 + turn)
            paced = posts(lambda _, slow=slow: documents(site, slow), shown)(0)
            found.append(by_size(slow, generator.run(ours.door, paced, every=2 / rates[-1])))
            floors.append(by_size(slow, generator.run(least.door, paced, every=2 / rates[-1])))
        rates.sort()
        middle = rates[len(rates) // 2]
        ends = (rates[0] / WANTED, rates[-1] / WANTED)
        notes = "the floor is the rate that is wanted"
        yield Measure("mix of sizes, rate", middle / WANTED, 1.0, True, middle, WANTED, len(rates), "/s", ends, notes)
        name, notes = "mix of sizes at half the rate, p99 over p50", "the worst of the sizes that came often enough"
        ends, (ratio, times), (least_ratio, least_times) = of_each(found), of_all(found), of_all(floors)
        yield Measure(name, ratio, 3.0, False, ratio, 1.0, len(found), "x", ends, notes, times)
        beside = sorted(worst(a) / worst(b) for a, b in zip(found, floors, strict=True))
        ends = (beside[0], beside[-1])
        name = f"{name}, beside the floor"
        yield Measure(
            name, ratio / least_ratio, None, False, ratio, least_ratio, len(found), "x", ends, notes, least_times
        )


def by_size(sent: list[int], answers: Answers) -> BySize:
    """The times of the answers to each size, in order."""
    pairs = [*zip(sent, answers.times, strict=True)]
    return {size: sorted(time for one, time in pairs if one == size) for size in SHARES}


def spread(times: list[float]) -> float:
    return at(times, 99) / at(times, 50)


def at(times: list[float], percent: int) -> float:
    return times[len(times) * percent // 100]


def worst(found: BySize) -> float:
    """The greatest p99 over p50 of those sizes that came often enough; of a short look, of the one that came most."""
    return max(map(spread, [one for one in found.values() if len(one) >= LEAST] or [max(found.values(), key=len)]))


def of_each(found: list[BySize]) -> tuple[float, float]:
    each = [*map(worst, found)]
    return min(each), max(each)


def of_all(found: list[BySize]) -> tuple[float, dict[str, float]]:
    """The same of all runs together, and what stands behind it."""
    whole = {size: sorted(time for one in found for time in one[size]) for size in SHARES}
    more = {
        f"{size // KB}_kb_p{percent}_ms": at(times, percent) * 1e3
        for size, times in whole.items()
        for percent in (50, 99)
        if len(times) >= LEAST
    }
    return worst(whole), more
