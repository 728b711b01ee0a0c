"""Bounds on what is under way: each destination's own, all together, and never at another one's cost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from axis.core.window import Windows, rotated


def test_a_destination_has_its_window_while_the_others_are_idle() -> None:
    windows = Windows({"a": 8, "b": 8, "c": 3}, 12)
    assert windows.free("a", {}) == 8
    assert windows.free("c", {}) == 3
    assert windows.free("a", {"a": 5}) == 3


def test_slow_ones_use_up_what_is_shared_and_the_quick_one_still_moves() -> None:
    windows = Windows({"slow": 8, "slower": 8, "quick": 8}, 6)
    busy = {"slow": 4, "slower": 1}
    assert windows.free("slow", busy) == 0
    assert windows.free("slower", busy) == 0
    assert windows.free("quick", busy) == 1
    assert windows.free("quick", {**busy, "quick": 1}) == 0


def test_every_destination_has_one_place_even_where_the_bound_is_smaller() -> None:
    windows = Windows(dict.fromkeys("abcdef", 4), 2)
    assert [windows.free(name, {}) for name in "abcdef"] == [1] * 6


Names = st.sampled_from("abcde")


@given(
    st.dictionaries(Names, st.integers(1, 6), min_size=1),
    st.integers(1, 20),
    st.lists(st.tuples(Names, st.booleans()), max_size=200),
)
def test_however_attempts_begin_and_end_all_bounds_hold(
    own: dict[str, int], together: int, steps: list[tuple[str, bool]]
) -> None:
    windows, busy = Windows(own, together), Counter[str]()
    for endpoint, begins in steps:
        if endpoint not in own:
            continue
        free = windows.free(endpoint, busy)
        if begins:
            busy[endpoint] += free  # as greedy as it may be
        elif busy[endpoint]:
            busy[endpoint] -= 1
        assert busy[endpoint] <= own[endpoint]
        assert busy.total() <= max(together, len(own))
        for other in own:
            assert busy[other] or windows.free(other, busy) >= 1, "an idle destination can always begin"


def test_everybody_is_first_in_turn() -> None:
    names = ("a", "b", "c")
    assert [rotated(names, turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
    assert rotated((), 5) == ()
