"""The log up to one size, out of a folder that may have grown further."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from axis.care.place import put, write
from axis.core.merkle import EMPTY_ROOT, root_of
from axis.log.files import CHECKPOINT, Damaged, LogFolder, StoredTree
from axis.log.heads import CheckpointStore, Head, HeadsDamaged
from axis.log.key import ForeignNote, LogKeys
from axis.log.tiles import WIDTH, Bundle, Tile, bundle_at, encode_bundle, grown_bundles, grown_tiles


def root_at(folder: Path, size: int) -> bytes | None:
    """The root of the first `size` entries by the tiles in `folder`, `None` where they do not reach that far."""
    try:
        return root_of(size, StoredTree(LogFolder(folder), size)) if size else EMPTY_ROOT
    except Damaged:
        return None


def signed_head(log: Path, heads: Path, size: int, keys: LogKeys) -> Head | None:
    """The head that was signed for just that size: the store knows only sizes that were."""
    found = [head for head in CheckpointStore(heads).history() if head.checkpoint.size == size]
    if not found:
        note = LogFolder(log).checkpoint()
        found = [head for head in ([] if note is None else [keys.open(note)]) if head.checkpoint.size == size]
    return keys.open(found[-1].note) if found else None


def newest_head(heads: Path, keys: LogKeys) -> Head | None:
    """The newest head of the checkpoint store, `None` where it is empty. `HeadsDamaged`, `ForeignNote`."""
    head = CheckpointStore(heads).peek()
    return None if head is None else keys.open(head.note)


def published_head(log: Path, keys: LogKeys) -> Head | None:
    """The checkpoint in a log's folder, `None` where there is none that this key signed."""
    try:
        return keys.open(LogFolder(log).checkpoint() or "")
    except (Damaged, ForeignNote):
        return None


def copy_log(source: Path, target: Path, head: Head, *, link: bool) -> None:
    """The log as it was when `head` was signed. `Damaged` where the source does not reach that far."""
    size, folder = head.checkpoint.size, LogFolder(source)
    items: list[Tile | Bundle] = [*grown_tiles(0, size), *grown_bundles(0, size)] if size else []
    target.mkdir(mode=0o750)
    for item in items:
        place = target / item.path
        if item.width == WIDTH:
            try:
                put(source / item.path, place, link=link)
            except FileNotFoundError as error:
                raise Damaged(item.path, "the file is missing", missing=True) from error
        else:
            place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            octets = encode_bundle(folder.entries(item)) if isinstance(item, Bundle) else b"".join(folder.hashes(item))
            write(place, octets)
    write(target / CHECKPOINT, head.note.encode())


def entries(folder: Path, first: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The entries of the log of `size` leaves from place `first` on. `Damaged`."""
    log = LogFolder(folder)
    for number in range(first // WIDTH, (size + WIDTH - 1) // WIDTH):
        bundle = bundle_at(number, size)
        for place, octets in enumerate(log.entries(bundle), bundle.start):
            if place >= first:
                yield place, octets


__all__ = ["HeadsDamaged", "copy_log", "entries", "newest_head", "published_head", "root_at", "signed_head"]
