"""Judge held documents again: released, refused, or still waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from axis.core.acceptance import Acceptance, accept
from axis.core.intake import decide_recheck
from axis.core.model import Document, NoticeOutcome, Principal
from axis.core.notice import decide_notice
from axis.core.ports import Ledger, LostRace
from axis.core.problems import ProblemError, Unavailable
from axis.core.states import IntakeState
from axis.flow.context import Context
from axis.flow.judge import judge
from axis.flow.receive import adopt_orphans

log = structlog.get_logger()


async def recheck_held(principals: dict[str, Principal], ctx: Context, limit: int = 100) -> int:
    """One round over held documents, under the evidence that is known now. Returns how many moved."""

    def read(ledger: Ledger) -> Sequence[Document]:
        return ledger.held(limit)

    moved = 0
    for document in await ctx.store.transact(read):
        by = principals.get(document.by)
        try:
            moved += await _recheck(document, by, ctx) if by else 0
        except LostRace:
            continue
        except ProblemError as error:
            log.warning("recheck_deferred", document=document.ref, problem=error.problem.kind.value)
    return moved


async def _recheck(document: Document, by: Principal, ctx: Context) -> int:
    octets = await (await ctx.store.views.payload(document.payload)).read()
    verdict = (await judge(memoryview(octets), by, ctx)).verdict
    acceptance: Acceptance = accept(by.profile, verdict)

    def body(ledger: Ledger) -> Document:
        decision = decide_recheck(document, acceptance, verdict, ctx.network, ctx.now(), ctx.new_id)
        ledger.apply(decision)
        moved = decision.reply
        if moved.state is IntakeState.ACCEPTED:
            adopt_orphans(moved, ledger, ctx)
        if moved.state is not document.state:
            outcome = NoticeOutcome.RELEASED if moved.state is IntakeState.ACCEPTED else NoticeOutcome.REFUSED
            ledger.apply(
                decide_notice(
                    moved, outcome, verdict.reason.value, ctx.network, ctx.now(), ctx.new_id, ctx.receipt_key.seal
                )
            )
        return moved

    now = await ctx.store.transact(body)
    if now.state is document.state:
        return 0
    ctx.wake()
    log.info("held_document_moved", document=document.ref, state=now.state.value, reason=verdict.reason.value)
    return 1


async def run_recheck(principals: dict[str, Principal], every: timedelta, ctx: Context, stop: asyncio.Event) -> None:
    """Recheck until `stop`, one round each `every`, and at once when evidence about revocation has come."""
    while not stop.is_set():
        ctx.evidence_came.clear()
        try:
            await recheck_held(principals, ctx)
        except Unavailable as error:
            log.warning("recheck_unavailable", problem=error.problem.kind.value)
        waiting = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(ctx.evidence_came.wait())}
        await asyncio.wait(waiting, timeout=every.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
