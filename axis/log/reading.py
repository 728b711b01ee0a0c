"""What a log says, entry by entry, for those who look something up in it: nothing is verified here."""

from __future__ import annotations

from collections.abc import Iterator

from axis.log.checkpoint import parse_checkpoint
from axis.log.entries import BadEntry, ReadEntry, read_entry
from axis.log.files import CHECKPOINT, Damaged, LogFolder
from axis.log.tiles import WIDTH, bundle_at


def published_size(log: LogFolder) -> int:
    """How many entries stand under the published checkpoint; 0 without one. `Damaged` where it cannot be read."""
    note = log.checkpoint()
    if note is None:
        return 0
    try:
        return parse_checkpoint(note.partition("\n\n")[0] + "\n").size
    except ValueError as error:
        raise Damaged(CHECKPOINT, str(error)) from error


def leaves(log: LogFolder, size: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """The octets of each entry from index `first` on. What cannot be read is left out: `verify_log` names it.

    `size` may be what a checkpoint says that nobody signed: no more is looked for than there are files.
    """
    for number in log.bundles(first // WIDTH, (size + WIDTH - 1) // WIDTH):
        bundle = bundle_at(number, size)
        try:
            found = log.entries(bundle)
        except Damaged:
            continue
        for index, octets in enumerate(found, bundle.start):
            if index >= first:
                yield index, octets


def entries(log: LogFolder, size: int, first: int = 0) -> Iterator[tuple[int, ReadEntry]]:
    """Those of `leaves` that are entries."""
    for index, octets in leaves(log, size, first):
        entry = read_entry(octets)
        if not isinstance(entry, BadEntry):
            yield index, entry
