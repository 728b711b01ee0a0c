"""A PDF that takes too long, too much memory or the process itself ends its judge, and never passes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from axis.core.model import AttachmentRecord
from axis.core.problems import Unavailable
from axis.flow.pdfworker import MOST_WAITING, PDF_BOUNDS, PdfAnswer, PdfQuestion, PdfWorker
from axis.flow.worker import Bounds, Crashed, Job, Spent, Worker
from signing.pdf import AttachmentVerdicts, form_of, grounded, judge_attachment
from signing.policy import IF_PRESENT
from signing.trust import Trust
from signing.verdict import PdfOutcome, Reason
from tests.factories_core import sha256
from tests.pki import NOW, pki
from tests.signers import bomb
from tests.unit.pdf.ask import answer
from tests.unit.pdf.forge import plain, two_signatures

PATIENT = Bounds(cpu_s=30, wall_s=120)


def question(octets: bytes) -> PdfQuestion:
    record = AttachmentRecord("a1", "a.pdf", None, len(octets), sha256(octets), form_of(octets))
    return PdfQuestion(octets, record, NOW, IF_PRESENT)


def read(answer: PdfAnswer) -> AttachmentVerdicts:
    return AttachmentVerdicts.from_dict(json.loads(answer.verdict))


@pytest.fixture(scope="module")
def worker() -> Iterator[PdfWorker]:
    made = PdfWorker(replace(PDF_BOUNDS, cpu_s=1.0, wall_s=120))
    yield made
    made.close()


def test_it_says_what_we_would_say(worker: PdfWorker) -> None:
    for octets in (two_signatures(), plain(), b"%PDF-1.7 damaged", b"PK\x03\x04 damaged"):
        here = judge_attachment(octets, "a.pdf", pki().trust, NOW, IF_PRESENT)
        there = worker.judge_now(question(octets), pki().trust)
        assert (read(there), there.pieces) == grounded(here, IF_PRESENT, pki().trust)
    waits = worker.judge_now(question(two_signatures()), pki().stale_trust)
    assert waits.outcome is PdfOutcome.INDETERMINATE
    assert waits.missing == (pki().good.der, pki().rsa.der), "whom to fetch evidence about"


@pytest.mark.faults
def test_a_pdf_that_takes_too_long_is_undecided_and_the_next_is_judged(worker: PdfWorker) -> None:
    worker.judge_now(question(plain()), pki().trust)
    before, ended = worker.pid, worker.ended
    verdicts = read(worker.judge_now(question(bomb()), pki().trust))
    (entry,) = verdicts.entries
    assert (verdicts.outcome, verdicts.reason, entry.verdict.codes) == (
        PdfOutcome.INDETERMINATE,
        Reason.LIMIT,
        ("limit",),
    )
    assert "1 s of processor time" in entry.verdict.findings[0].detail
    assert worker.ended == ended + 1
    assert worker.judge_now(question(two_signatures()), pki().trust).outcome is PdfOutcome.VALID
    assert worker.pid != before


def test_a_line_that_is_too_long_is_told_to_come_again(worker: PdfWorker) -> None:
    async def many() -> list[object]:
        asked = (worker.judge(question(plain()), pki().trust) for _ in range(MOST_WAITING + 3))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    answers = asyncio.run(many())
    assert sum(isinstance(one, Unavailable) for one in answers) == 3


# --- the mechanism, with questions that are plainer


def asking(bounds: Bounds) -> Worker[str, str]:
    return Worker(Job("test", answer), bounds)


def test_memory_is_bounded() -> None:
    worker = asking(replace(PATIENT, memory=512 << 20))
    try:
        with pytest.raises(Spent, match="512 MiB"):
            worker.ask("memory", Trust())
        assert worker.ask("fine", Trust()) == "FINE"
    finally:
        worker.close()


def test_a_worker_that_held_much_memory_retires_after_its_answer() -> None:
    trust, worker = Trust(), asking(replace(PATIENT, memory=1024 << 20))
    try:
        assert worker.ask("fine", trust) == "FINE"
        first = worker.pid
        assert worker.ask("fine", trust) == "FINE"
        assert worker.pid == first
        assert worker.ask("large", trust) == str(200 << 20)
        assert worker.ask("fine", trust) == "FINE"
        assert worker.pid == first, "200 MiB are not yet half of it"
    finally:
        worker.close()
    worker = asking(replace(PATIENT, memory=384 << 20))
    try:
        assert worker.ask("large", trust) == str(200 << 20)
        first = worker.pid
        assert worker.ask("fine", trust) == "FINE"
        assert worker.pid != first
    finally:
        worker.close()


@pytest.mark.faults
def test_what_crashes_the_worker_twice_is_to_blame() -> None:
    worker = asking(PATIENT)
    try:
        with pytest.raises(Crashed):
            worker.ask("crash", Trust())
        assert worker.ask("fine", Trust()) == "FINE"
    finally:
        worker.close()


def test_what_takes_no_processor_time_is_not_to_blame() -> None:
    worker = asking(Bounds(cpu_s=30, wall_s=0.3))
    try:
        with pytest.raises(Unavailable):
            worker.ask("sleep", Trust())
        assert worker.pid is None
    finally:
        worker.close()


@pytest.mark.faults
def test_a_worker_that_somebody_stopped_is_not_waited_for_for_ever() -> None:
    trust, worker = Trust(), asking(Bounds(cpu_s=30, wall_s=2))
    try:
        worker.ask("fine", trust)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            worker.ask("x" * (1 << 20), trust)  # more than a pipe takes
        assert worker.ask("fine", trust) == "FINE"
    finally:
        worker.close()


def test_closing_does_not_wait_for_an_answer() -> None:
    worker = asking(PATIENT)
    trust, told = Trust(), list[BaseException]()
    worker.ask("fine", trust)

    def ask() -> None:
        try:
            worker.ask("sleep", trust)
        except Unavailable as error:
            told.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    while not worker._turn.locked():
        pass
    worker.close()
    asker.join(20)
    assert not asker.is_alive()
    assert len(told) == 1
    with pytest.raises(Unavailable):
        worker.ask("fine", trust)
