"""The log's folder: tiles, entry bundles, the published checkpoint, and the journal of the round in hand.

::

    checkpoint                 the newest published checkpoint, a signed note
    round                      the newest batch: which intents got which indexes (never served)
    tile/0/..., tile/1/...     hashes
    tile/entries/...           entries

Everything below `tile/` is written once. A partial tile is superseded by wider ones beside it and removed when the full
tile is there (C2SP tlog-tiles allows both). Everything but `round` and `lock` may be served as static files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from axis.core.canonical import canonical
from axis.core.merkle import HASH_BYTES
from axis.durable import sync_folder
from axis.log.disk import TEMPORARY, Folder
from axis.log.tiles import (
    HEIGHT,
    MAX_ENTRY_BYTES,
    WIDTH,
    Bundle,
    MalformedBundle,
    Tile,
    bundle_at,
    decode_bundle,
    encode_bundle,
    grown_bundles,
    grown_tiles,
    parse_path,
    split_hashes,
    subtree,
    tile_at,
)
from axis.plain import NotPlain, files_below

CHECKPOINT: Final = "checkpoint"
JOURNAL: Final = "round"
JOURNAL_VERSION: Final = 1
MOST_LEAVES: Final = 2048
"""So many leaves has a round at most (`axis.flow.sequence`)."""
_REMEMBERED_TILES: Final = 64

TILE_BYTES: Final = WIDTH * HASH_BYTES
BUNDLE_BYTES: Final = WIDTH * (MAX_ENTRY_BYTES + 2)
NOTE_BYTES: Final = 1 << 16
"""Our choice: three lines, and room for signatures of many witnesses."""
JOURNAL_BYTES: Final = MOST_LEAVES * (MAX_ENTRY_BYTES + 2 + 24) + 1024
"""The leaves, and 24 octets for the number of each."""


class Damaged(Exception):
    """Stored octets are missing or not what they must be. `place` is the file, relative to the log's folder."""

    def __init__(self, place: str, detail: str, *, missing: bool = False) -> None:
        super().__init__(f"{place}: {detail}")
        self.place = place
        self.detail = detail
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Batch:
    """What one round integrates: the leaf `leaves[n]` of intent `ids[n]` gets index `first + n`."""

    first: int
    ids: tuple[int, ...]
    leaves: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.first < 0 or len(self.ids) != len(self.leaves) or not self.ids:
            raise ValueError("a batch has as many leaves as intents, and at least one")

    @property
    def end(self) -> int:
        """The size of the tree after this batch."""
        return self.first + len(self.ids)

    def encoded(self) -> bytes:
        """The journal's file: SHA-256 of the rest in hex, then first index and ids as JSON, then the leaves."""
        head = canonical({"v": JOURNAL_VERSION, "first": self.first, "ids": self.ids})
        rest = head + b"\n" + encode_bundle(self.leaves)
        return hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


