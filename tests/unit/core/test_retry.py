"""Back-off: growing, bounded, never at the same instant for all, and not for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.retry import RetryPolicy
from tests.unit.core.world import NOW

POLICY = RetryPolicy()


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 5), (1, 5), (2, 10), (3, 20), (4, 40), (10, 2560), (11, 3600), (12, 3600), (1_000_000, 3600)],
)
def test_the_wait_doubles_from_five_seconds_to_an_hour(attempts: int, seconds: int) -> None:
    assert POLICY.next_due(attempts, NOW, NOW, jitter=0) == NOW + timedelta(seconds=seconds)


def test_jitter_takes_away_at_most_half_of_the_wait() -> None:
    assert POLICY.next_due(3, NOW, NOW, jitter=0.5) == NOW + timedelta(seconds=15)
    almost = POLICY.next_due(3, NOW, NOW, jitter=0.999999)
    assert almost is not None
    assert almost > NOW + timedelta(seconds=10)


def test_nothing_is_due_after_the_lifetime() -> None:
    made = NOW - timedelta(days=7) + timedelta(seconds=5)
    assert POLICY.next_due(1, made, NOW, jitter=0) is None
    assert POLICY.next_due(1, made + timedelta(microseconds=1), NOW, jitter=0) == NOW + timedelta(seconds=5)


@given(
    st.integers(0, 10_000),
    st.timedeltas(timedelta(0), timedelta(days=10_000)).map(lambda since: NOW + since),
    st.integers(0, 10**6),
    st.floats(0, 1, exclude_max=True),
)
def test_the_next_attempt_is_later_than_now_and_within_the_lifetime(
    attempts: int, made: datetime, age_s: int, jitter: float
) -> None:
    now = made + timedelta(seconds=age_s)
    due = POLICY.next_due(attempts, made, now, jitter)
    if due is None:
        assert now + POLICY.ceiling >= made + POLICY.lifetime
    else:
        assert now + POLICY.first / 2 <= due <= now + POLICY.ceiling
        assert due < made + POLICY.lifetime
