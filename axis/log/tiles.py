"""The static layout of a log: which file holds which hashes and entries (C2SP tlog-tiles). Pure.

A tile is 256 consecutive hashes of one level; the level above holds the hashes of full tiles. An entry bundle holds the
256 entries whose leaf hashes stand in the level-0 tile of the same index. The last tile of a level is partial and
carries its width in its name, so a file never changes once it is written::

    tile/0/x001/x234/067          tile/0/000.p/17          tile/entries/000.p/17
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from axis.core.merkle import HASH_BYTES, node_hash

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = (1 << 16) - 1

_INDEX: Final = r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_TILE: Final = re.compile(rf"tile/(0|[1-9][0-9]?)/{_INDEX}", re.ASCII)
_BUNDLE: Final = re.compile(rf"tile/entries/{_INDEX}", re.ASCII)


class MalformedBundle(ValueError):
    """Octets that are not a sequence of length-prefixed entries."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """`width` hashes of `level` from number `index * 256` on; a full tile has 256."""

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        _check(self.index, self.width)
        if not 0 <= self.level <= MAX_LEVEL:
            raise ValueError("a tile level is 0 to 63")

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{_encoded(self.index, self.width)}"

    @property
    def full(self) -> Tile:
        """The tile that supersedes this one when its level has grown."""
        return Tile(self.level, self.index)


@dataclass(frozen=True, slots=True, order=True)
class Bundle:
    """The `width` entries from number `index * 256` on."""

    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        _check(self.index, self.width)

    @property
    def path(self) -> str:
        return f"tile/entries/{_encoded(self.index, self.width)}"

    @property
    def full(self) -> Bundle:
        return Bundle(self.index)

    @property
    def start(self) -> int:
        """The index of its first entry."""
        return self.index << HEIGHT

    @property
    def end(self) -> int:
        """The index after its last entry."""
        return self.start + self.width

    @property
    def hashes(self) -> Tile:
        """The level-0 tile with the leaf hashes of these entries."""
        return Tile(0, self.index, self.width)


def parse_path(path: str) -> Tile | Bundle:
    """Read what `path` of a tile or bundle wrote; any other spelling is a `ValueError`."""
    if found := _BUNDLE.fullmatch(path):
        index, width = _decoded(found[1]), int(found[2] or WIDTH)
        named: Tile | Bundle = Bundle(index, width)
    elif found := _TILE.fullmatch(path):
        index, width = _decoded(found[2]), int(found[3] or WIDTH)
        named = Tile(int(found[1]), index, width)
    else:
        raise ValueError("not the path of a tile or entry bundle")
    if named.path != path:  # a leading x000, a .p/256
        raise ValueError("not the one path of this tile or entry bundle")
    return named


def count(size: int, level: int) -> int:
    """How many hashes `level` has in a tree of `size` leaves: floor(size / 256**level)."""
    return size >> HEIGHT * level


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile of that place in a tree of `size` leaves, partial at the right edge. `ValueError` if there is none."""
    return Tile(level, index, min(WIDTH, count(size, level) - (index << HEIGHT)))


def bundle_at(index: int, size: int) -> Bundle:
    return Bundle(index, min(WIDTH, size - (index << HEIGHT)))


def grown_tiles(old: int, new: int) -> Iterator[Tile]:
    """The tiles to write when a tree grows from `old` to `new` leaves, lowest level first.

    Intermediate widths are left out: partial tiles are owed only for sizes that get a checkpoint.
    """
    for level in range(MAX_LEVEL + 1):
        was, now = count(old, level), count(new, level)
        if now == was:  # then nothing above it grew either
            return
        for index in range(was >> HEIGHT, (now - 1 >> HEIGHT) + 1):
            yield tile_at(level, index, new)


def grown_bundles(old: int, new: int) -> Iterator[Bundle]:
    """The entry bundles to write when a log grows from `old` to `new` entries."""
    for index in range(old >> HEIGHT, (new - 1 >> HEIGHT) + 1 if new > old else 0):
        yield bundle_at(index, new)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry after its length as 16 bits, big-endian."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise ValueError("an entry of a bundle is at most 65,535 octets")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(octets: bytes) -> list[bytes]:
    """The entries of a bundle. `MalformedBundle` when a length points beyond the end."""
    entries, place = [], 0
    while place < len(octets):
        start = place + 2
        place = start + int.from_bytes(octets[place:start], "big")
        if place > len(octets) or start > len(octets):
            raise MalformedBundle("an entry of a bundle is cut off")
        entries.append(octets[start:place])
    return entries


def split_hashes(octets: bytes) -> list[bytes]:
    return [octets[place : place + HASH_BYTES] for place in range(0, len(octets), HASH_BYTES)]


def subtree(hashes: Sequence[bytes]) -> bytes:
    """The hash of a perfect subtree over 1, 2, 4 ... 256 hashes of a tile."""
    level = list(hashes)
    if not level or len(level) & (len(level) - 1):
        raise ValueError("a perfect subtree has a power of two leaves")
    while len(level) > 1:
        level = [node_hash(level[place], level[place + 1]) for place in range(0, len(level), 2)]
    return level[0]


def _check(index: int, width: int) -> None:
    if index < 0:
        raise ValueError("the index of a tile is not negative")
    if not 1 <= width <= WIDTH:
        raise ValueError("a tile has 1 to 256 hashes; an empty one does not exist")


def _encoded(index: int, width: int) -> str:
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text if width == WIDTH else f"{text}.p/{width}"


def _decoded(text: str) -> int:
    return int(text.replace("x", "").replace("/", ""))