class LogFolder:
    """The files of one log. Reading needs no lock; writing is for the one who holds it.

    Where processes share the folder, `shared_as` is this one's name among them. Then nobody locks it: a lease says who
    writes, and one that has lost it writes nothing that its successor does not write as well (`axis.flow.sequence`).
    """

    def __init__(self, path: Path, shared_as: str = "") -> None:
        self.path = path
        self.shared = bool(shared_as)
        self._folder = Folder(path, shared_as)

    def lock(self) -> None:
        if self.shared:
            self._folder.make()
        else:
            self._folder.lock()

    def unlock(self) -> None:
        self._folder.unlock()

    def is_empty(self) -> bool:
        """Say whether no log was ever begun here."""
        return not any((self.path / name).exists() for name in (CHECKPOINT, JOURNAL, "tile"))

    def _read(self, name: str, most: int) -> bytes | None:
        try:
            return self._folder.read(name, most)
        except NotPlain as error:
            raise Damaged(name, str(error)) from error

    def hashes(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile. The full tile serves as well where the partial one is gone."""
        octets = self._read(tile.path, TILE_BYTES)
        if octets is None:
            octets = self._read(tile.full.path, TILE_BYTES)
            if octets is None:
                raise Damaged(tile.path, "the tile is missing", missing=True)
            if len(octets) == WIDTH * HASH_BYTES:
                octets = octets[: tile.width * HASH_BYTES]
        if len(octets) != tile.width * HASH_BYTES:
            raise Damaged(tile.path, f"{len(octets)} octets where {tile.width} hashes must be")
        return split_hashes(octets)

    def bundle_octets(self, bundle: Bundle) -> tuple[bytes, int]:
        """The file of a bundle and how many entries it must hold.

        The full bundle serves as well where the partial one is gone: it begins with the same entries.
        """
        for there in (bundle, bundle.full):
            octets = self._read(there.path, BUNDLE_BYTES)
            if octets is not None:
                return octets, there.width
        raise Damaged(bundle.path, "the entry bundle is missing", missing=True)

    def entries(self, bundle: Bundle) -> list[bytes]:
        """The entries of a bundle."""
        octets, wanted = self.bundle_octets(bundle)
        try:
            entries = decode_bundle(octets)
        except MalformedBundle as error:
            raise Damaged(bundle.path, str(error)) from error
        if len(entries) != wanted:
            raise Damaged(bundle.path, f"{len(entries)} entries where {wanted} must be")
        return entries[: bundle.width]

    def entry(self, index: int, size: int) -> bytes:
        """One entry of the tree of `size` leaves."""
        return self.entries(bundle_at(index >> HEIGHT, size))[index & WIDTH - 1]

    def write(self, files: Iterable[tuple[Tile | Bundle, bytes]]) -> None:
        """Put tiles and bundles in place. `disk.Changed` if one of them exists with other octets."""
        self._folder.write(((item.path, octets) for item, octets in files), once=True)

    def prepare(self, note: str) -> None:
        """Write a head that the store of heads has, to be shown by `publish`."""
        self._folder.prepare(CHECKPOINT, note.encode())

    def publish(self) -> None:
        """Show the head that was prepared, in one call.

        After a power cut an older one may lie there until the writer has started and shown the newest. Where processes
        share the folder, others may serve it before that: so there `keep` follows.
        """
        self._folder.place(CHECKPOINT)

    def drop_prepared(self) -> None:
        """Remove the heads that other processes have prepared: they show them no more."""
        self._folder.drop_prepared(CHECKPOINT)

    def keep(self) -> None:
        """See that what is shown stays, where processes share the folder."""
        if self.shared:
            sync_folder(self.path)

    def checkpoint(self) -> str | None:
        """The published note as it stands there, unverified. `Damaged` if it is no text."""
        octets = self._read(CHECKPOINT, NOTE_BYTES)
        try:
            return None if octets is None else octets.decode()
        except UnicodeDecodeError as error:
            raise Damaged(CHECKPOINT, "the checkpoint is not UTF-8") from error

    def write_journal(self, batch: Batch) -> None:
        self._folder.write([(JOURNAL, batch.encoded())], once=False)

    def journal(self) -> Batch | None:
        """The newest batch that was begun. `Damaged` if it cannot be read."""
        octets = self._read(JOURNAL, JOURNAL_BYTES)
        if octets is None:
            return None
        try:
            _, head, leaves = octets.split(b"\n", 2)
            said = json.loads(head)
            batch = Batch(said["first"], tuple(said["ids"]), tuple(decode_bundle(leaves)))
            same = batch.encoded()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Damaged(JOURNAL, "the journal of the round cannot be read") from error
        if same != octets:
            raise Damaged(JOURNAL, "the journal of the round does not match its digest")
        return batch

    def drop_superseded(self, old: int, new: int) -> None:
        """Remove the partial tiles and bundles that growth from `old` to `new` made full. Only room is at stake."""
        grown: list[Tile | Bundle] = [*grown_tiles(old, new), *grown_bundles(old, new)]
        for item in grown:
            if item.width == WIDTH:
                shutil.rmtree(self.path / (item.path + ".p"), ignore_errors=True)

    def stored(self) -> Iterator[tuple[str, Tile | Bundle | None]]:
        """Every file below `tile/`: its name, and what it is if the name is one of the layout."""
        for one in files_below(self.path / "tile"):
            name = one.path.removeprefix(f"{self.path}/")
            try:
                yield name, parse_path(name)
            except ValueError:
                if not name.endswith(TEMPORARY):
                    yield name, None

    def bundles(self, first: int, end: int) -> Iterator[int]:
        """The numbers of the bundles from `first` to before `end` of which there is a file, in their order."""
        found = set()
        for one in files_below(self.path / "tile/entries"):
            try:
                named = parse_path(one.path.removeprefix(f"{self.path}/"))
            except ValueError:
                continue
            if first <= named.index < end:
                found.add(named.index)
        yield from sorted(found)


class StoredTree:
    """Answers `merkle.Nodes` for the tree of `size` leaves from the tiles of a folder."""

    def __init__(self, folder: LogFolder, size: int) -> None:
        self.size = size
        self._folder = folder
        self._tiles: dict[Tile, list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        hashes = self._tile(tile_at(tile_level, first >> HEIGHT, self.size))
        start = first & WIDTH - 1
        return subtree(hashes[start : start + (1 << height)])

    def _tile(self, tile: Tile) -> list[bytes]:
        if tile not in self._tiles:
            while len(self._tiles) >= _REMEMBERED_TILES:
                self._tiles.pop(next(iter(self._tiles)))
            self._tiles[tile] = self._folder.hashes(tile)
        return self._tiles[tile]
