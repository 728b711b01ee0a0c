"""Asks a witness of the log over HTTP (C2SP tlog-witness): bounded in size and time, whatever the other side does."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import aiohttp

from adapters.answers import NetworkErrors
from adapters.sending import session
from axis.core.problems import Kind, Problem, Unavailable
from axis.core.witness import Answered

DEADLINE_S: Final = 10.0
"""So long may one answer take, all together. Our choice: a witness writes one small file."""
_MOST: Final = 65_536
"""Octets of an answer: cosignature lines, a size, or a checkpoint."""


class HttpWitness:
    """The witness whose submission prefix is `url`; what it shows is looked for below the same."""

    def __init__(self, url: str, tls: ssl.SSLContext, deadline_s: float = DEADLINE_S) -> None:
        self._url = url.rstrip("/")
        self._session = session(tls, 1)
        self._tls: ssl.SSLContext | bool = True  # the session's own
        self._deadline_s = deadline_s

    def renew(self, tls: ssl.SSLContext) -> None:
        """What begins from now on takes connections under `tls`."""
        self._tls = tls

    async def add_checkpoint(self, offer: str) -> Answered:
        return await self._ask("POST", "add-checkpoint", offer.encode())

    async def checkpoint(self, place: str) -> Answered:
        return await self._ask("GET", f"{place}/checkpoint", None)

    async def _ask(self, method: str, path: str, body: bytes | None) -> Answered:
        headers = {"Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        with NetworkErrors():
            async with (
                asyncio.timeout(self._deadline_s),
                self._session.request(
                    method,
                    f"{self._url}/{path}",
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._tls,
                ) as response,
            ):
                octets = await _bounded(response)
                try:
                    return Answered(response.status, response.content_type, octets.decode())
                except UnicodeDecodeError as error:
                    raise _unavailable("an answer that is no text") from error

    async def close(self) -> None:
        await self._session.close()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    octets = b""
    while not response.content.at_eof():
        octets += await response.content.read(_MOST + 1 - len(octets))
        if len(octets) > _MOST:
            response.close()
            raise _unavailable(f"an answer of more than {_MOST} octets")
    return octets


def _unavailable(detail: str) -> Unavailable:
    return Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, detail))
