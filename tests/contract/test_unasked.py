"""What comes unasked on a kept connection is not the answer to what is sent next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.sending import session
from axis.tls import client_context

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LATE = b"HTTP/1.1 503 Late\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def far(first: bytes) -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """Its URL, and its connections. It answers the first request with `first`, all others well."""
    writers, answers = list[asyncio.StreamWriter](), [first]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(4)
                writer.write(answers.pop() if answers else GOOD)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", writers
    finally:
        for writer in writers:
            writer.close()
        server.close()


async def test_a_connection_is_kept() -> None:
    async with far(GOOD) as (url, writers), session(client_context(None), 4) as near:
        for _ in range(3):
            async with near.post(url, data=b"<a/>") as answer:
                assert (answer.status, await answer.read()) == (200, b"{}")
        assert len(writers) == 1


@pytest.mark.parametrize("at_once", [True, False], ids=["with the answer", "later"])
async def test_what_nobody_asked_for_answers_nothing(at_once: bool) -> None:
    async with far(GOOD + LATE if at_once else GOOD) as (url, writers), session(client_context(None), 4) as near:
        async with near.post(url, data=b"<a/>") as answer:
            assert (answer.status, await answer.read()) == (200, b"{}")
        if not at_once:
            writers[0].write(LATE)
            await asyncio.sleep(0.05)  # nothing tells that the client has read it
        async with near.post(url, data=b"<b/>") as answer:
            assert answer.status == 200
        assert len(writers) == 2
