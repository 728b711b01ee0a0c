"""A package whose attachments lie beside the envelope, as one XML document: written anew, never held whole."""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from axis.core.model import AttachmentRecord
from axis.core.octets import Payload
from schemas.envelope import AttachmentInfo
from schemas.join import join_frame


@dataclass(frozen=True, slots=True)
class Joined:
    """`frame` are the octets around the base64 of each of `attached`: one more than there are."""

    frame: Sequence[bytes]
    attached: Sequence[Payload]

    @property
    def size(self) -> int:
        return sum(map(len, self.frame)) + sum((one.ref.size + 2) // 3 * 4 for one in self.attached)

    async def digest(self) -> bytes:
        """SHA-256 of all of it. Reads everything once."""
        found = hashlib.sha256()
        async for piece in self.chunks():
            found.update(piece)
        return found.digest()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self.frame[0]
        for payload, behind in zip(self.attached, self.frame[1:], strict=True):
            rest = b""
            async with aclosing(payload.chunks()) as pieces:
                async for piece in pieces:
                    octets = rest + piece
                    whole = len(octets) - len(octets) % 3
                    rest = octets[whole:]
                    yield b2a_base64(octets[:whole], newline=False)
            yield b2a_base64(rest, newline=False)
            yield behind


def join(envelope: bytes, records: Sequence[AttachmentRecord], attached: Sequence[Payload]) -> Joined:
    infos = [AttachmentInfo(one.content_id, one.name, one.content_type) for one in records]
    return Joined(join_frame(envelope, infos), attached)
