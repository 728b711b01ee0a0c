"""Deliver what is due: claim for every destination as much as it can take now, attempt, settle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from axis.core.model import Delivery, DocumentRef
from axis.core.ports import Carried, Ledger
from axis.core.problems import Unavailable
from axis.core.window import rotated
from axis.flow.attempt import deliver_once
from axis.flow.context import Context
from axis.flow.messages import carried_by
from axis.flow.settle import TOGETHER, Ended, settle

log = structlog.get_logger()

IDLE_S = 1.0
"""How long the dispatcher waits for news at the most before it looks for deliveries that have become due."""

FEW = 16
"""For so many destinations a claim takes little of the event loop."""

GATHER_S = 0.002
"""How long what has ended waits for what is about to end. A destination that is quick answers all that it was given at
about the same time: the first of its answers would be written alone, and the others would wait for that commit."""

UNWRITTEN = 256
"""With so many outcomes that the store could not be told, nothing more is claimed: each would be one more."""

GRACE_S = 8.0
"""How long attempts under way may take after the daemon was asked to stop."""


class Dispatcher:
    """Works through the deliveries of all endpoints that have a hand, within their windows and breakers.

    A turn writes what has ended and claims for the places that are free by it, as long as more is under way after a
    short wait for that. Both go to the store together, and are one commit where it has nothing else to do; what ends
    meanwhile is the next turn's.

    What cannot be written, because the store is away, is written by a later turn, before anything is claimed: its token
    says whether somebody else has made that delivery meanwhile. Else each trouble of the store would have deliveries
    made twice, and count as poison.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._ended: list[Ended] = []
        self._attempts: set[asyncio.Task[None]] = set()
        self._settlings: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; attempts under way then have the grace time to end.

        One that is cut off is due again; where even that cannot be written it leaves its lease behind: it runs out, and
        the delivery is made again under the same id.
        """
        try:
            while not stop.is_set():
                if self._ended and any(self._ctx.traffic.busy.values()):
                    await asyncio.sleep(GATHER_S)
                self._ctx.written.clear()
                unwritten = sum(one.unwritten for one in self._ended)
                if self._settle():
                    await asyncio.sleep(0)  # they have reached the store before the claim does
                claimed = await self._claim() if unwritten < UNWRITTEN else []
                self._begin(claimed, await carried_by(claimed, self._ctx))
                self._attempts, self._settlings = _unfinished(self._attempts), _unfinished(self._settlings)
                await self._wait(stop)
            await self._grace()
        finally:
            for attempt in self._attempts:
                attempt.cancel()
            await asyncio.gather(*self._attempts, return_exceptions=True)
            self._settle()
            await asyncio.gather(*self._settlings, return_exceptions=True)
        _unfinished(self._settlings)

    @property
    def attempts(self) -> frozenset[asyncio.Task[None]]:
        """Those that may be under way."""
        return frozenset(self._attempts)

    async def _grace(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + GRACE_S
        while self._attempts and (left := end - loop.time()) > 0:
            await asyncio.wait(self._attempts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            self._settle()
            self._attempts = _unfinished(self._attempts)

    def _settle(self) -> bool:
        """Have written what has ended, if anything. Nobody waits for it here: it may have to be tried again."""
        any_ended = bool(self._ended)
        while self._ended:
            ended, self._ended = self._ended[:TOGETHER], self._ended[TOGETHER:]
            self._settlings.add(asyncio.create_task(self._write(ended)))
        return any_ended

    async def _write(self, ended: Sequence[Ended]) -> None:
        self._ended += await settle(ended, self._ctx)

    def _begin(self, claimed: Sequence[Delivery], carried: Mapping[DocumentRef, Carried]) -> None:
        loop = asyncio.get_running_loop()
        self._attempts |= {loop.create_task(self._attempt(delivery, carried)) for delivery in claimed}

    async def _wait(self, stop: asyncio.Event) -> None:
        """For news, for the end, or for so long that something may have become due."""
        if self._ctx.written.is_set():
            return
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
        if not room:
            return []
        endpoints = rotated(tuple(room), traffic.rounds)
        busy, turns = Counter(traffic.busy), dict(traffic.turns)
        suspects, windows = traffic.suspects_allowed, traffic.windows

        def body(ledger: Ledger) -> list[Delivery]:
            taken: list[Delivery] = []
            under_way = Counter(busy)
            held, may_suspect = ledger.holds(), suspects
            for endpoint in endpoints:
                places = min(room[endpoint], windows.free(endpoint, under_way))
                if places <= 0 or endpoint in held:
                    continue
                got = ledger.claim([endpoint], now, ctx.lease, places, turns.get(endpoint, 0), may_suspect)
                under_way[endpoint] += len(got)
                may_suspect = may_suspect and not any(one.suspect for one in got)
                taken += got
            return taken

        try:
            claimed = await ctx.store.transact(body, brief=len(endpoints) <= FEW)
        except Unavailable as error:
            log.warning("claim_deferred", problem=error.problem.kind.value, **error.problem.context)
            return []
        for delivery in claimed:
            traffic.took(delivery)
        return claimed

    async def _attempt(self, delivery: Delivery, carried: Mapping[DocumentRef, Carried]) -> None:
        """What was handed over needs its place no more: the next one is claimed with what is written of it."""
        try:
            ended = await deliver_once(delivery, self._ctx, carried)
            self._ended.append(ended)
        finally:
            self._ctx.traffic.done(delivery)
            self._ctx.written.set()


def _unfinished(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those still under way. What broke in a finished one is raised here: it ends the dispatcher, and so the daemon."""
    left = set()
    for task in tasks:
        if task.done():
            task.result()
        else:
            left.add(task)
    return left
