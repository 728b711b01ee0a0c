"""Dates and times on the wire. Written one way, read in all ways that were seen.

Written `yyyy/MM/dd` and `yyyy/MM/dd HH:mm:ss`, Vietnam time without a zone, as the official samples have them; also
read `dd/MM/yyyy`, ISO 8601 with and without zone, and date-only timestamps. What cannot be a date (2014/02/30 in an
official sample, `N/A`) is `None`, never an error.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

VIETNAM: Final = timezone(timedelta(hours=7))
"""Giờ Việt Nam: UTC+7 all the year, no daylight saving."""

_YEAR_FIRST: Final = r"(?P<year>[0-9]{4})(?P<sep>[/-])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})"
_DAY_FIRST: Final = r"(?P<day>[0-9]{1,2})(?P<sep>[/-])(?P<month>[0-9]{1,2})(?P=sep)(?P<year>[0-9]{4})"
_TIME: Final = (
    r"(?:(?:[ ]{1,2}|T)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_LONGEST: Final = len("2026/11/23  01:02:03.123456789+07:00")
_FORMS: Final = (re.compile(_YEAR_FIRST + _TIME), re.compile(_DAY_FIRST + _TIME))


def write_date(value: date) -> str:
    return f"{value.year:04}/{value.month:02}/{value.day:02}"


def write_timestamp(value: datetime) -> str:
    """Vietnam time, to the second. `value` must have a zone: `ValueError` otherwise."""
    if value.tzinfo is None:
        raise ValueError("a timestamp needs a zone")
    local = value.astimezone(VIETNAM)
    return f"{write_date(local)} {local.hour:02}:{local.minute:02}:{local.second:02}"


def read_date(text: str) -> date | None:
    """A calendar day of Vietnam; a time of day with a zone is brought there first."""
    return _day(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _day(text: str) -> date | None:
    """Remembered, because documents are of a few days."""
    moment = read_timestamp(text)
    return None if moment is None else moment.date()


def read_timestamp(text: str) -> datetime | None:
    """A moment in Vietnam time. Without a zone it is Vietnam's, without a time of day it is midnight."""
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            return _moment(found)
    return None


def _moment(found: re.Match[str]) -> datetime | None:
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    try:
        moment = datetime(
            int(found["year"]),
            int(found["month"]),
            int(found["day"]),
            int(found["hour"] or 0),
            int(found["minute"] or 0),
            int(found["second"] or 0),
            int(fraction),
            tzinfo=_zone(found["zone"]),
        )
        return moment.astimezone(VIETNAM)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None:
        return VIETNAM
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
