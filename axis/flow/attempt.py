"""One attempt at a claimed delivery: hand over, then write what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import structlog

from axis.core.model import Cargo, Delivery, Document, StatusRef
from axis.core.notice import Telling
from axis.core.ports import Handover, Ledger, LostRace
from axis.core.problems import Kind, Problem, ProblemError, Unavailable
from axis.core.settlement import decide_handover, decide_poison, decide_setback
from axis.core.states import DeliveryEvent
from axis.flow.context import Context
from axis.flow.messages import consign

log = structlog.get_logger()


async def _written(delivery: Delivery, settling: Coroutine[Any, Any, None], ctx: Context) -> None:
    try:
        await settling
    except LostRace:
        log.warning("delivery_lease_lost", delivery=delivery.id, endpoint=delivery.endpoint, attempt=delivery.attempts)
    except Unavailable as error:
        # The lease runs out and the delivery is made again under the same id.
        log.warning("delivery_not_settled", delivery=delivery.id, problem=error.problem.kind.value)
    else:
        ctx.wake()


async def deliver_once(delivery: Delivery, ctx: Context) -> None:
    """One attempt at a claimed delivery, settled in a transaction of its own.

    An exception that is no `ProblemError` is a bug of ours or of an adapter: logged, and treated as temporary, so that
    nothing is lost by it; so many in a row, and the delivery is set aside. One whose attempts were never heard of again
    is set aside without another. A lost lease means that somebody else settles: the outcome of this attempt is dropped.
    """
    if delivery.breaks >= ctx.retry.breaks:
        await _written(delivery, _set_aside(delivery, ctx), ctx)
        return
    outcome: Handover | Problem
    retry_after: float | None = None
    broke = False
    document: Document | None = None
    try:
        async with asyncio.timeout(ctx.lease.total_seconds() * 0.9):
            consignment = await consign(delivery, ctx)
            document = consignment.document
            outcome = await ctx.sinks[delivery.endpoint].deliver(consignment)
    except ProblemError as error:
        outcome = error.problem
        retry_after = error.retry_after_s if isinstance(error, Unavailable) else None
    except TimeoutError:
        outcome = Problem(Kind.DESTINATION_UNAVAILABLE, "no answer in time")
    except asyncio.CancelledError:
        # The daemon stops: that is no fault of the delivery, and another process need not wait for the lease to end.
        stopped = Problem(Kind.DESTINATION_UNAVAILABLE, "the node stopped during the attempt")
        await _written(delivery, settle(delivery, stopped, None, False, ctx), ctx)
        raise
    except Exception:  # the edge of an adapter: a surprise is logged as a bug and waited out, the delivery is not lost
        log.exception("delivery_attempt_broke", delivery=delivery.id, endpoint=delivery.endpoint)
        outcome = Problem(Kind.INTERNAL)
        broke = True
    problem = outcome if isinstance(outcome, Problem) else None
    ctx.traffic.heard(delivery, problem, ctx.now(), ctx.jitter() if problem else 0.0, retry_after)
    await _written(delivery, settle(delivery, outcome, retry_after, broke, ctx, document), ctx)


async def settle(
    delivery: Delivery,
    outcome: Handover | Problem,
    retry_after: float | None,
    broke: bool,
    ctx: Context,
    document: Document | None = None,
) -> None:
    """Write the outcome of one attempt. `LostRace` when the lease was lost meanwhile.

    `document` is what was handed over, as it was read then: of what follows from it only its crossing can have changed.
    """
    now = ctx.now()

    def body(ledger: Ledger) -> Problem | None:
        if isinstance(outcome, Problem):
            decision = decide_setback(
                delivery,
                outcome,
                ctx.retry,
                ctx.network,
                now,
                ctx.jitter(),
                retry_after,
                broke=broke,
                telling=telling_of(delivery, ledger, ctx),
            )
            ledger.apply(decision)
            return decision.reply
        handed, prior = None, {}
        if document is not None:
            crossed = ledger.crossed(document.ref)
            handed = document if crossed == document.crossed else replace(document, crossed=crossed)
            prior = {code: ledger.statuses(document.ref, code) for code in delivery.recipients}
        ledger.apply(
            decide_handover(delivery, DeliveryEvent.ACK, handed, prior, delivery.endpoint, ctx.network, now, ctx.new_id)
        )
        return None

    failed = await ctx.store.transact(body, brief=True)
    if isinstance(outcome, Problem):
        quarantined = failed is not None and failed.kind is Kind.STORED_DAMAGED
        say = log.error if quarantined else log.warning
        say(
            "delivery_quarantined" if quarantined else "delivery_failed" if failed else "delivery_deferred",
            delivery=delivery.id,
            endpoint=delivery.endpoint,
            attempt=delivery.attempts,
            problem=outcome.kind.value,
            failed_of=failed.kind.value if failed else None,
            detail=outcome.detail,
            **outcome.context,
        )
    else:
        log.info("delivery_made", delivery=delivery.id, endpoint=delivery.endpoint, cargo=delivery.cargo.value)


async def _set_aside(delivery: Delivery, ctx: Context) -> None:
    now = ctx.now()

    def body(ledger: Ledger) -> None:
        ledger.apply(decide_poison(delivery, ctx.network, now, telling_of(delivery, ledger, ctx)))

    await ctx.store.transact(body)
    log.error("delivery_set_aside", delivery=delivery.id, endpoint=delivery.endpoint, breaks=delivery.breaks)


def telling_of(delivery: Delivery, ledger: Ledger, ctx: Context) -> Telling:
    """What a notice about a delivery that fails is made from."""
    document = ledger.document(delivery.document) if delivery.document else None
    report = ledger.status(StatusRef(delivery.cargo_ref)) if delivery.cargo is Cargo.STATUS else None
    return Telling(document, report, ctx.new_id, ctx.receipt_key.seal)
