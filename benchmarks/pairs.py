"""Two pieces of work timed in turn, so that a machine whose speed drifts slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True)
class Measure:
    """One figure. `ratio` is the median over the pairs; `ours` and `floor` are medians in `unit`.

    A bound without a floor has the bound itself as `floor`, and `ratio` is then ours over the bound.
    """

    name: str
    ratio: float
    target: float | None
    higher_is_better: bool
    ours: float
    floor: float
    pairs: int
    unit: str
    spread: tuple[float, float]
    notes: str = ""
    more: dict[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.ratio >= self.target if self.higher_is_better else self.ratio <= self.target

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ratio": round(self.ratio, 3),
            "target": self.target,
            "higher_is_better": self.higher_is_better,
            "ours": round(self.ours, 6),
            "floor": round(self.floor, 6),
            "pairs": self.pairs,
            "unit": self.unit,
            "spread": [round(end, 3) for end in self.spread],
            **({"notes": self.notes} if self.notes else {}),
            **({"more": {name: round(value, 6) for name, value in self.more.items()}} if self.more else {}),
        }


def paired(
    name: str,
    ours: Work,
    floor: Work,
    *,
    target: float | None,
    as_rate: bool = True,
    pairs: int = 15,
    slice_s: float = 0.5,
    notes: str = "",
) -> Measure:
    """Time `ours` and `floor` in turn, `pairs` times, each for about `slice_s`; processor time, because it counts what
    the work takes and not what else runs.

    `as_rate`: the ratio is of rates (higher is better), otherwise of times (lower is better).
    """
    counts = [_how_many(work, slice_s) for work in (ours, floor)]
    times: list[tuple[float, float]] = []
    for number in range(pairs):
        order = [(ours, counts[0]), (floor, counts[1])]
        if number % 2:
            order.reverse()
        taken = [_time(work, count) for work, count in order]
        times.append((taken[1], taken[0]) if number % 2 else (taken[0], taken[1]))
    ratios = sorted(b / a if as_rate else a / b for a, b in times)
    return Measure(
        name=name,
        ratio=statistics.median(ratios),
        target=target,
        higher_is_better=as_rate,
        ours=statistics.median(a for a, _ in times) * 1e6,
        floor=statistics.median(b for _, b in times) * 1e6,
        pairs=pairs,
        unit="us",
        spread=(ratios[0], ratios[-1]),
        notes=notes,
    )


def bounded(name: str, values: list[float], bound: float, unit: str, notes: str = "") -> Measure:
    """A figure that has a bound and no floor: the median of `values` over the bound."""
    ratios = sorted(value / bound for value in values)
    return Measure(
        name,
        statistics.median(ratios),
        1.0,
        False,
        statistics.median(values),
        bound,
        len(values),
        unit,
        (ratios[0], ratios[-1]),
        notes,
    )


def _time(work: Work, count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - begun) / count


def _how_many(work: Work, slice_s: float) -> int:
    work()
    once = _time(work, 1)
    return max(1, min(20_000, round(slice_s / max(_time(work, max(1, min(50, round(0.05 / max(once, 1e-6))))), 1e-6))))
