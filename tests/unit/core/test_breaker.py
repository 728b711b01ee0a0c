"""A destination that is away is left alone, asked by one, and met again slowly."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.breaker import Breaker, BreakerRules, answered, heard, look, missed, room
from axis.core.problems import Kind, Problem
from axis.core.states import BreakerState
from tests.unit.core.world import NOW

RULES = BreakerRules(failures=3, first=timedelta(seconds=4), ceiling=timedelta(seconds=60))
WINDOW = 8


def opened(at: datetime = NOW) -> Breaker:
    breaker = Breaker()
    for name in "abc":
        breaker = missed(breaker, name, RULES, at, 0)
    return breaker


def test_it_opens_after_so_many_different_deliveries_failed_in_a_row() -> None:
    breaker = missed(missed(Breaker(), "a", RULES, NOW, 0), "b", RULES, NOW, 0)
    assert (breaker.state, room(breaker, WINDOW, 0)) == (BreakerState.CLOSED, WINDOW)
    breaker = missed(breaker, "c", RULES, NOW, 0)
    assert (breaker.state, room(breaker, WINDOW, 0)) == (BreakerState.OPEN, 0)
    assert breaker.until == NOW + RULES.first


def test_one_sick_delivery_does_not_close_the_way_however_often_it_fails() -> None:
    breaker = Breaker()
    for _ in range(50):
        breaker = missed(breaker, "sick", RULES, NOW, 0)
    assert room(breaker, WINDOW, 0) == WINDOW


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = missed(missed(Breaker(), "a", RULES, NOW, 0), "b", RULES, NOW, 0)
    breaker = missed(heard(breaker, WINDOW, NOW), "c", RULES, NOW, 0)
    assert breaker.state is BreakerState.CLOSED


def test_after_the_wait_one_probe_goes_and_no_second_beside_it() -> None:
    breaker = opened()
    early = NOW + RULES.first - timedelta(microseconds=1)
    assert look(breaker, early).state is BreakerState.OPEN
    probing = look(breaker, NOW + RULES.first)
    assert probing.state is BreakerState.HALF_OPEN
    assert [room(probing, WINDOW, busy) for busy in (0, 1, 2)] == [1, 0, 0]


def test_a_failed_probe_opens_it_again_for_twice_as_long_up_to_the_ceiling() -> None:
    breaker, at, waits = opened(), NOW, []
    for place in range(8):
        assert breaker.until is not None
        waits.append((breaker.until - at).total_seconds())
        at = breaker.until
        breaker = missed(look(breaker, at), f"probe {place}", RULES, at, 0)
    assert waits == [4, 8, 16, 32, 60, 60, 60, 60]


def test_a_probe_that_is_answered_lets_the_window_grow_until_it_is_closed() -> None:
    breaker = heard(look(opened(), NOW + RULES.first), WINDOW, NOW)
    seen = []
    while breaker.state is BreakerState.DRAINING:
        places = room(breaker, WINDOW, 0)
        seen.append(places)
        for _ in range(places):  # one round: as many as may be under way answer
            breaker = heard(breaker, WINDOW, NOW)
    assert seen == [2, 4], "and then eight: the whole window"
    assert (breaker.state, breaker.openings, room(breaker, WINDOW, 0)) == (BreakerState.CLOSED, 0, WINDOW)


def test_a_window_of_one_is_closed_by_its_probe() -> None:
    assert heard(look(opened(), NOW + RULES.first), 1, NOW).state is BreakerState.CLOSED


def test_a_failure_while_it_drains_halves_the_window_and_several_open_it_for_longer() -> None:
    breaker = heard(look(opened(), NOW + RULES.first), WINDOW, NOW)
    for _ in range(3):
        breaker = heard(breaker, WINDOW, NOW)
    assert breaker.window == 5
    breaker = missed(breaker, "x", RULES, NOW, 0)
    assert (breaker.state, breaker.window) == (BreakerState.DRAINING, 2)
    breaker = missed(missed(breaker, "y", RULES, NOW, 0), "z", RULES, NOW, 0)
    assert (breaker.state, breaker.until) == (BreakerState.OPEN, NOW + 2 * RULES.first)


def test_what_was_under_way_when_it_opened_neither_prolongs_the_wait_nor_is_unheard() -> None:
    breaker = opened()
    assert missed(breaker, "late", RULES, NOW + timedelta(seconds=3), 0) == breaker
    assert heard(breaker, WINDOW, NOW).state is BreakerState.DRAINING


def test_a_wait_that_the_destination_names_is_kept_within_the_ceiling() -> None:
    for seconds, wait in ((30.0, 30), (1e12, 60), (-5.0, 4), (0.0, 4)):
        breaker = Breaker()
        for name in "abc":
            breaker = missed(breaker, name, RULES, NOW, 0, seconds)
        assert breaker.until == NOW + timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("kind", "is_there"),
    [
        (None, True),
        (Kind.DESTINATION_REFUSED, True),
        (Kind.DESTINATION_UNAVAILABLE, False),
        (Kind.STORE_UNAVAILABLE, None),
        (Kind.INTERNAL, None),
        (Kind.NOT_FOUND, None),
    ],
)
def test_trouble_of_our_own_says_nothing_of_the_destination(kind: Kind | None, is_there: bool | None) -> None:
    assert answered(Problem(kind) if kind else None) is is_there


Step = st.tuples(st.sampled_from(["answer", "miss", "wait"]), st.integers(0, 9), st.floats(0, 0.999), st.floats(0, 100))


@given(st.lists(Step, max_size=60), st.integers(1, 20))
def test_whatever_is_heard_the_room_is_bounded_and_an_open_one_always_asks_again(
    steps: list[tuple[str, int, float, float]], window: int
) -> None:
    breaker, now = Breaker(), NOW
    for what, which, jitter, seconds in steps:
        before = breaker
        match what:
            case "answer":
                breaker = heard(breaker, window, now)
                assert breaker.state is not BreakerState.OPEN
            case "miss":
                breaker = missed(breaker, str(which), RULES, now, jitter)
                assert room(breaker, window, 0) <= room(replace(before), window, 0)
            case _:
                now += timedelta(seconds=seconds)
                breaker = look(breaker, now)
        places = room(breaker, window, 0)
        assert 0 <= places <= window
        assert len(breaker.failed) < RULES.failures
        if breaker.state is BreakerState.OPEN:
            assert places == 0
            assert breaker.until is not None
            assert breaker.until <= now + RULES.ceiling
            assert room(look(breaker, breaker.until), window, 0) == 1
        else:
            assert places >= 1
