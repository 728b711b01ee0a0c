"""Judge certificates in a process of its own, under a deadline, so that no certificate can stop the node.

The deadline counts the processor time that the judging takes, and the kernel keeps it: a worker that has used it up is
killed and the certificate gets a verdict that never passes. A machine that is merely too busy is not the certificate's
fault: when the worker has not even been given that time, the answer is "try again" and nothing is stored.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
import threading
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

import structlog

from axis.core.problems import Kind, Problem, Unavailable
from signing.chain import CertificateVerdict, Trust, judge_certificate
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

log = structlog.get_logger()

CPU_S: Final = 2.0
WALL_S: Final = 15.0
LOADING_S: Final = 60.0


class PathWorker:
    """One process, started at the first use and again after it was killed. Calls block, so make them from a thread;
    they take turns. What we believe in is sent once, not with each certificate."""

    def __init__(self, cpu_s: float = CPU_S, wall_s: float = WALL_S) -> None:
        self._cpu_s, self._wall_s = cpu_s, wall_s
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._told: Trust | None = None

    def judge(self, leaf: bytes, trust: Trust, at: datetime, policy: SignaturePolicy) -> CertificateVerdict:
        """`judge_certificate`, elsewhere. `Unavailable` when the worker was not given the time it needs."""
        with self._turn:
            for _ in range(2):
                pipe = self._ready(trust)
                try:
                    pipe.send((leaf, at, policy))
                    if not pipe.poll(self._wall_s):
                        self._end()
                        log.error("certificate_worker_starved", wall_s=self._wall_s)
                        raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)
                    verdict: CertificateVerdict = pipe.recv()
                    return verdict
                except (EOFError, OSError):
                    killed_for_time = self._ended_by(signal.SIGPROF)
                    self._end()
                    if killed_for_time:
                        return _too_long(leaf, at, self._cpu_s)
            log.error("certificate_worker_broken")
            raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)

    def close(self) -> None:
        with self._turn:
            self._end()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def _ready(self, trust: Trust) -> Connection:
        if self._process is None or not self._process.is_alive() or self._pipe is None:
            self._end()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._cpu_s), daemon=True, name="certificates")
            self._process.start()
            theirs.close()
        if self._told is not trust:
            try:
                self._pipe.send(trust)
                told = self._pipe.poll(LOADING_S) and self._pipe.recv()
            except (EOFError, OSError):
                told = False
            if not told:
                self._end()
                raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)
            self._told = trust
        return self._pipe

    def _ended_by(self, number: signal.Signals) -> bool:
        assert self._process is not None
        self._process.join(1)
        return self._process.exitcode == -number

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(5)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = self._told = None


def _too_long(leaf: bytes, at: datetime, cpu_s: float) -> CertificateVerdict:
    """Refused and not held: the same certificate will take the same time again."""
    refused = Refused(Reason.PROCESSING, f"judging the path took more than {cpu_s:g} s")
    log.error("certificate_took_too_long", certificate=hashlib.sha256(leaf).hexdigest())
    digest = hashlib.sha256(leaf).hexdigest()
    return CertificateVerdict(refused.sub_indication, refused.reason, at, digest, None, checks=(refused.check(),))


def _serve(pipe: Connection, cpu_s: float) -> None:
    """The worker: answer until the other side is gone. Ctrl-C is for the node, which then closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    trust = Trust()
    while True:
        try:
            asked: Any = pipe.recv()
        except EOFError:
            return
        if isinstance(asked, Trust):
            trust = asked
            trust.store  # noqa: B018 - parsed here and now, outside the time of a certificate
            pipe.send(True)
            continue
        leaf, at, policy = asked
        # SIGPROF ends the process by default, also inside a C function where no Python code would run.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        verdict = judge_certificate(leaf, trust, at, policy)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send(verdict)
