"""What the listeners call themselves: `Server: axis`, and not which versions of what lie underneath."""

from __future__ import annotations

from typing import Final

from aiohttp import web_response

NAME: Final = "axis"


def name_the_library() -> None:
    """Let every answer that the library sends carry our name, those to what is no HTTP request too."""
    # Not by a signal of an application: aiohttp answers what it cannot parse before any application is asked. The name
    # that it gives itself is read at each answer, so this holds for the whole process.
    vars(web_response)["SERVER_SOFTWARE"] = NAME
