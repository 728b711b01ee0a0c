"""An answer as a handler gives it: head and body go out as one write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from axis.core.problems import Kind
from axis.web.name import NAME

_LINES: Final = {one.value: f"HTTP/1.1 {one.value} {one.phrase}" for one in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` without the length, the date and our name, which every answer has. `problem` is what it tells of."""

    body: bytes
    headers: Mapping[str, str]
    status: int = 200
    problem: Kind | None = None

    @property
    def keep_alive(self) -> bool:
        """What the library asks of an answer that went out: one that ends its connection is sent by the library."""
        return True

    def suits(self, request: web.BaseRequest) -> bool:
        """Say whether `octets` answer it: HTTP/1.1, a body is wanted, and the connection goes on."""
        return request.version == HttpVersion11 and request.method != hdrs.METH_HEAD and request.keep_alive

    def octets(self) -> bytes:
        """Head and body. `ValueError` for a header that would end its line, and begin another."""
        lines = [_LINES[self.status], *map(": ".join, self.headers.items())]
        lines += (f"Content-Length: {len(self.body)}", _date(int(time.time())), f"Server: {NAME}", "\r\n")
        head = "\r\n".join(lines)
        if head.count("\n") + head.count("\r") != 2 * len(lines):
            raise ValueError("a header holds the end of a line")
        return head.encode() + self.body

    def whole(self) -> web.Response:
        """The same, to be sent by the library in every other case."""
        return web.Response(body=self.body, status=self.status, headers=self.headers)


@lru_cache(1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}"
