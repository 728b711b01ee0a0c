"""End what is older than its lifetime and was not attempted: behind an open breaker nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from axis.core.model import Delivery
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Unavailable
from axis.core.settlement import decide_expiry
from axis.flow.context import Context
from axis.flow.settle import telling_of

log = structlog.get_logger()

EVERY: Final = timedelta(seconds=30)
PAGE: Final = 100


async def run_expiry(ctx: Context, stop: asyncio.Event) -> None:
    """Look now and then until `stop`."""
    every = min(EVERY, ctx.retry.lifetime / 10)
    while not stop.is_set():
        try:
            await expire_old(ctx)
        except Unavailable as error:
            log.warning("expiry_deferred", problem=error.problem.kind.value)
        try:
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue


async def expire_old(ctx: Context) -> int:
    """One round over the endpoints that have a hand. Returns how many deliveries ended.

    Mailboxes are left alone: their owners come when they come. Reads the oldest only, as far as there are old ones.
    """
    ended = 0
    for endpoint in ctx.sinks:
        after: int | None = 0
        while after is not None:
            page = await _page(endpoint, after, ctx)
            now = ctx.now()
            old = [one for one in page if now - one.created_at >= ctx.retry.lifetime]
            spent = [one for one in old if now - one.since >= ctx.retry.lifetime]
            ended += sum(await asyncio.gather(*(_expire(one, ctx) for one in spent)))
            # What was made later is younger still.
            after = page[-1].seq if page and len(old) == len(page) else None
    return ended


async def _page(endpoint: str, after: int, ctx: Context) -> Sequence[Delivery]:
    def read(ledger: Ledger) -> Sequence[Delivery]:
        return ledger.waiting(endpoint, after, PAGE)

    return await ctx.store.transact(read)


async def _expire(delivery: Delivery, ctx: Context) -> bool:
    now = ctx.now()

    def body(ledger: Ledger) -> None:
        ledger.apply(decide_expiry(delivery, ctx.network, now, telling_of(delivery, ledger, ctx)))

    try:
        await ctx.store.transact(body)
    except LostRace:  # claimed meanwhile: that attempt decides
        return False
    ctx.wake()
    log.warning("delivery_expired", delivery=delivery.id, endpoint=delivery.endpoint)
    return True
