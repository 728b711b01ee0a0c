"""The operational log of the commands that run for long: to the standard error, for people or as JSON lines."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
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


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Set structlog up once, before the daemon is imported. The audit log is another thing: `docs/log-events.md`."""
    if as_json or not sys.stderr.isatty():
        processors: list[Any] = [dated, structlog.processors.JSONRenderer(serializer=orjson.dumps)]
        factory: Any = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        processors = [structlog.processors.add_log_level, stamp, structlog.dev.ConsoleRenderer()]
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    # What libraries say (aiohttp, asyncio) joins in at warnings.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
