"""A disk that keeps what was synced, and may lose the rest: a model of one folder, its files and their names.

A file's octets are durable when a sync of it that began after their write has ended; a name is durable when its folder
was synced so. Nothing else is promised (POSIX; real file systems promise more), so after a power cut any part of the
rest may be there. `after` says which: see `Loss`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

SECTOR: Final = 512
"""Octets that a disk writes wholly or not at all."""


class Loss(StrEnum):
    """What becomes of that which was not synced."""

    NOTHING = "nothing"
    """It is all there: the process was killed, the machine lives."""
    ALL = "all"
    SOME = "some"
    """Each sector of each write, each change of a size or a name is there or not, by lot."""
    TORN = "torn"
    """Each file has its first changes, up to a place by lot; the last of them may be cut between two sectors."""


@dataclass(frozen=True)
class Change:
    """One change of a file: octets from `at` on, or the size becomes `at`."""

    at: int
    octets: bytes | None

    def on(self, content: bytearray) -> None:
        if self.octets is None:
            del content[self.at :]
            content.extend(bytes(self.at - len(content)))
            return
        content.extend(bytes(max(0, self.at - len(content))))
        content[self.at : self.at + len(self.octets)] = self.octets

    def sectors(self) -> Iterator[Change]:
        """The same in pieces, none of which crosses a sector."""
        if self.octets is None:
            yield self
            return
        start = 0
        while start < len(self.octets):
            end = min(len(self.octets), (self.at + start) // SECTOR * SECTOR + SECTOR - self.at)
            yield Change(self.at + start, self.octets[start:end])
            start = end


@dataclass(eq=False)
class File:
    durable: bytearray = field(default_factory=bytearray)
    now: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        change.on(self.now)
        self.pending.append(change)

    def settle(self, count: int) -> None:
        for change in self.pending[:count]:
            change.on(self.durable)
        del self.pending[:count]

    def after(self, loss: Loss, lot: random.Random) -> bytes:
        if loss is Loss.NOTHING or not self.pending:
            return bytes(self.now)
        content = bytearray(self.durable)
        if loss is Loss.SOME:
            for change in self.pending:
                for piece in change.sectors():
                    if lot.random() < 0.5:
                        piece.on(content)
        elif loss is Loss.TORN:
            whole = lot.randrange(len(self.pending))
            for change in self.pending[:whole]:
                change.on(content)
            pieces = list(self.pending[whole].sectors())
            for piece in pieces[: lot.randint(0, len(pieces))]:
                piece.on(content)
        return bytes(content)


@dataclass(frozen=True)
class Naming:
    """One change of a folder: `inode` has this name, or nothing has. Parts of one rename have one `number`."""

    number: int
    name: str
    inode: File | Folder | None

    def on(self, names: dict[str, File | Folder]) -> None:
        if self.inode is None:
            names.pop(self.name, None)
        else:
            names[self.name] = self.inode


@dataclass(eq=False)
class Folder:
    durable: dict[str, File | Folder] = field(default_factory=dict)
    now: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[Naming] = field(default_factory=list)

    def change(self, change: Naming) -> None:
        change.on(self.now)
        self.pending.append(change)

    def settle(self, count: int) -> None:
        for change in self.pending[:count]:
            change.on(self.durable)
        del self.pending[:count]


@dataclass(frozen=True)
class Sync:
    """A sync under way: it covers what had been changed when it began."""

    inode: File | Folder
    covers: list[Change] | list[Naming]


Found = dict[str, bytes | None]
"""What lies in a folder: path below it → octets, `None` for a folder."""


class Disk:
    """The folder `root`, of which only what lies below `only` counts; `found` lies there and is durable.

    What is called here has succeeded: it is told after the call has returned, a sync before and after.
    """

    def __init__(self, root: Path, only: tuple[str, ...], found: Found) -> None:
        self.root, self._prefix = root, f"{root}/"
        self._only = only
        self._numbers = 0
        self._top = Folder()
        folders = {"": self._top}
        for path, octets in found.items():
            above, _, name = path.rpartition("/")
            inode = Folder() if octets is None else File(bytearray(octets), bytearray(octets))
            folders[above].now[name] = folders[above].durable[name] = inode
            if isinstance(inode, Folder):
                folders[path] = inode

    def moved(self, root: Path) -> None:
        """The same files lie in `root` now; what was not synced is not."""
        self.root, self._prefix = root, f"{root}/"

    def has(self, path: str) -> bool:
        """Whether changes at this path are remembered."""
        if not path.startswith(self._prefix):
            return path == self._prefix[:-1]
        return self._mine(path[len(self._prefix) :].partition("/")[0])

    def _mine(self, name: str) -> bool:
        return name in self._only

    def at(self, path: str) -> File | Folder | None:
        here: File | Folder | None = self._top
        for part in path.removeprefix(self._prefix).split("/") if path != self._prefix[:-1] else ():
            here = here.now.get(part) if isinstance(here, Folder) else None
        return here

    def file(self, path: str) -> File:
        found = self.at(path)
        assert isinstance(found, File), f"{path} is no file"
        return found

    def _naming(self, path: str, inode: File | Folder | None) -> None:
        above, _, name = path.rpartition("/")
        parent = self.at(above)
        assert isinstance(parent, Folder), path
        parent.change(Naming(self._numbers, name, inode))

    def opened(self, path: str, *, create: bool, cut: bool) -> None:
        if self.at(path) is None:
            if create:
                self._numbers += 1
                self._naming(path, File())
        elif cut and self.file(path).now:
            self.file(path).change(Change(0, None))

    def wrote(self, path: str, at: int, octets: bytes) -> None:
        self.file(path).change(Change(at, octets))

    def cut(self, path: str, size: int) -> None:
        self.file(path).change(Change(size, None))

    def made(self, path: str) -> None:
        self._numbers += 1
        self._naming(path, Folder())

    def removed(self, path: str) -> None:
        self._numbers += 1
        self._naming(path, None)

    def renamed(self, path: str, to: str) -> None:
        self._numbers += 1
        inode = self.at(path)
        assert inode is not None, path
        self._naming(path, None)
        self._naming(to, inode)

    def syncing(self, path: str) -> Sync | None:
        """A sync has begun."""
        inode = self.at(path)
        return None if inode is None else Sync(inode, list(inode.pending))  # type: ignore[arg-type]

    def synced(self, sync: Sync) -> None:
        """It has succeeded."""
        covered = set(map(id, sync.covers))
        count = next((n for n, one in enumerate(sync.inode.pending) if id(one) not in covered), len(sync.covers))
        sync.inode.settle(min(count, len(sync.inode.pending)))

    def unsynced(self) -> list[str]:
        """Paths, as they are now, of files and folders with changes that are not durable."""
        return [path for path, inode in self._walk(self._top, "") if inode.pending]

    def _walk(self, folder: Folder, path: str) -> Iterator[tuple[str, File | Folder]]:
        yield path or ".", folder
        for name, inode in folder.now.items():
            below = f"{path}/{name}" if path else name
            if isinstance(inode, Folder):
                yield from self._walk(inode, below)
            else:
                yield below, inode

    def after(self, loss: Loss, seed: int) -> Found:
        """What lies there when the power comes back."""
        lot = random.Random(seed)
        kept: dict[int, bool] = {}
        found: Found = {}

        def look(folder: Folder, path: str) -> None:
            names = dict(folder.now if loss is Loss.NOTHING else folder.durable)
            if loss in (Loss.SOME, Loss.TORN):
                for change in folder.pending:
                    if kept.setdefault(change.number, lot.random() < 0.5):
                        change.on(names)
            for name, inode in names.items():
                below = f"{path}{name}"
                if isinstance(inode, Folder):
                    found[below] = None
                    look(inode, f"{below}/")
                else:
                    found[below] = inode.after(loss, lot)

        look(self._top, "")
        return found


def lies_in(root: Path, only: tuple[str, ...]) -> Found:
    """What of these lies in `root` now."""
    paths = [
        path for name in only if (root / name).exists() for path in (root / name, *sorted((root / name).rglob("*")))
    ]
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in paths}


def lay_out(found: Found, root: Path, only: tuple[str, ...]) -> None:
    """Put this in place of what of these lies in `root`."""
    for name in only:
        if (root / name).exists():
            shutil.rmtree(root / name)
    for name, octets in found.items():
        path = root / name
        if octets is None:
            path.mkdir(parents=True)
        else:
            path.write_bytes(octets)
