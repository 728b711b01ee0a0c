"""Who has to go when all places are taken: cases, and what holds for any crowd."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.crowd import Resting, leaving, overstaying

CASES = [
    ("nobody rests", [], {"a": 5}, 1, []),
    ("the longest", [(2, "a"), (1, "a"), (3, "a")], {"a": 3}, 2, [1, 0]),
    ("of the address with most", [(1, "a"), (9, "b"), (8, "b")], {"a": 1, "b": 2}, 1, [2]),
    ("those at work count", [(1, "a"), (9, "b")], {"a": 3, "b": 4}, 1, [1]),
    ("who holds most and does not rest is passed over", [(5, "a"), (4, "b")], {"a": 1, "b": 1, "c": 9}, 1, [1]),
    ("one less for each that goes", [(1, "a"), (2, "b"), (3, "b"), (4, "b")], {"a": 2, "b": 3}, 3, [1, 0, 2]),
    ("as many as rest", [(1, "a")], {"a": 1}, 9, [0]),
    ("none are asked for", [(1, "a")], {"a": 1}, 0, []),
]


@pytest.mark.parametrize(("resting", "held", "most", "gone"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_who_goes(resting: list[tuple[float, str]], held: dict[str, int], most: int, gone: list[int]) -> None:
    crowd = [Resting(since, address, number) for number, (since, address) in enumerate(resting)]
    assert [one.number for one in leaving(crowd, held, most)] == gone


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcd")), max_size=30),
    st.lists(st.sampled_from("abcde"), max_size=30),
    st.integers(0, 40),
)
def test_each_that_goes_has_rested_longest_where_most_are_held(
    resting: list[tuple[int, str]], at_work: list[str], most: int
) -> None:
    crowd = [Resting(float(since), address, number) for number, (since, address) in enumerate(resting)]
    held = Counter(one.address for one in crowd) + Counter(at_work)
    gone = leaving(crowd, held, most)
    assert len(gone) == min(most, len(crowd))
    left = list(crowd)
    for one in gone:
        fullest = max(held[other.address] for other in left)
        assert held[one.address] == fullest
        assert one.since == min(other.since for other in left if other.address == one.address)
        assert one.since <= min(other.since for other in left if held[other.address] == fullest)
        left.remove(one)
        held[one.address] -= 1


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcd")), max_size=40), st.integers(1, 9), st.integers(0, 40)
)
def test_nobody_goes_below_the_share_of_its_address(silent: list[tuple[int, str]], share: int, most: int) -> None:
    crowd = [Resting(float(since), address, number) for number, (since, address) in enumerate(silent)]
    held = Counter(one.address for one in crowd)
    gone = overstaying(crowd, share, most)
    assert len(gone) == len(set(gone)) == min(most, sum(max(0, many - share) for many in held.values()))
    for address, many in Counter(one.address for one in gone).items():
        assert held[address] - many >= share
        own = sorted(one for one in crowd if one.address == address)
        assert [one for one in gone if one.address == address] == own[:many]
