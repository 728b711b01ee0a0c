"""The operational log of the commands that run for long: to the standard error, for people or as JSON lines."""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger


def dated(logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """With its level and its time, and in words what was raised. Structlog's own parts for it take a line twice as many
    calls, and there is one for each document that is taken in and for each that is handed over."""
    event["level"] = level
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return structlog.processors.format_exc_info(logger, level, event) if "exc_info" in event else event


def as_line(event: EventDict, **given: Any) -> bytes:
    """One line of JSON, whatever stands in it: others' words are logged, and half a surrogate pair, which JSON can
    write, is no UTF-8. Who writes a line is never ended by what somebody else said."""
    try:
        return orjson.dumps(event, **given)
    except TypeError:
        return json.dumps(event, default=repr, skipkeys=True).encode()


PATIENCE_S: Final = 0.5
"""How long the node stands still for somebody who reads its log from a pipe and is slow; once a line was lost, not at
all until there is room again."""


class Lines:
    """Where lines are written that may be lost: a full disk, a pipe that nobody reads any more, a terminal that is gone
    or stands still end and hold up no daemon. How many were lost is told with the next one that is written."""

    def __init__(self, write: Callable[[bytes, float], int]) -> None:
        """`write` takes octets and how many seconds it may wait for somebody who reads them."""
        self._write = write
        self._lost = 0
        self._torn = False
        self._turn = threading.Lock()

    def write(self, line: str | bytes) -> int:
        """Write what a logger writes at once. Raises nothing."""
        with self._turn:
            whole = self._before() + (line if isinstance(line, bytes) else line.encode(errors="backslashreplace"))
            left, patience_s = whole, 0.0 if self._lost else PATIENCE_S
            try:
                while left:
                    left = left[self._write(left, patience_s) :]
            except OSError:
                self._torn = self._torn or len(left) < len(whole)
                self._lost += 1
            else:
                self._torn, self._lost = False, 0
        return len(line)

    def flush(self) -> None:
        """Nothing is kept back."""

    def _before(self) -> bytes:
        """The end of a line that was cut off, and how many are missing."""
        lost = {"event": "lines_lost", "lines": self._lost, "level": "warning"}
        return b"\n" * self._torn + (orjson.dumps(lost) + b"\n" if self._lost else b"")


def standard_error() -> Lines:
    """The process's own, past every buffer: what a buffer could not write would be tried again at the very end of the
    process, and make an orderly end fail. A process that was given none has nowhere to write."""
    if sys.stderr is None:
        return Lines(lambda octets, _: len(octets))
    try:
        handle = sys.stderr.fileno()
    except OSError:  # no file: somebody listens in the same process
        buffer = sys.stderr.buffer
        return Lines(lambda octets, _: buffer.write(octets))
    if stat.S_ISFIFO(os.fstat(handle).st_mode) or os.isatty(handle):
        return Lines(partial(_write_where_somebody_reads, _own(handle)))
    return Lines(lambda octets, _: os.write(handle, octets))


def _own(handle: int) -> int:
    """The same pipe or terminal, opened by us alone: that it does not wait is no business of others who write there.
    Where the system does not allow it (the pipe is another account's) the one that was given."""
    try:
        return os.open(f"/proc/self/fd/{handle}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return handle


def _write_where_somebody_reads(handle: int, octets: bytes, patience_s: float) -> int:
    """Write a piece for which there is room. `BlockingIOError` when there is none after so many seconds."""
    asked = select.poll()
    asked.register(handle, select.POLLOUT)
    if not asked.poll(1000 * patience_s):
        raise BlockingIOError("nobody reads")
    return os.write(handle, octets[: select.PIPE_BUF])  # so much never waits when there is room at all (pipe(7))


class Libraries(logging.Handler):
    """What libraries say (aiohttp, asyncio, psycopg) joins in at warnings, as lines like all others."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError):  # its words and its values do not fit together
            said = str(record.msg)
        log = structlog.get_logger()
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell(
            "library_said", library=record.name, said=said, **({"exc_info": record.exc_info} if record.exc_info else {})
        )


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Set structlog up once, before the daemon is imported. The audit log is another thing: `docs/log-events.md`."""
    lines: Any = standard_error()
    if as_json or sys.stderr is None or not sys.stderr.isatty():
        processors: list[Any] = [dated, structlog.processors.JSONRenderer(serializer=as_line)]
        factory: Any = structlog.BytesLoggerFactory(lines)
    else:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        processors = [structlog.processors.add_log_level, stamp, structlog.dev.ConsoleRenderer()]
        factory = structlog.WriteLoggerFactory(lines)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[Libraries()])
    logging.captureWarnings(True)
