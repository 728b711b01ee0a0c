"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.times import parse_rfc3339, rfc3339
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
