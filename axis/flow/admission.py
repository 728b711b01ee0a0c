"""Who may begin to hand something over: asked before anything of it is read, and again while it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from axis.core.pressure import NO_ROOM, PATIENCE_S, WAITS_S, Bucket, Pressure, draw
from axis.core.problems import Kind, Problem, Unavailable

MOST_STATUS = 65_536
"""A status message is smaller: what announces more is a document."""
AMPLE: Final = 2
"""With so many times the water mark there is no hurry to look again."""
LOOK_S: Final = 0.1
"""For how long: a gigabyte, the mark by default, is not written within that."""


@dataclass(slots=True)
class Admission:
    """The door of one process. `clock` counts seconds and never goes back; `free` gives the octets left on the disk."""

    pressure: Pressure = field(default_factory=Pressure)
    clock: Callable[[], float] = lambda: 0.0
    free: Callable[[], int] | None = None
    _under_way: Counter[str] = field(default_factory=Counter)
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _ample_until: float | None = None

    def enter(self, name: str, size: int) -> None:
        """One package of connection `name`, which says that it has `size` octets (0: nothing), is under way from now on
        until it has to `leave`.

        `Unavailable`: RATE_LIMITED, BUSY, STORE_UNAVAILABLE; then nothing is under way. Costs nothing but a look at the
        disk.
        """
        if size > MOST_STATUS:
            self.refuse_without_room()
        if self.pressure.crowded(self._under_way, name):
            raise _later(Problem(Kind.BUSY))
        now = self.clock()
        bucket = self._buckets.get(name) or Bucket.full(self.pressure, now)
        self._buckets[name], wait_s = draw(bucket, self.pressure, now)
        if wait_s:
            raise Unavailable(Problem(Kind.RATE_LIMITED), retry_after_s=wait_s)
        self._under_way[name] += 1

    def leave(self, name: str) -> None:
        """What has entered is no longer under way, however it ended."""
        self._under_way[name] -= 1
        if not self._under_way[name]:
            del self._under_way[name]  # all that stand here are added up for each that enters

    def refuse_without_room(self) -> None:
        """No new documents below the water mark; statuses and acknowledgements go on: they are what empties it."""
        now = self.clock()
        if self.free is None or (self._ample_until is not None and now < self._ample_until):
            return
        free = self.free()
        if free < self.pressure.min_free:
            raise _later(NO_ROOM)
        self._ample_until = now + LOOK_S if free >= AMPLE * self.pressure.min_free else None

    async def paced(self, octets: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body as it comes. `Unavailable(TOO_SLOW)` when it comes slower than is borne.

        Only waiting for it counts: what the node itself takes to write is not the sender's fault.
        """
        least = self.pressure.slowest * PATIENCE_S
        waited, brought = 0.0, 0
        while True:
            began = self.clock()
            try:
                async with asyncio.timeout(max(PATIENCE_S - waited, 0.001)):
                    chunk = await anext(octets, None)
            except TimeoutError:
                raise _later(Problem(Kind.TOO_SLOW)) from None
            if chunk is None:
                return
            waited, brought = waited + self.clock() - began, brought + len(chunk)
            if brought >= least:
                waited, brought = 0.0, 0
            yield chunk


def _later(problem: Problem) -> Unavailable:
    return Unavailable(problem, retry_after_s=WAITS_S[problem.kind])
