"""Taking turns in a folder that several processes share, also where one of them stands still in its turn (F38).

The lock of a file ends with the process that has it, not with its standing still: a machine that is paused just there,
or a disk that does not answer, kept everybody out for as long as that lasted. So whoever has waited in vain passes it
over, by putting a lock of its own in that one's place. Whoever was passed over may go on at any moment, in the middle
of what it did. That changes nothing, because a turn consists of two kinds of work only:

* it renames what was prepared before. Whoever passes it over removes what others have prepared.
* it writes to files that it has opened in this turn. Whoever passes it over puts copies in their place.

Both are looked after by `passing`, after the lock has changed. And at the end of each turn, as behind each opening of a
file, its lock must be the one that lies there: then all that was written is in whatever copy is made later.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from axis.log.disk import WOULD_BLOCK, Folder, Locked

TURN: Final = "turn"
PATIENCE_S: Final = 3.0
"""How long a turn is waited for. One takes a fraction of a millisecond, and the lease of the log must not run out."""
_AGAIN_S: Final = 0.02


class PassedOver(Locked):
    """Another process did not wait for this one any longer: what it did in its turn does not count."""


class Turn:
    """The turns of one process in one shared folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._path = folder.path / TURN
        self._lock: int | None = None

    @contextmanager
    def taken(self, passing: Callable[[], None]) -> Iterator[None]:
        """Inside it is our turn; where somebody was passed over for it, `passing` comes first.

        `PassedOver` at the end where it no longer was our turn: then nothing of it counts.
        """
        passed = self._take()
        try:
            if passed:
                passing()
            yield
            self.hold()
        finally:
            assert self._lock is not None
            os.close(self._lock)
            self._lock = None

    def hold(self) -> None:
        """See that it is still our turn: `PassedOver` where it is not."""
        assert self._lock is not None
        if not _lies_there(self._lock, self._path):
            raise PassedOver(f"another process has taken this one's turn in {self._folder.path}")

    def _take(self) -> bool:
        """Wait for the turn; says whether somebody was passed over for it."""
        waited_for, deadline = None, 0.0
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                if _locked(handle):
                    if _lies_there(handle, self._path):
                        self._lock, handle = handle, -1
                        return False
                    continue
                if (there := _identity(handle)) != waited_for:
                    waited_for, deadline = there, time.monotonic() + PATIENCE_S
            finally:
                if handle >= 0:
                    os.close(handle)
            if time.monotonic() > deadline:
                self._lock = self._instead()
                return True
            time.sleep(_AGAIN_S)

    def _instead(self) -> int:
        """A lock of ours in the place of the one that lies there. Only its name must be seen, nothing be kept."""
        own = self._folder.beside(TURN)
        own.unlink(missing_ok=True)
        handle = os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            if not _locked(handle):
                raise Locked(f"{own} is locked, and new")
            self._folder.place(TURN)
        except BaseException:
            os.close(handle)
            raise
        return handle


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in WOULD_BLOCK:
            return False
        raise
    return True


def _identity(handle: int) -> tuple[int, int]:
    there = os.fstat(handle)
    return there.st_dev, there.st_ino


def _lies_there(handle: int, path: Path) -> bool:
    """Whether what is open is what the name leads to. It is opened for that: a mounted folder is asked then."""
    try:
        other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return _identity(handle) == _identity(other)
    finally:
        os.close(other)
