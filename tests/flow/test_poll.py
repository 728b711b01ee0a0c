"""One round over what waits at another side: whatever one thing meets is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from axis.blobs import Spool
from axis.core.hands import Incoming
from axis.core.model import Cargo
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.flow.poll import LONGEST, OpenSpool, pause, run_source, take
from tests.flow.test_notices import Desk, desk
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE


@dataclass
class Thing:
    """Something at the other side, and what it was told of it; `breaks` is met while it is read, `deaf` afterwards."""

    octets: bytes
    breaks: Exception | None = None
    deaf: Exception | None = None
    told: list[str] = field(default_factory=list)

    async def read(self) -> AsyncIterator[bytes]:
        if self.breaks is not None:
            raise self.breaks
        yield self.octets

    async def tell(self, what: str) -> None:
        self.told.append(what)
        if self.deaf is not None:
            raise self.deaf

    def incoming(self) -> Incoming:
        return Incoming(self.read(), None, lambda: self.tell("accepted"), lambda problem: self.tell("rejected"))


async def taken(at: Desk, things: Sequence[Thing]) -> list[int]:
    by = at.config.principals[AGENCIES[OFFICE]]
    return [await take(one.incoming(), by, opening(at), at.ctx) for one in things]


def opening(at: Desk) -> OpenSpool:
    def open_spool(inline_max: int | None = None) -> Spool:
        return at.blobs.spool(10_000_000, inline_max)

    return open_spool


@pytest.mark.parametrize("kind", [Kind.DESTINATION_REFUSED, Kind.UNKNOWN_AGENCY, Kind.DESTINATION_UNAVAILABLE])
async def test_what_was_taken_is_never_rejected_whatever_is_answered(tmp_path: Path, kind: Kind) -> None:
    """Its sender would read that nobody has it, while it is delivered."""
    async with desk(tmp_path) as at:
        at.lists_come()
        problem = Problem(kind)
        deaf = Unavailable(problem) if kind is Kind.DESTINATION_UNAVAILABLE else Refused(problem)
        thing = Thing(at.site.package(OFFICE, [HOME_AFFAIRS]), deaf=deaf)
        assert await taken(at, [thing]) == [0], "it comes again"
        assert thing.told == ["accepted"]
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT]
        thing.deaf = None
        assert await taken(at, [thing]) == [1]
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT], "once"


async def test_one_thing_that_breaks_the_program_does_not_keep_the_others(tmp_path: Path) -> None:
    """A surprise ended the round, and the next one began with the same thing."""
    async with desk(tmp_path) as at:
        at.lists_come()
        package = at.site.package(OFFICE, [HOME_AFFAIRS])
        bad, wrong, good = Thing(b"", breaks=RuntimeError("a bug")), Thing(b"no document"), Thing(package)
        assert await taken(at, [bad, wrong, good]) == [0, 1, 1]
        assert [one.told for one in (bad, wrong, good)] == [[], ["rejected"], ["accepted"]]
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT]


async def test_a_source_that_is_away_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    """Every two seconds for a week of maintenance, and a line of the log each time."""
    assert [pause(timedelta(seconds=2), failed).total_seconds() for failed in (0, 1, 2, 3, 9)] == [2, 2, 4, 8, 60]
    assert pause(2 * LONGEST, 5) == 2 * LONGEST

    class Away:
        asked = 0

        async def poll(self) -> AsyncIterator[Incoming]:
            self.asked += 1
            if self.asked != 6:
                raise Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE))
            nothing: tuple[Incoming, ...] = ()
            for incoming in nothing:
                yield incoming

        async def close(self) -> None:
            return

    async with desk(tmp_path) as at:
        stop, source, by = asyncio.Event(), Away(), at.config.principals[AGENCIES[OFFICE]]
        asyncio.get_running_loop().call_later(0.5, stop.set)
        await run_source(source, by, timedelta(milliseconds=10), opening(at), at.ctx, stop)
        assert 6 <= source.asked <= 11, "of 50; once it was there they begin anew"
