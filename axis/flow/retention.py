"""Take away the content that is old enough, document by document, and then the octets that nothing names any more.

A document loses its content in one transaction: its names, a mark, an entry in the log. Octets go later
(`store.keep_unnamed`): who began to read them before has time. Files go with all others that no row names
(`axis.care.sweep`), rows here. Killed in between, the next run finds what is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from axis.core.model import DocumentRef
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Unavailable
from axis.core.retention import STEADY, Leftover, Stays, decide_removal, steady_since
from axis.core.times import parse_rfc3339, rfc3339
from axis.flow.context import Context

log = structlog.get_logger()

EVERY: Final = timedelta(hours=1)
A_RUN: Final = 10_000
"""Documents that lose their content in one run, at most."""
PAGE: Final = 200
PAUSE_S: Final = 0.02
"""Between two documents: who delivers goes first."""
COLLECTED: Final = timedelta(days=1)
"""How often it is asked which octets nothing names: all documents are asked."""
LEFT: Final = 50_000
"""Octets that are looked at in one run, at most. Where there were so many, the next run goes on."""
FACT: Final = "retention_runs"
"""Where the store keeps since when runs follow each other as the clock goes, and when the last one was."""


@dataclass(frozen=True, slots=True)
class Times:
    """`keep` is how long content is kept after the last that happened to its document, `grace` how long octets after
    that."""

    keep: timedelta
    grace: timedelta


async def run_retention(times: Times, ctx: Context, stop: asyncio.Event, active: Callable[[], bool]) -> None:
    """Look now and then until `stop`; of several processes, the one that is `active`."""
    collected: datetime | None = None
    while not stop.is_set():
        try:
            async with asyncio.timeout(EVERY.total_seconds()):
                await stop.wait()
        except TimeoutError:
            if not active() or not ctx.clock_holds:
                continue
            try:
                await remove_old(times.keep, ctx, stop)
                if collected is None or ctx.now() - collected >= COLLECTED:
                    collected = ctx.now() if await collect(times.grace, ctx, stop) < LEFT else None
            except (Unavailable, LostRace) as error:
                log.warning("retention_deferred", error=type(error).__name__)


async def remove_old(keep: timedelta, ctx: Context, stop: asyncio.Event) -> Counter[Stays | None]:
    """One run: what stays, by its reason, and what went (`None`). Removes nothing until runs have followed each other
    for `STEADY`. `Unavailable`."""
    came_to: Counter[Stays | None] = Counter()
    if ctx.now() - await ctx.store.transact(lambda ledger: _ran(ledger, ctx.now())) < STEADY:
        return came_to
    before, after = ctx.now() - keep, 0
    while came_to[None] < A_RUN and not stop.is_set():
        page = await ctx.store.views.with_content(after, PAGE)
        old = [ref for _, ref, accepted_at in page if accepted_at < before]
        for ref in old:
            came_to[await _remove(ref, keep, ctx)] += 1
            await asyncio.sleep(PAUSE_S)
        if not old:  # they come in the order of their acceptance: what follows is younger
            break
        after = page[-1][0]
    if came_to[None]:
        log.info("content_removed", documents=came_to[None])
    return came_to


def _ran(ledger: Ledger, now: datetime) -> datetime:
    was = ledger.fact(FACT)
    known = None if was is None else [parse_rfc3339(one) for one in was.split()]
    since = steady_since(now, None if known is None else (known[0], known[1]))
    ledger.keep_fact(FACT, was, f"{rfc3339(since)} {rfc3339(now)}")
    return since


async def _remove(ref: DocumentRef, keep: timedelta, ctx: Context) -> Stays | None:
    def body(ledger: Ledger) -> Stays | None:
        document = ledger.document(ref)
        if document is None:
            return Stays.REMOVED
        # Under its name: a repeat brings new recipients before this, or finds the content gone.
        ledger.same_document(document.sender, document.kind, document.document_id)
        deliveries, followed = ledger.deliveries_about(ref), ledger.follow_ups_about(ref)
        check = ledger.attachment_check(ref)
        decision = decide_removal(document, deliveries, followed, check, keep, ctx.node, ctx.now())
        ledger.apply(decision)
        return decision.reply

    try:
        return await ctx.store.transact(body)
    except LostRace:  # somebody is at work on it
        return Stays.YOUNG


def _collect(one: Leftover, ledger: Ledger) -> bool:
    return ledger.collect(one)


async def collect(grace: timedelta, ctx: Context, stop: asyncio.Event) -> int:
    """Remove rows of octets that were left `grace` ago and no document with content names; how many were looked at.
    `Unavailable`.

    What another document names is forgotten here: it is left anew when that one goes.
    """
    removed, found = 0, await ctx.store.views.leftovers(ctx.now() - grace, LEFT)
    for one in found:
        if stop.is_set():
            break
        if await ctx.store.transact(partial(_collect, one)) and one.removable:
            removed += 1
            await asyncio.sleep(PAUSE_S)
    if removed:
        log.info("octets_removed", rows=removed)
    return len(found)
