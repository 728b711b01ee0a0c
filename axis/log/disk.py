"""Files that survive a power cut: written beside, synced, renamed, and their folders synced.

The first error of a sync is final. The kernel may mark the pages clean that it could not write, so neither a second
sync nor reading the file back proves anything; whoever called must end the process and start from what is known.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".new"
"""What a file is called while it is written. A crash leaves it behind; the next write of the same file takes it."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors that waiting may help: someone makes room."""


class Locked(Exception):
    """Another process works in this folder."""


class Changed(Exception):
    """A file that never changes exists already, with other octets."""


class Folder:
    """One folder that one process writes in. Every name is relative to it, with `/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._settled: set[Path] = set()

    def lock(self) -> None:
        """Make the folder where it is missing and keep others out until `unlock`. `Locked` if another was first."""
        if self._lock is not None:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise Locked(f"another process works in {self.path}") from error
            raise
        self._lock = handle
        self._settled.clear()
        sync_folder(self.path.parent)

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, name: str) -> bytes | None:
        """The octets of a file, `None` if there is none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, files: Iterable[tuple[str, bytes]], *, once: bool) -> None:
        """Put whole files in place. When it returns they are on stable storage; on an error each is old or new.

        With `once` an existing file must have the same octets (`Changed` otherwise). It is written again all the same:
        a process that died may have left it in memory only.
        """
        touched: set[Path] = set()
        for name, octets in files:
            target = self.path / name
            self._make(target.parent, touched)
            if once and (there := self.read(name)) is not None and there != octets:
                raise Changed(name)
            temporary = target.with_name(target.name + TEMPORARY)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            try:
                write_all(handle, octets)
                os.fsync(handle)
            finally:
                os.close(handle)
            temporary.replace(target)
            touched.add(target.parent)
        for folder in touched:
            sync_folder(folder)

    def _make(self, folder: Path, touched: set[Path]) -> None:
        """Make a folder below ours, and see that its name is synced once in the life of this object."""
        if folder == self.path or folder in self._settled:
            return
        self._make(folder.parent, touched)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
        self._settled.add(folder)


def write_all(handle: int, octets: bytes) -> None:
    """`os.write` until everything is written: it may take less than it is given."""
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(handle, rest) :]


def sync_folder(path: Path) -> None:
    """Make names in a folder durable: what was created, renamed or removed there."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
