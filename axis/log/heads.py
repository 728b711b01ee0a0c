"""The store of signed heads: the memory that a restored backup must not have.

It lies in a folder of its own, outside the log's folder, outside the database and outside the backups of both. A log
that was put back to an older state meets here a head that it does not reach, and nothing is signed. The history is one
append-only file, one JSON object a line: ``{"note": "<signed note>"}``.

Where several processes share it, `fence` holds the token of the newest lease on the log. Who comes with an older one
was away for too long: it stores nothing and publishes nothing. They take turns, and pass over who stands still in its
own (`axis.log.turn`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from axis.durable import sync_folder, write_all
from axis.log.checkpoint import Checkpoint, MalformedCheckpoint, parse_checkpoint
from axis.log.disk import FULL, Folder, Locked
from axis.log.turn import TURN, Turn
from axis.plain import NotPlain, open_plain

HISTORY: Final = "heads.jsonl"
FENCE: Final = "fence"
_TAIL_BYTES: Final = 1 << 16
"""The most that one line has."""
_FENCE_BYTES: Final = 64


class HeadReason(StrEnum):
    SMALLER = "smaller"  # the log would shrink
    FORKED = "forked"  # a second root for one size
    MOVED = "moved"  # another writer was faster
    OTHER_ORIGIN = "other-origin"  # this is the store of another log
    FENCED = "fenced"  # another process has a newer lease


class HeadRefused(Exception):
    """The compare-and-swap said no; nothing was stored."""

    def __init__(self, reason: HeadReason, detail: str, fence: int = 0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.fence = fence


class HeadsDamaged(Exception):
    """A line of the history that cannot be read, other than a last one that was cut off while it was written."""


@dataclass(frozen=True, slots=True)
class Head:
    """A signed checkpoint. `checkpoint` is what the note says; whether the signature holds, its reader must ask."""

    checkpoint: Checkpoint
    note: str

    @classmethod
    def read(cls, note: str) -> Head:
        """Parse the text of a note and leave its signatures alone. `MalformedCheckpoint` if it is none."""
        text, blank, _ = note.rpartition("\n\n")
        if not blank:
            raise MalformedCheckpoint("a signed note has a blank line before its signatures")
        return cls(parse_checkpoint(text + "\n"), note)


class CheckpointStore:
    """The heads of one log. `open` it to write; `history` can be read by anyone at any time."""

    def __init__(self, path: Path, shared_as: str = "") -> None:
        """`shared_as` is this process's name among those that share the store."""
        self.path = path
        self._shared = bool(shared_as)
        self._folder = Folder(path, shared_as)
        self._turn = Turn(self._folder)
        self.passing: Callable[[], None] = lambda: None
        """Called where a process is passed over: to remove what it has prepared elsewhere and would put in place."""
        self._handle: int | None = None
        self._latest: Head | None = None
        self._line = b""
        self._end = 0
        self._broken = False
        self._token = 0

    def open(self, token: int = 0) -> None:
        """Lock the store and read its newest head. `disk.Locked`, `HeadsDamaged`.

        A last line without its end was never acknowledged and is cut off. The newest line is written and synced once
        more: if the process before us died on a failed sync, it may have been in memory only.

        A shared store is not locked but fenced: from now on nobody with a smaller token than ours stores anything.
        """
        if self._handle is not None:
            return
        if not self._shared:
            self._folder.lock()
            self._load()
        else:
            self._token = token
            self._folder.lock(shared=True)
            self._folder.prepare(FENCE, f"{token}\n".encode())
            with self._turn.taken(self._pass_over):
                self._refuse_fenced()
                self._folder.place(FENCE)
                self._load()
        sync_folder(self.path)
        self._sync_last()

    def _load(self) -> None:
        """Read the newest head, and cut off what never became a line. Nothing is synced."""
        if self._shared and self._handle is not None:  # a copy may lie there by now
            os.close(self._handle)
            self._handle = None
        if self._handle is None:
            self._handle = os.open(self.path / HISTORY, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._shared:
            self._turn.hold()
        size = os.fstat(self._handle).st_size
        start = max(0, size - _TAIL_BYTES)
        tail = os.pread(self._handle, _TAIL_BYTES, start)
        complete = _acknowledged(tail)
        if not complete and start:
            raise HeadsDamaged("the end of the history cannot be read")
        self._line = complete[complete.rfind(b"\n", 0, -1) + 1 :]
        self._latest = _parse(self._line) if self._line else None
        self._end = start + len(complete)
        if size > self._end:
            os.ftruncate(self._handle, self._end)

    def _sync_last(self) -> None:
        """Write the newest line once more, its octets unchanged, and sync. Done late, it changes nothing."""
        assert self._handle is not None
        if self._line:
            os.lseek(self._handle, self._end - len(self._line), os.SEEK_SET)
            write_all(self._handle, self._line)
        os.fsync(self._handle)

    def _refuse_fenced(self) -> None:
        fence = int(self._folder.read(FENCE, _FENCE_BYTES) or b"0")
        if fence > self._token:
            raise HeadRefused(HeadReason.FENCED, f"lease {fence} is newer than {self._token}", fence)

    def refuse_fenced(self) -> None:
        """`HeadRefused` when another process has a newer lease."""
        if self._shared:
            with self._turn.taken(self._pass_over):
                self._refuse_fenced()

    def reload(self) -> None:
        """Read the newest head again, where other processes may have stored it. `HeadRefused` as `refuse_fenced`."""
        if self._shared:
            with self._turn.taken(self._pass_over):
                self._refuse_fenced()
                self._load()

    def _pass_over(self) -> None:
        """See that whoever was passed over changes nothing when it goes on: a copy of the history counts from now on,
        and what others have prepared is removed."""
        for name in (TURN, FENCE, HISTORY):
            self._folder.drop_prepared(name)
        self.passing()
        if not (self.path / HISTORY).exists():
            return
        self._folder.prepare_copy(HISTORY)
        self._turn.hold()
        self._folder.place(HISTORY)
        sync_folder(self.path)  # else the power may bring back the one that is written no more

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside the `with`, the newest head stays the newest. `HeadRefused` when another process has a newer lease."""
        if not self._shared:
            yield
            return
        with self._turn.taken(self._pass_over):
            self._refuse_fenced()
            yield

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._folder.unlock()

    def latest(self) -> Head | None:
        if self._handle is None:
            raise RuntimeError("the store of heads is not open")
        return self._latest

    def advance(self, was: Head | None, note: str) -> Head:
        """Store `note` as the newest head if the newest is still `was`: durable when it returns.

        The same size with the same root is answered with the head that is there. `HeadRefused` otherwise: a log never
        shrinks and never has two roots for one size. `HeadsDamaged` where the history was put away meanwhile, or
        changed. After `disk.Locked` it may have been stored: `reload`.
        """
        if self._handle is None or self._broken:
            raise RuntimeError("the store of heads is not open, or a sync of it failed")
        if not self._shared:
            self._see_in_place(self._handle)
            head = self._advance(was, note)
        else:
            before = self._latest
            try:
                with self._turn.taken(self._pass_over):
                    self._refuse_fenced()
                    self._load()
                    head = self._advance(was, note)
            except Locked:
                self._latest = before  # `reload` tells whether it was stored
                raise
        self._broken = True
        os.fsync(self._handle)
        self._broken = False
        return head

    def _see_in_place(self, handle: int) -> None:
        """See that the history is still what was opened: else heads would be stored where nobody finds them."""
        here = os.fstat(handle)
        try:
            there = (self.path / HISTORY).stat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            raise HeadsDamaged("the history of heads was moved or removed while the log was being written")
        if here.st_size != self._end:
            raise HeadsDamaged(f"the history of heads has {here.st_size} octets, and was left with {self._end}")

    def _advance(self, was: Head | None, note: str) -> Head:
        new = Head.read(note)
        latest = self._latest
        if latest is not None:
            old = latest.checkpoint
            if new.checkpoint.origin != old.origin:
                raise HeadRefused(HeadReason.OTHER_ORIGIN, f"{new.checkpoint.origin} in the store of {old.origin}")
            if new.checkpoint.size < old.size:
                raise HeadRefused(HeadReason.SMALLER, f"{new.checkpoint.size} after {old.size}")
            if new.checkpoint.size == old.size:
                if new.checkpoint.root != old.root:
                    raise HeadRefused(HeadReason.FORKED, f"two roots for size {old.size}")
                return latest
        if (was and was.checkpoint) != (latest and latest.checkpoint):
            raise HeadRefused(HeadReason.MOVED, "the newest head is not the one that was built on")
        line = json.dumps({"note": note}, ensure_ascii=False).encode() + b"\n"
        self._append(line)
        self._latest = new
        return new

    def history(self) -> Iterator[Head]:
        """Every stored head in the order of storing. `HeadsDamaged` at a line that cannot be read."""
        try:
            file = open_plain(self.path / HISTORY)
        except FileNotFoundError:
            return
        except NotPlain as error:
            raise HeadsDamaged(str(error)) from error
        with file:
            while line := file.readline(_TAIL_BYTES + 1):
                if line.endswith(b"\n"):  # else it is being written, or was cut off and never acknowledged
                    yield _parse(line)
                elif len(line) > _TAIL_BYTES:
                    raise HeadsDamaged("a line of the history has no end")

    def peek(self) -> Head | None:
        """The newest head as it stands there now, for one who does not write. `HeadsDamaged`."""
        try:
            with open_plain(self.path / HISTORY) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                tail = file.read(_TAIL_BYTES)
        except FileNotFoundError:
            return None
        except NotPlain as error:
            raise HeadsDamaged(str(error)) from error
        complete = _acknowledged(tail)
        return _parse(complete[complete.rfind(b"\n", 0, -1) + 1 :]) if complete else None

    def _append(self, line: bytes) -> None:
        """Write a line at the end of what is known to be good, unsynced. Only a full disk leaves the store usable."""
        assert self._handle is not None
        self._broken = True
        os.lseek(self._handle, self._end, os.SEEK_SET)
        try:
            write_all(self._handle, line)
        except OSError as error:
            os.ftruncate(self._handle, self._end)  # as if it had not been tried
            self._broken = error.errno not in FULL
            raise
        self._line = line
        self._end += len(line)
        self._broken = False


def _acknowledged(tail: bytes) -> bytes:
    """The whole lines of a history's end. A last one with octets that never were written (they read as zeros) was torn
    by a power cut before its sync ended, however its end looks: nobody was told of it."""
    complete = tail[: tail.rfind(b"\n") + 1]
    begin = complete.rfind(b"\n", 0, -1) + 1
    return complete[:begin] if b"\0" in complete[begin:] else complete


def _parse(line: bytes) -> Head:
    try:
        note = json.loads(line)["note"]
        if not isinstance(note, str):
            raise TypeError("a note is text")
        return Head.read(note)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HeadsDamaged("a line of the history cannot be read") from error
