"""The folder of the blobs as it lies there: named files, spools, and what belongs to neither."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from axis.blobs import Blobs
from axis.care.place import put, write_pieces
from axis.core.model import PayloadRef
from axis.durable import sync_folder
from axis.holding import Holding, Sort, StoredFile
from axis.plain import files_below

_NAME: Final = re.compile(r"[0-9a-f]{64}")
_PREFIX: Final = re.compile(r"[0-9a-f]{2}")
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Files:
    """Implements `axis.holding.Holding`."""

    folder: Path

    @property
    def name(self) -> str:
        return str(self.folder)

    def stored(self) -> Iterator[StoredFile]:
        for place in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if place.is_symlink() or not place.is_dir():
                yield from self._look(Sort.STRAY, place)
                continue
            spool = place.name == "spool" or place.name.startswith("spool-")
            for path in (Path(one.path) for one in files_below(place)):
                named = _PREFIX.fullmatch(place.name) and _NAME.fullmatch(path.name) and path.parent == place
                right = named and path.name.startswith(place.name) and not path.is_symlink()
                yield from self._look(Sort.NAMED if right else Sort.SPOOLED if spool else Sort.STRAY, path)

    def _look(self, sort: Sort, path: Path) -> Iterator[StoredFile]:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISREG(found.st_mode):
            sort = Sort.STRAY  # a pipe, a device, a link: nobody reads from those
        yield StoredFile(sort, str(path.relative_to(self.folder)), found.st_size, found.st_mtime)

    def has(self, ref: PayloadRef) -> bool:
        return self.file(ref).is_file()

    def file(self, ref: PayloadRef) -> Path:
        return self.folder / ref.sha256[:2] / ref.sha256

    def pieces(self, ref: PayloadRef) -> Iterator[bytes]:
        with self.file(ref).open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece

    def digest_of(self, file: StoredFile) -> tuple[str, int]:
        return digest_of(self.folder / file.where)

    def take(self, ref: PayloadRef, source: Path) -> None:
        target, coming = self.file(ref), self.folder / "spool" / f"{ref.sha256}.part"
        if target.exists():
            if target.stat().st_size != ref.size:
                raise OSError(f"{target} has {target.stat().st_size} octets and should have {ref.size}")
            return
        coming.unlink(missing_ok=True)
        put(source, coming, link=False)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        coming.rename(target)
        for folder in (target.parent, self.folder, self.folder.parent):
            sync_folder(folder)

    def collect(self, file: StoredFile, before: float) -> int | None:
        return Blobs(self.folder).collect(file.name, before)

    def claim(self, file: StoredFile) -> None:
        """Files are removed under a lock (`Blobs.collect`): nothing lies aside."""


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 in hex and size of a file, read in pieces. `OSError`."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def bring(holding: Holding, ref: PayloadRef, target: Path, *, link: bool) -> None:
    """The octets under that name in the new file `target`: another name of the same file, where `link` and both places
    allow it. `FileNotFoundError`, `OSError`."""
    file = holding.file(ref)
    if file is not None:
        put(file, target, link=link)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_pieces(target, holding.pieces(ref))
