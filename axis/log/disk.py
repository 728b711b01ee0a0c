"""Files that survive a power cut: written beside, synced, renamed, and their folders synced.

The first error of a sync is final. The kernel may mark the pages clean that it could not write, so neither a second
sync nor reading the file back proves anything; whoever called must end the process and start from what is known.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from axis.durable import sync_folder, write_all
from axis.plain import NotPlain, read_plain

TEMPORARY: Final = ".new"
"""What a file is called while it is written. A crash leaves it behind; the next write of the same file takes it."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors that waiting may help: someone makes room."""


WOULD_BLOCK: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES})
"""What a lock says that another process has."""

_PIECE: Final = 1 << 20
MOST_SETTLED: Final = 1_024
"""Folders whose names are known to be synced: a log makes two for each 256 entries, and writes in the newest only."""


class Locked(Exception):
    """Another process works in this folder."""


class Changed(Exception):
    """A file that never changes exists already, with other octets."""


class Folder:
    """One folder that one process writes in. Every name is relative to it, with `/`.

    Where several processes share it, each has a `mark` of its own, so that two of them that write the same file (with
    the same octets, by whoever planned it) do not write over each other's beginnings.
    """

    def __init__(self, path: Path, mark: str = "") -> None:
        self.path = path
        self._temporary = f".{mark}{TEMPORARY}" if mark else TEMPORARY
        self._lock: int | None = None
        self._settled: set[Path] = set()

    def make(self) -> None:
        """Make the folder where it is missing, for good."""
        self.path.mkdir(parents=True, exist_ok=True)
        sync_folder(self.path.parent)

    def lock(self, *, shared: bool = False) -> None:
        """Make the folder where it is missing and keep others out until `unlock`. `Locked` if another was first.

        With `shared`, those that share it as well are let in.
        """
        if self._lock is not None:
            return
        self.make()
        self._lock = self._taken(fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        self._settled.clear()

    def _taken(self, how: int) -> int:
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno in WOULD_BLOCK:
                raise Locked(f"another process works in {self.path}") from error
            raise
        return handle

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, name: str, most: int) -> bytes | None:
        """The octets of a file, `None` if there is none. `NotPlain` for what is no file, or has more than `most`."""
        try:
            return read_plain(self.path / name, most)
        except FileNotFoundError:
            return None

    def write(self, files: Iterable[tuple[str, bytes]], *, once: bool) -> None:
        """Put whole files in place. When it returns they are on stable storage; on an error each is old or new.

        With `once` an existing file must have the same octets (`Changed` otherwise). It is written again all the same:
        a process that died may have left it in memory only.
        """
        touched: set[Path] = set()
        made: set[Path] = set()
        for name, octets in files:
            target = self.path / name
            self._make(target.parent, touched, made)
            if once and self._is_other(name, octets):
                raise Changed(name)
            self.replace(name, octets)
            touched.add(target.parent)
        for folder in touched:
            sync_folder(folder)
        if len(self._settled) >= MOST_SETTLED:
            self._settled.clear()  # those that are still wanted are synced once more
        self._settled |= made

    def _is_other(self, name: str, octets: bytes) -> bool:
        try:
            there = self.read(name, len(octets))
        except NotPlain:
            return True
        return there is not None and there != octets

    def replace(self, name: str, octets: bytes) -> None:
        """Put a whole file in the place of an older one. After a power cut it is the one or the other."""
        self.prepare(name, octets)
        self.place(name)

    def prepare(self, name: str, octets: bytes) -> None:
        """Write a file beside the one that it is to replace, and sync it."""
        with self._new(name) as handle:
            write_all(handle, octets)

    def prepare_copy(self, name: str) -> None:
        """Write a copy of a file beside it, and sync it."""
        there = os.open(self.path / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._new(name) as copy:
                while octets := os.read(there, _PIECE):
                    write_all(copy, octets)
        finally:
            os.close(there)

    @contextmanager
    def _new(self, name: str) -> Iterator[int]:
        """What is written inside, beside the file of that name, is synced at the end."""
        handle = os.open(self.beside(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            yield handle
            os.fsync(handle)
        finally:
            os.close(handle)

    def place(self, name: str) -> None:
        """Put what was prepared in its place: one call, of which others see all or nothing.

        `Locked` where another process has removed it (`drop_prepared`).
        """
        try:
            self.beside(name).replace(self.path / name)
        except FileNotFoundError as error:
            raise Locked(f"another process has removed what was prepared of {name}") from error

    def drop_prepared(self, name: str) -> None:
        """Remove what other processes have prepared of a file that is shared: they put it in place no more."""
        for there in self.path.glob(f"{name}.*{TEMPORARY}"):
            if there != self.beside(name):
                there.unlink(missing_ok=True)

    def beside(self, name: str) -> Path:
        """Where a file is prepared."""
        return self.path / (name + self._temporary)

    def _make(self, folder: Path, touched: set[Path], made: set[Path]) -> None:
        """Make a folder below ours, whose name is then synced once in the life of this object: `touched` is synced."""
        if folder == self.path or folder in self._settled or folder in made:
            return
        self._make(folder.parent, touched, made)
        folder.mkdir(exist_ok=True)
        touched.add(folder.parent)
        made.add(folder)
