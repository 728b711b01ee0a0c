"""Names are looked up in threads of each destination's own.

A name server that does not answer keeps a thread for many seconds. The loop's are few, and shared: uvloop has four for
the names of all destinations, asyncio as few for names, files and judging.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

TOGETHER: Final = 2
"""Names that one destination looks up at once: it has one, and the client asks once for all that wait."""


class OwnThreads(AbstractResolver):
    """The system's resolver, asked in two threads that nobody else needs. `OSError` for what it does not know."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(TOGETHER, thread_name_prefix="axis-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=_written(address),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _written(address: tuple[object, ...]) -> str:
    """An address as text; one of this link (IPv6) with the network card that it belongs to."""
    host, *rest = address
    return f"{host}%{rest[2]}" if len(rest) == 3 and rest[2] else str(host)
