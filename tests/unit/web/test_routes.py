"""From a request line to a handler, over a socket; and what an answer looks like on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web

from axis.core.problems import Kind, Problem, Refused
from axis.demo.network import HOST, free_ports
from axis.web.answer import Answer
from axis.web.dto import whole
from axis.web.expect import go_on
from axis.web.framing import listening
from axis.web.places import Places
from axis.web.routes import MAX_JSON, Route, Routes

TEXT = {"Content-Type": "text/plain"}


async def fixed(request: web.BaseRequest) -> Answer:
    return Answer(b"fixed", TEXT)


async def named(request: web.BaseRequest, name: str) -> Answer:
    return Answer(name.encode(), TEXT)


async def taken(request: web.BaseRequest) -> Answer:
    return Answer(str(len(await whole(request))).encode(), TEXT, 202)


async def counted(request: web.BaseRequest) -> Answer:
    """Looks away until more has come than the library reads ahead."""
    await asyncio.sleep(0.2)
    return Answer(str(sum([len(piece) async for piece in request.content.iter_any()])).encode(), TEXT)


async def asking(request: web.BaseRequest) -> Answer:
    if request.headers.get("Secret") != "known":
        raise Refused(Problem(Kind.FORBIDDEN))
    await go_on(request)
    return Answer(await whole(request), TEXT)


async def bent(request: web.BaseRequest) -> Answer:
    return Answer(b"", {"Content-Type": "text/plain\r\nLocation: elsewhere"})


async def broken(request: web.BaseRequest) -> Answer:
    raise LookupError("nobody expected this")


TABLE = [
    Route("GET", "/a", fixed),
    Route("POST", "/a", taken),
    Route("POST", "/counted", counted),
    Route("POST", "/asking", asking, asks=True),
    Route("GET", "/bent", bent),
    Route("GET", "/broken", broken),
    Route("GET", r"/b/([a-z]{3})/c", named),
    Route("POST", r"/b/([a-z]{3})", named),
]


@asynccontextmanager
async def line(places: Places | None = None) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    (port,) = free_ports(1)
    async with listening(Routes(TABLE), HOST, port, None, timedelta(seconds=20), places or Places(16)):
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            async with asyncio.timeout(30):  # whoever is not answered is no longer waited for
                yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader, body: bool = True) -> tuple[str, dict[str, str], bytes]:
    """First line, headers and body of one answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    headers = dict(one.split(": ", 1) for one in lines)
    assert len(headers) == len(lines), "each stands once"
    return first, headers, await reader.readexactly(int(headers.get("Content-Length", 0))) if body else b""


ASKED = [
    ("GET", "/a", 200, b"fixed"),
    ("GET", "/a?with=more", 200, b"fixed"),
    ("GET", "/%61", 200, b"fixed"),
    ("GET", "/b/xyz/c", 200, b"xyz"),
    ("GET", "/b/%78yz/c", 200, b"xyz"),
    ("POST", "/b/xyz", 200, b"xyz"),
    ("GET", "http://axis/a", 200, b"fixed"),
    ("GET", "/b/xyz", 405, b"method-not-allowed"),
    ("PUT", "/a", 405, b"method-not-allowed"),
    ("GET", "/a/", 404, b"not-found"),
    ("GET", "/b/xyzw/c", 404, b"not-found"),
    ("GET", "/b/xyz/c/d", 404, b"not-found"),
    ("GET", "/b%2Fxyz/c", 404, b"not-found"),
    ("GET", "/b/xyz%0A/c", 404, b"not-found"),
    ("GET", "/broken", 500, b"internal"),
]


async def test_each_request_finds_its_handler_or_is_told_a_problem() -> None:
    async with line() as (reader, writer):
        for method, target, status, told in ASKED:
            writer.write(f"{method} {target} HTTP/1.1\r\nHost: axis\r\n\r\n".encode())
            first, headers, body = await answer(reader)
            assert int(first.split()[1]) == status, (method, target)
            assert told in body, (method, target, body)
            assert headers["Server"] == "axis"
            assert parsedate_to_datetime(headers["Date"]).tzinfo is not None
            assert "Connection" not in headers
            assert headers.get("Allow") == {"/b/xyz": "POST", "/a": "GET, HEAD, POST"}.get(
                target if status == 405 else ""
            )


