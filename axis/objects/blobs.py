"""Blobs in a bucket: bodies are spooled in a local folder, and are objects before their transaction begins.

The names are those of the files: `ab/abcd...`. What was acknowledged by the bucket is durable by its contract. An
object without a row is harmless, as a file is; how it is collected stands in `axis.objects.holding`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from axis.blobs import Blobs, Spool, SpoolFile, shelved
from axis.core.model import PayloadRef
from axis.core.octets import AtHand, Kept
from axis.kept import PIECE, FilePayload, InlinePayload, check, trouble
from axis.objects.bucket import PART, RANGE, Bucket
from axis.objects.keys import aside, named

UPLOADS: Final = 8
"""So many bodies go up at once; each holds two parts in memory."""
READS: Final = 32
"""So many requests read at once, each up to a MiB."""


class ObjectBlobs:
    """A bucket, and the local folder `local` for what is on its way in. Any number of processes share the bucket."""

    def __init__(self, local: Blobs, bucket: Bucket) -> None:
        self._local = local
        self._bucket = bucket
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._reads = asyncio.Semaphore(READS)

    def spool(self, max_bytes: int, inline_max: int | None = None) -> Spool:
        """A place for one body of at most `max_bytes`, in a file above `inline_max`. Use it in `async with`."""
        return self._local.spool(max_bytes, inline_max, self._keep)

    async def shelve(self, octets: bytes) -> tuple[PayloadRef, bytes | None]:
        """Large octets are durable under their digest afterwards; small ones come back, for a row."""
        return await shelved(self.spool(len(octets)), octets)

    def payload(self, ref: PayloadRef) -> Kept:
        return ObjectPayload(ref, self)

    def inline(self, ref: PayloadRef, octets: bytes) -> Kept:
        return InlinePayload(ref, octets)

    def sweep(self) -> int:
        """Remove what an earlier process of this name left in its spool, and say how many files."""
        return self._local.sweep()

    async def _keep(self, ref: PayloadRef, file: SpoolFile) -> None:
        """`Unavailable` when the bucket does not acknowledge: then it may be there all the same, and is no harm."""
        assert file.path is not None, "nothing is named here"
        most = self._bucket.settings.timeout * (2 + ref.size // PART)
        try:
            async with asyncio.timeout(most.total_seconds()), self._uploads:
                await self._bucket.put(named(ref.sha256), ref.size, file.path)
        except OSError as error:
            raise trouble("cannot be made durable", sha256=ref.sha256, error=repr(error)) from error

    async def piece(self, ref: PayloadRef, start: int, size: int) -> bytes:
        """`size` octets from `start` on, not verified. `Unavailable`."""
        try:
            async with asyncio.timeout(2 * self._bucket.settings.timeout.total_seconds()), self._reads:
                try:
                    return await self._bucket.piece(named(ref.sha256), start, size, ref.size)
                except FileNotFoundError:
                    return await self._bucket.piece(aside(ref.sha256), start, size, ref.size)
        except OSError as error:
            raise trouble("cannot be read", sha256=ref.sha256, error=repr(error)) from error


@dataclass(frozen=True, slots=True)
class ObjectPayload:
    """Octets in the bucket. Implements `Kept`. `Unavailable` when they are missing, damaged or cannot be read."""

    ref: PayloadRef
    blobs: ObjectBlobs

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Pieces of at most 256 KiB. The last one comes only after the digest is verified: nobody gets wrong octets
        whole."""
        digest, last = hashlib.sha256(), b""
        for start in range(0, self.ref.size, RANGE):
            octets = await self.blobs.piece(self.ref, start, min(RANGE, self.ref.size - start))
            await asyncio.to_thread(digest.update, octets)
            for at in range(0, len(octets), PIECE):
                if last:
                    yield last
                last = octets[at : at + PIECE]
        # The way from the bucket may be at fault as well: waiting may help.
        check(self.ref, digest.hexdigest(), self.ref.size, trouble)
        if last:
            yield last

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def at_hand(self, until: AsyncExitStack) -> AtHand:
        spool = await until.enter_async_context(self.blobs.spool(self.ref.size))
        async for piece in self.chunks():
            await spool.write(piece)
        place = (await spool.finish()).place
        return FilePayload(self.ref, Path(place)) if isinstance(place, str) else InlinePayload(self.ref, place)
