"""From method and path to a handler: looked up in one table, and what a handler raises is answered as a problem.

Not by the library's application: what it does around a handler takes as long as a short handler does (ADR 0068).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from axis.core.problems import Kind, Problem
from axis.web.answer import Answer
from axis.web.expect import go_on, is_known
from axis.web.openapi.operations import MAX_JSON as MAX_JSON
from axis.web.problem_json import answer, answered

Handler = Callable[..., Awaitable[Answer | web.StreamResponse]]
"""Called with the request, and with what the groups of the route's path hold."""


class Route(NamedTuple):
    """`path` is a regular expression where it has a group, and otherwise the path itself. With `asks` the handler
    itself asks for the body, where the caller waits for that."""

    method: str
    path: str
    handler: Handler
    asks: bool = False


NO_PATH = "there is no such path: docs/endpoints.md, section 3, has all of them"


class Routes:
    """A table of routes. Paths with groups are tried in the order in which they came; a HEAD is answered as its GET."""

    def __init__(self, table: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        named: dict[str, dict[str, Route]] = {}
        for route in table:
            of = (named if "(" in route.path else self._fixed).setdefault(route.path, {})
            of[route.method] = route
            if route.method == hdrs.METH_GET:
                of[hdrs.METH_HEAD] = route
        self._named = [(re.compile(path), of) for path, of in named.items()]

    async def handle(self, request: web.BaseRequest) -> Answer | web.StreamResponse:
        """What is answered to a request."""
        path = request.rel_url.raw_path
        if "%" in path:
            path = request.rel_url.path_safe
        told: tuple[Any, ...] = ()
        of = self._fixed.get(path)
        if of is None:
            for pattern, routes in self._named:
                if found := pattern.fullmatch(path):
                    of, told = routes, found.groups()
                    break
            else:
                return answer(Problem(Kind.NOT_FOUND, NO_PATH))
        route = of.get(request.method)
        if route is None:
            told_no = answer(Problem(Kind.METHOD_NOT_ALLOWED))
            return replace(told_no, headers={**told_no.headers, hdrs.ALLOW: ", ".join(sorted(of))})  # RFC 9110 §15.5.6
        if hdrs.EXPECT in request.headers:
            if not is_known(request):
                return answer(Problem(Kind.BAD_REQUEST, "the only expectation that is known is 100-continue"))
            if not route.asks:
                await go_on(request)
        return await answered(route.handler(request, *told), request.method, route.path)


def make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """A request as `Routes` takes it. Nobody changes the protocol here, and the connection of whoever asks for it ends:
    the library passes over what came behind, and would begin the next request in the midst of another one's body."""
    if message.upgrade:
        message = message._replace(should_close=True)
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_JSON)
