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
from typing import Any, Final, cast

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from axis.core.problems import Kind, Problem
from axis.web.answer import Answer
from axis.web.name import name_the_library
from axis.web.places import Door, Place, Places, accepting
from axis.web.problem_json import answer
from axis.web.routes import Routes, make_request

log = structlog.get_logger()

GRACE_S: Final = 10.0
"""How long requests under way may take after the daemon was asked to stop."""
MAX_FIELD: Final = 65_536
"""Octets of one header at most: `Axis-Recipients` of a relayed document names up to some 1,800 agencies."""
IDLE_S: Final = 120.0
"""How long a connection may stay open between two requests. Longer than the pools of usual clients keep one (aiohttp
15 s, .NET 60 s, Go 90 s): mostly they close it, and no request crosses with our end."""


class _Handler(web.RequestHandler):
    """One connection. A head that is not whole in time ends it, without an answer: saying goodbye in TLS would take as
    long again with somebody who does not answer.
    """

    __slots__ = ("_due", "_head_s", "_place", "_refused")

    def __init__(
        self, manager: web.Server, *, head_s: float, refused: Counter[Kind], place: Place, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._head_s = head_s
        self._refused = refused
        self._due: asyncio.TimerHandle | None = None
        self._place = place
        place.guest = self

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
        self._place.give_back()

    @property
    def resting_since(self) -> float | None:
        """Since when there is neither a request, nor a part of a head, nor an answer that is still to be sent."""
        waiter = self._waiter
        if waiter is None or waiter.done() or self._due is not None:
            return None
        if self.transport is None or self.transport.get_write_buffer_size():
            return None
        return self._next_keepalive_close_time - self._keepalive_timeout

    def leave(self) -> None:
        if self.transport is not None:
            self.transport.abort()

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

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or not resume_parser:  # else nothing waits, and the library would parse nothing anew
            super().resume_reading(resume_parser)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse | Answer, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, and say whether the caller went away meanwhile."""
        if not isinstance(resp, Answer):
            return await super().finish_response(request, resp, start_time)
        if resp.problem is not None:
            self._refused[resp.problem] += 1
        if self._upgraded or not resp.suits(request):
            return await super().finish_response(request, resp.whole(), start_time)
        try:
            await request.writer.write(resp.octets())
            await request.writer.drain()
        except ConnectionError:
            return cast(web.StreamResponse, resp), True
        return cast(web.StreamResponse, resp), False

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
        self._refused[problem.kind] += 1
        response = answer(problem).whole()
        response.force_close()
        return response


class _Server(web.Server):
    def welcome(self, place: Place) -> _Handler:
        return _Handler(self, place=place, loop=self._loop, **self._kwargs)


class _AppRunner(web.AppRunner):
    """Runs an application of the library over our connections."""

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
    app: Routes | web.Application, host: str, port: int, tls: ssl.SSLContext | None, head: timedelta, places: Places
) -> AsyncIterator[Door]:
    """Serve `app` inside, on connections that have one of `places`; new ones until the door is closed. A caller has
    `head` for the handshake, and as long again for the head of each request. Every problem that is answered, and every
    head that is not waited for, is counted where the places count whom they refuse."""
    head_s = head.total_seconds()
    lines: dict[str, Any] = {
        "access_log": None,
        "max_field_size": MAX_FIELD,
        "keepalive_timeout": IDLE_S,
        "head_s": head_s,
        "refused": places.refused,
    }
    name_the_library()
    runner: web.ServerRunner | web.AppRunner
    if isinstance(app, Routes):
        server = _Server(cast(Any, app.handle), request_factory=make_request, **lines)
        runner = web.ServerRunner(server, shutdown_timeout=GRACE_S)
    else:
        runner = _AppRunner(app, shutdown_timeout=GRACE_S, **lines)
    await runner.setup()
    try:
        served = runner.server
        assert isinstance(served, _Server)
        # Not by the library's `TCPSite`: it leaves the handshake the sixty seconds of asyncio, and counts nothing.
        async with accepting(host, port, places, served.welcome, tls, head_s) as door:
            yield door
    finally:
        await runner.cleanup()
