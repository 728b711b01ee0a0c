"""What could be read in two ways is refused, and what cannot be read on is not waited for."""

from __future__ import annotations

import asyncio
import gc
from contextlib import closing

import pytest
from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from axis.core.problems import Kind
from axis.demo.network import HOST
from axis.web.answer import Answer
from axis.web.framing import MAX_HEAD
from axis.web.places import Places
from axis.web.routes import Route
from tests.unit.web.test_lines import TABLE, listener

NEXT = b"GET /page HTTP/1.1\r\nHost: axis\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


async def said(port: int, *pieces: bytes) -> bytes:
    """What is answered until the end of the connection, to pieces that come one after the other."""
    reader, writer = await asyncio.open_connection(HOST, port)
    with closing(writer):
        async with asyncio.timeout(5):  # nobody is waited for
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.02)
            return await reader.read()


OTHERWISE = [
    ("HTTP/1.1", b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    ("HTTP/1.1", b"Transfer-Encoding: , chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    ("HTTP/1.1", b"Transfer-Encoding: \r\nContent-Length: 2\r\n", b"ok"),
    ("HTTP/1.1", b"Transfer-Encoding: \r\n", b""),
    ("HTTP/1.0", b"Connection: keep-alive\r\n" + CHUNKED, b"2\r\nok\r\n0\r\n\r\n"),
    ("HTTP/1.1", b"Content-Length: 18446744073709551615\r\n", b""),
    ("HTTP/0.9", b"", b""),
    ("HTTP/2.0", CHUNKED, b"2\r\nok\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize(("version", "headers", "body"), OTHERWISE)
async def test_what_others_read_otherwise_is_refused_and_nothing_behind_it_is_read(
    version: str, headers: bytes, body: bytes
) -> None:
    """RFC 9112 §6.1, §6.3. All of them were answered with 200, as if nothing stood there."""
    head = f"POST /counted {version}\r\nHost: axis\r\n".encode() + headers + b"\r\n"
    async with listener() as port:
        for pieces in ((head + body + NEXT,), (head, body, NEXT)):
            answer = await said(port, *pieces)
            assert answer[8:13] == b" 400 "
            assert answer.count(b"HTTP/") == 1


@pytest.mark.parametrize(("path", "told"), [("read", b" 400 "), ("counted", b" 400 "), ("nowhere", b" 404 ")])
@pytest.mark.parametrize("broken", [b"+2\r\nok\r\n", b"zz\r\n", b"1\r\nok\r\n", b"0\r\n" + b"X: y\r\n" * 200])
async def test_a_body_that_breaks_is_not_waited_for(
    path: str, told: bytes, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody told its reader, and after half a minute the sender heard that it was too slow, and should repeat it."""
    head = f"POST /{path} HTTP/1.1\r\nHost: axis\r\n".encode() + CHUNKED + b"\r\n"
    places = Places(16)
    async with listener(places) as port:
        answer = await said(port, head, b"2\r\nok\r\n", broken, NEXT)
    assert answer[8:13] == told
    assert answer.count(b"HTTP/") == 1
    assert (b"\r\nconnection: close\r\n" in answer.lower()) == (path != "nowhere"), "where it was known in time"
    assert places.refused.total() == 1
    assert not caplog.records, "no bug of ours: any stranger can send it"


@pytest.mark.parametrize("more", [b"0\r\n" + b"X: %s\r\n" % (b"x" * 60_000), b"1;" + b"x" * 60_000])
async def test_what_stands_in_a_body_and_is_none_of_it_has_a_bound(more: bytes) -> None:
    """Headers behind it were kept, eight megabytes of them for each connection."""
    async with listener() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        with closing(writer):
            writer.write(b"POST /counted HTTP/1.1\r\nHost: axis\r\n" + CHUNKED + b"\r\n")
            await asyncio.sleep(0.02)
            writer.write(more + more[3:] * (MAX_HEAD // len(more) + 1))
            answered = asyncio.ensure_future(reader.read(1_000))
            while not answered.done():
                writer.write(b"x")
                await asyncio.wait([answered], timeout=0.05)
    assert answered.result()[8:13] == b" 400 "


@pytest.mark.parametrize("pieces", [[b"1\r\nx\r\n" * 30_000], [b"1;" + b"x" * 60_000 + b"\r\n", b"x\r\n"] * 3])
async def test_more_than_a_head_may_have_stands_around_many_small_chunks(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    assert len(octets) - octets.count(b"\nx") > MAX_HEAD
    async with listener() as port:
        head = b"POST /counted HTTP/1.1\r\nHost: axis\r\nConnection: close\r\n" + CHUNKED + b"\r\n"
        assert (await said(port, head, *pieces, b"0\r\n\r\n")).endswith(b"\r\n\r\n%d" % octets.count(b"\nx"))


async def test_nothing_is_kept_of_what_comes_behind_a_bad_request() -> None:
    going = asyncio.Event()
    gc.collect()
    before = _bad()

    async def slow(request: web.BaseRequest) -> Answer:
        await going.wait()
        return Answer(b"", {})

    places = Places(16)
    async with listener(places, table=[*TABLE, Route("GET", "/slow", slow)]) as port:
        asked = asyncio.ensure_future(
            said(port, b"GET /slow HTTP/1.1\r\nHost: axis\r\n\r\n", *[b"\0nothing\r\n\r\n"] * 8, NEXT)
        )
        await asyncio.sleep(0.4)
        assert _bad() == before + 1
        going.set()
        assert (await asked).count(b"HTTP/") == 2
    assert places.refused == {Kind.BAD_REQUEST: 1}


def _bad() -> int:
    return sum(isinstance(one, _ErrInfo) for one in gc.get_objects())
