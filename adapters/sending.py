"""The HTTP client of one destination, and how the octets of a delivery are given to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from adapters.kept import Quiet, was_kept
from adapters.resolve import OwnThreads
from axis.core.hands import Body

CONNECT_S: Final = 10.0

WHOLE: Final = 131_072
"""What is not larger shared its row, so that it is in memory as it is. It goes out with the head, as one."""


async def octets_of(body: Body) -> bytes | AsyncIterator[bytes]:
    """The whole of a small body, the pieces of a larger one. `Unavailable` for what is not what was stored."""
    return await body.read() if body.size <= WHOLE else body.chunks()


def once_more(octets: bytes | AsyncIterator[bytes]) -> bool:
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
