"""The configuration changes while something is on its way: each decision goes by one, the old or the new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from axis.core.model import DocumentRef, Principal
from axis.core.network import Network
from axis.core.problems import Kind, Refused
from axis.core.registry import prefix_path
from axis.core.routing import RoutingTable, Rule
from axis.core.states import DeliveryState
from axis.flow.context import Outdated
from tests.flow.engine import HEALTH, SCHOOLS, Engine, engine
from tests.site import AGENCIES, OFFICE

OFFICES = AGENCIES[OFFICE]
Change = Callable[[Network], Network]


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Engine]:
    nowhere = dict.fromkeys((HEALTH, SCHOOLS), "http://127.0.0.1:9/inbox")
    async with engine(folder, nowhere, "", {}) as at:
        yield at


def as_(one: Network, principals: Mapping[str, Principal]) -> Network:
    return replace(one, principals=MappingProxyType(dict(principals)))


def without(one: Network) -> Network:
    return as_(one, {name: by for name, by in one.principals.items() if name != OFFICES})


def elsewhere(one: Network) -> Network:
    """The office's connection acts for somebody else now."""
    return as_(one, {**one.principals, OFFICES: replace(one.principals[OFFICES], authority=(prefix_path("H98"),))})


def moved(one: Network) -> Network:
    """What is for the department of health goes to that of schools."""
    rules = [Rule(rule.prefix, "so-giao-duc" if rule.prefix == HEALTH else rule.endpoint) for rule in one.routes.rules]
    return replace(one, routes=RoutingTable(rules, one.registry))


def between(at: Engine, change: Change, times: int = 1) -> None:
    """`change` comes when the next package has been judged, and is not decided yet: then the disk is looked at."""
    left = [times]

    def free() -> int:
        if left[0]:
            left[0] -= 1
            at.ctx.network = change(at.ctx.network)
        return 1 << 40

    at.ctx.admission.free = free
    at.ctx.admission.clock = iter(range(0, 10_000, 10)).__next__


@pytest.mark.parametrize(("change", "kind"), [(without, Kind.UNAUTHENTICATED), (elsewhere, Kind.NOT_YOUR_AGENCY)])
async def test_who_may_not_send_any_more_when_it_is_decided_has_sent_nothing(
    tmp_path: Path, change: Change, kind: Kind
) -> None:
    async with desk(tmp_path) as at:
        between(at, change)
        with pytest.raises(Refused) as refused:
            await at.send(HEALTH)
        assert refused.value.problem.kind is kind
        assert await at.ctx.store.views.recent(10) == []


async def test_what_is_decided_after_a_change_is_judged_and_routed_by_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        between(at, moved)
        ref, _ = await at.send(HEALTH)
        assert (await at.delivery(ref)).endpoint == "so-giao-duc"


async def test_a_configuration_that_changes_without_end_holds_nobody_for_ever(tmp_path: Path) -> None:
    """The same octets are sent again later: nothing is stored of them."""
    async with desk(tmp_path) as at:
        between(at, replace, times=100)
        with pytest.raises(Outdated):
            await at.send(HEALTH)
        assert await at.ctx.store.views.recent(10) == []


async def test_what_waits_for_who_is_called_no_more_is_attempted_by_nobody(tmp_path: Path) -> None:
    """It was claimed before the endpoint went: no surprise of the program, and it waits as what was left behind."""
    async with desk(tmp_path) as at:
        ref, _ = await at.send(HEALTH)
        at.ctx.sinks = MappingProxyType({name: one for name, one in at.ctx.sinks.items() if name != "so-y-te"})
        at.start()
        found = await settled(at, ref)
        assert (found.state, found.breaks) == (DeliveryState.QUEUED, 0)


async def settled(at: Engine, ref: DocumentRef):  # type: ignore[no-untyped-def]
    await at.eventually("attempted", lambda: at.ctx.traffic.turns["so-y-te"] and not at.ctx.traffic.busy["so-y-te"])
    return await at.in_state(ref, DeliveryState.QUEUED)
