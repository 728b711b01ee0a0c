"""Below every middleware: what is not HTTP gets a problem too; who never ends the head of a request, or never reads its
answer, is let go.

The library answers the first in text that quotes the request, waits an hour for the second, and for the third for ever.
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
from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import _ErrInfo

from axis.core.pressure import PATIENCE_S, Pressure
from axis.core.problems import Kind, Problem, Refused
from axis.web.answer import Answer
from axis.web.name import name_the_library
from axis.web.places import Door, Place, Places, accepting, acknowledged
from axis.web.problem_json import answer
from axis.web.routes import Routes, make_request

log = structlog.get_logger()

NO_HEAD: Final = b"\0"
"""What no head may hold, wherever it stands."""
GRACE_S: Final = 10.0
"""How long requests under way may take after the daemon was asked to stop."""
MAX_FIELD: Final = 65_536
"""Octets of one header at most: `Axis-Recipients` of a relayed document names up to some 1,800 agencies."""
MAX_HEAD: Final = 98_304
"""Octets of one head, about: that one header, and more besides than usual servers take. By itself the library takes 128
headers of the largest size, and keeps each twice. Of a body in chunks so many may come that are none of its own:
headers behind it are kept, too."""
MAX_DIGITS: Final = 18
"""Of a length. The parser of the library takes the largest number that it knows for no length at all."""
IDLE_S: Final = 120.0
"""How long a connection may stay open between two requests. Longer than the pools of usual clients keep one (aiohttp
15 s, .NET 60 s, Go 90 s): mostly they close it, and no request crosses with our end."""
_UNREADABLE: Final = Problem(Kind.BAD_REQUEST, "this is not HTTP that can be read")


def _is_plain(message: RawRequestMessage) -> bool:
    """Say whether whoever passes a request on finds its end where the parser of the library does, which takes other
    versions, `gzip, chunked` for `chunked`, and an empty coding for none (RFC 9112 §6.1, §6.3)."""
    headers = message.headers
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None and (coding.lower() != "chunked" or message.version != HttpVersion11):
        return False
    return message.version in (HttpVersion11, HttpVersion10) and len(headers.get(hdrs.CONTENT_LENGTH, "")) <= MAX_DIGITS


class _Handler(web.RequestHandler):
    """One connection. A head that is not whole in time ends it, and so does an answer that is not read, both without a
    word: saying goodbye in TLS would take as long again with somebody who does not answer.
    """

    __slots__ = (
        "_answered",
        "_begun",
        "_body",
        "_due",
        "_head_s",
        "_lost",
        "_place",
        "_reading",
        "_refused",
        "_slowest",
    )

    def __init__(
        self, manager: web.Server, *, head_s: float, slowest: int, refused: Counter[Kind], place: Place, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._head_s = head_s
        self._slowest = slowest
        self._reading: asyncio.TimerHandle | None = None
        self._refused = refused
        self._due: asyncio.TimerHandle | None = None
        self._begun = 0
        self._body = EMPTY_PAYLOAD
        self._answered = EMPTY_PAYLOAD
        self._lost = False
        self._place = place
        place.guest = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._lost:  # each further piece would be kept, and another answer of its own be due
            return
        heads, body, brought = self._request_count, self._body, self._body.total_bytes
        between = body.is_eof()
        if self._begun > MAX_HEAD:
            if not between:
                self._break_off(body)
                return
            data = NO_HEAD
        super().data_received(data)
        if self._request_count > heads:
            self._stop_waiting()
            self._look_at_heads(heads - self._request_count)
            if isinstance(self._messages[-1][0], _ErrInfo) and not body.is_eof():
                self._break_off(body)  # the library tells nobody, and whoever reads it would wait for more
            return
        if between or body.total_bytes == brought:
            self._begun += len(data)
        else:
            self._begun = 0
        if self._due is None and self._waiter is not None and not self._waiter.done():
            self._await_head()  # the first octets of the next request, and not all of its head

    def _look_at_heads(self, first: int) -> None:
        """Those that have just come, from `first` (counted from behind) on."""
        for place in range(first, 0):
            message, body = self._messages[place]
            if not isinstance(message, _ErrInfo) and not _is_plain(message):
                refused = BadHttpMessage("others may read it otherwise")
                self._messages[place] = _ErrInfo(refused.code, refused, refused.message), body
        last, self._body = self._messages[-1]
        self._begun, self._lost = 0, isinstance(last, _ErrInfo) and self._body is EMPTY_PAYLOAD

    def _break_off(self, body: StreamReader) -> None:
        """Nothing more of this body can be read: tell whoever reads it, or the library, that waits for the rest of what
        is answered already."""
        self._lost = True
        body.set_exception(TimeoutError() if body is self._answered else Refused(_UNREADABLE))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(None)  # however it ended, a handler is told the same: its caller went away
        self._place.give_back()

    def pause_writing(self) -> None:
        """More is to be sent than may wait here: nothing is added to it until most of it is gone."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    @property
    def resting_since(self) -> float | None:
        """Since when there is neither a request, nor a part of a head, nor an answer that is still to be sent."""
        waiter = self._waiter
        if waiter is None or waiter.done() or self._due is not None:
            return None
        if self.transport is None or self.transport.get_write_buffer_size():
            return None
        return self._next_keepalive_close_time - self._keepalive_timeout

    @property
    def silent_since(self) -> float | None:
        """Since when there is a head to come, of which nothing or a part is there."""
        return None if self._due is None else self._due.when() - self._head_s

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

    def _watch_reader(self) -> None:
        read = acknowledged(self._place.line)
        self._reading = asyncio.get_running_loop().call_later(PATIENCE_S, self._look_at_reader, read)

    def _stop_watching(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _look_at_reader(self, before: int) -> None:
        self._reading = None
        if acknowledged(self._place.line) - before >= self._slowest * PATIENCE_S:
            self._watch_reader()
        elif self.transport is not None:
            log.info("answer_not_read", within_s=PATIENCE_S)
            self._refused[Kind.TOO_SLOW] += 1
            self.leave()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or not resume_parser:  # else nothing waits, and the library would parse nothing anew
            super().resume_reading(resume_parser)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse | Answer, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, and say whether the caller went away meanwhile."""
        self._answered = request.content
        if isinstance(resp, Answer) and resp.problem is not None:
            self._refused[resp.problem] += 1
        if self._lost and request.content.exception() is not None:
            self._lingering_time = 0.0
            resp = resp.whole() if isinstance(resp, Answer) else resp
            resp.force_close()
        if not isinstance(resp, Answer):
            return await super().finish_response(request, resp, start_time)
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
            raise ConnectionError("nobody is there to be answered") from exc
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_broke", exc_info=exc)
            problem = Problem(Kind.INTERNAL)
        else:
            problem = _UNREADABLE
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
    app: Routes | web.Application,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    head: timedelta,
    places: Places,
    slowest: int = Pressure().slowest,
) -> AsyncIterator[Door]:
    """Serve `app` inside, on connections that have one of `places`; new ones until the door is closed. A caller has
    `head` for the handshake, and as long again for the head of each request, and reads `slowest` octets of an answer a
    second. Every problem that is answered, and whoever is not waited for, is counted where the places count whom they
    refuse."""
    head_s = head.total_seconds()
    lines: dict[str, Any] = {
        "access_log": None,
        "max_field_size": MAX_FIELD,
        "auto_decompress": False,  # a few octets of a stranger's would be a second's work
        "keepalive_timeout": IDLE_S,
        "head_s": head_s,
        "slowest": slowest,
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
