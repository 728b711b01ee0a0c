"""Judge the PDFs inside attachments: before acceptance where the site's rule is `gate`, otherwise beside the way.

Beside the way nothing waits for it: documents are taken from the store, longest due first, so that a restart goes on
where it stood, and what is undecided for want of evidence about revocation is judged again when some comes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from axis.core.attachments import Cause, Newest, decide_attachments, is_last, open_ones
from axis.core.model import (
    AttachmentCheck,
    AttachmentRecord,
    AttachmentVerdict,
    Document,
    JudgedAttachment,
    Profile,
)
from axis.core.ports import Ledger, LostRace
from axis.core.problems import ProblemError, Unavailable
from axis.flow.body import attached_here, package_here
from axis.flow.context import Context
from axis.flow.grounds import make_ready
from axis.flow.package import open_package
from axis.flow.pdfworker import PdfAnswer, PdfQuestion, PdfWorker, written
from axis.flow.place import Place
from schemas.multipart import PackageForm
from signing.pdf import FindingCode
from signing.piece import Piece

log = structlog.get_logger()

BATCH: Final = 50
MOST_ENDED: Final = 3
"""So many attachments of one package may end the judge; the rest of it is then not looked at: a minute of work at most
for a package of a thousand bombs."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found out now about attachments, and what that rests on; `unfinished` where the judge was not given the
    time for all."""

    found: tuple[JudgedAttachment, ...] = ()
    unfinished: bool = False
    pieces: tuple[Piece, ...] = ()


async def look(
    wanted: Mapping[int, AttachmentRecord], octets: Sequence[Place], ctx: Context, *, last: bool = False
) -> Looked:
    """Judge the attachments `wanted`, by place, of the package whose attachments are, or lie at, `octets`.

    Where evidence about revocation is missing, somebody is sent for it. On the `last` round whatever could not be
    judged is told as such.
    """
    assert ctx.pdfs is not None
    found: list[JudgedAttachment] = []
    pieces: dict[str, Piece] = {}
    before, unfinished = ctx.pdfs.ended, False
    for place, record in wanted.items():
        question = _question(octets[place - 1], record, ctx)
        if ctx.pdfs.ended - before >= MOST_ENDED:
            given_up = question.undecided(FindingCode.LIMIT, "other attachments of the package ended the judge")
            answer = written(given_up, question)
        else:
            try:
                answer = await _judge(question, ctx, ctx.pdfs)
            except Unavailable:
                if not last:
                    unfinished = True
                    continue
                given_up = question.undecided(FindingCode.PROCESSING, "the judge was never given the time")
                answer = written(given_up, question)
        found.append(_plain(place, record, answer))
        pieces |= {one.sha256: one for one in answer.pieces}
    return Looked(tuple(found), unfinished, tuple(pieces.values()))


def _question(octets: Place, record: AttachmentRecord, ctx: Context) -> PdfQuestion:
    return PdfQuestion(octets, record, ctx.judged_at(), ctx.policies[Profile.REQUIRED])


def _unreadable(wanted: Mapping[int, AttachmentRecord], ctx: Context) -> tuple[JudgedAttachment, ...]:
    """What is said of attachments that nobody could get at."""
    asked = {place: _question(b"", record, ctx) for place, record in wanted.items()}
    detail = "the package could not be read"
    return tuple(
        _plain(place, wanted[place], written(one.undecided(FindingCode.PROCESSING, detail), one))
        for place, one in asked.items()
    )


async def _judge(question: PdfQuestion, ctx: Context, pdfs: PdfWorker) -> PdfAnswer:
    answer = await pdfs.judge(question, ctx.trust)
    if not answer.missing or ctx.evidence is None:
        return answer
    # At once: a signer's responder and that of a time stamp's authority are not waited for one behind the other.
    came = await asyncio.gather(*map(ctx.evidence.bring, answer.missing))
    if not any(came):
        return answer
    later = PdfQuestion(question.octets, question.record, ctx.judged_at(), question.policy)
    return await pdfs.judge(later, ctx.trust)


def _plain(place: int, record: AttachmentRecord, answer: PdfAnswer) -> JudgedAttachment:
    verdict: dict[str, Any] = json.loads(answer.verdict)
    return JudgedAttachment(place, record.content_id, answer.outcome, answer.reason, answer.waits, verdict)


def newest_of(verdicts: Sequence[AttachmentVerdict]) -> Newest:
    """What was last said of each attachment, of judgements in their order."""
    return {one.found.place: one.found for one in verdicts}


@dataclass(slots=True)
class AttachmentJudge:
    """The service beside the way: everything accepted whose attachments are due."""

    ctx: Context
    every: timedelta
    _trust: Any = field(default=None)

    async def run(self, stop: asyncio.Event) -> None:
        """Judge what is due until `stop`: each `every`, and at once when something was accepted or evidence came."""
        assert self.ctx.pdfs is not None
        self._trust = self.ctx.trust
        while not stop.is_set():
            self.ctx.attachments_came.clear()
            working, stopped = asyncio.ensure_future(self.round()), asyncio.ensure_future(stop.wait())
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not working.done():  # nobody waits for a verdict that can be had again
                working.cancel()
                await asyncio.wait({working})
                return
            working.result()
            waiting = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self.ctx.attachments_came.wait())}
            await asyncio.wait(waiting, timeout=self.every.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
            for one in waiting:
                one.cancel()

    async def round(self) -> int:
        """Judge everything that is due, and after new evidence everything that waits for some. Returns how many."""
        done = 0
        try:
            done += await self._due()
            if self._trust is not self.ctx.trust:
                self._trust = self.ctx.trust
                done += await self._waiting()
        except Unavailable as error:
            log.warning("attachments_deferred", problem=error.problem.kind.value)
        return done

    async def _due(self) -> int:
        done = 0
        while checks := await self.ctx.store.views.checks_due(self.ctx.now(), BATCH):
            for check in checks:
                done += await self._document(check, Cause.DUE)
        return done

    async def _waiting(self) -> int:
        done, after = 0, ""
        while checks := await self.ctx.store.views.checks_waiting(after, BATCH):
            after = checks[-1].document
            for check in checks:
                done += await self._document(check, Cause.EVIDENCE)
        return done

    async def _document(self, check: AttachmentCheck, cause: Cause) -> bool:
        """One document's attachments. Whatever goes wrong is told, and this document is due later: others go on."""
        ctx = self.ctx
        document = await ctx.store.views.document(check.document)
        assert document is not None, "a check has a document"
        newest = newest_of(await ctx.store.views.attachment_verdicts(check.document))
        try:
            looked = await self._look(document, check, newest)
        except Exception as surprise:
            code = surprise.problem.kind.value if isinstance(surprise, ProblemError) else type(surprise).__name__
            log.exception("attachments_not_judged", document=document.ref, problem=code)
            last = is_last(check, ctx.network, ctx.now())
            found = _unreadable(open_ones(document.attachments, newest), ctx) if last else ()
            looked = Looked(found, unfinished=not last)
        return await self._record(document, check, newest, looked, cause)

    async def _look(self, document: Document, check: AttachmentCheck, newest: Newest) -> Looked:
        ctx = self.ctx
        wanted = open_ones(document.attachments, newest)
        last = is_last(check, ctx.network, ctx.now())
        async with AsyncExitStack() as until:
            if document.form is PackageForm.PARTS:
                places = [one.place for one in await attached_here(document, ctx.store.views, until)]
                return await look(wanted, places, ctx, last=last)
            octets = await package_here(document, ctx.store.views, until)
            opened = await asyncio.to_thread(open_package, octets, ctx.xml_limits, None)
            return await look(wanted, opened.attached, ctx, last=last)

    async def _record(
        self, document: Document, check: AttachmentCheck, newest: Newest, looked: Looked, cause: Cause
    ) -> bool:
        ctx = self.ctx
        evidence = await make_ready(looked.pieces, ctx)

        def body(ledger: Ledger) -> AttachmentCheck | None:
            decision = decide_attachments(
                document, check, newest, looked.found, cause, ctx.network, ctx.now(), looked.unfinished
            )
            ledger.put_evidence(evidence if decision.changes else ())
            ledger.apply(decision)
            return decision.reply

        try:
            after = await ctx.store.transact(body)
        except LostRace:
            return False
        if after is None or after.rounds == check.rounds:
            return False
        ctx.known.add(one.ref.sha256 for one in evidence)
        ctx.log_written()
        log.info(
            "attachments_judged",
            document=document.ref,
            outcome=after.outcome.value if after.outcome else None,
            again=after.due_at is not None,
        )
        return True
