"""Take in a body of parts: the envelope and each attachment spooled as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from axis.core.octets import Spooled
from axis.core.problems import Kind, Problem, Refused
from axis.flow.judge import problem_of
from axis.flow.package import Part
from axis.flow.poll import OpenSpool, Spool
from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.multipart import (
    XML_TYPES,
    Event,
    PartEnd,
    PartHead,
    PartsReader,
    Related,
    refused,
)
from signing.pdf import FORM_HEAD, form_of

SMALL_TOGETHER: Final = 524_288
"""Octets of one body that may wait in memory for their rows: a hundred small parts of many senders would fill it."""

SLICE: Final = 65_536


@dataclass(slots=True)
class _Coming:
    """The part that is being read."""

    head: PartHead
    spool: Spool
    first: bytearray = field(default_factory=bytearray)
    size: int = 0


class PartsSpooler:
    """Reads one multipart body: each part is counted, hashed and spooled as it comes. For one use, inside `stack`.

    What was spooled goes when `stack` ends, unless it was kept.
    """

    def __init__(self, related: Related, open_spool: OpenSpool, limits: XmlLimits, stack: AsyncExitStack) -> None:
        self._related, self._open, self._limits, self._stack = related, open_spool, limits, stack
        self._reader = PartsReader(related.boundary)
        self._coming: _Coming | None = None
        self._envelope: Spooled | None = None
        self._parts: list[Part[Spooled]] = []
        self._ids: set[str] = set()
        self._room = SMALL_TOGETHER

    async def read(self, octets: AsyncIterator[bytes]) -> tuple[Spooled, tuple[Part[Spooled], ...]]:
        """The envelope and the attachments, in the order in which they came. `Refused`: MALFORMED_PARTS, TOO_LARGE."""
        total = 0
        try:
            async for chunk in octets:
                total += len(chunk)
                if total > self._limits.max_bytes:
                    raise _too_large(self._limits.max_bytes)
                # A body that comes fast comes in large chunks: what is copied of each is kept small.
                for start in range(0, len(chunk), SLICE):
                    for event in self._reader.feed(memoryview(chunk)[start : start + SLICE]):
                        await self._take(event)
            self._reader.close()
        except SchemaError as error:
            raise Refused(problem_of(error)) from error
        assert self._envelope is not None, "a body that was read to its end has a first part"
        return self._envelope, tuple(self._parts)

    async def _take(self, event: Event) -> None:
        if isinstance(event, PartHead):
            self._admit(event)
            spool = await self._stack.enter_async_context(self._open(self._room))
            self._coming = _Coming(event, spool)
            return
        coming = self._coming
        assert coming is not None, "octets belong to a part"
        if isinstance(event, PartEnd):
            await self._end(coming)
            return
        coming.size += len(event)
        if self._envelope is None and coming.size > self._limits.tree_bytes:
            raise _too_large(self._limits.tree_bytes)
        if len(coming.first) < FORM_HEAD:
            coming.first += event[: FORM_HEAD - len(coming.first)]
        await coming.spool.write(event)

    def _admit(self, head: PartHead) -> None:
        """Refuse a part by its headers, before anything of it is read."""
        first = self._envelope is None
        if first and head.content_type not in XML_TYPES:
            raise refused("part-type", "the first part is the envelope, application/xml")
        if first and self._related.start not in (None, head.content_id):
            raise refused("part-id", "the first part is not the one that start names")
        if not first and head.content_id is None:
            raise refused("part-id", "a part has no Content-ID")
        if head.content_id is not None and head.content_id in self._ids:
            raise refused("part-doubled", "two parts have one Content-ID")
        if head.content_id is not None:
            self._ids.add(head.content_id)

    async def _end(self, coming: _Coming) -> None:
        spooled = await coming.spool.finish()
        coming.head.check(spooled.ref.size, spooled.ref.sha256)
        self._room -= len(spooled.inline or b"")
        if self._envelope is None:
            self._envelope = spooled
        else:
            self._parts.append(Part(coming.head.content_id, spooled, form_of(bytes(coming.first))))
        self._coming = None


def _too_large(most: int) -> Refused:
    return Refused(Problem(Kind.TOO_LARGE, f"at most {most} octets are accepted", {"max_bytes": most}))
