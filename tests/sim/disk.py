"""The disks of simulated nodes: calls of the operating system about files below a node's folder are carried out, and
told to a `Disk` that knows what would be left of them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.faults.disk import Disk
from tests.sim.loop import LIFE, Life

CALLS = ("open", "write", "lseek", "ftruncate", "fsync", "fdatasync", "rename", "replace", "unlink", "remove", "mkdir")

Reached = Callable[[Disk, str, str], None]


class Disks:
    """The disks in use, by their folder."""

    def __init__(self) -> None:
        self._disks: list[tuple[Disk, Reached]] = []
        self._paths: dict[int, str] = {}
        self._owners: dict[int, Life | None] = {}
        """Who has opened what, by its number."""
        self._real: dict[str, Callable[..., Any]] = {}

    def mount(self, disk: Disk, reached: Reached) -> None:
        """`reached` is called before each call that reaches the disk, with the call's name and the path."""
        self._disks.append((disk, reached))

    def let_go(self, life: Life) -> None:
        """It is over, and so are its locks. It may have died where the code had one and did not know yet."""
        for handle in [one for one, owner in self._owners.items() if owner is life]:
            with suppress(OSError):  # it was closed
                fcntl.flock(handle, fcntl.LOCK_UN)
            del self._owners[handle]

    def _of(self, path: str) -> Disk | None:
        return next((disk for disk, _ in reversed(self._disks) if disk.has(path)), None)

    def reached(self, disk: Disk, call: str, path: str) -> None:
        next(reached for one, reached in self._disks if one is disk)(disk, call, path)

    def _path(self, path: Any, dir_fd: int | None = None) -> str:
        if isinstance(path, int):
            return self._paths.get(path, "")
        text = os.fsdecode(path)
        return os.path.join(self._paths.get(dir_fd, ""), text) if dir_fd is not None else text  # noqa: PTH118

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Inside, `os` tells us."""
        self._real = {name: getattr(os, name) for name in CALLS}
        for name in CALLS:
            setattr(os, name, getattr(self, f"_{name}"))
        try:
            yield
        finally:
            for name, real in self._real.items():
                setattr(os, name, real)
            for handle in self._paths:
                try:
                    os.close(handle)
                except OSError:
                    continue

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        where = self._path(path, dir_fd)
        disk = self._of(where)
        if disk and flags & (os.O_CREAT | os.O_TRUNC):
            self.reached(disk, "open", where)
        handle: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        self._owners[handle] = LIFE.get()
        if disk:
            self._paths[handle] = where
            if flags & (os.O_CREAT | os.O_TRUNC):
                disk.opened(where, create=bool(flags & os.O_CREAT), cut=bool(flags & os.O_TRUNC))
        else:
            self._paths.pop(handle, None)
        return handle

    def _write(self, handle: int, octets: Any) -> int:
        disk = self._of(path := self._path(handle))
        if disk is None:
            return int(self._real["write"](handle, octets))
        self.reached(disk, "write", path)
        at = self._real["lseek"](handle, 0, os.SEEK_CUR)
        count: int = self._real["write"](handle, octets)
        disk.wrote(path, at, bytes(octets[:count]))
        return count

    def _lseek(self, handle: int, at: int, how: int) -> int:
        return int(self._real["lseek"](handle, at, how))

    def _ftruncate(self, handle: int, size: int) -> None:
        disk = self._of(path := self._path(handle))
        if disk:
            self.reached(disk, "ftruncate", path)
        self._real["ftruncate"](handle, size)
        if disk:
            disk.cut(path, size)

    def _fsync(self, handle: int) -> None:
        disk = self._of(path := self._path(handle))
        if disk is None:
            self._real["fsync"](handle)
            return
        self.reached(disk, "sync", path)
        if sync := disk.syncing(path):
            disk.synced(sync)

    _fdatasync = _fsync

    def _rename(self, path: Any, to: Any) -> None:
        disk = self._of(self._path(path))
        if disk:
            self.reached(disk, "rename", self._path(to))
        self._real["rename"](path, to)
        if disk:
            disk.renamed(self._path(path), self._path(to))

    _replace = _rename

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        where = self._path(path, dir_fd)
        disk = self._of(where)
        if disk:
            self.reached(disk, "unlink", where)
        self._real["unlink"](path, dir_fd=dir_fd)
        if disk:
            disk.removed(where)

    _remove = _unlink

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        where = self._path(path, dir_fd)
        disk = self._of(where)
        if disk:
            self.reached(disk, "mkdir", where)
        self._real["mkdir"](path, mode, dir_fd=dir_fd)
        if disk:
            disk.made(where)
