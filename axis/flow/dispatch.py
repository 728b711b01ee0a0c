"""Deliver what is due: claim, hand over, settle."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from axis.core.model import Cargo, Delivery
from axis.core.ports import Handover, Ledger, LostRace
from axis.core.problems import Kind, Problem, ProblemError, Unavailable
from axis.core.settlement import decide_handover, decide_setback
from axis.core.states import DeliveryEvent
from axis.flow.context import Context
from axis.flow.messages import consign

log = structlog.get_logger()

IDLE_S = 1.0
"""How long the dispatcher waits for news at the most before it looks for deliveries that have become due."""

GRACE_S = 8.0
"""How long attempts under way may take after the daemon was asked to stop."""


class Dispatcher:
    """Works through the deliveries of all endpoints that have a hand, at most `window` attempts each at a time."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._busy: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; attempts under way then have the grace time to end.

        One that is cut off leaves its lease behind: it runs out, and the delivery is made again under the same id.
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
        """Lease what is due, for every endpoint as much as its window has room for, in one transaction."""
        ctx = self._ctx
        room = {endpoint: ctx.window - self._busy[endpoint] for endpoint in ctx.sinks}
        now = ctx.now()

        def body(ledger: Ledger) -> list[Delivery]:
            return [
                delivery
                for endpoint, places in room.items()
                if places > 0
                for delivery in ledger.claim([endpoint], now, ctx.lease, places)
            ]

        try:
            claimed = await ctx.store.transact(body)
        except Unavailable as error:
            log.warning("claim_deferred", problem=error.problem.kind.value)
            return []
        self._busy.update(delivery.endpoint for delivery in claimed)
        return claimed

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            await deliver_once(delivery, self._ctx)
        finally:
            self._busy[delivery.endpoint] -= 1
            self._ctx.written.set()


def _unfinished(attempts: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those still under way. What broke in a finished one is raised here: it ends the dispatcher, and so the daemon."""
    for attempt in attempts:
        if attempt.done():
            attempt.result()
    return {attempt for attempt in attempts if not attempt.done()}


async def deliver_once(delivery: Delivery, ctx: Context) -> None:
    """One attempt at a claimed delivery, settled in a transaction of its own.

    An exception that is no `ProblemError` is a bug of ours or of an adapter: logged, and treated as temporary, so that
    nothing is lost by it. A lost lease means that somebody else settles: the outcome of this attempt is dropped.
    """
    outcome: Handover | Problem
    retry_after: float | None = None
    try:
        async with asyncio.timeout(ctx.lease.total_seconds() * 0.9):
            consignment = await consign(delivery, ctx)
            outcome = await ctx.sinks[delivery.endpoint].deliver(consignment)
    except ProblemError as error:
        outcome = error.problem
        retry_after = error.retry_after_s if isinstance(error, Unavailable) else None
    except TimeoutError:
        outcome = Problem(Kind.DESTINATION_UNAVAILABLE, "no answer in time")
    except Exception:  # the edge of an adapter: a surprise is logged as a bug and waited out, the delivery is not lost
        log.exception("delivery_attempt_broke", delivery=delivery.id, endpoint=delivery.endpoint)
        outcome = Problem(Kind.INTERNAL)
    try:
        await settle(delivery, outcome, retry_after, ctx)
    except LostRace:
        log.warning("delivery_lease_lost", delivery=delivery.id, endpoint=delivery.endpoint, attempt=delivery.attempts)
    except Unavailable as error:
        # The lease runs out and the delivery is made again under the same id.
        log.warning("delivery_not_settled", delivery=delivery.id, problem=error.problem.kind.value)


async def settle(delivery: Delivery, outcome: Handover | Problem, retry_after: float | None, ctx: Context) -> None:
    """Write the outcome of one attempt. `LostRace` when the lease was lost meanwhile."""
    now = ctx.now()

    def body(ledger: Ledger) -> None:
        if isinstance(outcome, Problem):
            ledger.apply(decide_setback(delivery, outcome, ctx.retry, ctx.network, now, ctx.jitter(), retry_after))
            return
        document = ledger.document(delivery.document) if delivery.document else None
        prior = {}
        if document is not None and delivery.cargo is Cargo.DOCUMENT:
            prior = {code: ledger.statuses(document.ref, code) for code in delivery.recipients}
        ledger.apply(
            decide_handover(
                delivery, DeliveryEvent.ACK, document, prior, delivery.endpoint, ctx.network, now, ctx.new_id
            )
        )

    await ctx.store.transact(body)
    ctx.wake()
    if isinstance(outcome, Problem):
        log.warning(
            "delivery_deferred" if outcome.temporary else "delivery_failed",
            delivery=delivery.id,
            endpoint=delivery.endpoint,
            attempt=delivery.attempts,
            problem=outcome.kind.value,
            detail=outcome.detail,
            **outcome.context,
        )
    else:
        log.info("delivery_made", delivery=delivery.id, endpoint=delivery.endpoint, cargo=delivery.cargo.value)
