"""A process of its own for work on hostile input: a deadline of processor time, a bound on memory, a limit of patience.

The deadline counts the processor time that one question takes, and the kernel keeps it: a worker that has used it up is
killed, also inside a C function where no Python code would run. A machine that is merely too busy is not the input's
fault: when the worker has not even been given that time, the answer is "try again". What we believe in is sent once,
not with each question.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog

from axis.core.problems import Kind, Problem, Unavailable
from signing.trust import Trust

log = structlog.get_logger()

LOADING_S: Final = 60.0
_OUT_OF_MEMORY: Final = 71
_OUTSIDE: Final = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, 0})
"""Exits that say nothing about the question: somebody stopped the worker, or it retired."""

Q = TypeVar("Q")
A = TypeVar("A")


class Spent(Exception):
    """The question used up what one question may use. The same question will do so again."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Crashed(Exception):
    """The worker died twice over the same question, by its own doing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one question may use: seconds of processor time and on the clock, octets of address space (`None`: any).

    `nice` is added to the niceness of the process: work that nobody waits for gives way to the node.
    """

    cpu_s: float
    wall_s: float
    memory: int | None = None
    nice: int = 0


@dataclass(frozen=True, slots=True)
class Job(Generic[Q, A]):
    """What a worker does, by functions of modules, so that the other process finds them. `prepare` is run there once,
    outside the time of any question."""

    name: str
    answer: Callable[[Trust, Q], A]
    prepare: Callable[[], None] | None = None


class Worker(Generic[Q, A]):
    """One process, started at the first use and again after it ended. Calls block, so make them from a thread; they
    take turns."""

    def __init__(self, job: Job[Q, A], bounds: Bounds) -> None:
        self._job, self._bounds = job, bounds
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._told: Trust | None = None
        self._closed = self._impatient = False

    def ask(self, question: Q, trust: Trust) -> A:
        """The answer. `Spent` or `Crashed` where the question is at fault; `Unavailable` where the worker was not given
        the time it needs, or is being closed."""
        with self._turn:
            ended: _Answer | int | None = None
            for _ in range(2):
                ended = self._try(question, trust)
                if isinstance(ended, _Answer):
                    answer: A = ended.value
                    return answer
                if ended == -signal.SIGPROF:
                    raise Spent(f"{self._bounds.cpu_s:g} s of processor time")
                if ended == _OUT_OF_MEMORY:
                    raise Spent(f"{(self._bounds.memory or 0) >> 20} MiB of memory")
            if ended is None or ended in _OUTSIDE:
                log.error("worker_broken", worker=self._job.name)
                raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)
            log.error("worker_crashed", worker=self._job.name, exit=ended)
            raise Crashed(str(ended))

    def close(self) -> None:
        """End the process at once; who waits for an answer is told `Unavailable`. It is not started again."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._turn:
            self._end()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def _try(self, question: Q, trust: Trust) -> _Answer | int | None:
        """The answer, or how the worker ended over it."""
        if self._closed:
            raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)
        pipe = self._ready(trust)
        process = self._process
        assert process is not None
        self._impatient = False
        watch = threading.Timer(self._bounds.wall_s, self._lose_patience, (process,))
        watch.daemon = True
        watch.start()
        try:
            pipe.send(question)
            return _Answer(pipe.recv())
        except (EOFError, OSError):
            process.join(5)
            ended = process.exitcode
            self._end()
        finally:
            watch.cancel()
        if self._impatient and ended == -signal.SIGKILL:
            log.error("worker_starved", worker=self._job.name, wall_s=self._bounds.wall_s)
            raise Unavailable(Problem(Kind.INTERNAL), retry_after_s=5)
        return ended

    def _lose_patience(self, process: BaseProcess) -> None:
        self._impatient = True
        process.kill()

    def _ready(self, trust: Trust) -> Connection:
        if self._process is None or not self._process.is_alive() or self._pipe is None:
            self._end()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs, self._job, self._bounds), daemon=True, name=self._job.name
            )
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

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(5)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = self._told = None


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any


def _serve(pipe: Connection, job: Job[Any, Any], bounds: Bounds) -> None:
    """The worker: answer until the other side is gone. Ctrl-C is for the node, which then closes the pipe; so is who
    asks all processes of this program to read their files again."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(bounds.nice)
    if job.prepare is not None:
        job.prepare()
    if bounds.memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (bounds.memory, bounds.memory))
    trust = Trust()
    try:
        while True:
            asked: Any = pipe.recv()
            if isinstance(asked, Trust):
                trust = asked
                trust.store  # noqa: B018 - parsed here and now, outside the time of a question
                pipe.send(True)
                continue
            # SIGPROF ends the process by default.
            signal.setitimer(signal.ITIMER_PROF, bounds.cpu_s)
            answer = job.answer(trust, asked)
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(answer)
            if bounds.memory is not None and _peak() > bounds.memory // 2:
                return  # memory that was once taken is not always given back: the next question gets a fresh process
    except (EOFError, ConnectionError):  # the other side is gone, also in the midst of an answer
        return
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _peak() -> int:
    """The most memory that this process ever held. Not by getrusage: that begins with what the node held."""
    status = Path("/proc/self/status").read_bytes().splitlines()
    return next((int(line.split()[1]) << 10 for line in status if line.startswith(b"VmHWM:")), 0)
