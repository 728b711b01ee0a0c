"""The operational log of the commands that run for long: to the standard error, for people or as JSON lines."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Set structlog up once, before the daemon is imported. The audit log is another thing: `docs/log-events.md`."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json or not sys.stderr.isatty():
        render: list[Any] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ]
        factory: Any = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        render = [structlog.dev.ConsoleRenderer()]
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    # What libraries say (aiohttp, asyncio) joins in at warnings.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
