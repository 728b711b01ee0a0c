"""One step of growth on disk: a batch becomes bundles and tiles, and is read back before anyone signs it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from axis.core.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash, root_of
from axis.log.files import Batch, Damaged, LogFolder, StoredTree
from axis.log.tiles import (
    HEIGHT,
    WIDTH,
    Bundle,
    Tile,
    bundle_at,
    count,
    encode_bundle,
    grown_bundles,
    grown_tiles,
    subtree,
    tile_at,
)


def write_bundles(folder: LogFolder, batch: Batch) -> None:
    """Write the entry bundles of a batch; the entries before it in the first one are taken from its predecessor."""

    def bundles() -> Iterator[tuple[Bundle, bytes]]:
        for bundle in grown_bundles(batch.first, batch.end):
            kept = _kept(bundle.start, batch.first)
            before = folder.entries(bundle_at(bundle.index, batch.first)) if kept else []
            new = batch.leaves[bundle.start + kept - batch.first : bundle.end - batch.first]
            yield bundle, encode_bundle([*before, *new])

    folder.write(bundles())


def write_tiles(folder: LogFolder, batch: Batch, before: Frontier) -> Frontier:
    """Write the hash tiles of a batch, level by level, and return the frontier of the grown tree."""
    added = [leaf_hash(leaf) for leaf in batch.leaves]
    after = before.extend(added)
    tiles: list[tuple[Tile, bytes]] = []
    level, first = 0, batch.first
    while added:
        above: list[bytes] = []
        end = first + len(added)
        for index in range(first >> HEIGHT, (end - 1 >> HEIGHT) + 1):
            start = index << HEIGHT
            kept = _kept(start, first)
            hashes = folder.hashes(Tile(level, index, kept)) if kept else []
            hashes += added[start + kept - first : start + WIDTH - first]
            tiles.append((Tile(level, index, len(hashes)), b"".join(hashes)))
            if len(hashes) == WIDTH:
                above.append(subtree(hashes))
        level, first, added = level + 1, first >> HEIGHT, above
    assert [tile for tile, _ in tiles] == list(grown_tiles(batch.first, batch.end)), "the layout and its rule differ"
    folder.write(tiles)
    return after


def reread(folder: LogFolder, old: int, new: int) -> tuple[bytes, bytes]:
    """Compute the roots of both sizes from what the disk says now, by another path than the one that wrote it.

    The entries are cut out of the bundles and hashed here, without `tiles.decode_bundle` or `merkle.leaf_hash`; the
    roots come from RFC 6962's recursion over the tiles, not from a frontier. A log that skipped this once (Yeti 2022)
    signed a leaf hash with one flipped bit and could never grow again. `Damaged` where entries, leaf hashes and the
    tiles above disagree.
    """
    for bundle in grown_bundles(old, new):
        if _rehashed(folder, bundle) != b"".join(folder.hashes(bundle.hashes)):
            raise Damaged(bundle.hashes.path, "the leaf hashes are not those of the entries")
    for tile in grown_tiles(old, new):
        if tile.level == 0:
            continue
        hashes = folder.hashes(tile)
        start = tile.index << HEIGHT
        for place in range(_kept(start, count(old, tile.level)), tile.width):
            if subtree(folder.hashes(Tile(tile.level - 1, start + place))) != hashes[place]:
                raise Damaged(tile.path, f"hash {place} is not that of the tile below")
    tree = StoredTree(folder, new)
    return root_of(old, tree) if old else EMPTY_ROOT, root_of(new, tree)


def check_edge(folder: LogFolder, size: int) -> None:
    """See that the last entries hash to the last leaf hashes. `Damaged` otherwise."""
    if size:
        bundle = bundle_at(size - 1 >> HEIGHT, size)
        if _rehashed(folder, bundle) != b"".join(folder.hashes(tile_at(0, bundle.index, size))):
            raise Damaged(bundle.hashes.path, "the leaf hashes are not those of the entries")


def _kept(start: int, size: int) -> int:
    """How many of the 256 places from `start` on were taken in a level of `size`."""
    return min(max(size - start, 0), WIDTH)


def _rehashed(folder: LogFolder, bundle: Bundle) -> bytes:
    """The leaf hashes of a bundle's entries, one after the other, from the octets of the file."""
    octets, width = folder.bundle_octets(bundle)
    hashes = bytearray()
    place = 0
    for _ in range(width):
        (size,) = struct.unpack_from(">H", octets, place) if place + 2 <= len(octets) else (len(octets),)
        hashes += hashlib.sha256(b"\x00" + octets[place + 2 : place + 2 + size]).digest()
        place += 2 + size
    if place != len(octets):
        raise Damaged(bundle.path, f"the bundle does not consist of {width} entries")
    return bytes(hashes[: bundle.width * HASH_BYTES])
