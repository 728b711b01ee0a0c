"""How the octets of a delivery are given to the HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from axis.core.ports import Body

WHOLE: Final = 131_072
"""What is not larger shared its row, so that it is in memory as it is. It goes out with the head, as one."""


async def octets_of(body: Body) -> bytes | AsyncIterator[bytes]:
    """The whole of a small body, the pieces of a larger one. `Unavailable` for what is not what was stored."""
    return await body.read() if body.size <= WHOLE else body.chunks()
