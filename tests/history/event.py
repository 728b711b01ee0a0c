"""What a client did and what came of it: the only thing that the checker knows of a run, beside the log's folder.

An event is `ok` when the answer said so, `fail` when it said that nothing was done (4xx), and `info` when nobody can
know: 5xx, no answer, a connection that broke. An `info` may turn up later as done or as not done, never as both.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Outcome(StrEnum):
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Operation(StrEnum):
    """What clients do, with its arguments → what they keep of the answer."""

    SUBMIT = "submit"
    """sender, kind, document_id, sha256 (of the octets), recipients → receipt (its text)"""
    RECEIPT = "receipt"
    """document → receipt: asked for again"""
    DOCUMENT = "document"
    """document → sha256: its record was read"""
    LIST = "list"
    """→ items: delivery, cargo, document, code, receiver"""
    FETCH = "fetch"
    """delivery, cargo, document, code, receiver → sha256 (of what came)"""
    PUSH = "push"
    """The axis called. The same arguments → sha256; `ok` when the receiver answered 2xx"""
    ACK = "ack"
    """delivery → document"""
    STATUS = "status"
    """document, code → status (its reference), receiver, standing"""
    HEAD = "head"
    """→ note: a checkpoint that the axis showed"""
    DRAIN = "drain"
    """limit_s: faults have stopped; the event lasts until nothing is under way any more"""


@dataclass(frozen=True)
class Event:
    """`process` is who acts: an agency's code, or the harness. Times are seconds of one monotonic clock."""

    process: str
    operation: Operation
    arguments: Mapping[str, Any]
    outcome: Outcome
    result: Mapping[str, Any]
    invoked: float
    completed: float


@dataclass
class Attempt:
    """An operation under way. Without a word it ends as `info`: nobody knows."""

    outcome: Outcome = Outcome.INFO
    result: dict[str, Any] = field(default_factory=dict)

    def ok(self, **result: Any) -> None:
        self.outcome, self.result = Outcome.OK, result

    def fail(self, **result: Any) -> None:
        self.outcome, self.result = Outcome.FAIL, result


class History:
    """Events in the order of their completion, by the seconds of `clock`. Threads may write it together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._events: list[Event] = []
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Event]:
        with self._lock:
            return iter(tuple(self._events))

    def add(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def __len__(self) -> int:
        with self._lock:
            return len(self._events)

    def forget_after(self, length: int) -> None:
        """Keep the first `length` events: the others were of another continuation of the same life."""
        with self._lock:
            del self._events[length:]

    @contextmanager
    def doing(self, process: str, operation: Operation, **arguments: Any) -> Iterator[Attempt]:
        """Record one operation, whatever becomes of it."""
        attempt, began = Attempt(), self.clock()
        try:
            yield attempt
        finally:
            self.add(Event(process, operation, arguments, attempt.outcome, attempt.result, began, self.clock()))

    def write(self, path: Path) -> None:
        """One JSON object a line, for a person who wants to see what happened."""
        path.write_text("".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in self))
