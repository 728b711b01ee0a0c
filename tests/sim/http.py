"""HTTP without sockets: a request is handed to the node's own routes, and its whole answer comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any

import aiohttp
from aiohttp import HttpVersion
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from axis.web.answer import Answer
from axis.web.routes import Routes, make_request


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Collector:
    """Takes what a handler streams."""

    length = 0
    output_size = 0

    def __init__(self) -> None:
        self.octets = bytearray()

    async def write_headers(self, *_said: Any) -> None:
        """They stand in the response too."""

    async def write(self, chunk: Any) -> None:
        self.octets += chunk

    async def write_eof(self, chunk: bytes = b"") -> None:
        self.octets += chunk

    async def drain(self) -> None:
        """Nobody is slow."""

    def send_headers(self) -> None:
        """Likewise."""


async def handled(routes: Routes, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """What `routes` answer."""
    loop = asyncio.get_running_loop()
    payload = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    payload.feed_data(body)
    payload.feed_eof()
    writer: Any = _Collector()
    told = CIMultiDictProxy(CIMultiDict({**headers, "Host": "axis", "Content-Length": str(len(body))}))
    url, version = URL(path), HttpVersion(1, 1)
    message = RawRequestMessage(method, path, version, told, (), False, None, False, False, url)
    request = make_request(message, payload, _PROTOCOL, writer, _NOBODY)
    answer = await routes.handle(request)
    octets = answer.body if isinstance(answer, Answer) else bytes(writer.octets)
    return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, octets)


_PROTOCOL: Any = SimpleNamespace(
    transport=SimpleNamespace(get_extra_info=lambda name, default=None: default, close=lambda: None),
    peername=None,
    sockname=None,
    ssl_context=None,
)
_NOBODY: Any = None

Call = Callable[[Mapping[str, str], bytes], Coroutine[Any, Any, Reply]]


class Session:
    """In place of `aiohttp.ClientSession` under an adapter: `call` carries headers and body over the network."""

    def __init__(self, call: Call, timeout_s: float) -> None:
        self._call = call
        self._timeout_s = timeout_s

    def post(
        self,
        url: str,
        *,
        data: bytes | AsyncIterable[bytes],
        headers: Mapping[str, str],
        allow_redirects: bool,
        ssl: object,
    ) -> _Post:
        return _Post(self, data, headers)

    async def asked(self, data: bytes | AsyncIterable[bytes], headers: Mapping[str, str]) -> Reply:
        body = data if isinstance(data, bytes) else b"".join([chunk async for chunk in data])
        async with asyncio.timeout(self._timeout_s):
            return await self._call(headers, body)

    async def close(self) -> None:
        """Nothing is open."""


class _Post:
    def __init__(self, session: Session, data: bytes | AsyncIterable[bytes], headers: Mapping[str, str]) -> None:
        self._what = session, data, headers

    async def __aenter__(self) -> Any:
        session, data, headers = self._what
        try:
            reply = await session.asked(data, headers)
        except ConnectionError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        content = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16)
        content.feed_data(reply.body)
        content.feed_eof()
        return SimpleNamespace(status=reply.status, headers=reply.headers, content=content)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
