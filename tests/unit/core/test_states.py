"""The tables of states, walked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from axis.core.states import (
    BREAKER,
    DELIVERY,
    INTAKE,
    OPEN,
    BreakerEvent,
    BreakerState,
    DeliveryEvent,
    DeliveryState,
    IllegalTransition,
    IntakeEvent,
    IntakeState,
    advance,
    diagram,
)

Table = Mapping[tuple[Any, Any], Any]
TABLES: list[tuple[Table, type[StrEnum], type[StrEnum], StrEnum, set[StrEnum]]] = [
    (INTAKE, IntakeState, IntakeEvent, IntakeState.START, {IntakeState.ACCEPTED, IntakeState.REFUSED}),
    (DELIVERY, DeliveryState, DeliveryEvent, DeliveryState.QUEUED, {DeliveryState.DROPPED}),
]
walked = pytest.mark.parametrize(("table", "states", "events", "start", "ends"), TABLES, ids=["intake", "delivery"])


def reachable(table: Table, start: StrEnum) -> set[StrEnum]:
    found, fresh = {start}, [start]
    while fresh:
        state = fresh.pop()
        after = {now for (was, _), now in table.items() if was is state} - found
        found |= after
        fresh += after
    return found


@walked
def test_every_state_is_reached_and_every_event_used(
    table: Table, states: type[StrEnum], events: type[StrEnum], start: StrEnum, ends: set[StrEnum]
) -> None:
    assert reachable(table, start) == set(states)
    assert {event for _, event in table} == set(events)


@walked
def test_only_the_final_states_have_no_way_out(
    table: Table, states: type[StrEnum], events: type[StrEnum], start: StrEnum, ends: set[StrEnum]
) -> None:
    assert set(states) - {was for was, _ in table} == ends


@walked
def test_a_final_state_can_be_reached_from_everywhere(
    table: Table, states: type[StrEnum], events: type[StrEnum], start: StrEnum, ends: set[StrEnum]
) -> None:
    for state in states:
        assert reachable(table, state) & ends


@walked
def test_a_step_that_the_table_does_not_have_is_an_error(
    table: Table, states: type[StrEnum], events: type[StrEnum], start: StrEnum, ends: set[StrEnum]
) -> None:
    for state, event in product(states, events):
        if (state, event) in table:
            assert advance(table, state, event) is table[state, event]
        else:
            with pytest.raises(IllegalTransition):
                advance(table, state, event)


def test_a_refused_document_is_never_accepted_and_an_accepted_one_never_refused() -> None:
    assert reachable(INTAKE, IntakeState.REFUSED) == {IntakeState.REFUSED}
    assert reachable(INTAKE, IntakeState.ACCEPTED) == {IntakeState.ACCEPTED}


def test_what_is_neither_delivered_nor_dropped_parks_its_successors() -> None:
    assert set(DeliveryState) - {DeliveryState.DELIVERED, DeliveryState.DROPPED} == OPEN


def test_every_state_of_a_breaker_leads_back_to_closed_and_every_event_is_used() -> None:
    for state in BreakerState:
        assert reachable(BREAKER, state) == set(BreakerState)
    assert {event for _, event in BREAKER} == set(BreakerEvent)
    for state, event in product(BreakerState, BreakerEvent):
        if (state, event) not in BREAKER:
            with pytest.raises(IllegalTransition):
                advance(BREAKER, state, event)


@walked
def test_the_diagram_shows_every_step_once(
    table: Table, states: type[StrEnum], events: type[StrEnum], start: StrEnum, ends: set[StrEnum]
) -> None:
    lines = diagram(table).splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert lines[1:] == [f"    {was} --> {now}: {event}" for (was, event), now in table.items()]


@walked
def test_a_table_cannot_be_changed(
    table: Any, states: type[StrEnum], events: type[StrEnum], start: StrEnum, ends: set[StrEnum]
) -> None:
    with pytest.raises(TypeError):
        table[start, next(iter(events))] = start
