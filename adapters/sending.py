"""The HTTP client of one destination, and how the octets of a delivery are given to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Final, Self

import aiohttp

from adapters.kept import Quiet, was_kept
from adapters.resolve import OwnThreads
from axis.core.hands import Body
from axis.core.problems import Kind, Problem, Unavailable

CONNECT_S: Final = 10.0

WHOLE: Final = 131_072
"""What is not larger shared its row, so that it is in memory as it is. It goes out with the head, as one."""


class Pieces:
    """The pieces of a body of `size` octets, in turn, and whether all were taken.

    Some answer at the head of a request, and the client library then sends no more of it: who says 2xx to half a body
    has not got it.
    """

    __slots__ = ("_left", "_pieces")

    def __init__(self, pieces: AsyncIterator[bytes], size: int) -> None:
        self._pieces = pieces
        self._left = size

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self._left -= len(piece)  # not at the end: the answer may be here before the library asks for another piece
        return piece

    def see_taken(self) -> None:
        """`Unavailable` where some are left: what was answered meanwhile is no answer to the whole."""
        if self._left > 0:
            told = "the destination answered before all had been sent"
            raise Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE, told))


async def octets_of(body: Body) -> bytes | Pieces:
    """The whole of a small body, the pieces of a larger one. `Unavailable` for what is not what was stored."""
    return await body.read() if body.size <= WHOLE else Pieces(body.chunks(), body.size)


def once_more(octets: bytes | Pieces) -> bool:
    """Whether the same is sent again at once where the other side was `GONE`: it may close a kept connection at any
    time (RFC 9112 §9.5), most likely before it had seen a request; it knows a repeat. Not what is read in pieces.
    """
    return isinstance(octets, bytes) and was_kept.get()


def session(context: ssl.SSLContext, window: int) -> aiohttp.ClientSession:
    """One session per destination: keep-alive, bounded, no proxies, no cookies. How long an attempt takes
    is its owner's (`axis.flow.underway`)."""
    connector = Quiet(ssl=context, limit=window, resolver=OwnThreads())
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )
