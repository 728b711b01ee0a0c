"""Judge the PDFs of attachments in a process of its own, so that no PDF can stop the node (`axis.flow.worker`)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from axis.core.canonical import canonical
from axis.core.model import AttachmentRecord
from axis.core.problems import Kind, Problem, Unavailable
from axis.flow.place import Place, octets_at
from axis.flow.worker import Bounds, Crashed, Job, Spent, Worker
from signing.pdf import AttachmentVerdicts, FindingCode, grounded, judge_attachment, unjudged
from signing.piece import Piece
from signing.policy import SignaturePolicy
from signing.trust import Trust
from signing.verdict import PdfOutcome, Reason

log = structlog.get_logger()

PDF_BOUNDS: Final = Bounds(cpu_s=10.0, wall_s=60.0, memory=1024 << 20)
"""For one attachment. The worst PDF that ends by itself takes 4.5 s of processor time (ADR 0013). Of address space, a
PDF of 50 MiB takes 250 MiB and a ZIP of 110 MiB 650, the interpreter's 80 with it (ADR 0020)."""
MOST_WAITING: Final = 64
"""Beyond, whoever asks is told to come again: a line that long would outlast a caller's patience."""


@dataclass(frozen=True, slots=True)
class PdfQuestion:
    """One attachment to be judged for the time `at`: its decoded octets, or where they are.

    A file is read by the worker: its octets are never in the node's own memory.
    """

    octets: Place
    record: AttachmentRecord
    at: datetime
    policy: SignaturePolicy

    def undecided(self, code: FindingCode, detail: str) -> AttachmentVerdicts:
        """What is said where the judge did not come to an end."""
        one = self.record
        return unjudged(one.name, one.form or "other", one.sha256, one.size, self.at, self.policy, code, detail)


@dataclass(frozen=True, slots=True)
class PdfAnswer:
    """What the node keeps of the verdicts. They are written down in the worker: that takes milliseconds.

    `verdict` is their canonical JSON, `missing` the certificates (DER) that evidence about revocation is missing of,
    `pieces` all that must be kept beside the verdict.
    """

    outcome: PdfOutcome | None
    reason: Reason | None
    missing: tuple[bytes, ...]
    waits: bool
    verdict: bytes
    pieces: tuple[Piece, ...] = ()


def written(verdicts: AttachmentVerdicts, question: PdfQuestion, pieces: tuple[Piece, ...] = ()) -> PdfAnswer:
    """Verdicts written down; what has no canonical form was not judged."""
    try:
        text = canonical(verdicts.to_dict())
    except (TypeError, ValueError):
        verdicts, pieces = question.undecided(FindingCode.PROCESSING, "the verdict cannot be written down"), ()
        text = canonical(verdicts.to_dict())
    missing = verdicts.missing
    return PdfAnswer(verdicts.outcome, verdicts.reason, missing, bool(missing), text, pieces)


class PdfWorker:
    """PDFs in a worker. One thread waits for it, however many ask: the others' threads stay free.

    `ended` counts the attachments that ended their judge.
    """

    def __init__(self, bounds: Bounds = PDF_BOUNDS) -> None:
        self._worker = Worker[PdfQuestion, PdfAnswer](Job("pdf", _answer, _prepare), bounds)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="axis-pdf")
        self._waiting = 0
        self._closed = False
        self.ended = 0

    async def judge(self, question: PdfQuestion, trust: Trust) -> PdfAnswer:
        """`judge_attachment`, elsewhere; INDETERMINATE with `limit` or `processing-error` where it ended the worker.

        `Unavailable` when the worker was not given the time it needs, or too many ask.
        """
        if self._waiting >= MOST_WAITING or self._closed:
            raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=30)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self.judge_now, question, trust)
        finally:
            self._waiting -= 1

    def judge_now(self, question: PdfQuestion, trust: Trust) -> PdfAnswer:
        """The same, and the calling thread waits."""
        try:
            return _filled(self._worker.ask(question, trust), trust)
        except Spent as spent:
            code, detail = FindingCode.LIMIT, f"more than {spent.what}"
        except Crashed:
            code, detail = FindingCode.PROCESSING, "the judge did not survive it"
        self.ended += 1
        log.error("pdf_ended_its_judge", attachment=question.record.sha256, finding=code.value, detail=detail)
        return written(question.undecided(code, detail), question)

    def close(self) -> None:
        """At once: whoever waits for an answer is told `Unavailable`."""
        self._closed = True
        self._worker.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def pid(self) -> int | None:
        return self._worker.pid


def _prepare() -> None:
    """pyHanko takes a second to import, and would tell strangers' field names and traces in its log."""
    import signing.pdf.reader
    import signing.pdf.signature  # noqa: F401

    for name in ("pyhanko", "pyhanko_certvalidator"):
        logging.getLogger(name).disabled = True


def _answer(trust: Trust, question: PdfQuestion) -> PdfAnswer:
    octets = question.octets
    if not isinstance(octets, bytes):
        try:
            octets = octets_at(octets)
        except OSError:
            return written(question.undecided(FindingCode.PROCESSING, "the file cannot be read"), question)
        except ValueError:
            return written(question.undecided(FindingCode.PROCESSING, "the file holds something else"), question)
        if hashlib.sha256(octets).hexdigest() != question.record.sha256:
            return written(question.undecided(FindingCode.PROCESSING, "the file holds something else"), question)
    found = judge_attachment(octets, question.record.name, trust, question.at, question.policy)
    named, pieces = grounded(found, question.policy, trust)
    # A list may be large, and whoever asks has it.
    sent = tuple(replace(one, octets=b"") if one.sha256 in trust.octets else one for one in pieces)
    return written(named, question, sent)


def _filled(answer: PdfAnswer, trust: Trust) -> PdfAnswer:
    return replace(
        answer,
        pieces=tuple(one if one.octets else replace(one, octets=trust.octets[one.sha256]) for one in answer.pieces),
    )
