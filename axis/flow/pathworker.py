"""Judge certificates in a process of its own, so that no certificate can stop the node (`axis.flow.worker`)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

import structlog

from axis.core.problems import Kind, Problem, Unavailable
from axis.flow.worker import Bounds, Crashed, Job, Spent, Worker
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.deadline import unfinished
from signing.policy import SignaturePolicy

log = structlog.get_logger()

CPU_S: Final = 2.0
WALL_S: Final = 15.0

_Question = tuple[bytes, datetime, SignaturePolicy]


class PathWorker:
    """Certificate paths in a worker. Calls block, so make them from a thread."""

    def __init__(self, cpu_s: float = CPU_S, wall_s: float = WALL_S) -> None:
        self._worker = Worker[_Question, CertificateVerdict](Job("certificates", _answer), Bounds(cpu_s, wall_s))

    def judge(self, leaf: bytes, trust: Trust, at: datetime, policy: SignaturePolicy) -> CertificateVerdict:
        """`judge_certificate`, elsewhere. `Unavailable` when the worker was not given the time it needs."""
        try:
            return self._worker.ask((leaf, at, policy), trust)
        except Spent as spent:
            log.error("certificate_took_too_long", certificate=hashlib.sha256(leaf).hexdigest())
            return unfinished(leaf, at, spent.what)
        except Crashed:
            raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5) from None

    def close(self) -> None:
        self._worker.close()

    @property
    def pid(self) -> int | None:
        return self._worker.pid


def _answer(trust: Trust, question: _Question) -> CertificateVerdict:
    leaf, at, policy = question
    return judge_certificate(leaf, trust, at, policy)
