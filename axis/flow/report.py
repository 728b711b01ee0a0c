"""Take in one business status (trạng thái xử lý) and pass it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from axis.core.model import AddStatus, Decision, Document, DocumentRef, Hop, Principal, Role, StatusReport
from axis.core.outline import Concerned
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.core.states import IntakeState
from axis.core.statuses import Report, Reporting, decide_status
from axis.flow.context import Context
from schemas.codes import AgencyCode

log = structlog.get_logger()


async def record_status(report: Report, by: Principal, hops: tuple[Hop, ...], ctx: Context) -> StatusReport:
    """Record one status of the document that the report itself names, if there is one.

    Returns the recorded (or, repeated, the first) report after it is on stable storage. `Refused` for what this party
    may never set, and for a document that is none of its business: that reads as not found.
    """
    ctx.refuse_when_log_is_stale()
    now = ctx.now()

    def body(ledger: Ledger) -> StatusReport | Problem:
        document = ledger.match_document(
            report.sender, report.receiver, report.document_id, report.number, report.issued_on
        )
        prior: Sequence[StatusReport] = ledger.statuses(document.ref, report.receiver) if document else ()
        decision = decide_status(report, document, prior, by, hops, ctx.network, now, ctx.new_id)
        _apply(decision, ledger)
        return decision.reply

    reply = await ctx.store.transact(body, brief=True)
    ctx.wake()
    return _answered(reply, by, code=report.wire)


Told = tuple[DocumentRef, Callable[[Concerned], Report]]
"""A document, and what is said of it: `Refused` where that cannot be."""


async def record_told(told: Told, by: Principal, ctx: Context) -> StatusReport:
    """Record one status of a document that is named by its ref: see `record_status`."""
    (outcome,) = await _record_told((told,), by, ctx)
    return _answered(outcome, by, document=told[0])


async def record_statuses(told: Sequence[Told], by: Principal, ctx: Context) -> Sequence[StatusReport | Problem]:
    """Record several statuses of one party, in their order and in one transaction: each is answered for itself.

    A document that is none of its business reads as not found. `Unavailable`, `LostRace`: nothing is stored.
    """
    found = await _record_told(told, by, ctx)
    refused = sum(isinstance(outcome, Problem) for outcome in found)
    log.info("statuses_recorded", by=by.name, recorded=len(found) - refused, refused=refused)
    return found


async def _record_told(told: Sequence[Told], by: Principal, ctx: Context) -> Sequence[StatusReport | Problem]:
    ctx.refuse_when_log_is_stale()
    now = ctx.now()

    def body(ledger: Ledger) -> Sequence[StatusReport | Problem]:
        reporting = Reporting(by, (), ctx.network, now, ctx.new_id)
        known = ledger.outlines(ref for ref, _ in told)
        said = [(known.get(ref), _said(known.get(ref), make, by, ctx)) for ref, make in told]
        prior: _Prior = {
            (document.ref, report.receiver): []
            for document, report in said
            if document is not None and isinstance(report, Report)
        }
        for one in ledger.statuses_of(prior) if prior else ():
            assert one.document is not None, "it was asked for by its document"
            prior[one.document, one.receiver].append(one)
        decisions = [_decided(document, report, prior, reporting) for document, report in said]
        for decision in decisions:
            _apply(decision, ledger)
        return [decision.reply for decision in decisions]

    found = await ctx.store.transact(body, brief=len(told) == 1)
    ctx.wake()
    return found


_Prior = Mapping[tuple[DocumentRef, AgencyCode], list[StatusReport]]
"""What was reported of each of these documents for each of these receivers."""


def _said(
    document: Concerned | None, make: Callable[[Concerned], Report], by: Principal, ctx: Context
) -> Report | Problem:
    if document is None or not may_see(document, by, ctx):
        return Problem(Kind.NOT_FOUND)
    try:
        return make(document)
    except Refused as error:
        return error.problem


def _decided(
    document: Concerned | None, report: Report | Problem, prior: _Prior, reporting: Reporting
) -> Decision[StatusReport | Problem]:
    """Decide one of several; what is recorded is prior to those that come after it."""
    if isinstance(report, Problem):
        return Decision((), (), report)
    assert document is not None, "nothing is said of a document that is not there"
    before = prior[document.ref, report.receiver]
    decision = reporting.decide(report, _accepted(document), before)
    before += [change.report for change in decision.changes if isinstance(change, AddStatus)]
    return decision


def _apply(decision: Decision[StatusReport | Problem], ledger: Ledger) -> None:
    """What an orphan says that is stored already is not stored again."""
    reply = decision.reply
    if isinstance(reply, StatusReport) and reply.document is None and ledger.same_orphan(reply):
        return
    ledger.apply(decision)


def _answered(outcome: StatusReport | Problem, by: Principal, **about: str) -> StatusReport:
    if isinstance(outcome, Problem):
        log.warning("status_refused", problem=outcome.kind.value, by=by.name, **about)
        raise Refused(outcome)
    log.info(
        "status_recorded", status=outcome.ref, document=outcome.document, code=outcome.wire, standing=outcome.standing
    )
    return outcome


def _accepted(document: Concerned | None) -> Concerned | None:
    return document if document is not None and document.state is IntakeState.ACCEPTED else None


def may_see(document: Concerned, by: Principal, ctx: Context) -> bool:
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
