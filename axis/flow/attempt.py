"""One attempt at a claimed delivery: hand over, and tell what came of it. `axis.flow.settle` writes that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from axis.core.hands import Handover
from axis.core.model import Delivery, Document, DocumentRef
from axis.core.ports import Carried
from axis.core.problems import Kind, Problem, ProblemError, Unavailable
from axis.flow.context import Context
from axis.flow.messages import consign
from axis.flow.settle import Ended
from axis.flow.underway import Underway, share_left

log = structlog.get_logger()


async def deliver_once(delivery: Delivery, ctx: Context, carried: Mapping[DocumentRef, Carried]) -> Ended:
    """One attempt at a claimed delivery; `carried` are the documents at hand. Nothing is written.

    An exception that is no `ProblemError` is a bug of ours or of an adapter: logged, and treated as temporary, so that
    nothing is lost by it; so many in a row, and the delivery is set aside. One whose attempts were never heard of again
    is set aside without another. When it is cancelled it ends here and says so, for that is to be written too.
    """
    if delivery.breaks >= ctx.retry.breaks:
        return Ended(delivery, None, ctx.now())
    sink = ctx.sinks.get(delivery.endpoint)  # as it is now: what began ends there, whatever is called afterwards
    if sink is None or not ctx.network.serves(delivery.endpoint, delivery.recipients):
        moved = Problem(Kind.DESTINATION_UNAVAILABLE, "the recipient is reached elsewhere now")
        return Ended(delivery, moved, ctx.now())
    share = share_left(delivery, ctx)
    if share <= 0:  # who stood still since the claim: it may be another's by now, and what follows it may have gone
        over = Problem(Kind.DESTINATION_UNAVAILABLE, "the lease was over before the attempt began")
        return Ended(delivery, over, ctx.now())
    outcome: Handover | Problem
    retry_after: float | None = None
    broke = False
    document: Document | None = None
    try:
        async with asyncio.timeout(share) as limit, Underway(delivery, ctx, limit) as underway:
            consignment = await consign(delivery, ctx, carried)
            document = consignment.document
            consignment = underway.watched(consignment)
            outcome = await sink.deliver(consignment)
    except ProblemError as error:
        outcome = error.problem
        retry_after = error.retry_after_s if isinstance(error, Unavailable) else None
    except TimeoutError:
        outcome = Problem(Kind.DESTINATION_UNAVAILABLE, "no answer in time")
    except asyncio.CancelledError:
        # The daemon stops: that is no fault of the delivery, and another process need not wait for the lease to end.
        stopped = Problem(Kind.DESTINATION_UNAVAILABLE, "the node stopped during the attempt")
        return Ended(delivery, stopped, ctx.now())
    except Exception:  # the edge of an adapter: a surprise is logged as a bug and waited out, the delivery is not lost
        log.exception("delivery_attempt_broke", delivery=delivery.id, endpoint=delivery.endpoint)
        outcome = Problem(Kind.INTERNAL)
        broke = True
    now = ctx.now()
    problem = outcome if isinstance(outcome, Problem) else None
    ctx.traffic.heard(delivery, problem, now, ctx.jitter() if problem else 0.0, retry_after)
    return Ended(delivery, outcome, now, document, retry_after, broke)
