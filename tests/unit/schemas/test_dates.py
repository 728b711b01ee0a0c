"""Dates of the wire."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dates import VIETNAM, read_date, read_timestamp, write_date, write_timestamp


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=VIETNAM)  # type: ignore[misc,arg-type]


READ = [
    ("2025/01/15", at(2025, 1, 15)),
    ("2025/1/5", at(2025, 1, 5)),
    ("15/01/2025", at(2025, 1, 15)),
    ("15-01-2025", at(2025, 1, 15)),
    ("2025-01-15", at(2025, 1, 15)),
    ("2025/01/15 08:30:59", at(2025, 1, 15, 8, 30, 59)),
    ("15/01/2025 08:30:59", at(2025, 1, 15, 8, 30, 59)),
    ("2025/01/15 08:30", at(2025, 1, 15, 8, 30)),
    ("2025-01-15T08:30:59", at(2025, 1, 15, 8, 30, 59)),
    ("2025-01-15T08:30:59.25", at(2025, 1, 15, 8, 30, 59, 250_000)),
    ("2025-01-15T08:30:59.123456789", at(2025, 1, 15, 8, 30, 59, 123_456)),
    ("2025-01-15T01:30:59Z", at(2025, 1, 15, 8, 30, 59)),
    ("2025-01-15T08:30:59+07:00", at(2025, 1, 15, 8, 30, 59)),
    ("2025-01-14T20:30:59-0500", at(2025, 1, 15, 8, 30, 59)),
    ("2024/02/29", at(2024, 2, 29)),
]


@pytest.mark.parametrize(("text", "moment"), READ)
def test_every_form_of_the_field_is_read(text: str, moment: datetime) -> None:
    assert read_timestamp(text) == moment
    assert read_date(text) == moment.date()


@pytest.mark.parametrize(
    "text",
    ["2014/02/30", "31/02/2025", "2025/13/01", "0000/01/01", "99999/01/01", "N/A", "null", "", "2025/01-15", "20250115",
     "2025/01/15 24:00:00", "2025/01/15 08:60:00", "2025/01/15 08:30:61", "2025/01/15T", "2025-01-15T08:30:59+25:00",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "２０２５/01/15", " 2025/01/15", "2025/01/15x", "1/1/1"],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_timestamp(text) is None
    assert read_date(text) is None


def test_times_are_written_in_vietnam_s_time_to_the_second() -> None:
    assert write_timestamp(datetime(2025, 1, 14, 18, 0, 59, 999_999, tzinfo=UTC)) == "2025/01/15 01:00:59"
    assert write_timestamp(datetime(2025, 1, 15, tzinfo=timezone(timedelta(hours=9)))) == "2025/01/14 22:00:00"
    assert write_date(date(2025, 1, 5)) == "2025/01/05"
    assert write_date(date(1, 1, 1)) == "0001/01/01"


def test_a_time_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        write_timestamp(datetime(2025, 1, 15))  # noqa: DTZ001


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)))  # noqa: DTZ001
def test_what_is_written_reads_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    assert read_timestamp(write_timestamp(moment)) == moment
    assert read_date(write_date(moment.date())) == moment.date()


@given(st.text(max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    read_timestamp(text)
