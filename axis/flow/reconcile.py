"""Đối soát: ask destinations what became of what they took, and send again what they have lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog

from axis.core.follow_up import Became, FollowUp, concerning, heard, unheard
from axis.core.hands import Inquiry
from axis.core.model import Cargo, Delivery, DeliveryId
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Refused, Unavailable
from axis.core.reconciliation import Outcome, decide_answer
from axis.core.states import DeliveryState
from axis.flow.context import Context
from axis.flow.settle import telling_of

log = structlog.get_logger()

EVERY: Final = timedelta(seconds=30)
PAGE: Final = 100
TOGETHER: Final = 4
SILENT: Final = 3
_EVENTS: Final = {
    Outcome.UNFETCHED: "handed_over_and_not_fetched",
    Outcome.UNREADABLE: "handed_over_and_not_read",
    Outcome.RESENT: "handed_over_and_lost",
    Outcome.FAILED: "handed_over_and_lost",
}


async def run_reconciliation(
    inquiries: Mapping[str, Inquiry], ctx: Context, stop: asyncio.Event, active: Callable[[], bool] = lambda: True
) -> None:
    """Ask about what is due until `stop`: each endpoint one question at a time, for it has its own work, and at most
    `TOGETHER` endpoints at once, so that one which answers slowly keeps no other from being asked.

    No round while `active` says no: then another process of this node asks.
    """
    shortest = min((rules.first for rules in ctx.network.follow_up.values()), default=EVERY)
    every = min(EVERY, shortest / 2)
    places = asyncio.Semaphore(TOGETHER)

    async def rounds(endpoint: str, inquiry: Inquiry) -> None:
        passed: set[DeliveryId] = set()
        while not stop.is_set():
            if active():
                try:
                    await _round(endpoint, inquiry, ctx, stop, passed, places)
                except Unavailable as error:  # the store
                    log.warning("not_reconciled", endpoint=endpoint, problem=error.problem.kind.value)
            try:
                async with asyncio.timeout(every.total_seconds()):
                    await stop.wait()
            except TimeoutError:
                continue

    async with asyncio.TaskGroup() as group:
        for endpoint, inquiry in inquiries.items():
            group.create_task(rounds(endpoint, inquiry))


async def _round(
    endpoint: str,
    inquiry: Inquiry,
    ctx: Context,
    stop: asyncio.Event,
    passed: set[DeliveryId],
    places: asyncio.Semaphore,
) -> None:
    """Ask about all that is due, as far as the other side answers.

    One about which there is no answer is passed by until everything else has been asked about: else it would stand
    before all others for ever. After `SILENT` of them the other side is taken to be away.
    """
    silent = 0
    while not stop.is_set():
        due = await ctx.store.views.follow_ups_due(endpoint, ctx.now(), PAGE)
        moved = False
        for one in due:
            if stop.is_set():
                return
            if one.delivery in passed:
                continue
            try:
                async with places:
                    moved |= await ask(one, inquiry, ctx) is not None
                continue
            except Unavailable as error:
                reason = error.problem.kind.value
                log.warning("not_reconciled", endpoint=endpoint, problem=reason, **error.problem.context)
            except Exception:  # the edge of an adapter: it is asked about again, nothing was believed
                log.exception("reconciliation_broke", endpoint=endpoint)
            passed.add(one.delivery)
            silent += 1
            if silent >= SILENT:
                return
        if len(due) < PAGE or not moved:
            passed.clear()
            return


async def ask(before: FollowUp, inquiry: Inquiry, ctx: Context) -> Outcome | None:
    """Ask about one, and write what follows. `None` where it is no longer what was to be asked about.

    `Unavailable` where there is no answer: then nothing is known, and it stays due.
    """
    id = before.delivery
    delivery = await ctx.store.views.delivery(id)
    if delivery is None or before.endpoint not in ctx.network.follow_up:
        return None
    try:
        answer = await inquiry.became(delivery.cargo, before.peer_ref)
        said = concerning(answer, (code.text for code in delivery.recipients))
    except Refused as error:
        log.warning("not_reconciled", endpoint=before.endpoint, delivery=id, problem=error.problem.kind.value)
        said = None

    def body(ledger: Ledger) -> Outcome | None:
        network = ctx.network
        rules, delivery = network.follow_up.get(before.endpoint), ledger.delivery(id)
        if rules is None or delivery is None:
            return None
        if delivery.state is not DeliveryState.DELIVERED or ledger.follow_up(id) != before:
            return None
        if said is None:
            after = unheard(before, ctx.now(), rules)
        else:
            believed = _believed(delivery, bool(said), ledger)
            document = delivery.cargo is Cargo.DOCUMENT
            after = heard(before, said, ctx.now(), rules, believed=believed, until_taken=document)
        lost = after.became is Became.LOST
        if lost and DeliveryState.LEASED in ledger.behind(delivery):
            return None  # what is under way may arrive: what became of that is waited for
        overtaken = lost and ledger.overtaken(delivery)
        telling = telling_of(delivery, ledger, ctx)
        decision = decide_answer(
            delivery, before, after, overtaken, ctx.retry, network, ctx.now(), ctx.jitter(), telling
        )
        ledger.apply(decision)
        return decision.reply

    try:
        outcome = await ctx.store.transact(body)
    except LostRace:  # another process asked as well
        return None
    if event := _EVENTS.get(outcome) if outcome else None:
        log.warning(
            event, delivery=id, endpoint=before.endpoint, peer_ref=before.peer_ref, resent=outcome is Outcome.RESENT
        )
    ctx.wake()
    return outcome


def _believed(delivery: Delivery, named: bool, ledger: Ledger) -> bool:
    """Whether the endpoint has ever named what it was asked for, of this cargo: the store remembers."""
    fact = f"names {delivery.cargo.value} at {delivery.endpoint}"
    known = ledger.fact(fact) is not None
    if named and not known:
        ledger.keep_fact(fact, None, "yes")
    return known or named
