"""Who hangs up on a kept connection instead of answering is sent the same again at once, on a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.http_push import HttpPushSink
from adapters.node import NodeSink
from adapters.sending import session
from axis.core.problems import Unavailable
from axis.tls import client_context
from tests.contract.test_refused import consignment
from tests.contract.test_unasked import GOOD

SENT = consignment()


@asynccontextmanager
async def far(*answers: int) -> AsyncIterator[tuple[str, list[int]]]:
    """Its base, and the requests of each connection. Each connection answers so many requests and hangs up at the
    next, the last of `answers` for ever."""
    came: list[int] = []
    assert SENT.document is not None
    receipt = b'{"package_sha256":"%s"}' % SENT.document.digest.encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = len(came)
        came.append(0)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(4)
                came[mine] += 1
                if came[mine] > answers[min(mine, len(answers) - 1)]:
                    break
                writer.write(GOOD.replace(b"2\r", b"%d\r" % len(receipt)).replace(b"{}", receipt))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        server.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("hand", [HttpPushSink, NodeSink])
async def test_who_closes_what_was_kept_is_asked_again_at_once(hand: type[HttpPushSink | NodeSink]) -> None:
    """Some close after each answer without a word: two of five deliveries waited five seconds and more."""
    async with far(1) as (base, came):
        sink = hand(base, session(client_context(None), 4))
        for _ in range(3):
            await sink.deliver(SENT)
        assert came == [2, 2, 1]
        await sink.close()


@pytest.mark.parametrize("hand", [HttpPushSink, NodeSink])
async def test_who_closes_a_new_connection_is_not(hand: type[HttpPushSink | NodeSink]) -> None:
    async with far(1, 0) as (base, came):
        sink = hand(base, session(client_context(None), 4))
        await sink.deliver(SENT)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await sink.deliver(SENT)
        assert came == [2, 1, 1], "the second of a kept one and its repeat, and one that was new"
        await sink.close()
