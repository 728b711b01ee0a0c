"""Judge held documents again: released, refused, or still waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from axis.core.acceptance import Acceptance, accept
from axis.core.attachments import Cause, Newest, decide_attachments, deciding, gate, judgeable, open_ones, stricter
from axis.core.intake import decide_recheck
from axis.core.model import AttachmentCheck, Decision, Document, DocumentRef, NoticeOutcome, Principal
from axis.core.network import Network, PdfRule
from axis.core.notice import decide_notice
from axis.core.octets import Held
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Kind, ProblemError, Unavailable
from axis.core.states import IntakeState
from axis.core.way import targets
from axis.flow.attachments import Looked, look, newest_of
from axis.flow.body import package_here, stored_parts
from axis.flow.context import Context
from axis.flow.early import is_early
from axis.flow.grounds import evidence_of, make_ready
from axis.flow.judge import judge
from axis.flow.package import Part
from axis.flow.place import Place
from axis.flow.receive import adopt_orphans
from schemas.gate import Raw
from signing.trust import Trust

log = structlog.get_logger()


PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Round:
    """How many documents moved, and the last that was looked at: `None` where no other stands behind it."""

    moved: int
    last: DocumentRef | None


async def recheck_held(
    principals: Mapping[str, Principal],
    ctx: Context,
    after: DocumentRef | None = None,
    *,
    limit: int = PAGE,
    news: bool = True,
) -> Round:
    """One round over the oldest `limit` held documents behind `after`, under the evidence that is known now.

    Whatever is wrong with one of them is told, and the others have their turn. Without `news`, when we believe in what
    we believed in before, attachments are judged at their time only.
    """

    def read(ledger: Ledger) -> Sequence[Document]:
        return ledger.held(limit, after)

    moved, network = 0, ctx.network
    waiting = await ctx.store.transact(read)
    for document in waiting:
        by = principals.get(document.by)
        try:
            moved += await _recheck(document, by, network, ctx, news) if by else await _give_up(document, ctx)
        except LostRace:
            continue
        except ProblemError as error:
            log.warning("recheck_deferred", document=document.ref, problem=error.problem.kind.value)
            if error.problem.kind is not Kind.STORE_UNAVAILABLE:
                moved += await _give_up(document, ctx)
        except Exception as surprise:
            log.exception("recheck_failed", document=document.ref, problem=type(surprise).__name__)
            moved += await _give_up(document, ctx)
    return Round(moved, waiting[-1].ref if len(waiting) == limit else None)


@dataclass(frozen=True, slots=True)
class _Attached:
    """Where judging the attachments of a held document stands, with what was found now."""

    check: AttachmentCheck | None
    newest: Newest
    looked: Looked
    cause: Cause

    @property
    def known(self) -> Newest:
        return {**self.newest, **{one.place: one for one in self.looked.found}}

    @property
    def acceptance(self) -> Acceptance:
        return Acceptance.HOLD if self.looked.unfinished else gate(self.known.values())


async def _recheck(document: Document, by: Principal, network: Network, ctx: Context, news: bool) -> int:
    async with AsyncExitStack() as until:
        octets = await package_here(document, ctx.store.views, until)
        parts = await stored_parts(document, ctx.store.views, until)
        return await _judge_again(document, octets, parts, by, network, ctx, news)


async def _give_up(document: Document, ctx: Context) -> int:
    """What cannot be judged any more, because its connection is gone or its package cannot be read, waits no longer
    than what is in doubt: then its sender is told."""
    network, now = ctx.network, ctx.now()
    decision = decide_recheck(document, Acceptance.HOLD, document.verdict, network, now, ctx.new_id)
    if not decision.changes:
        return 0
    reason = document.verdict.reason.value

    def body(ledger: Ledger) -> None:
        waits, check = _as_it_waits(document, ledger), ledger.attachment_check(document.ref)
        decided = decide_recheck(waits, Acceptance.HOLD, waits.verdict, network, now, ctx.new_id, check)
        ledger.apply(decided)
        outcome = NoticeOutcome.REFUSED
        ledger.apply(decide_notice(decided.reply, outcome, reason, network, now, ctx.new_id, ctx.receipt_key.seal))

    try:
        await ctx.store.transact(body)
    except (LostRace, Unavailable):  # settled meanwhile, or tried again next time
        return 0
    ctx.wake()
    log.warning("held_document_given_up", document=document.ref, by=document.by, reason=reason)
    return 1


def _as_it_waits(document: Document, ledger: Ledger) -> Document:
    """The document as it is now: a neighbour may have brought it for further recipients, or by another way, since it
    was read, and has its receipt for them. `LostRace` where it waits no more."""
    found = ledger.document(document.ref)
    if found is None or found.state is not IntakeState.HELD:
        raise LostRace("somebody else has settled the document meanwhile")
    return found


async def _judge_again(
    document: Document,
    octets: Raw,
    parts: Sequence[Part[Held]],
    by: Principal,
    network: Network,
    ctx: Context,
    news: bool,
) -> int:
    ctx.see_current(network)
    judged = await judge(octets, by, ctx, parts)
    verdict, acceptance = judged.verdict, accept(by.profile, judged.verdict)
    reason = verdict.reason
    attached: _Attached | None = None
    if acceptance is Acceptance.ACCEPT and network.pdf is PdfRule.GATE and judgeable(document.attachments):
        attached = await _look(document, judged.attached, ctx, news)
        acceptance = stricter(acceptance, attached.acceptance)
        bad = deciding(attached.known.values())
        reason = bad.reason if bad is not None and bad.reason is not None else reason

    now = ctx.now()
    foreseen = decide_recheck(document, acceptance, verdict, network, now, ctx.new_id)
    moves = foreseen.reply.state is not document.state
    if not moves and attached is None:
        return 0
    pieces = evidence_of(verdict, judged.grounds, ctx.known) if moves else ()
    looked = attached.looked.pieces if attached is not None else ()
    evidence = await make_ready((*pieces, *looked), ctx)

    def body(ledger: Ledger) -> Document:
        ctx.see_current(network)  # else the next round judges it
        waits, check = _as_it_waits(document, ledger), ledger.attachment_check(document.ref)
        if attached is not None:
            check = _record(waits, check, attached, ledger, network, ctx)
        early = judged.content is not None and is_early(judged.content, targets(waits), network, ledger, waits)
        decision = decide_recheck(waits, acceptance, verdict, network, now, ctx.new_id, check, early)
        ledger.put_evidence(evidence if decision.changes or attached is not None else ())
        ledger.apply(decision)
        moved = decision.reply
        if moved.state is IntakeState.ACCEPTED:
            adopt_orphans(moved, ledger, network, ctx)
        if moved.state is not waits.state:
            outcome = NoticeOutcome.RELEASED if moved.state is IntakeState.ACCEPTED else NoticeOutcome.REFUSED
            # What was found good and could not be made out to all is not refused for its signature.
            unreached = outcome is NoticeOutcome.REFUSED and acceptance is Acceptance.ACCEPT
            why = Kind.NO_ROUTE.value if unreached else reason.value
            ledger.apply(decide_notice(moved, outcome, why, network, now, ctx.new_id, ctx.receipt_key.seal))
        return moved

    moved = await ctx.store.transact(body)
    moves = moved.state is not document.state
    if moves or attached is not None:
        ctx.known.add(one.ref.sha256 for one in evidence)
    if not moves:
        return 0
    ctx.wake()
    ctx.attachments_came.set()
    log.info("held_document_moved", document=document.ref, state=moved.state.value, reason=reason.value)
    return 1


async def _look(document: Document, octets: Sequence[Place], ctx: Context, news: bool) -> _Attached:
    """Judge what is open: at its time, or when we believe in something new."""
    check = await ctx.store.views.attachment_check(document.ref)
    newest = newest_of(await ctx.store.views.attachment_verdicts(document.ref))
    due = check is None or (check.due_at is not None and check.due_at <= ctx.now())
    if ctx.pdfs is None or not (due or news):
        return _Attached(check, newest, Looked(), Cause.EVIDENCE)
    looked = await look(open_ones(document.attachments, newest), octets, ctx)
    return _Attached(check, newest, looked, Cause.DUE if due else Cause.EVIDENCE)


def _record(
    document: Document,
    check: AttachmentCheck | None,
    attached: _Attached,
    ledger: Ledger,
    network: Network,
    ctx: Context,
) -> AttachmentCheck | None:
    if check != attached.check:
        raise LostRace("somebody else has judged the attachments meanwhile")
    looked = attached.looked
    if not looked.found and not looked.unfinished:
        return check
    decision: Decision[AttachmentCheck | None] = decide_attachments(
        document, check, attached.newest, looked.found, attached.cause, network, ctx.now(), looked.unfinished
    )
    ledger.apply(decision)
    return decision.reply


async def run_recheck(every: timedelta, ctx: Context, stop: asyncio.Event, limit: int = PAGE) -> None:
    """Recheck until `stop`: one round each `every`, so that all have their turn, however many wait before them; and all
    of them at once, round after round, when evidence about revocation has come."""
    believed: Trust | None = None
    after: DocumentRef | None = None
    ends = 0  # how often the end of what waits is to be reached before everybody was judged under what is new
    while not stop.is_set():
        ctx.evidence_came.clear()
        if believed is not ctx.trust:
            believed, ends = ctx.trust, 1 if after is None else 2
        try:
            after = (await recheck_held(ctx.network.principals, ctx, after, limit=limit, news=ends > 0)).last
        except Unavailable as error:
            log.warning("recheck_unavailable", problem=error.problem.kind.value)
        else:
            ends = max(ends - 1, 0) if after is None else ends
            if ends:
                continue
        waiting = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(ctx.evidence_came.wait())}
        await asyncio.wait(waiting, timeout=every.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
