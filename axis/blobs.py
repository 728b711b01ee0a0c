"""Content-addressed octets: files named by their SHA-256, and the spool that bodies arrive through.

A name is given only after the octets are on stable storage, and is used only after its folder is. What was never named
is an orphan in `spool/`, which `Blobs.sweep` removes at start. A name without a row (the process died before its
transaction) is harmless: the repeat finds it, or `Blobs.collect` removes it when nobody has named it for long.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from axis.core.model import PayloadRef
from axis.core.octets import Kept
from axis.core.problems import Kind, Problem, Refused
from axis.durable import sync_folder, write_all
from axis.kept import PIECE, FileOctets, FilePayload, InlinePayload, trouble

INLINE_MAX: Final = 131_072
"""Up to here octets share the flush of their row: a small file costs more than all the rest (measured, ADR 0009)."""


NAMING_S: Final = 3.0
"""How long it is waited for who uses or removes a name, which takes as long as a file is removed."""
_AGAIN_S: Final = 0.005


def _refuse_damaged(path: Path, ref: PayloadRef) -> None:
    """`OSError` where something else lies under a name: a receipt must not rest on it. Left there for people to see."""
    try:
        with path.open("rb", 0) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return
    if found != ref.sha256:
        raise OSError(f"{path} is not what its name says")


def _lock(handle: int, how: int) -> None:
    """Whoever waits without end has a thread, and with a few of them nothing else that needs one goes on."""
    deadline = time.monotonic() + NAMING_S
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has kept the names for {NAMING_S:g} s") from None
            time.sleep(_AGAIN_S)
        else:
            return


def free_octets(folder: Path) -> int:
    """What is left on the disk of the blobs for those who are not root. A folder that is made later lies above."""
    while True:
        try:
            found = os.statvfs(folder)
        except FileNotFoundError:
            folder = folder.parent
        else:
            return found.f_bavail * found.f_frsize


class Blobs:
    """A folder of octets, with a spool for one process. Making the object touches nothing.

    Processes that share the folder have a `spool` each, by names that stay: what one leaves behind when it is killed,
    the next of that name sweeps up.
    """

    def __init__(self, folder: Path, inline_max: int = INLINE_MAX, spool: str = "spool") -> None:
        self.folder = folder
        self.inline_max = inline_max
        self._spool = folder / spool
        self._publishing = threading.Lock()
        self._durable_folders: set[Path] = set()

    def spool(self, max_bytes: int, inline_max: int | None = None, keep: Keep | None = None) -> Spool:
        """A place for one body of at most `max_bytes`, in a file above `inline_max` (by default, and at most, that of
        the blobs). Use it in `async with`. `keep` is what makes it durable, by default under its name in the folder."""
        most = self.inline_max if inline_max is None else min(inline_max, self.inline_max)
        return Spool(self, max_bytes, most, keep or _name)

    async def shelve(self, octets: bytes) -> tuple[PayloadRef, bytes | None]:
        """Large octets are durable under their digest afterwards; small ones come back, for a row. Repeating is
        harmless."""
        return await shelved(self.spool(len(octets)), octets)

    def payload(self, ref: PayloadRef) -> Kept:
        return FilePayload(ref, self.path(ref))

    def inline(self, ref: PayloadRef, octets: bytes) -> Kept:
        return InlinePayload(ref, octets)

    def path(self, ref: PayloadRef) -> Path:
        return self.folder / ref.sha256[:2] / ref.sha256

    def sweep(self) -> int:
        """Remove what an earlier process left in the spool, and say how many files. Once, before the first `spool`.

        Only for whoever holds the store under this name: it would take another process's files away.
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

        Where the name is there already, it is read, since it will be relied on, and the spool file is dropped: a crash
        may have left the name before its folder was synced, so that is done again. Each naming is remembered as the
        time of the file (`collect`).
        """
        os.fdatasync(descriptor)
        target = self.path(ref)
        _refuse_damaged(target, ref)
        # One at a time: a name that is about to be taken back must not be found by another.
        with self._publishing:
            self._make_durable(target.parent)
            if self._name_again(target, ref):
                sync_folder(target.parent)
                spooled.unlink()
                return
            os.utime(descriptor)
            spooled.rename(target)
            try:
                sync_folder(target.parent)
            except OSError:
                with suppress(OSError):
                    target.unlink()
                raise

    def _name_again(self, target: Path, ref: PayloadRef) -> bool:
        """Say whether the name is there, and if so, that it was named now: from here on `collect` leaves it."""
        with self._naming(fcntl.LOCK_SH):
            try:
                size = target.stat().st_size
            except FileNotFoundError:
                return False
            if size != ref.size:
                raise OSError(f"{target} has {size} octets and should have {ref.size}")
            os.utime(target)
        return True

    def collect(self, name: str, before: float) -> int | None:
        """Remove a named file that no row names, unless it was named at `before` (seconds since 1970) or later.

        Returns its size, `None` where it stays or is gone. The caller has asked the store after it saw the file's time:
        so whoever named it earlier has long committed, and whoever names it now is waited for, or finds it gone and
        names it anew.
        """
        path = self.folder / name[:2] / name
        with self._naming(fcntl.LOCK_EX):
            try:
                found = path.stat()
            except FileNotFoundError:
                return None
            if found.st_mtime >= before:
                return None
            path.unlink()
        return found.st_size

    @contextmanager
    def _naming(self, how: int) -> Iterator[None]:
        """Between looking at a name and using or removing it. Among all processes that share the folder.

        `OSError` where one of them stands still in there: it may go on with what it had begun, and is not passed over.
        """
        lock = self.folder.with_name(self.folder.name + ".lock")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:  # a sweep by root must not lock the daemon's account out
                owner = self.folder.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            _lock(handle, how)
            yield
        finally:
            os.close(handle)

    def _make_durable(self, folder: Path) -> None:
        if folder in self._durable_folders:
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self.folder)
        if not self._durable_folders:
            sync_folder(self.folder.parent)
        self._durable_folders.add(folder)


class Spool:
    """One body on its way in: counted and hashed as it comes, in memory while small, in a spool file when not."""

    def __init__(self, blobs: Blobs, max_bytes: int, inline_max: int, keep: Keep) -> None:
        self._blobs = blobs
        self._keep = keep
        self._inline_max = inline_max
        self._max = max_bytes
        self._size = 0
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: SpoolFile | None = None
        self._spooled: Spooled | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None and not self._file.let_go():
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
        if self._size > self._inline_max and self._waiting >= PIECE:
            await self._flush()

    async def _flush(self) -> None:
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        if self._file is None:
            self._file = SpoolFile(self._blobs)
        await asyncio.to_thread(self._file.append, pieces, self._digest)

    async def finish(self) -> Spooled:
        """The body is complete. Call it once; what it returns is valid inside the `async with`."""
        assert self._spooled is None, "finished twice"
        if self._size <= self._inline_max:
            octets = b"".join(self._pieces)
            self._digest.update(octets)
            self._spooled = Spooled(self._ref(), octets, None, self._keep)
        else:
            if self._waiting:
                await self._flush()
            self._spooled = Spooled(self._ref(), None, self._file, self._keep)
        return self._spooled

    def _ref(self) -> PayloadRef:
        return PayloadRef(self._digest.hexdigest(), self._size)


class Spooled:
    """A complete body. `inline` holds the octets when they are to be stored in a row (`Ledger.put_payload`)."""

    def __init__(self, ref: PayloadRef, inline: bytes | None, file: SpoolFile | None, keep: Keep) -> None:
        self.ref = ref
        self.inline = inline
        self._file = file
        self._keep = keep

    @property
    def place(self) -> bytes | str:
        if self.inline is not None:
            return self.inline
        assert self._file is not None, "large octets have a file"
        return str(self._file.path or self._file.named(self.ref))

    def digest(self, name: str) -> bytes:
        if name == "sha256":
            return bytes.fromhex(self.ref.sha256)
        if self.inline is not None:
            return hashlib.new(name, self.inline).digest()
        assert self._file is not None, "large octets have a file"
        return self._file.digest(name)

    def view(self) -> bytes | FileOctets:
        """The octets, of a file by slices: they cannot be read after the `async with`."""
        if self.inline is not None:
            return self.inline
        assert self._file is not None, "large octets have a file"
        return FileOctets(str(self.place), self.ref.size, self._file.read)

    async def keep(self) -> None:
        """Make large octets durable under their digest; small ones go into their row. Repeating is harmless.

        `Unavailable` when anything fails to reach stable storage: then the name is not used.
        """
        if self._file is not None:
            await self._keep(self.ref, self._file)


Keep = Callable[[PayloadRef, "SpoolFile"], Awaitable[None]]
"""Makes a complete body durable under its digest. `Unavailable`."""


async def _name(ref: PayloadRef, file: SpoolFile) -> None:
    await asyncio.to_thread(file.keep, ref)


async def shelved(spool: Spool, octets: bytes) -> tuple[PayloadRef, bytes | None]:
    """Octets at hand, kept through `spool`: durable afterwards, or given back to be put into a row."""
    async with spool:
        await spool.write(octets)
        spooled = await spool.finish()
        await spooled.keep()
        return spooled.ref, spooled.inline


class SpoolFile:
    """The file behind a large body. Its methods block and run in threads, one at a time: a cancelled caller leaves its
    thread running, and closing waits for it."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._busy = threading.Lock()
        self._path: Path | None = None
        """In the spool; `None` before there is one, and when it has its name."""
        self._descriptor = -1
        self._size = 0
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
                    write_all(self._descriptor, piece)
                self._hand_on(sum(map(len, pieces)))
            except OSError as error:
                raise trouble("cannot be spooled", error=repr(error)) from error

    def _hand_on(self, count: int) -> None:
        """Let the disk begin with the last `count` octets while the rest comes and is judged: then the sync has less to
        wait for, and so has whoever syncs behind it. This promises nothing; a failure is told to that sync."""
        os.posix_fadvise(self._descriptor, self._size, count, os.POSIX_FADV_DONTNEED)
        self._size += count

    @property
    def path(self) -> Path | None:
        return self._path

    def named(self, ref: PayloadRef) -> Path:
        return self._blobs.path(ref)

    def digest(self, name: str) -> bytes:
        digest, at = hashlib.new(name), 0
        with self._busy:
            try:
                while piece := os.pread(self._descriptor, PIECE, at):
                    digest.update(piece)
                    at += len(piece)
            except OSError as error:
                raise trouble("cannot be read", error=repr(error)) from error
        return digest.digest()

    def read(self, at: int, count: int) -> bytes:
        with self._busy:
            return os.pread(self._descriptor, count, at)

    def keep(self, ref: PayloadRef) -> None:
        with self._busy:
            if self._path is None or self._closed:
                return
            if self._lost:  # a second sync would report success for pages that the first one has dropped
                raise trouble("was lost by a failed sync", sha256=ref.sha256)
            try:
                self._blobs.publish(ref, self._path, self._descriptor)
            except OSError as error:
                self._lost = True
                raise trouble("cannot be made durable", sha256=ref.sha256, error=repr(error)) from error
            self._path = None

    def let_go(self) -> bool:
        """Close the file where that takes no time, and say so: it has its name, and no thread is at work on it."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            if self._path is not None:
                return False
            self._close()
        finally:
            self._busy.release()
        return True

    def close(self) -> None:
        with self._busy:
            self._close()
            if self._path is not None:
                with suppress(OSError):  # swept at the next start
                    self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        self._closed = True
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
