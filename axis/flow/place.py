"""Where the octets of an attachment are, for a judge in another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.content import Decoded, Decoder
from schemas.gate import PIECE


@dataclass(frozen=True, slots=True)
class Stretch:
    """What stands as exact base64 from `start` to `end` of a file."""

    path: str
    start: int
    end: int

    def read(self) -> bytes:
        """The decoded octets. `OSError` where the file cannot be read, `ValueError` where it holds something else."""
        decoder, octets, left = Decoder(), bytearray(), self.end - self.start
        with Path(self.path).open("rb", 0) as file:
            file.seek(self.start)
            while left > 0 and (piece := file.read(min(left, PIECE))):
                octets += decoder.decode(piece)
                left -= len(piece)
        return bytes(octets + decoder.last())


Place = bytes | str | Stretch
"""The decoded octets of an attachment, the name of the file that holds them, or where they stand in it."""


def place_of(found: Decoded | bytes) -> Place:
    """Where an attachment is that was found inside a package: at hand where the package itself is."""
    if isinstance(found, bytes):
        return found
    path = getattr(found.raw, "path", None)  # octets in a file that others can open
    if isinstance(path, str):
        return Stretch(path, found.start, found.end)
    return b"".join(found.pieces())


def octets_at(place: Place) -> bytes:
    """All of them. `OSError`, `ValueError` as `Stretch.read`."""
    match place:
        case bytes():
            return place
        case str():
            return Path(place).read_bytes()
        case Stretch():
            return place.read()
