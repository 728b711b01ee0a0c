"""End what is older than its lifetime and was not attempted: behind an open breaker nothing is, and where nobody comes
any more, after an endpoint or its agencies changed, nothing ever will be. What somebody had under way where nobody
calls any more waits again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from axis.core.model import Cargo, Delivery
from axis.core.network import Network
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Unavailable
from axis.core.settlement import decide_expiry, decide_return
from axis.core.states import DeliveryState
from axis.flow.clock import SLACK
from axis.flow.context import Context
from axis.flow.settle import telling_of

log = structlog.get_logger()

EVERY: Final = timedelta(seconds=30)
ANEW: Final = timedelta(hours=1)
"""How often it is asked again where nobody comes any more. Routes and endpoints change with a start or a reload, but
another process of the node may go by the ones before for a while, and be gone without either."""
PAGE: Final = 100


async def run_expiry(ctx: Context, stop: asyncio.Event) -> None:
    """Look now and then until `stop`."""
    every = min(EVERY, ctx.retry.lifetime / 10)
    asked: datetime | None = None
    under: Network | None = None
    left: Collection[str] = ()
    cut: Collection[str] = ()
    while not stop.is_set():
        try:
            await hasten(ctx)
            network = ctx.network
            if asked is None or under is not network or ctx.now() - asked >= ANEW:
                under = network
                cut, left = await cut_off(ctx), await left_behind(ctx, left)
                asked = ctx.now()
            await give_back(ctx, cut)
            await expire_old(ctx, left)
        except Unavailable as error:
            log.warning("expiry_deferred", problem=error.problem.kind.value)
        try:
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue


async def hasten(ctx: Context) -> int:
    """Make due what would be due later than anything that waits now: it was written by a clock that was ahead, or by
    the right one and now the clock is behind. It would wait for as long as the clocks differ, and nobody be told.

    A lease that ended so is no loss: whoever has it still settles it if nobody else has claimed it (`token`).
    """
    now = ctx.now()
    beyond = now + max(ctx.retry.ceiling, ctx.lease) + SLACK

    def body(ledger: Ledger) -> dict[str, int]:
        found = {endpoint: ledger.hasten(endpoint, now, beyond, PAGE) for endpoint in ctx.sinks}
        return {endpoint: number for endpoint, number in found.items() if number}

    whole: Counter[str] = Counter()
    moved = await ctx.store.transact(body)
    while moved:
        whole.update(moved)
        ctx.wake()
        moved = await ctx.store.transact(body) if max(moved.values()) == PAGE else {}
    for endpoint, number in whole.items():
        log.warning("deliveries_hastened", endpoint=endpoint, number=number)
    return whole.total()


async def left_behind(ctx: Context, known: Collection[str] = ()) -> frozenset[str]:
    """The endpoints at which something waits for somebody who does not get it there any more: those that the
    configuration no longer names, and those whose agencies went elsewhere. Those not `known` are told of."""
    waiting = await ctx.store.views.addressees()
    network = ctx.network
    found = frozenset(endpoint for endpoint, codes in waiting if not network.serves(endpoint, codes))
    for endpoint in sorted(found.difference(known)):
        log.warning("deliveries_left_behind", endpoint=endpoint, named=endpoint in network.roles)
    return found


async def cut_off(ctx: Context) -> frozenset[str]:
    """The endpoints that nobody calls, and at which something is under way: they were called before, and a process was
    killed, or still goes by the configuration of then."""
    found: set[str] = set()
    after: int | None = 0
    while after is not None:
        page = await ctx.store.views.queue(None, DeliveryState.LEASED, None, PAGE, after)
        found |= {one.endpoint for one in page}
        after = page[-1].seq if page else None
    return frozenset(found - set(ctx.sinks))


async def give_back(ctx: Context, cut: Collection[str]) -> None:
    """What was under way at the endpoints `cut` waits again when its lease has run out: nobody claims it there, and
    whoever fetches it sees only what waits."""
    for endpoint in cut:
        leased = await ctx.store.views.queue(endpoint, DeliveryState.LEASED, None, PAGE)
        await asyncio.gather(*(_give_back(one, ctx) for one in leased if one.due_at <= ctx.now()))


async def _give_back(delivery: Delivery, ctx: Context) -> None:
    """Whoever has it may have settled it since it was read, or have prolonged its lease."""

    def body(ledger: Ledger) -> bool:
        there, now = ledger.delivery(delivery.id), ctx.now()
        if there is None or there.state is not DeliveryState.LEASED or there.due_at > now:
            return False
        ledger.apply(decide_return(there, ctx.network, now))
        return True

    if await ctx.store.transact(body):
        log.warning("delivery_given_back", delivery=delivery.id, endpoint=delivery.endpoint)


async def expire_old(ctx: Context, left: Collection[str] = ()) -> int:
    """One round over the endpoints whose breaker is not closed, and what is `left` behind at any. Returns how many
    ended.

    Behind a closed breaker the next attempt tells: what is spent ends with that one, or arrives after all, as what
    waited while the node was stopped or its endpoint was a mailbox. Mailboxes are left alone: their owners come when
    they come. Reads the oldest only, as far as there are old ones.
    """
    ended = 0
    for endpoint in (*ctx.sinks, *(one for one in left if one not in ctx.sinks)):
        barred = endpoint in ctx.sinks and not ctx.traffic.is_closed(endpoint, ctx.now())
        after: int | None = 0 if barred or endpoint in left else None
        while after is not None:
            page = await _page(endpoint, after, ctx)
            now = ctx.now()
            old = [one for one in page if now - one.created_at >= ctx.retry.lifetime]
            over = [one for one in old if barred or not ctx.network.serves(endpoint, one.recipients)]
            spent = [one for one in over if now - one.since >= ctx.retry.lifetime]
            ended += sum(await asyncio.gather(*(_expire(one, ctx) for one in spent)))
            # What was made later is younger still.
            after = page[-1].seq if page and len(old) == len(page) else None
        ended += await _expire_parked(endpoint, ctx)
    return ended


async def _expire_parked(endpoint: str, ctx: Context) -> int:
    """End documents that a status or a notice stands before, which has failed: their sender knows nothing of that one,
    and perhaps nobody ever mends it. Who waits behind a failed document knows of the document."""
    called = endpoint in ctx.sinks
    ended, after = 0, 0
    while True:
        page = await ctx.store.transact(partial(_parked, endpoint, after))
        now = ctx.now()
        old = [one for one in page if now - one.created_at >= ctx.retry.lifetime]
        over = [one for one in old if called or not ctx.network.serves(endpoint, one.recipients)]
        spent = [one for one in over if one.cargo is Cargo.DOCUMENT and now - one.since >= ctx.retry.lifetime]
        ended += sum(await asyncio.gather(*(_expire(one, ctx, parked=True) for one in spent)))
        if not page or len(old) < len(page):
            return ended
        after = page[-1].seq


def _parked(endpoint: str, after: int, ledger: Ledger) -> Sequence[Delivery]:
    """None of a held endpoint: what is kept back does not age."""
    return () if endpoint in ledger.holds() else ledger.parked(endpoint, after, PAGE)


async def _page(endpoint: str, after: int, ctx: Context) -> Sequence[Delivery]:
    def read(ledger: Ledger) -> Sequence[Delivery]:
        return ledger.waiting(endpoint, after, PAGE)

    return await ctx.store.transact(read)


async def _expire(delivery: Delivery, ctx: Context, *, parked: bool = False) -> bool:
    """`parked`: only where what stands first in its lane has failed and is no document.

    A person may have given it a lifetime of its own since it was read: its token does not tell of that.
    """
    now = ctx.now()

    def body(ledger: Ledger) -> bool:
        there = ledger.delivery(delivery.id)
        if there is None or now - there.since < ctx.retry.lifetime:
            return False
        if parked:
            first = ledger.first_of(delivery.lane)
            if first is None or first.state is not DeliveryState.FAILED or first.cargo is Cargo.DOCUMENT:
                return False
        telling = telling_of(delivery, ledger, ctx)
        ledger.apply(decide_expiry(delivery, ctx.network, now, telling))
        return True

    try:
        if not await ctx.store.transact(body):
            return False
    except LostRace:  # claimed meanwhile: that attempt decides
        return False
    ctx.wake()
    log.warning("delivery_expired", delivery=delivery.id, endpoint=delivery.endpoint)
    return True
