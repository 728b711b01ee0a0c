"""How many attempts may be under way at once: towards one destination, and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Windows:
    """`own` is each destination's bound, `together` that of all.

    The first attempt of every destination is always free: those that are slow can use up what is shared, never what
    keeps another one moving. So `together` is at least the number of destinations.
    """

    own: Mapping[str, int]
    together: int

    def free(self, endpoint: str, busy: Mapping[str, int]) -> int:
        """How many attempts may begin now at `endpoint`, where `busy` are under way."""
        under_way = busy.get(endpoint, 0)
        first = 1 if under_way == 0 else 0
        shared = max(self.together - len(self.own), 0) - sum(max(busy.get(one, 0) - 1, 0) for one in self.own)
        return max(0, min(self.own[endpoint] - under_way, first + max(shared, 0)))


def rotated(endpoints: Sequence[str], turn: int) -> Sequence[str]:
    """Everybody, beginning with another one each turn: what is shared goes to no one by its name."""
    if not endpoints:
        return endpoints
    first = turn % len(endpoints)
    return (*endpoints[first:], *endpoints[:first])
