"""No answer of either listener tells which versions of Python and aiohttp it comes from."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from axis.flow.context import Context
from axis.web.api import Api
from axis.web.auth import Doors
from axis.web.console import Console
from axis.web.queue import OperatorQueue

NOTHING = cast(Context, None)


def apps() -> dict[str, web.Application]:
    api = Api(NOTHING, lambda: Doors({}, {}), cast(Any, None), Path("/nowhere"))
    return {
        "agencies": api.app(),
        "operator": Console(NOTHING, lambda: None, OperatorQueue(NOTHING, ""), int, bool, datetime.now(UTC)).app(),
    }


@pytest.mark.parametrize("listener", ["agencies", "operator"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/inbox"), ("GET", "/healthz"), ("GET", "/nowhere"), ("PUT", "/"), ("GET", "/")]
)
async def test_every_answer_says_axis_and_nothing_else(method: str, path: str, listener: str) -> None:
    async with TestClient(TestServer(apps()[listener])) as client:
        answer = await client.request(method, path)
        assert answer.headers.getall("Server") == ["axis"], answer.status


@pytest.mark.parametrize("listener", ["agencies", "operator"])
async def test_the_answer_to_what_is_no_request_says_axis_too(listener: str) -> None:
    async with TestServer(apps()[listener]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        answer = (await reader.read()).lower()
        writer.close()
    assert answer.startswith((b"http/1.0 400", b"http/1.1 400"))
    assert b"\r\nserver: axis\r\n" in answer
    assert b"aiohttp/" not in answer
