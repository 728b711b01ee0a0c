"""How much is taken in at once, how often, and how slowly: bounds that refuse before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from axis.core.problems import Kind, Problem

PATIENCE_S: Final = 30.0
"""Over so many seconds of waiting for a body its rate is taken: long enough for a line that falters."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """Bounds on intake.

    `at_once` packages are read and judged at the same time, of one connection at most half of them: slow ones can use
    up their own half, never everybody's. `per_second` and `burst` bound how often one connection brings any; 0 is as
    often as it likes. Below `min_free` octets on the disk no new document begins. A body brings `slowest` octets a
    second, or is cut off.
    """

    at_once: int = 128
    per_second: int = 0
    burst: int = 100
    min_free: int = 1 << 30
    slowest: int = 1 << 10

    def crowded(self, under_way: Mapping[str, int], name: str) -> bool:
        """Say whether `name` has to come later, where so many of each connection are under way."""
        own = max(self.at_once // 2, 1)
        return under_way.get(name, 0) >= own or sum(under_way.values()) >= self.at_once


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one connection may still bring at once: `tokens` at `at`, in seconds of a clock that only goes on."""

    tokens: float
    at: float

    @classmethod
    def full(cls, pressure: Pressure, now: float) -> Bucket:
        return cls(float(pressure.burst), now)


def draw(bucket: Bucket, pressure: Pressure, now: float) -> tuple[Bucket, float]:
    """The bucket after one more package, and 0; or the bucket as it is, and the seconds until there is a token."""
    if not pressure.per_second:
        return bucket, 0.0
    tokens = min(float(pressure.burst), bucket.tokens + max(0.0, now - bucket.at) * pressure.per_second)
    if tokens >= 1:
        return Bucket(tokens - 1, now), 0.0
    return Bucket(tokens, now), (1 - tokens) / pressure.per_second


NO_ROOM: Final = Problem(Kind.STORE_UNAVAILABLE, "there is no room for new documents now")
WAITS_S: Final[Mapping[Kind, float]] = MappingProxyType(
    {Kind.BUSY: 2.0, Kind.STORE_UNAVAILABLE: 60.0, Kind.TOO_SLOW: 5.0}
)
"""After how long to come again, where nothing else tells."""
