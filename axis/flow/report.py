"""Take in one business status (trạng thái xử lý) and pass it on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from axis.core.model import Change, Decision, Document, DocumentRef, Hop, LogEntry, Principal, StatusReport
from axis.core.network import Network
from axis.core.outline import Concerned, Said
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.core.repeats import MOST_TOLD, too_often, was_told
from axis.core.states import IntakeState
from axis.core.statuses import Party, Repeat, Report, Reporting
from axis.core.times import rfc3339
from axis.flow.context import Context
from schemas.status import Standing

log = structlog.get_logger()

_ACCEPTED: Final = IntakeState.ACCEPTED


async def record_status(
    report: Report, by: Principal, hops: tuple[Hop, ...], ctx: Context, judged_under: Network | None = None
) -> StatusReport:
    """Record one status of the document that the report itself names, if there is one. `Outdated` where it was
    `judged_under` another configuration than the present one.

    Returns the recorded (or, repeated, the first) report after it is on stable storage. `Refused` for what this party
    may never set, and for a document that is none of its business: that reads as not found.
    """
    ctx.refuse_when_log_is_stale()
    now = ctx.now()

    def body(ledger: Ledger) -> StatusReport | Problem:
        network = judged_under or ctx.network
        ctx.see_current(network)
        document = ledger.match_document(
            report.sender, report.receiver, report.document_id, report.number, report.issued_on
        )
        prior = ledger.said_of([(document.ref, report.receiver.text)], [_told(report)]) if document else ()
        kept = _kept(ledger, document, report, prior) if document else 0
        reporting = Reporting(Party(network.current(by), hops, network), now, ctx.new_id)
        decision = reporting.decide(report, document, prior, kept)
        _apply(decision, ledger)
        return decision.reply if isinstance(decision.reply, StatusReport) else _reply(decision.reply, ledger)

    reply = await ctx.store.transact(body, brief=True)
    ctx.wake()
    return _answered(reply, by, ctx, code=report.wire)


Told = tuple[DocumentRef, Callable[[Concerned, Reporting], Report]]
"""A document, and what is said of it by who reports: `Refused` where that cannot be."""


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
        known = ledger.outlines([ref for ref, _ in told])
        before: _Before = {}
        said = [_said(known.get(ref), make, reporting, before) for ref, make in told]
        same = {_told(one[1]) for one in said if not isinstance(one, Problem)}
        for earlier in ledger.said_of(before, same) if before else ():
            before[earlier.document, earlier.receiver].append(earlier)
        entries: list[LogEntry] = []
        changes: list[Change] = []
        replies: list[StatusReport | Repeat[Said | StatusReport] | Problem] = []
        for one in said:
            if isinstance(one, Problem):
                replies.append(one)
                continue
            document, report, prior = one
            kept = _kept(ledger, document, report, prior)
            decision = reporting.decide(report, document if document.state is _ACCEPTED else None, prior, kept)
            entries += decision.entries
            changes += decision.changes
            reply = decision.reply
            if isinstance(reply, StatusReport):
                prior.append(reply)  # to those that come after it
            replies.append(reply)
        ledger.apply(Decision(tuple(entries), tuple(changes), None))
        return [one if isinstance(one, StatusReport) else _reply(one, ledger) for one in replies]

    found = await ctx.store.transact(body, brief=len(told) == 1)
    ctx.wake()
    return found


_Before = dict[tuple[DocumentRef, str], list[Said | StatusReport]]
"""What was reported of each of these documents for each of these receivers (codes)."""
_Said = tuple[Concerned, Report, list[Said | StatusReport]]
"""A document, what is said of it, and what was reported of the same before."""


def _told(report: Report) -> tuple[str, str]:
    """Its code and instant, as they are stored."""
    return report.wire, rfc3339(report.at)


def _kept(ledger: Ledger, document: Concerned, report: Report, prior: Sequence[Said | StatusReport]) -> int:
    """How many reports are kept beside one, with those of this transaction; what is told the first time is not asked
    about."""
    if not was_told(report.wire, prior):
        return 0
    stored = ledger.told_of(document.ref, report.receiver.text, MOST_TOLD)
    return stored + sum(isinstance(one, StatusReport) for one in prior)


def _said(
    document: Concerned | None, make: Callable[[Concerned, Reporting], Report], reporting: Reporting, before: _Before
) -> _Said | Problem:
    if document is None or not reporting.party.may_see(document):
        return Problem(Kind.NOT_FOUND)
    try:
        report = make(document, reporting)
    except Refused as error:
        return error.problem
    return document, report, before.setdefault((document.ref, report.receiver.text), [])


def _reply(reply: Repeat[Said | StatusReport] | Problem, ledger: Ledger) -> StatusReport | Problem:
    """What is answered where nothing is recorded: of a repeat the whole of the first."""
    if isinstance(reply, Problem):
        return reply
    first = reply.first
    whole = first if isinstance(first, StatusReport) else ledger.status(first.ref)
    assert whole is not None, "it was read a moment ago"
    return whole._replace(standing=Standing.REPEATED)


def _party(by: Principal, ctx: Context) -> Party:
    """`by`, with what was asked for it in transactions before: they run one after the other."""
    network = ctx.network
    by, party = network.current(by), ctx.parties.get(by.name)
    if party is None or not party.still(by, network):
        party = ctx.parties[by.name] = Party(by, (), network)
    return party


def _apply(decision: Decision[StatusReport | Repeat[Said] | Problem], ledger: Ledger) -> None:
    """What an orphan says that is stored already is not stored again, nor what was told too often."""
    reply = decision.reply
    if isinstance(reply, StatusReport) and reply.document is None:
        if ledger.same_orphan(reply):
            return
        codes = ledger.orphan_codes(reply)
        if too_often(len(codes), reply.wire in codes):
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


async def visible_document(ref: str, by: Principal, ctx: Context) -> Document:
    """The document, for one who may see it. `Refused(NOT_FOUND)` for everyone else: it does not exist for them."""
    network = ctx.network
    party = Party(network.current(by), (), network)
    document = await ctx.store.views.document(DocumentRef(ref))
    if document is None or not party.may_see(document):
        raise Refused(Problem(Kind.NOT_FOUND))
    return document
