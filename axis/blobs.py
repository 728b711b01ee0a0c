"""Content-addressed octets: files named by their SHA-256, and the spool that bodies arrive through.

A name is given only after the octets are on stable storage, and is used only after its folder is. What was never named
is an orphan in `spool/`, which `Blobs.sweep` removes at start. A name without a row (the process died before its
transaction) is harmless: the repeat finds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from axis.core.model import PayloadRef
from axis.core.ports import Payload
from axis.core.problems import Kind, Problem, Refused, Unavailable

INLINE_MAX: Final = 131_072
"""Up to here octets share the flush of their row: a small file costs more than all the rest (measured, ADR 0009)."""

PIECE: Final = 262_144
"""How much is hashed, written or read in one go by a thread."""


def fsync_dir(folder: Path) -> None:
    """Put a folder's entries on stable storage: without it a renamed file may be gone after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trouble(what: str, **context: str) -> Unavailable:
    return Unavailable(Problem(Kind.STORE_UNAVAILABLE, context={"blob": what, **context}), retry_after_s=5)


def _check(ref: PayloadRef, digest: str, size: int) -> None:
    if digest != ref.sha256 or size != ref.size:
        raise _trouble(
            "the stored octets are not those that were stored",
            sha256=ref.sha256,
            size=str(ref.size),
            found_sha256=digest,
            found_size=str(size),
        )


@dataclass(frozen=True, slots=True)
class InlinePayload:
    """Octets that came out of a database row. Implements `Payload`."""

    ref: PayloadRef
    octets: bytes

    async def read(self) -> bytes:
        _check(self.ref, hashlib.sha256(self.octets).hexdigest(), len(self.octets))
        return self.octets

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.read()


@dataclass(frozen=True, slots=True)
class FilePayload:
    """Octets in a file. Implements `Payload`: `Unavailable` when the file is missing, damaged or cannot be read."""

    ref: PayloadRef
    path: Path

    async def read(self) -> bytes:
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes:
        try:
            octets = self.path.read_bytes()
        except OSError as error:
            raise _trouble("cannot be read", sha256=self.ref.sha256, error=repr(error)) from error
        _check(self.ref, hashlib.sha256(octets).hexdigest(), len(octets))
        return octets

    async def chunks(self) -> AsyncIterator[bytes]:
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
            raise _trouble("cannot be read", sha256=self.ref.sha256, error=repr(error)) from error
        _check(self.ref, digest.hexdigest(), size)
        if last:
            yield last


def _next_piece(file: RawIOBase, digest: hashlib._Hash) -> bytes:
    piece = file.read(PIECE) or b""
    digest.update(piece)
    return piece


class Blobs:
    """A folder of octets, for one process. Making the object touches nothing."""

    def __init__(self, folder: Path, inline_max: int = INLINE_MAX) -> None:
        self.folder = folder
        self.inline_max = inline_max
        self._spool = folder / "spool"
        self._publishing = threading.Lock()
        self._durable_folders: set[Path] = set()

    def spool(self, max_bytes: int) -> Spool:
        """A place for one body of at most `max_bytes`. Use it in `async with`."""
        return Spool(self, max_bytes)

    def payload(self, ref: PayloadRef) -> Payload:
        return FilePayload(ref, self.path(ref))

    def inline(self, ref: PayloadRef, octets: bytes) -> Payload:
        return InlinePayload(ref, octets)

    def path(self, ref: PayloadRef) -> Path:
        return self.folder / ref.sha256[:2] / ref.sha256

    def sweep(self) -> int:
        """Remove what an earlier process left in the spool, and say how many files. Once, before the first `spool`.

        Only for whoever holds the store: it would take another process's files away.
        """
        removed = 0
        if self._spool.is_dir():
            for orphan in self._spool.iterdir():
                orphan.unlink()
                removed += 1
        return removed

    def new_spool_file(self) -> tuple[Path, int]:
        """A new empty file in the spool, open for reading and writing. It lies in the file system of the blobs."""
        path = self._spool / f"{secrets.token_hex(16)}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return path, os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            return path, os.open(path, flags, 0o600)

    def publish(self, ref: PayloadRef, spooled: Path, descriptor: int) -> None:
        """Give a spool file its name. Afterwards the name is on stable storage, or `OSError` and it is not used.

        Where the name is there already, the spool file is dropped: a crash may have left the name before its folder was
        synced, so that is done again.
        """
        os.fdatasync(descriptor)
        target = self.path(ref)
        # One at a time: a name that is about to be taken back must not be found by another.
        with self._publishing:
            self._make_durable(target.parent)
            try:
                size = target.stat().st_size
            except FileNotFoundError:
                spooled.rename(target)
                try:
                    fsync_dir(target.parent)
                except OSError:
                    with suppress(OSError):
                        target.unlink()
                    raise
            else:
                if size != ref.size:
                    raise OSError(f"{target} has {size} octets and should have {ref.size}")
                fsync_dir(target.parent)
                spooled.unlink()

    def _make_durable(self, folder: Path) -> None:
        if folder in self._durable_folders:
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        fsync_dir(self.folder)
        if not self._durable_folders:
            fsync_dir(self.folder.parent)
        self._durable_folders.add(folder)


