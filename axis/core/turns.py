"""Who goes next at one destination: the urgent overtake, and nobody waits for ever (QĐ 28/2018 art. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

EVERY: Final = 4
"""Each fourth turn goes to whoever has been due the longest. Ours: a quarter of the capacity is what a flood of urgent
documents leaves to the rest."""


class Waiting(Protocol):
    @property
    def due_at(self) -> datetime: ...
    @property
    def seq(self) -> int: ...


W = TypeVar("W", bound=Waiting)


def pick(waiting: Mapping[int, Sequence[W]], places: int, turn: int, every: int = EVERY) -> list[W]:
    """Up to `places` of those that wait, by priority; each list begins with what has been due the longest.

    `turn` counts the places given at this destination before. What has n others before it in time is taken after at
    most (n + 1) × `every` turns, whatever else comes meanwhile.
    """
    left = {priority: list(reversed(those)) for priority, those in sorted(waiting.items(), reverse=True) if those}
    taken: list[W] = []
    while left and len(taken) < places:
        turn += 1
        if turn % every:
            priority = next(iter(left))
        else:
            priority = min(left, key=lambda one: (left[one][-1].due_at, left[one][-1].seq))
        taken.append(left[priority].pop())
        if not left[priority]:
            del left[priority]
    return taken
