"""`Expect: 100-continue` (RFC 9110 §10.1.1): who asks before sending a body is told only once the body is wanted."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from axis.core.problems import Kind, Problem
from axis.web.problem_json import answer

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


async def when_admitted(request: web.Request) -> web.StreamResponse | None:
    """Instead of the library's own answer, which would ask for the body before anybody looked at the request."""
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        return answer(Problem(Kind.BAD_REQUEST, "the only expectation that is known is 100-continue"))
    return None


async def go_on(request: web.Request) -> None:
    """Ask for the body, where the caller waits for that."""
    if hdrs.EXPECT in request.headers:
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
