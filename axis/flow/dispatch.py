"""Deliver what is due: claim for every destination as much as it can take now, attempt, settle."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from axis.core.model import Delivery
from axis.core.ports import Ledger
from axis.core.problems import Unavailable
from axis.core.window import rotated
from axis.flow.attempt import deliver_once
from axis.flow.context import Context

log = structlog.get_logger()

IDLE_S = 1.0
"""How long the dispatcher waits for news at the most before it looks for deliveries that have become due."""

GRACE_S = 8.0
"""How long attempts under way may take after the daemon was asked to stop."""


class Dispatcher:
    """Works through the deliveries of all endpoints that have a hand, within their windows and breakers."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; attempts under way then have the grace time to end.

        One that is cut off is due again; where even that cannot be written it leaves its lease behind: it runs out, and
        the delivery is made again under the same id.
        """
        attempts: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                self._ctx.written.clear()
                claimed = await self._claim()
                attempts |= {asyncio.create_task(self._attempt(delivery)) for delivery in claimed}
                if not claimed:
                    await self._wait(stop)
                attempts = _unfinished(attempts)
            if attempts:
                await asyncio.wait(attempts, timeout=GRACE_S)
                attempts = _unfinished(attempts)
        finally:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)

    async def _wait(self, stop: asyncio.Event) -> None:
        news = asyncio.ensure_future(self._ctx.written.wait())
        end = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({news, end}, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            end.cancel()

    async def _claim(self) -> list[Delivery]:
        """Lease what is due, for every endpoint as much as it has room for, in one transaction."""
        ctx, traffic = self._ctx, self._ctx.traffic
        now = ctx.now()
        traffic.rounds += 1
        room = traffic.room(now)
        endpoints = rotated(tuple(room), traffic.rounds)
        busy, turns = Counter(traffic.busy), dict(traffic.turns)
        suspects = traffic.suspects_allowed

        def body(ledger: Ledger) -> list[Delivery]:
            taken: list[Delivery] = []
            under_way = Counter(busy)
            held, may_suspect = ledger.holds(), suspects
            for endpoint in endpoints:
                places = min(room[endpoint], traffic.windows.free(endpoint, under_way))
                if places <= 0 or endpoint in held:
                    continue
                got = ledger.claim([endpoint], now, ctx.lease, places, turns.get(endpoint, 0), may_suspect)
                under_way[endpoint] += len(got)
                may_suspect = may_suspect and not any(one.suspect for one in got)
                taken += got
            return taken

        try:
            claimed = await ctx.store.transact(body)
        except Unavailable as error:
            log.warning("claim_deferred", problem=error.problem.kind.value)
            return []
        for delivery in claimed:
            traffic.took(delivery)
        return claimed

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            await deliver_once(delivery, self._ctx)
        finally:
            self._ctx.traffic.done(delivery)
            self._ctx.written.set()


def _unfinished(attempts: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those still under way. What broke in a finished one is raised here: it ends the dispatcher, and so the daemon."""
    for attempt in attempts:
        if attempt.done():
            attempt.result()
    return {attempt for attempt in attempts if not attempt.done()}
