"""`Expect: 100-continue` (RFC 9110 §10.1.1): who asks before sending a body is told only once the body is wanted."""

from __future__ import annotations

from typing import Final

from aiohttp import HttpVersion10, hdrs, web

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def is_known(request: web.BaseRequest) -> bool:
    """Say whether a caller that expects something expects what there is."""
    return request.headers[hdrs.EXPECT].lower() == "100-continue"


async def go_on(request: web.BaseRequest) -> None:
    """Ask for the body, where the caller waits for that: nobody does who speaks HTTP/1.0."""
    if hdrs.EXPECT in request.headers and request.version > HttpVersion10:
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
