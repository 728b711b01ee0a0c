"""The urgent overtake, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from axis.core.turns import EVERY, pick
from schemas.envelope import Priority
from tests.unit.core.world import NOW


@dataclass(frozen=True)
class One:
    seq: int
    due_at: datetime
    priority: int


def waiting(*priorities: int) -> dict[int, list[One]]:
    found: dict[int, list[One]] = {}
    for seq, priority in enumerate(priorities):
        found.setdefault(priority, []).append(One(seq, NOW + timedelta(seconds=seq), priority))
    return found


def order(those: Mapping[int, Sequence[One]], places: int, turn: int = 0) -> list[int]:
    return [one.priority for one in pick(those, places, turn)]


def test_the_most_urgent_go_first_in_the_order_of_qd_28() -> None:
    those = waiting(Priority.ORDINARY, Priority.URGENT, Priority.EXPRESS, Priority.VERY_URGENT, Priority.EXPRESS_TIMED)
    assert order(those, 3) == [Priority.EXPRESS_TIMED, Priority.EXPRESS, Priority.VERY_URGENT]


def test_each_fourth_turn_goes_to_whoever_is_due_the_longest() -> None:
    those = waiting(0, 0, 0, 3, 3, 3, 3, 3, 3, 3)
    assert order(those, 10) == [3, 3, 3, 0, 3, 3, 3, 0, 3, 0]
    assert order(those, 1, turn=3) == [0]
    assert order(those, 1, turn=4) == [3]


def test_among_equals_the_longest_due_goes_first_and_the_older_of_two() -> None:
    same = {0: [One(2, NOW, 0), One(5, NOW, 0), One(1, NOW + timedelta(seconds=1), 0)]}
    assert [one.seq for one in pick(same, 3, 0)] == [2, 5, 1]


def test_nothing_comes_of_nothing() -> None:
    assert pick({}, 5, 0) == []
    assert pick({3: []}, 5, 0) == []
    assert pick(waiting(0, 3), 0, 0) == []


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=150),
    st.lists(st.integers(1, 3), min_size=1, max_size=10),
    st.integers(0, 3),
)
def test_what_waits_is_taken_within_a_bound_whatever_comes_meanwhile(
    first: list[int], arrivals: list[list[int]], claims: list[int], turn: int
) -> None:
    """Of those that are there, the one with n before it in time is taken after at most (n + 1) × EVERY turns."""
    there = [One(seq, NOW + timedelta(seconds=seq), priority) for seq, priority in enumerate(first)]
    known, left = {one.seq: place for place, one in enumerate(there)}, list(there)
    given_turns, seq = 0, len(there)
    for round_, fresh in enumerate(arrivals):
        for priority in fresh:
            left.append(One(seq, NOW + timedelta(seconds=seq), priority))
            seq += 1
        places = claims[round_ % len(claims)]
        by_priority: dict[int, list[One]] = {}
        for one in sorted(left, key=lambda one: (one.due_at, one.seq)):
            by_priority.setdefault(one.priority, []).append(one)
        taken = pick(by_priority, places, turn)
        assert len(taken) == min(places, len(left))
        for one in taken:
            left.remove(one)
            given_turns, turn = given_turns + 1, turn + 1
            if one.seq in known:
                assert given_turns <= (known[one.seq] + 1) * EVERY
        for place, one in enumerate(there):
            assert one not in left or given_turns < (place + 1) * EVERY
