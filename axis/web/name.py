"""What the listeners call themselves: `Server: axis`, and not which versions of what lie underneath."""

from __future__ import annotations

from typing import Final

from aiohttp import web, web_response
from aiohttp.hdrs import SERVER

NAME: Final = "axis"


def named(app: web.Application) -> web.Application:
    """Let every answer of `app` carry our name, those to what is no HTTP request too."""
    app.on_response_prepare.append(_name)
    # aiohttp answers what it cannot parse before any application is asked, so no signal is sent; the name that it
    # gives itself there can be changed nowhere else. Read at each answer, so it holds for the whole process.
    vars(web_response)["SERVER_SOFTWARE"] = NAME
    return app


async def _name(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[SERVER] = NAME