async def test_a_head_is_answered_as_its_get_and_without_a_body() -> None:
    async with line() as (reader, writer):
        writer.write(b"HEAD /a HTTP/1.1\r\nHost: axis\r\n\r\nGET /b/xyz/c HTTP/1.1\r\nHost: axis\r\n\r\n")
        first, headers, _ = await answer(reader, body=False)
        assert (first, headers["Content-Length"], headers["Server"]) == ("HTTP/1.1 200 OK", "5", "axis")
        first, _, body = await answer(reader)
        assert (first, body) == ("HTTP/1.1 200 OK", b"xyz")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (b"GET /a HTTP/1.1\r\nHost: axis\r\nConnection: close\r\n\r\n", "close"),
        (b"GET /a HTTP/1.0\r\n\r\n", None),
    ],
)
async def test_who_wants_it_closed_is_answered_and_closed(asked: bytes, told: str | None) -> None:
    async with line() as (reader, writer):
        writer.write(asked)
        first, headers, body = await answer(reader)
        assert (first.split()[1], body, headers.get("Connection")) == ("200", b"fixed", told)
        assert await reader.read() == b""


async def test_an_old_client_that_keeps_its_connection_is_told_so() -> None:
    async with line() as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            _, headers, body = await answer(reader)
            assert (headers["Connection"], body) == ("keep-alive", b"fixed")


async def test_a_body_is_asked_for_where_its_caller_waits_and_only_when_it_is_wanted() -> None:
    ask = "POST {} HTTP/1.1\r\nHost: axis\r\nExpect: {}\r\nContent-Length: 2\r\n{}\r\n"
    for target, expected, more, first in (
        ("/a", "100-continue", "", "100"),
        ("/asking", "100-continue", "Secret: known\r\n", "100"),
        ("/asking", "100-continue", "", "403"),
        ("/nowhere", "100-continue", "", "404"),
        ("/a", "wonders", "", "400"),
    ):
        async with line() as (reader, writer):
            writer.write(ask.format(target, expected, more).encode())
            if first == "100":
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(b"ok")
                assert (await answer(reader))[0].split()[1].startswith("20")
            else:
                assert (await answer(reader))[0].split()[1] == first


@pytest.mark.parametrize("size", [0, 1, MAX_JSON, MAX_JSON + 1])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_body_is_read_up_to_its_bound_whether_it_is_here_or_comes(size: int, pieces: int) -> None:
    async with line() as (reader, writer):
        whole_request = b"POST /a HTTP/1.1\r\nHost: axis\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
        each = len(whole_request) // pieces + 1
        for at in range(0, len(whole_request), each):
            writer.write(whole_request[at : at + each])
            await writer.drain()
            await asyncio.sleep(0)
        first, _, body = await answer(reader)
        if size <= MAX_JSON:
            assert (first.split()[1], body) == ("202", str(size).encode())
        else:
            assert (first.split()[1], b"too-large" in body) == ("413", True)


async def test_a_body_that_was_held_up_comes_whole() -> None:
    async with line() as (reader, writer):
        writer.write(b"POST /counted HTTP/1.1\r\nHost: axis\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))
        assert (await answer(reader))[2] == b"3000000"


async def test_many_requests_at_once_are_answered_in_their_order_on_one_connection() -> None:
    """More than the library holds, with bodies beyond what it reads ahead."""
    names = [f"{one:03d}".translate(str.maketrans("0123456789", "abcdefghij")) for one in range(200)]
    async with line() as (reader, writer):
        sent = asyncio.ensure_future(_send(writer, names))
        for name in names:
            first, _, body = await answer(reader)
            assert (first.split()[1], body) == ("200", name.encode())
        await sent


async def _send(writer: asyncio.StreamWriter, names: list[str]) -> None:
    for name in names:
        writer.write(
            b"POST /b/%b HTTP/1.1\r\nHost: axis\r\nContent-Length: 9000\r\n\r\n" % name.encode() + bytes(9_000)
        )
    await writer.drain()


async def test_a_header_that_holds_the_end_of_its_line_never_goes_out() -> None:
    async with line() as (reader, writer):
        writer.write(b"GET /bent HTTP/1.1\r\nHost: axis\r\n\r\n")
        assert await reader.read() == b""


async def test_every_problem_is_counted_once() -> None:
    places = Places(16)
    async with line(places) as (reader, writer):
        for asked in (b"GET /nowhere HTTP/1.1\r\n", b"HEAD /nowhere HTTP/1.1\r\n", b"PUT /a HTTP/1.1\r\n"):
            writer.write(asked + b"Host: axis\r\n\r\n")
            await answer(reader, body=not asked.startswith(b"HEAD"))
        writer.write(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        assert (await answer(reader))[0].split()[1] == "400"
    assert places.refused == {Kind.NOT_FOUND: 2, Kind.METHOD_NOT_ALLOWED: 1, Kind.BAD_REQUEST: 1}
