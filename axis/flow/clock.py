"""The time that a process goes by: the wall clock's, as long as it goes on as a clock does that nobody sets (F64, F65).

When a delivery is due, when a lease or a hold ends, when an attempt was made: all these are times of one process or of
its neighbours, and a clock that jumps must not move them. Certificates and what is known of them are judged by the
wall clock, because their times are other people's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

log = structlog.get_logger()

SLACK: Final = timedelta(seconds=60)
"""Leap seconds and what NTP steps are far below it; certificates and lists are not judged to the minute."""
_SLACK_S: Final = SLACK.total_seconds()
LOOK: Final = timedelta(seconds=1)


@dataclass(slots=True)
class Clocks:
    """`wall` is the wall clock; `steady` counts seconds, is never set, and goes on while the machine sleeps.

    Both are read once when this is made. Whoever sets a clock right starts the process again: until then nothing tells
    which of two times was wrong.
    """

    wall: Callable[[], datetime]
    steady: Callable[[], float]
    _began: datetime = field(init=False)
    _count: float = field(init=False)

    def __post_init__(self) -> None:
        self._began, self._count = self.wall(), self.steady()

    def off(self) -> timedelta:
        """How much further the wall clock has gone than the time that went by: below zero where it lost time."""
        return self.wall() - self._passed()

    def now(self) -> datetime:
        """The wall clock's time, and where that is not to be believed the one that it would have without its jump."""
        wall = self.wall()
        off = (wall - self._began).total_seconds() - (self.steady() - self._count)
        return wall if abs(off) <= _SLACK_S else self._passed()

    def of_files(self) -> datetime:
        """The time to hold those of files against: they were written by the wall clock, whatever it did. Where it was
        set back, what was written since must not look old."""
        return min(self.now(), self.wall())

    def _passed(self) -> datetime:
        return self._began + timedelta(seconds=self.steady() - self._count)


def holds(off: timedelta) -> bool:
    """Say whether a clock that is `off` may be judged by."""
    return abs(off) <= SLACK


async def watch_clock(clocks: Clocks, stop: asyncio.Event) -> None:
    """Tell once when the wall clock is not to be believed any more, and when it is again, until `stop`."""
    good = True
    while not stop.is_set():
        off = clocks.off()
        if holds(off) is not good:
            good = not good
            seconds = round(off.total_seconds())
            log.info("clock_back", off_s=seconds) if good else log.error("clock_strayed", off_s=seconds)
        try:
            async with asyncio.timeout(LOOK.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue
