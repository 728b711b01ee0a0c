"""An operator acts on deliveries: one by one, on those of a document, on all of an endpoint."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from axis.core.model import Cargo, DeliveryId
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Kind, Refused
from axis.core.queue import APPLIES_TO, Action, Order, decide_endpoint_hold, decide_operation
from axis.core.states import DeliveryState, IllegalTransition
from axis.flow.context import Context
from axis.flow.settle import telling_of

log = structlog.get_logger()

PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an act is for: deliveries by id, or those of a document itself (a ref or the sender's id), or all of an
    endpoint.
    """

    deliveries: tuple[str, ...] = ()
    document: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one delivery: moved from one state to another, or left as it was for a reason."""

    delivery: str
    was: DeliveryState | None
    now: DeliveryState | None
    problem: Kind | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What an act did. `endpoint` says that a whole endpoint was held, or let go."""

    done: tuple[Done, ...] = ()
    endpoint: bool | None = None


async def operate(action: Action, chosen: Chosen, operator: str, reason: str, ctx: Context) -> Answered:
    """Do it, some hundred deliveries a transaction. Holding and releasing an endpoint is one switch for all of it.

    What is under way or settled is left alone and told. Of an endpoint only what waits is given up, never what failed.
    """
    order = Order(action, operator, reason, ctx.now())
    if chosen.endpoint is not None and action in (Action.HOLD, Action.RELEASE):
        return Answered(endpoint=await _switch(chosen.endpoint, order, ctx))
    done: list[Done] = []
    if chosen.deliveries:
        for first in range(0, len(chosen.deliveries), PAGE):
            done += await _act(chosen.deliveries[first : first + PAGE], order, ctx)
    else:
        states = set(APPLIES_TO[action])
        if action is Action.GIVE_UP and chosen.document is None:
            states.discard(DeliveryState.FAILED)
        done += await _all(chosen, states, order, ctx)
    ctx.wake()
    return Answered(tuple(done))


async def _all(chosen: Chosen, states: Collection[DeliveryState], order: Order, ctx: Context) -> list[Done]:
    """Page after page, each delivery once: one that fails again at once is not sent again by the same act.

    What the act itself makes, the notices, is no part of it.
    """
    done: list[Done] = []
    after: int | None = 0
    while after is not None:
        page = await ctx.store.views.queue(chosen.endpoint, None, chosen.document, PAGE, after)
        fit = [one for one in page if one.state in states and one.created_at < order.at]
        if chosen.document is not None:
            fit = [one for one in fit if one.cargo is Cargo.DOCUMENT]
        done += await _act([one.id for one in fit], order, ctx)
        after = page[-1].seq if page else None
    return done


async def _switch(endpoint: str, order: Order, ctx: Context) -> bool:
    def body(ledger: Ledger) -> bool:
        decision = decide_endpoint_hold(endpoint, endpoint in ledger.holds(), order, ctx.network)
        ledger.apply(decision)
        return decision.reply

    if order.action is Action.RELEASE and endpoint in await ctx.store.views.holds():
        await _begin_anew(endpoint, order, ctx)
    changed = await ctx.store.transact(body)
    ctx.wake()
    log.info("endpoint_operated", endpoint=endpoint, action=order.action.value, operator=order.operator)
    return changed


async def _begin_anew(endpoint: str, order: Order, ctx: Context) -> None:
    """What was kept back has not aged meanwhile. Before it is let go: else the old ones would end at once."""
    after: int | None = 0
    while after is not None:
        after = await ctx.store.transact(partial(_page_anew, endpoint, order, after))


def _page_anew(endpoint: str, order: Order, after: int, ledger: Ledger) -> int | None:
    return ledger.begin_anew(endpoint, order.at, after, PAGE)


async def _act(ids: Sequence[str], order: Order, ctx: Context) -> list[Done]:
    def body(ledger: Ledger) -> list[Done]:
        return [_one(id, order, ledger, ctx) for id in ids]

    try:
        done = await ctx.store.transact(body)
    except LostRace:  # another process settled one of them meanwhile: ask anew
        done = await ctx.store.transact(body)
    for one in done:
        log.info(
            "delivery_operated",
            delivery=one.delivery,
            action=order.action.value,
            operator=order.operator,
            now=one.now.value if one.now else None,
            problem=one.problem.value if one.problem else None,
        )
    return done


def _one(id: str, order: Order, ledger: Ledger, ctx: Context) -> Done:
    delivery = ledger.delivery(DeliveryId(id))
    if delivery is None:
        return Done(id, None, None, Kind.NOT_FOUND)
    try:
        decision = decide_operation(delivery, order, ctx.network, telling_of(delivery, ledger, ctx))
    except IllegalTransition:
        return Done(id, delivery.state, None, Kind.NOT_POSSIBLE)
    except Refused as error:
        return Done(id, delivery.state, None, error.problem.kind)
    ledger.apply(decision)
    return Done(id, delivery.state, decision.reply)
