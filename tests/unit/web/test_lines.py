"""What a connection bears: heads without end, answers that nobody reads, bodies that are packed."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from axis.core.problems import Kind
from axis.demo.network import HOST, free_ports
from axis.web import framing
from axis.web.answer import Answer
from axis.web.auth import Doors
from axis.web.dto import whole
from axis.web.framing import MAX_FIELD, MAX_HEAD, listening
from axis.web.places import Places
from axis.web.routes import Route, Routes

MUCH = 30_000_000
PAGE = b"GET /page HTTP/1.1\r\nHost: axis\r\n\r\n"
ASKED = b"GET /much HTTP/1.1\r\nHost: axis\r\n\r\n"


async def much(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(MUCH)})
    await response.prepare(request)
    for _ in range(0, MUCH, 50_000):
        await response.write(bytes(50_000))
    return response


async def page(request: web.BaseRequest) -> Answer:
    return Answer(bytes(100_000), {})


async def read(request: web.BaseRequest) -> Answer:
    return Answer(await whole(request), {})


async def counted(request: web.BaseRequest) -> Answer:
    return Answer(str(sum([len(piece) async for piece in request.content.iter_any()])).encode(), {})


async def known(request: web.BaseRequest) -> Answer:
    return Answer(Doors({}, {}).principal(request).name.encode(), {})


TABLE = [
    Route("GET", "/much", much),
    Route("GET", "/page", page),
    Route("POST", "/read", read),
    Route("POST", "/counted", counted),
    Route("GET", "/known", known),
]


@asynccontextmanager
async def listener(
    places: Places | None = None, slowest: int = 1, table: Sequence[Route] = TABLE
) -> AsyncIterator[int]:
    (port,) = free_ports(1)
    head = timedelta(seconds=60)
    async with listening(Routes(table), HOST, port, None, head, places or Places(16), slowest), asyncio.timeout(30):
        yield port


async def said(octets: bytes) -> bytes:
    """What is answered until the end of the connection, where it is ended."""
    async with listener() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        with closing(writer):
            writer.write(octets)
            await writer.drain()
            return await reader.read()


CLOSE = b"Host: axis\r\nConnection: close\r\n"


async def test_a_head_without_end_is_answered_before_it_fills_the_memory() -> None:
    more = b"X: " + b"x" * 60_000 + b"\r\n"
    async with listener() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        with closing(writer):
            writer.write(b"GET /known HTTP/1.1\r\nHost: axis\r\n" + more * (MAX_HEAD // len(more) + 1))
            while not reader.at_eof() and not (answer := await _within(reader, 0.1)):
                writer.write(b"x")
    assert answer[8:13] == b" 400 "


async def _within(reader: asyncio.StreamReader, seconds: float) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(1_000), seconds)
    except TimeoutError:
        return b""


async def test_a_head_as_large_as_there_are_is_read() -> None:
    more = b"Axis-Recipients: " + b"h" * (MAX_FIELD - 100) + b"\r\n" + b"X: %s\r\n" % (b"x" * 1_000) * 20
    assert MAX_FIELD + 20_000 < len(more) < MAX_HEAD
    answer = await said(b"POST /read HTTP/1.1\r\nContent-Length: 2\r\n" + CLOSE + more + b"\r\nok")
    assert (answer[:13], answer[-2:]) == (b"HTTP/1.1 200 ", b"ok")


async def test_who_reads_nothing_of_an_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that streams, and whole ones to somebody who goes on asking."""
    monkeypatch.setattr(framing, "PATIENCE_S", 0.3)
    places = Places(16)
    async with listener(places) as port:
        asking = [await _asking(port, one) for one in (ASKED, PAGE * 100)]
        while places.taken:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
        for one in asking:
            one.close()
    assert places.refused[Kind.TOO_SLOW] == 2


async def _asking(port: int, octets: bytes) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(one, (HOST, port))
    await loop.sock_sendall(one, octets)
    return one


async def test_who_reads_slowly_gets_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "PATIENCE_S", 0.1)
    async with listener() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        with closing(writer):
            writer.write(ASKED)
            await reader.readuntil(b"\r\n\r\n")
            left = MUCH
            while left > 0:
                left -= len(await reader.readexactly(min(left, 2_000_000)))
                await asyncio.sleep(0.05)


async def test_a_body_that_is_packed_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(1_000_000))
    head = b"POST /%s HTTP/1.1\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n" + CLOSE + b"\r\n"
    assert (await said(head % (b"read", b"gzip", len(packed)) + packed)).startswith(b"HTTP/1.1 415 ")
    assert (await said(head % (b"read", b"gzip", 7) + b"nothing")).startswith(b"HTTP/1.1 415 ")
    assert (await said(head % (b"read", b"identity", 2) + b"ok")).endswith(b"\r\n\r\nok")
    assert (await said(head % (b"counted", b"gzip", len(packed)) + packed)).endswith(b"\r\n\r\n%d" % len(packed))


async def test_a_key_that_is_no_text_is_a_wrong_key() -> None:
    answer = await said(b"GET /known HTTP/1.1\r\nAuthorization: Bearer axk_\xff\xfe\r\n" + CLOSE + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_nobody_is_told_to_go_on_who_speaks_the_old_protocol() -> None:
    """RFC 9110 §10.1.1: it would take it for the answer."""
    answer = await said(b"POST /read HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")
    assert answer.endswith(b"\r\n\r\nok")
    assert answer.count(b"HTTP/1.1 ") + answer.count(b"HTTP/1.0 ") == 1


@pytest.mark.parametrize("protocol", [b"foo", b"h2c", b"websocket"])
async def test_nothing_is_begun_in_the_midst_of_what_came_behind_a_wish_for_another_protocol(protocol: bytes) -> None:
    """The second half of such a body would be read as a request of its own."""
    wish = (
        b"POST /counted HTTP/1.1\r\nHost: axis\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: 0\r\n\r\n"
        % protocol
    )
    async with listener() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        with closing(writer):
            writer.write(wish + b"POST /counted HTTP/1.1\r\nHost: axis\r\nContent-Length: 200\r\n\r\nhalf")
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(PAGE)
            assert b" 200 " in head
            assert b"connection: close" in head.lower()
            assert await reader.read() == b"0"


async def test_who_goes_away_is_no_problem_that_anybody_is_told() -> None:
    """It was counted as a bug of ours, which is what wakes people up."""
    places = Places(16)
    async with listener(places) as port:
        for path in (b"/read", b"/counted"):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"POST %s HTTP/1.1\r\nHost: axis\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n" % path)
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
        while places.taken:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
    assert not places.refused


def test_a_caller_whose_tls_broke_off_went_away() -> None:
    """The library has no certificate of it any more, and says so with an error of its own: that was a bug of ours."""
    broken = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=HOST)
    request = make_mocked_request("GET", "/", transport=_Transport(extra={"ssl_object": broken}))
    with pytest.raises(ConnectionResetError):
        Doors({}, {}).principal(request)


class _Transport(asyncio.Transport):
    """It has nothing but what it is given."""
