"""A part of a body, for who goes on with a download that broke off (RFC 9110 §14)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from axis.core.problems import Kind, Problem, Refused, Unavailable

AT_ONCE: Final = 4
"""Parts that one caller may be given at once. One octet of the end costs reading all: it must not be had by thousands.
More than one: what broke off may not be seen to have ended yet."""
_ONE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
"""One range; several, and other units, count as not asked for."""


def part_of(asked: str | None, if_range: str | None, tag: str, size: int) -> range | None:
    """Which octets of `size` are asked for; `None` where all are.

    `tag` is the entity tag: where `If-Range` names another one, the far end has something else, and needs all.
    `Refused(RANGE)` for what begins behind the end.
    """
    found = _ONE.fullmatch(asked or "")
    if found is None or (if_range is not None and if_range != tag):
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        part = range(max(0, size - int(last)), size)
    elif last and int(last) < int(first):
        return None
    else:
        part = range(int(first), min(int(last) + 1, size) if last else size)
    if not part:
        raise Refused(Problem(Kind.RANGE, f"there are {size} octets", {"bytes": size}))
    return part


async def cut(chunks: AsyncIterator[bytes], part: range) -> AsyncGenerator[bytes, None]:
    """Of all octets those of `part`. What stands before them is read, too: a body proves itself as a whole."""
    at = 0
    async for chunk in chunks:
        piece = chunk[max(0, part.start - at) : max(0, part.stop - at)]
        at += len(chunk)
        if piece:
            yield piece
        if at >= part.stop:
            return


class Parts:
    """How many parts each caller is being given."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    @contextmanager
    def given_to(self, caller: str) -> Iterator[None]:
        """Count one more while it lasts. `Unavailable(BUSY)` where there are `AT_ONCE`."""
        if self._of[caller] >= AT_ONCE:
            raise Unavailable(Problem(Kind.BUSY, f"at most {AT_ONCE} parts at once"))
        self._of[caller] += 1
        try:
            yield
        finally:
            self._of[caller] -= 1
            if not self._of[caller]:
                del self._of[caller]
