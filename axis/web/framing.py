"""Below every middleware: what is not HTTP gets a problem too, and who never ends the head of a request is let go.

The library answers the first in text that quotes the request, and waits an hour for the second.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from axis.core.problems import Kind, Problem
from axis.web.problem_json import answer, counted

log = structlog.get_logger()

GRACE_S: Final = 10.0
"""How long requests under way may take after the daemon was asked to stop."""
MAX_FIELD: Final = 65_536
"""Octets of one header at most: `Axis-Recipients` of a relayed document names up to some 1,800 agencies."""
BACKLOG: Final = 128
"""Connections that the kernel holds until they are looked at; the library's default."""
IDLE_S: Final = 120.0
"""How long a connection may stay open between two requests. Longer than the pools of usual clients keep one (aiohttp
15 s, .NET 60 s, Go 90 s): mostly they close it, and no request crosses with our end."""


class _Handler(web.RequestHandler):
    """One connection. A head that is not whole in time ends it, without an answer: saying goodbye in TLS would take as
    long again with somebody who does not answer.
    """

    __slots__ = ("_due", "_head_s", "_refused")

    def __init__(self, manager: web.Server, *, head_s: float, refused: Counter[Kind], **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_s = head_s
        self._refused = refused
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        if self._request_count > heads:
            self._stop_waiting()
        elif self._due is None and self._waiter is not None and not self._waiter.done():
            self._await_head()  # the first octets of the next request, and not all of its head

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._due = asyncio.get_running_loop().call_later(self._head_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_slow(self) -> None:
        self._due = None
        if self.transport is not None:
            log.info("head_too_slow", within_s=self._head_s)
            self._refused[Kind.TOO_SLOW] += 1
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer, and close the connection: nobody knows where the next request would begin."""
        writer: AbstractStreamWriter | None = getattr(request, "writer", None)
        if writer is not None and writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if isinstance(exc, ConnectionError):
            log.info("caller_went_away")
            problem = Problem(Kind.INTERNAL)
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_broke", exc_info=exc)
            problem = Problem(Kind.INTERNAL)
        else:
            problem = Problem(Kind.BAD_REQUEST, "this is not HTTP that can be read")
        response = answer(problem)
        self._refused[problem.kind] += 1  # no application prepares this one
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class ProblemRunner(web.AppRunner):
    """Runs an application; also what never reaches it is answered with problem+json."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None, head: timedelta, refused: Counter[Kind]
) -> AsyncIterator[None]:
    """Serve `app` inside. A caller has `head` for the handshake, and as long again for the head of each request. Every
    problem that is answered, and every head that is not waited for, is counted in `refused`."""
    head_s = head.total_seconds()
    runner = ProblemRunner(
        counted(app, refused),
        access_log=None,
        shutdown_timeout=GRACE_S,
        max_field_size=MAX_FIELD,
        keepalive_timeout=IDLE_S,
        head_s=head_s,
        refused=refused,
    )
    await runner.setup()
    try:
        assert runner.server is not None
        handshake = None if tls is None else head_s
        loop = asyncio.get_running_loop()
        # Not by the library's `TCPSite`: it leaves the handshake the sixty seconds of asyncio.
        server = await loop.create_server(
            runner.server, host, port, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=handshake
        )
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()
