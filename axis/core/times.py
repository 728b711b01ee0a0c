"""Instants as text. Inside, an instant always has a zone; stored and logged it is UTC with microseconds. What people
write is read by Vietnam's calendar and clock."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final

VIETNAM: Final = timezone(timedelta(hours=7))

_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

_TWO: Final = tuple(f"{number:02}" for number in range(60))
"""Text by parts: `isoformat` writes each number of an instant by a format of its own, for twice the cost."""


@lru_cache(maxsize=1024)
def rfc3339(at: datetime) -> str:
    """`2026-11-23T01:02:03.000004Z`: fixed width, so that text sorts as time. `ValueError` without a zone.

    What one decision writes has one time, asked for at each of its rows and entries; that of a status, for its row
    and for its answer, which comes when all of a batch are stored.
    """
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return f"{_day(at.toordinal())}T{_TWO[at.hour]}:{_TWO[at.minute]}:{_TWO[at.second]}.{at.microsecond:06}Z"


@lru_cache(maxsize=64)
def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def parse_rfc3339(text: str) -> datetime:
    """Read what `rfc3339` wrote, or any ISO 8601 instant with a zone. `ValueError` otherwise."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def read_day(text: str) -> date:
    """A day as people write it: `02/12/2026`, `2-12-2026`, `2.12.2026`, the day before the month; or `2026-12-02`.
    `ValueError` otherwise.
    """
    if found := _DAY_FIRST.fullmatch(text):
        return date(int(found[4]), int(found[3]), int(found[1]))
    if found := _YEAR_FIRST.fullmatch(text):
        return date(int(found[1]), int(found[2]), int(found[3]))
    raise ValueError("not a day")


def may_be_misread(text: str) -> bool:
    """Whether a day is another one to whoever writes the month first."""
    found = _DAY_FIRST.match(text)
    return found is not None and int(found[1]) <= 12 and int(found[1]) != int(found[3])


def read_moment(text: str) -> datetime:
    """A day as `read_day` has it, from whose midnight in Vietnam on; with a time behind it (`02/12/2026 08:30`); or an
    instant of ISO 8601. A time without a zone is Vietnam's. `ValueError` otherwise.
    """
    day, _, clock = text.strip().partition(" ")
    try:
        at = datetime.combine(read_day(day), time.fromisoformat(clock.strip()) if clock else time())
    except ValueError:
        at = datetime.fromisoformat(text)
    try:
        return at.replace(tzinfo=at.tzinfo or VIETNAM).astimezone(UTC)
    except OverflowError:
        raise ValueError("no calendar reaches so far") from None


def read_end(text: str) -> datetime:
    """The instant before which something is that lies "until" this: a day counts as a whole, a time as it stands.
    `ValueError` otherwise.
    """
    at = read_moment(text)
    return at + timedelta(days=1) if _is_day(text.strip()) else at


def _is_day(text: str) -> bool:
    for read in (read_day, date.fromisoformat):
        try:
            read(text)
        except ValueError:
            continue
        return True
    return False
