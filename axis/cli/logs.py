"""The operational log of the commands that run for long: to the standard error, for people or as JSON lines."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger


def dated(logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """With its level and its time, and in words what was raised. Structlog's own parts for it take a line twice as many
    calls, and there is one for each document that is taken in and for each that is handed over."""
    event["level"] = level
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return structlog.processors.format_exc_info(logger, level, event) if "exc_info" in event else event


class Lines:
    """Where lines are written that may be lost: a full disk, a pipe that nobody reads any more, a terminal that is gone
    end no daemon. How many were lost is told with the next one that is written."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self._lost = 0
        self._torn = False

    def write(self, line: str | bytes) -> int:
        """Write what a logger writes at once. Raises nothing."""
        whole = self._before() + (line if isinstance(line, bytes) else line.encode(errors="backslashreplace"))
        left = whole
        try:
            while left:
                left = left[self._write(left) :]
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
        return Lines(len)
    try:
        return Lines(partial(os.write, sys.stderr.fileno()))
    except OSError:  # no file: somebody listens in the same process
        return Lines(sys.stderr.buffer.write)


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Set structlog up once, before the daemon is imported. The audit log is another thing: `docs/log-events.md`."""
    lines: Any = standard_error()
    if as_json or sys.stderr is None or not sys.stderr.isatty():
        processors: list[Any] = [dated, structlog.processors.JSONRenderer(serializer=orjson.dumps)]
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
    # What libraries say (aiohttp, asyncio) joins in at warnings.
    logging.basicConfig(level=logging.WARNING, stream=lines, format="%(asctime)s %(name)s %(message)s")
