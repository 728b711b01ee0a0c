"""All octets that lie outside the database, as whoever looks after a node sees them: files, or objects in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from axis.core.model import PayloadRef


class Sort(Enum):
    NAMED = auto()  # ab/abcd...: octets under their digest
    ASIDE = auto()  # unnamed/abcd...: objects that no row named; one that is named after all is still read there
    SPOOLED = auto()  # spool/*: a body on its way in, or what is left of one
    STRAY = auto()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file or object. `where` is its place below the folder or prefix, `mtime` is in seconds since 1970: of a named
    file when it was named last, of an object when it was written."""

    sort: Sort
    where: str
    size: int
    mtime: float

    @property
    def name(self) -> str:
        return self.where.rpartition("/")[2]


class Holding(Protocol):
    """Its functions block. `OSError` from all of them when the place cannot be asked, `FileNotFoundError` when just
    these octets are not there."""

    @property
    def name(self) -> str:
        """What people call the place. Two holdings of one name are one."""
        ...

    def stored(self) -> Iterator[StoredFile]:
        """Everything that is there, in the order of names. What vanishes meanwhile is left out."""
        ...

    def pieces(self, ref: PayloadRef) -> Iterator[bytes]:
        """The octets under that name, whatever they are: whoever asks holds them against the name."""
        ...

    def has(self, ref: PayloadRef) -> bool:
        """Whether there are octets under that name, whatever they are."""
        ...

    def file(self, ref: PayloadRef) -> Path | None:
        """The file that they are, or would be, in; `None` where they are in no file."""
        ...

    def digest_of(self, file: StoredFile) -> tuple[str, int]:
        """SHA-256 in hex and size, read in pieces."""
        ...

    def take(self, ref: PayloadRef, source: Path) -> None:
        """Durable under their name afterwards. Repeating is harmless."""
        ...

    def collect(self, file: StoredFile, before: float) -> int | None:
        """One step towards removing a file that no row named when it was asked, unless it was named at `before`
        (seconds since 1970) or later. Returns its size when it is gone, `None` where anything is left."""
        ...

    def claim(self, file: StoredFile) -> None:
        """A row names what lies aside: put it back under its name."""
        ...


def read(holding: Holding, ref: PayloadRef) -> bytes | None:
    """The octets under that name, whatever they are; `None` where there are none. `OSError`."""
    try:
        return b"".join(holding.pieces(ref))
    except FileNotFoundError:
        return None
