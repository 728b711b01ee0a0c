"""Take in one business status (trạng thái xử lý) and pass it on."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from axis.core.model import Document, DocumentRef, Hop, Principal, Role, StatusReport
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.core.states import IntakeState
from axis.core.statuses import Report, decide_status
from axis.flow.context import Context

log = structlog.get_logger()


async def record_status(
    report: Report, ref: DocumentRef | None, by: Principal, hops: tuple[Hop, ...], ctx: Context
) -> StatusReport:
    """Record one status. `ref` names the document; without it the document is looked for by what the report says.

    Returns the recorded (or, repeated, the first) report after it is on stable storage. `Refused` for what this party
    may never set, and for a document that is none of its business: that reads as not found.
    """
    ctx.refuse_when_log_is_stale()
    now = ctx.now()

    def body(ledger: Ledger) -> StatusReport | Problem:
        document = _find(report, ref, ledger)
        prior: Sequence[StatusReport] = ledger.statuses(document.ref, report.receiver) if document else ()
        decision = decide_status(report, document, prior, by, hops, ctx.network, now, ctx.new_id)
        reply = decision.reply
        if isinstance(reply, StatusReport) and reply.document is None and ledger.same_orphan(reply):
            return reply
        ledger.apply(decision)
        return reply

    reply = await ctx.store.transact(body)
    ctx.wake()
    if isinstance(reply, Problem):
        log.warning("status_refused", problem=reply.kind.value, by=by.name, code=report.wire)
        raise Refused(reply)
    log.info("status_recorded", status=reply.ref, document=reply.document, code=reply.wire, standing=reply.standing)
    return reply


def _find(report: Report, ref: DocumentRef | None, ledger: Ledger) -> Document | None:
    if ref is None:
        return ledger.match_document(
            report.sender, report.receiver, report.document_id, report.number, report.issued_on
        )
    document = ledger.document(ref)
    return document if document is not None and document.state is IntakeState.ACCEPTED else None


def may_see(document: Document, by: Principal, ctx: Context) -> bool:
    """Say whether `by` may know of this document: it sent it, or it is addressed and the document was let in.

    A neighbour has authority over everything behind it, and knows of nothing but what it brought itself.
    """
    registry = ctx.network.registry
    if by.role is not Role.AGENCY:
        return document.by == by.name
    if registry.within(document.sender, by.authority):
        return True
    named = any(registry.within(code, by.authority) for code in document.recipients)
    return named and document.state is IntakeState.ACCEPTED


async def visible_document(ref: str, by: Principal, ctx: Context) -> Document:
    """The document, for one who may see it. `Refused(NOT_FOUND)` for everyone else: it does not exist for them."""
    document = await ctx.store.views.document(DocumentRef(ref))
    if document is None or not may_see(document, by, ctx):
        raise Refused(Problem(Kind.NOT_FOUND))
    return document
