"""How much is taken in at once, and how often: a table, and what holds for any sequence."""

from __future__ import annotations

import random

import pytest

from axis.core.pressure import Bucket, Pressure, draw

BOUNDS = Pressure(at_once=8, per_second=2, burst=3)

CROWDED = [
    ({}, "a", False),
    ({"a": 3}, "a", False),
    ({"a": 4}, "a", True),
    ({"a": 4}, "b", False),
    ({"a": 4, "b": 3}, "b", False),
    ({"a": 4, "b": 3, "c": 1}, "d", True),
    ({"a": 4, "b": 4}, "c", True),
    ({"a": 0, "b": 0}, "a", False),
]


@pytest.mark.parametrize(("under_way", "name", "crowded"), CROWDED)
def test_one_connection_has_at_most_half(under_way: dict[str, int], name: str, crowded: bool) -> None:
    assert BOUNDS.crowded(under_way, name) is crowded


DRAWN = [
    # (tokens, since, now) -> (tokens left, wait)
    ((3, 0, 0), (2, 0)),
    ((1, 0, 0), (0, 0)),
    ((0, 0, 0), (0, 0.5)),
    ((0.5, 0, 0), (0.5, 0.25)),
    ((0, 0, 0.5), (0, 0)),
    ((0, 0, 100), (2, 0)),
    ((0, 100, 0), (0, 0.5)),
]


@pytest.mark.parametrize(("before", "after"), DRAWN)
def test_a_bucket_gives_what_is_in_it(before: tuple[float, float, float], after: tuple[float, float]) -> None:
    tokens, at, now = before
    bucket, wait = draw(Bucket(tokens, at), BOUNDS, now)
    assert (bucket.tokens, wait) == after


def test_without_a_rate_there_is_no_bound() -> None:
    bucket = Bucket(0, 0)
    for _ in range(1_000):
        bucket, wait = draw(bucket, Pressure(per_second=0), 0)
        assert wait == 0


def test_no_more_than_burst_and_rate_ever_get_through() -> None:
    chance = random.Random(27)
    for _ in range(50):
        now, taken, bucket = 0.0, 0, Bucket.full(BOUNDS, 0)
        for _ in range(500):
            now += chance.choice((0, 0, 0.01, 0.3, 2))
            bucket, wait = draw(bucket, BOUNDS, now)
            if wait:
                assert draw(bucket, BOUNDS, now + wait + 1e-6)[1] == 0, "whoever waits as long as told is let in"
            taken += not wait
            assert taken <= BOUNDS.burst + BOUNDS.per_second * now + 1e-6
