"""Instants as text. Inside, an instant always has a zone; stored and logged it is UTC with microseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

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
