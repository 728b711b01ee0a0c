"""Connections that are kept for the next request, and when they are not."""

from __future__ import annotations

import ssl
from contextvars import ContextVar
from functools import partial
from time import time
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace

GONE: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""The other side hung up before it had answered."""

was_kept: Final[ContextVar[bool]] = ContextVar("was_kept", default=False)
"""Whether the connection that this task was given last had been used before."""


MOST_INTERIM: Final = 16
"""Answers of the kind 1xx before the one that counts."""


class _Handler(ResponseHandler):
    """Waits for no end of 1xx: the client library asks for the next without giving way to anybody, so that who sends
    nothing else, fast, would have the loop for as long as an attempt may take."""

    _interim = 0

    def set_response_params(self, **options: Any) -> None:
        self._interim = 0
        super().set_response_params(**options)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        self._interim += 100 <= data[0].code < 200
        if self._interim <= MOST_INTERIM:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(aiohttp.ClientConnectionError("nothing but interim answers"))
            if self.transport is not None:
                self.transport.abort()


class Quiet(aiohttp.TCPConnector):
    """Gives no kept connection on which something came that nobody had asked for, and none whose other side has proved
    itself with a certificate that has ended since.

    HTTP/1.1 answers have no numbers: a second answer to one request, or what a balancer says before it closes, would be
    taken for the answer to the next one, and a delivery that never arrived for made. TLS asks for a certificate's end
    at the handshake alone, and where there is always something to send a connection is kept for months.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast(Any, partial(_Handler, loop=self._loop))
        self._ends: WeakKeyDictionary[ResponseHandler, float] = WeakKeyDictionary()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's own
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                ends = self._ends.get(protocol)
                if ends is None:  # a new one: the handshake has just asked
                    self._ends[protocol] = _end_of(connection)
                    was_kept.set(False)
                    return connection
                if time() <= ends:
                    was_kept.set(True)
                    return connection
            connection.close()


def _end_of(connection: Connection) -> float:
    """When the other side's certificate ends, in seconds since 1970; never without TLS."""
    told = connection.transport.get_extra_info("peercert") if connection.transport else None
    return ssl.cert_time_to_seconds(told["notAfter"]) if told else float("inf")
