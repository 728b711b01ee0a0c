"""The wall clock against one that nobody sets (F64, F65)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from axis.flow.clock import Clocks, holds, watch_clock

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall_s", "steady_s", "good"),
    [
        (0, 0, True),
        (3600, 3600, True),
        (3599, 3600, True),  # a leap second
        (3660, 3600, True),
        (3661, 3600, False),
        (3539, 3600, False),
        (0, 61, False),  # it stands
        (-3600, 0, False),
        (315_360_000, 5, False),
    ],
)
def test_a_clock_is_believed_as_far_as_the_time_that_went_by(wall_s: int, steady_s: int, good: bool) -> None:
    wall, steady = [NOW], [100.0]
    clocks = Clocks(lambda: wall[0], lambda: steady[0])
    wall[0] += timedelta(seconds=wall_s)
    steady[0] += steady_s
    assert clocks.off() == timedelta(seconds=wall_s - steady_s)
    assert holds(clocks.off()) is good
    assert clocks.now() == NOW + timedelta(seconds=wall_s if good else steady_s)


async def test_it_is_told_once_in_either_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axis.flow.clock.LOOK", timedelta(milliseconds=1))
    wall, stop = [NOW], asyncio.Event()
    with capture_logs() as said:
        watching = asyncio.create_task(watch_clock(Clocks(lambda: wall[0], lambda: 0.0), stop))
        for off, count in ((timedelta(hours=-1), 1), (timedelta(), 2), (timedelta(minutes=2), 3)):
            wall[0] = NOW + off
            async with asyncio.timeout(10):
                while len(said) < count:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.002)
        stop.set()
        await watching
    assert [(one["event"], one["off_s"]) for one in said] == [
        ("clock_strayed", -3600),
        ("clock_back", 0),
        ("clock_strayed", 120),
    ]
