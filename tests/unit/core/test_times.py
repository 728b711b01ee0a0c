"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.times import VIETNAM, may_be_misread, parse_rfc3339, read_day, read_end, read_moment, rfc3339
from tests.unit.core.world import NOW


def test_an_instant_is_written_in_utc_with_microseconds() -> None:
    vietnam = NOW.astimezone(timezone(timedelta(hours=7)))
    assert rfc3339(vietnam) == rfc3339(NOW) == "2026-11-23T01:02:03.000004Z"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        rfc3339(NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="zone"):
        parse_rfc3339("2026-11-23T01:02:03")


zones = st.sampled_from([UTC, timezone(timedelta(hours=7))])
days = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))
zoned = st.builds(lambda since, zone: (NOW + since).astimezone(zone), days, zones)


@given(zoned, zoned)
def test_text_sorts_as_time_and_reads_back(one: datetime, other: datetime) -> None:
    assert parse_rfc3339(rfc3339(one)) == one
    assert rfc3339(one) == one.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "day", "hour", "minute"),
    [
        ("02/12/2026", 2, 0, 0),
        ("2/12/2026", 2, 0, 0),
        ("02-12-2026", 2, 0, 0),
        ("2.12.2026", 2, 0, 0),
        ("2026-12-02", 2, 0, 0),
        (" 31/12/2026 ", 31, 0, 0),
        ("02/12/2026 08:30", 2, 8, 30),
        ("2026-12-02 08:30", 2, 8, 30),
        ("2026-12-02T08:30", 2, 8, 30),
        ("02/12/2026 08:30+00:00", 2, 15, 30),
        ("2026-12-02T01:30:00Z", 2, 8, 30),
    ],
)
def test_a_day_stands_before_its_month_and_begins_in_vietnam(text: str, day: int, hour: int, minute: int) -> None:
    assert read_moment(text) == datetime(2026, 12, day, hour, minute, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    "text",
    ["12/31/2026", "31/02/2026", "2/12/26", "02/12-2026", "０２/12/2026", "2026/12/02", "01/01/0001", "soon", ""],
)
def test_what_is_no_day_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        read_moment(text)


def test_a_day_that_is_written_otherwise_elsewhere_may_be_misread() -> None:
    assert [may_be_misread(text) for text in ("02/12/2026", "02/12/2026 08:30", "31/12/2026", "02/02/2026")] == [
        True,
        True,
        False,
        False,
    ]
    assert not may_be_misread("2026-12-02")
    assert read_day("1.2.2026").month == 2


@pytest.mark.parametrize(
    ("text", "day", "hour"),
    [
        ("02/12/2026", 3, 0),
        ("2026-12-02", 3, 0),
        ("20261202", 3, 0),
        ("02/12/2026 08:00", 2, 8),
        ("2026-12-02T08:00", 2, 8),
    ],
)
def test_until_a_day_takes_the_whole_day_in_and_until_a_time_ends_there(text: str, day: int, hour: int) -> None:
    assert read_end(text) == datetime(2026, 12, day, hour, tzinfo=VIETNAM)


@pytest.mark.parametrize("text", ["", "31/02/2026", "hôm nay"])
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_end(text)
