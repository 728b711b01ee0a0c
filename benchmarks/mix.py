"""Many sizes at once: X-Road's published mix, as fast as it goes, then at half of that rate."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Answers, Generator
from benchmarks.nodes import key_of, node, padded, posts, side
from benchmarks.pairs import Measure
from tests.site import HOME_AFFAIRS, OFFICE, Site

KB, MB = 1000, 1_000_000
SHARES = {2 * KB: 0.3, 10 * KB: 0.6, 100 * KB: 0.09, 2 * MB: 0.009, 10 * MB: 0.001}
WANTED = 400.0
SECONDS = 10
"""How long one run takes at the rate that is wanted: so that journals are copied and rounds of the log happen in it."""
LEAST = 20
"""Fewer answers of one size say nothing about its 99th percentile; then the greatest stands for it."""


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
        count, rates, spreads = max(150, round(slice_s * SECONDS * WANTED)), [], []
        for turn in range(max(1, min(pairs, 5 if slice_s >= 0.5 else 2))):
            fast = sizes(count, turn)
            answers = generator.run(ours.door, posts(lambda _, fast=fast: documents(site, fast), shown)(0))
            assert set(answers.statuses) == {202}, set(answers.statuses)
            rates.append(len(fast) / answers.seconds)
            slow = sizes(count, 1000 + turn)
            paced = posts(lambda _, slow=slow: documents(site, slow), shown)(0)
            half = generator.run(ours.door, paced, every=2 / rates[-1])
            spreads.append(worst(slow, half))
        rates.sort()
        middle = rates[len(rates) // 2]
        ends = (rates[0] / WANTED, rates[-1] / WANTED)
        notes = "the floor is the rate that is wanted"
        yield Measure("mix of sizes, rate", middle / WANTED, 1.0, True, middle, WANTED, len(rates), "/s", ends, notes)
        spreads.sort()
        middle = spreads[len(spreads) // 2]
        ends = (spreads[0], spreads[-1])
        name = "mix of sizes at half the rate, p99 over p50"
        notes = "the worst of the sizes that came at least twenty times"
        yield Measure(name, middle, 3.0, False, middle, 1.0, len(spreads), "x", ends, notes)


def worst(sent: list[int], answers: Answers) -> float:
    """The greatest p99 over p50 within one size."""
    found = []
    for size in SHARES:
        times = sorted(time for one, time in zip(sent, answers.times, strict=True) if one == size)
        if len(times) >= LEAST:
            found.append(times[len(times) * 99 // 100] / times[len(times) // 2])
    return max(found)
