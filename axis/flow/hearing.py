"""What this process hears of the time from others, and the word to the administrator when it speaks against our clock
(F118)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

from axis.core.clock_hint import SLACK, Heard, Hint, likely_off
from signing.trust import Trust

log = structlog.get_logger()

LOOK: Final = timedelta(seconds=10)
MOST: Final = 1_000


@dataclass(slots=True)
class Hearing:
    """`off` is how much further the wall clock has gone than the time that went by: what was heard is held against the
    latter, so that a clock that is set right meanwhile is right at once."""

    wall: Callable[[], datetime]
    off: Callable[[], timedelta]
    _hints: OrderedDict[tuple[Heard, str], Hint] = field(default_factory=OrderedDict)

    def heard(self, by: Heard, who: str, theirs: datetime) -> None:
        """`who`, whom the caller knows to be who it is, told this time just now."""
        passed = self._passed()
        self._hints[by, who] = Hint(by, who, theirs - passed, passed)
        self._hints.move_to_end((by, who))
        while len(self._hints) > MOST:
            self._hints.popitem(last=False)

    def heard_date(self, who: str, date: str | None) -> None:
        """The `Date` of an answer that came over TLS from `who`. What is no date tells nothing."""
        try:
            theirs = parsedate_to_datetime(date or "")
            self.heard(Heard.AXIS, who, theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))
        except (ValueError, TypeError, OverflowError):
            return

    def look_at(self, trust: Trust) -> None:
        """Lists of authorities that we believe, and that they signed, whatever brought them here."""
        late = self.wall() + SLACK
        for issuer in trust.store.issuers:
            newest = max((crl.this_update for crl in trust.store.lists_of(issuer)), default=late)
            if newest > late:
                self.heard(Heard.LIST, issuer.sha256, newest)

    def likely_off(self) -> timedelta | None:
        off = self.off()
        now = [Hint(one.heard, one.who, one.ahead - off, one.at) for one in self._hints.values()]
        return likely_off(now, self._passed())

    def _passed(self) -> datetime:
        return self.wall() - self.off()


async def watch_hearing(hearing: Hearing, trust: Callable[[], Trust], stop: asyncio.Event) -> None:
    """Tell once when others speak against our clock, and when they do no more, until `stop`."""
    told = False
    while not stop.is_set():
        hearing.look_at(trust())
        off = hearing.likely_off()
        if (off is not None) is not told:
            told = off is not None
            log.info("clock_agrees") if off is None else log.error("clock_doubted", off_s=round(off.total_seconds()))
        try:
            async with asyncio.timeout(LOOK.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue
