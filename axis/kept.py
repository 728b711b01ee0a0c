"""Octets at rest, in a row or in a file: read whole or in pieces, not believed before their digest is verified."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Final, Self

from axis.core.model import PayloadRef
from axis.core.problems import Kind, Problem, Unavailable

PIECE: Final = 262_144
"""How much is hashed, written or read in one go by a thread."""


class FileOctets:
    """The octets of a file, read by slices: no more of it is in memory. `OSError` where it is not as long as it was.

    `path` is where others find it; `read` gives so many octets from a place on.
    """

    def __init__(self, path: str, size: int, read: Callable[[int, int], bytes]) -> None:
        self.path = path
        self._size, self._read = size, read

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, at: slice) -> bytes:
        start, stop, _ = at.indices(self._size)
        count = max(stop - start, 0)
        octets = self._read(start, count) if count else b""
        if len(octets) != count:
            raise OSError(f"{self.path} is shorter than it was")
        return octets


def trouble(what: str, **context: str) -> Unavailable:
    """The disk does not do what it should; waiting may help."""
    return Unavailable(Problem(Kind.STORE_UNAVAILABLE, context={"blob": what, **context}), retry_after_s=5)


def damaged(what: str, **context: str) -> Unavailable:
    """The octets are not there any more. Judges wait, as for a disk that fails; what is to be sent is set aside."""
    return Unavailable(Problem(Kind.STORED_DAMAGED, context={"blob": what, **context}), retry_after_s=60)


def check(ref: PayloadRef, digest: str, size: int, say: Callable[..., Unavailable] = damaged) -> None:
    """`Unavailable` where what was read is not what is named: it is damaged, or what `say` says."""
    if digest != ref.sha256 or size != ref.size:
        raise say(
            "the stored octets are not those that were stored",
            sha256=ref.sha256,
            size=str(ref.size),
            found_sha256=digest,
            found_size=str(size),
        )


@dataclass(frozen=True, slots=True)
class InlinePayload:
    """Octets that came out of a database row. Implements `Kept` and `AtHand`."""

    ref: PayloadRef
    octets: bytes

    @property
    def place(self) -> bytes | str:
        return self.octets

    def digest(self, name: str) -> bytes:
        return bytes.fromhex(self.ref.sha256) if name == "sha256" else hashlib.new(name, self.octets).digest()

    async def at_hand(self, until: AsyncExitStack) -> Self:
        return self

    async def view(self) -> bytes:
        return await self.read()

    async def read(self) -> bytes:
        check(self.ref, hashlib.sha256(self.octets).hexdigest(), len(self.octets))
        return self.octets

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield await self.read()


@dataclass(frozen=True, slots=True)
class FilePayload:
    """Octets in a file. Implements `Kept` and `AtHand`. `Unavailable` when it is missing, damaged or cannot be read."""

    ref: PayloadRef
    path: Path

    @property
    def place(self) -> bytes | str:
        return str(self.path)

    def digest(self, name: str) -> bytes:
        if name == "sha256":
            return bytes.fromhex(self.ref.sha256)
        try:
            with self.path.open("rb", 0) as file:
                return hashlib.file_digest(file, name).digest()
        except OSError as error:
            raise trouble("cannot be read", sha256=self.ref.sha256, error=repr(error)) from error

    async def at_hand(self, until: AsyncExitStack) -> Self:
        return self

    async def read(self) -> bytes:
        return await asyncio.to_thread(self._read)

    def _unreadable(self, error: OSError) -> Unavailable:
        """A name that is gone from a folder that is there does not come back by waiting; a disk that is not there may,
        and takes the folder with it."""
        gone = isinstance(error, FileNotFoundError) and self.path.parent.is_dir()
        return (damaged if gone else trouble)("cannot be read", sha256=self.ref.sha256, error=repr(error))

    def _read(self) -> bytes:
        try:
            octets = self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from error
        check(self.ref, hashlib.sha256(octets).hexdigest(), len(octets))
        return octets

    async def view(self) -> FileOctets:
        async for _ in self.chunks():
            pass
        return FileOctets(str(self.path), self.ref.size, self._read_piece)

    def _read_piece(self, at: int, count: int) -> bytes:
        with self.path.open("rb", 0) as file:
            return os.pread(file.fileno(), count, at)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Pieces of at most 256 KiB. The last one comes only after the digest is verified: nobody gets a whole wrong
        file."""
        digest, size, last = hashlib.sha256(), 0, b""
        try:
            file = await asyncio.to_thread(self.path.open, "rb", 0)
            with file:
                while piece := await asyncio.to_thread(_next_piece, file, digest):
                    if last:
                        yield last
                    size, last = size + len(piece), piece
        except OSError as error:
            raise self._unreadable(error) from error
        check(self.ref, digest.hexdigest(), size)
        if last:
            yield last


def _next_piece(file: RawIOBase, digest: hashlib._Hash) -> bytes:
    piece = file.read(PIECE) or b""
    digest.update(piece)
    return piece
