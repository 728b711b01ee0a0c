"""Take in one business status (trạng thái xử lý) and pass it on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from axis.core.model import Decision, Document, DocumentRef, Hop, Principal, Role, StatusReport
from axis.core.outline import Concerned, Said
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.core.states import IntakeState
from axis.core.statuses import Party, Repeat, Report, Reporting, decide_status
from axis.flow.context import Context
from schemas.status import Standing

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
    return _answered(reply, by, ctx, code=report.wire)


Told = tuple[DocumentRef, Callable[[Concerned], Report]]
"""A document, and what is said of it: `Refused` where that cannot be."""


async def record_told(told: Told, by: Principal, now: datetime, ctx: Context) -> StatusReport:
    """Record one status of a document that is named by its ref: see `record_status`. It was received at `now`."""
    (outcome,) = await _record_told((told,), by, now, ctx)
    return _answered(outcome, by, ctx, document=told[0])


async def record_statuses(
    told: Sequence[Told], by: Principal, now: datetime, ctx: Context
) -> Sequence[StatusReport | Problem]:
    """Record several statuses of one party, in their order and in one transaction: each is answered for itself.

    A document that is none of its business reads as not found. `Unavailable`, `LostRace`: nothing is stored.
    """
    found = await _record_told(told, by, now, ctx)
    refused = sum(isinstance(outcome, Problem) for outcome in found)
    log.info("statuses_recorded", by=by.name, recorded=len(found) - refused, refused=refused)
    return found


async def _record_told(
    told: Sequence[Told], by: Principal, now: datetime, ctx: Context
) -> Sequence[StatusReport | Problem]:
    ctx.refuse_when_log_is_stale()

    def body(ledger: Ledger) -> Sequence[StatusReport | Problem]:
        reporting = Reporting(_party(by, ctx), now, ctx.new_id)
        known = ledger.outlines(ref for ref, _ in told)
        said = [(known.get(ref), _said(known.get(ref), make, by, ctx)) for ref, make in told]
        asked = {
            (document.ref, report.receiver.text): (document.ref, report.receiver)
            for document, report in said
            if document is not None and isinstance(report, Report)
        }
        prior: _Prior = {pair: [] for pair in asked}
        for one in ledger.said_of(asked.values()) if asked else ():
            prior[one.document, one.receiver].append(one)
        decisions = [_decided(document, report, prior, reporting) for document, report in said]
        for decision in decisions:
            ledger.apply(decision)
        return [_reply(decision.reply, ledger) for decision in decisions]

    found = await ctx.store.transact(body, brief=len(told) == 1)
    ctx.wake()
    return found


_Prior = Mapping[tuple[DocumentRef, str], list[Said | StatusReport]]
"""What was reported of each of these documents for each of these receivers (codes)."""


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
) -> Decision[StatusReport | Repeat[Said | StatusReport] | Problem]:
    """Decide one of several; what is recorded is prior to those that come after it."""
    if isinstance(report, Problem):
        return Decision((), (), report)
    assert document is not None, "nothing is said of a document that is not there"
    before = prior[document.ref, report.receiver.text]
    decision = reporting.decide(report, _accepted(document), before)
    if isinstance(decision.reply, StatusReport):
        before.append(decision.reply)
    return decision


def _reply(reply: StatusReport | Repeat[Said | StatusReport] | Problem, ledger: Ledger) -> StatusReport | Problem:
    """What is answered: of a repeat the whole of the first."""
    if not isinstance(reply, Repeat):
        return reply
    first = reply.first
    whole = first if isinstance(first, StatusReport) else ledger.status(first.ref)
    assert whole is not None, "it was read a moment ago"
    return replace(whole, standing=Standing.REPEATED)


def _party(by: Principal, ctx: Context) -> Party:
    """`by`, with what was asked for it in transactions before: they run one after the other."""
    party = ctx.parties.get(by.name)
    if party is None or not party.still(by, ctx.network):
        party = ctx.parties[by.name] = Party(by, (), ctx.network)
    return party


def _apply(decision: Decision[StatusReport | Problem], ledger: Ledger) -> None:
    """What an orphan says that is stored already is not stored again."""
    reply = decision.reply
    if isinstance(reply, StatusReport) and reply.document is None and ledger.same_orphan(reply):
        return
    ledger.apply(decision)


def _answered(outcome: StatusReport | Problem, by: Principal, ctx: Context, **about: str) -> StatusReport:
    if isinstance(outcome, Problem):
        log.warning("status_refused", problem=outcome.kind.value, by=by.name, **about)
        raise Refused(outcome)
    if not ctx.recorded:
        asyncio.get_running_loop().call_soon(_tell_recorded, ctx.recorded)
    ctx.recorded.append((by.name, outcome))
    return outcome


def _tell_recorded(recorded: list[tuple[str, StatusReport]]) -> None:
    """Tell the operational log of what a group of the store has recorded: all who waited for it were answered in one
    round of the loop. A line costs a tenth of a status, most of it the call of the system that writes it; so several
    have one together, as those of a batch, but a contradiction, which somebody may have to look at."""
    several: Counter[str] = Counter()
    for by, one in recorded:
        if len(recorded) == 1 or one.standing is Standing.CONFLICT:
            log.info("status_recorded", status=one.ref, document=one.document, code=one.wire, standing=one.standing)
        else:
            several[by] += 1
    recorded.clear()
    for by, number in several.items():
        log.info("statuses_recorded", by=by, recorded=number, refused=0)


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
