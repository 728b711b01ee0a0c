"""No answer of either listener tells which versions of Python and aiohttp it comes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import ClientSession

from axis.demo.network import HOST, free_ports
from axis.flow.context import Context
from axis.web.api import Api
from axis.web.auth import Doors
from axis.web.console import Console
from axis.web.framing import listening
from axis.web.places import Places
from axis.web.queue import OperatorQueue

NOTHING = cast(Context, None)


@asynccontextmanager
async def served(listener: str) -> AsyncIterator[int]:
    """The port at which one of them listens."""
    api = Api(NOTHING, lambda: Doors({}, {}), cast(Any, None), Path("/nowhere"))
    console = Console(NOTHING, lambda: None, OperatorQueue(NOTHING, ""), int, bool, datetime.now(UTC))
    (port,) = free_ports(1)
    what = api.routes() if listener == "agencies" else console.app()
    async with listening(what, HOST, port, None, timedelta(seconds=20), Places(16)):
        yield port


@pytest.mark.parametrize("listener", ["agencies", "operator"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/inbox"), ("GET", "/healthz"), ("GET", "/nowhere"), ("PUT", "/"), ("GET", "/")]
)
async def test_every_answer_says_axis_and_nothing_else(method: str, path: str, listener: str) -> None:
    async with served(listener) as port, ClientSession() as client:
        answer = await client.request(method, f"http://{HOST}:{port}{path}")
        assert answer.headers.getall("Server") == ["axis"], answer.status


@pytest.mark.parametrize("listener", ["agencies", "operator"])
async def test_the_answer_to_what_is_no_request_says_axis_too(listener: str) -> None:
    async with served(listener) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        answer = (await reader.read()).lower()
        writer.close()
    assert answer.startswith((b"http/1.0 400", b"http/1.1 400"))
    assert b"\r\nserver: axis\r\n" in answer
    assert b"aiohttp/" not in answer
