"""Connections that are kept for the next request, and when they are not."""

from __future__ import annotations

import ssl
from contextvars import ContextVar
from time import time
from typing import Any, Final
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

GONE: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""The other side hung up before it had answered."""

was_kept: Final[ContextVar[bool]] = ContextVar("was_kept", default=False)
"""Whether the connection that this task was given last had been used before."""


class Quiet(aiohttp.TCPConnector):
    """Gives no kept connection on which something came that nobody had asked for, and none whose other side has proved
    itself with a certificate that has ended since.

    HTTP/1.1 answers have no numbers: a second answer to one request, or what a balancer says before it closes, would be
    taken for the answer to the next one, and a delivery that never arrived for made. TLS asks for a certificate's end
    at the handshake alone, and where there is always something to send a connection is kept for months.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
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