class Spool:
    """One body on its way in: counted and hashed as it comes, in memory while small, in a spool file when not."""

    def __init__(self, blobs: Blobs, max_bytes: int) -> None:
        self._blobs = blobs
        self._max = max_bytes
        self._size = 0
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: _SpoolFile | None = None
        self._spooled: Spooled | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spooled is not None:
            self._spooled.release()
        if self._file is not None:
            await asyncio.to_thread(self._file.close)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next octets. `Refused(TOO_LARGE)` past the limit; `Unavailable` when the disk does not take them."""
        self._size += len(chunk)
        if self._size > self._max:
            raise Refused(
                Problem(Kind.TOO_LARGE, f"at most {self._max} octets are accepted", extra={"max_bytes": self._max})
            )
        self._pieces.append(bytes(chunk))
        self._waiting += len(chunk)
        if self._size > self._blobs.inline_max and self._waiting >= PIECE:
            await self._flush()

    async def _flush(self) -> None:
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        if self._file is None:
            self._file = _SpoolFile(self._blobs)
        await asyncio.to_thread(self._file.append, pieces, self._digest)

    async def finish(self) -> Spooled:
        """The body is complete. Call it once; what it returns is valid inside the `async with`."""
        assert self._spooled is None, "finished twice"
        if self._size <= self._blobs.inline_max:
            octets = b"".join(self._pieces)
            self._digest.update(octets)
            self._spooled = Spooled(self._ref(), octets, None)
        else:
            await self._flush()
            self._spooled = Spooled(self._ref(), None, self._file)
        return self._spooled

    def _ref(self) -> PayloadRef:
        return PayloadRef(self._digest.hexdigest(), self._size)


class Spooled:
    """A complete body. `inline` holds the octets when they are to be stored in a row (`Ledger.put_payload`)."""

    def __init__(self, ref: PayloadRef, inline: bytes | None, file: _SpoolFile | None) -> None:
        self.ref = ref
        self.inline = inline
        self._file = file
        self._mapped: mmap.mmap | None = None
        self._views: list[memoryview] = []

    def view(self) -> memoryview:
        """The octets without copying them: do not use it, nor slices of it, after the `async with`."""
        if self.inline is not None:
            return memoryview(self.inline)
        assert self._file is not None, "large octets have a file"
        if self._mapped is None:
            self._mapped = self._file.map()
        view = memoryview(self._mapped)
        self._views.append(view)
        return view

    async def keep(self) -> None:
        """Make large octets durable under their digest; small ones go into their row. Repeating is harmless.

        `Unavailable` when anything fails to reach stable storage: then the name is not used.
        """
        if self._file is not None:
            await asyncio.to_thread(self._file.keep, self.ref)

    def release(self) -> None:
        # Someone may still hold a slice: then the mapping goes when the last one does.
        with suppress(BufferError):
            for view in self._views:
                view.release()
            if self._mapped is not None:
                self._mapped.close()


class _SpoolFile:
    """The file behind a large body. Its methods block and run in threads, one at a time: a cancelled caller leaves its
    thread running, and closing waits for it."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._busy = threading.Lock()
        self._path: Path | None = None
        self._descriptor = -1
        self._closed = False
        self._lost = False

    def append(self, pieces: list[bytes], digest: hashlib._Hash) -> None:
        with self._busy:
            if self._closed:
                return
            try:
                if self._path is None:
                    self._path, self._descriptor = self._blobs.new_spool_file()
                for piece in pieces:
                    digest.update(piece)
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(self._descriptor, view) :]
            except OSError as error:
                raise _trouble("cannot be spooled", error=repr(error)) from error

    def map(self) -> mmap.mmap:
        try:
            return mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ)
        except OSError as error:
            raise _trouble("cannot be mapped", error=repr(error)) from error

    def keep(self, ref: PayloadRef) -> None:
        with self._busy:
            if self._path is None or self._closed:
                return
            if self._lost:  # a second sync would report success for pages that the first one has dropped
                raise _trouble("was lost by a failed sync", sha256=ref.sha256)
            try:
                self._blobs.publish(ref, self._path, self._descriptor)
            except OSError as error:
                self._lost = True
                raise _trouble("cannot be made durable", sha256=ref.sha256, error=repr(error)) from error
            self._path = None

    def close(self) -> None:
        with self._busy:
            self._closed = True
            if self._descriptor >= 0:
                with suppress(OSError):
                    os.close(self._descriptor)
                self._descriptor = -1
            if self._path is not None:
                with suppress(OSError):  # swept at the next start
                    self._path.unlink(missing_ok=True)
