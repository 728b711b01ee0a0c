"""What lies below `tile/` and was not walked through: superseded widths, files beyond the signed size, strangers."""

from __future__ import annotations

from collections.abc import Iterable

from axis.log.files import Batch, Damaged, LogFolder
from axis.log.findings import Code, Collector
from axis.log.tiles import HEIGHT, WIDTH, Bundle, Tile, bundle_at, count, tile_at

Stored = tuple[str, Tile | Bundle | None]


def check_leftovers(
    log: LogFolder, files: Iterable[Stored], size: int, journal: Batch | None, found: Collector
) -> None:
    """Judge every file that stood there when the walk began; `size` is how far the walk came.

    A superseded partial file must be the beginning of its successor. Files beyond `size` belong to a round that was not
    signed yet when the journal says so, and are reported as extra otherwise.
    """
    planned = journal.end if journal is not None and journal.first <= size < journal.end else size
    for name, item in files:
        if item is None:
            found.add(Code.STRAY_FILE, name)
            continue
        level = item.level if isinstance(item, Tile) else 0
        end = (item.index << HEIGHT) + item.width
        if end <= count(size, level):
            if item.width != WIDTH:
                _check_partial(log, item, size, found)
        elif end <= count(planned, level):
            found.add(Code.UNPUBLISHED, name, "a file of a round that is not signed yet")
        else:
            found.add(Code.EXTRA_TILE if isinstance(item, Tile) else Code.EXTRA_ENTRIES, name)


def _check_partial(log: LogFolder, item: Tile | Bundle, size: int, found: Collector) -> None:
    try:
        if isinstance(item, Tile):
            current = tile_at(item.level, item.index, size)
            same = item == current or log.hashes(item) == log.hashes(current)[: item.width]
        else:
            newest = bundle_at(item.index, size)
            same = item == newest or log.entries(item) == log.entries(newest)[: item.width]
    except Damaged as error:
        # The walk has said so already where the newest file is meant; a partial one may be gone by now.
        if error.place == item.path and not error.missing:
            found.add(Code.PARTIAL_MISMATCH, item.path, error.detail)
        return
    if not same:
        found.add(Code.PARTIAL_MISMATCH, item.path)
