"""Connections that are kept for the next request, and when they are not."""

from __future__ import annotations

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class Quiet(aiohttp.TCPConnector):
    """Gives no kept connection on which something came that nobody had asked for.

    HTTP/1.1 answers have no numbers: a second answer to one request, or what a balancer says before it closes, would be
    taken for the answer to the next one, and a delivery that never arrived for made.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's own
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
