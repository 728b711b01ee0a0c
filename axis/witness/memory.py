"""What a witness has cosigned last of each log: its whole memory, durable before anybody is answered.

A folder of its own. `witness` holds the verifier key that this memory belongs to; a file for each log, named by SHA-256
of its origin, holds the checkpoint as its log signed it, with the cosignature. Without the memory the same key would
cosign another history: so a folder that was not made for this key is refused, and never made anew by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from axis.log.checkpoint import MalformedCheckpoint
from axis.log.disk import Folder
from axis.log.files import NOTE_BYTES
from axis.log.heads import Head
from axis.log.offer import place_of
from axis.plain import NotPlain
from signing.cosignature import WitnessKey

WHOSE: Final = "witness"
_KEY_BYTES: Final = 4096


class MemoryLost(Exception):
    """There is no memory, not this key's, or it cannot be read: nothing may be cosigned with this key."""


class Memory:
    """One process at a time has it: `open` first, `disk.Locked` where another has it. Every method blocks on the
    disk."""

    def __init__(self, path: Path, key: WitnessKey) -> None:
        self.path = path
        self._folder = Folder(path)
        self._key = key

    @classmethod
    def begin(cls, path: Path, key: WitnessKey) -> None:
        """Make the memory of a new key. `FileExistsError` where something lies there already."""
        if path.exists() and any(path.iterdir()):
            raise FileExistsError(f"{path} is not empty")
        folder = Folder(path)
        folder.make()
        folder.write([(WHOSE, f"{key}\n".encode())], once=True)

    @staticmethod
    def whose(path: Path) -> str:
        """The name of the witness whose memory it is. `MemoryLost` where it is none."""
        text = _read(Folder(path), WHOSE, _KEY_BYTES)
        if text is None:
            raise MemoryLost(f"{path} is no memory of a witness")
        try:
            return WitnessKey.parse(text).name
        except ValueError as error:
            raise MemoryLost(f"{path / WHOSE}: {error}") from error

    def open(self) -> None:
        """`MemoryLost`, `disk.Locked`."""
        if _read(self._folder, WHOSE, _KEY_BYTES) != f"{self._key}\n":  # before the lock, which would make the folder
            raise MemoryLost(f"{self.path} is the memory of another key than {self._key.name}'s")
        self._folder.lock()

    def close(self) -> None:
        self._folder.unlock()

    def known(self, origin: str) -> Head | None:
        """What was cosigned last of a log. `MemoryLost` where it cannot be read."""
        note = _read(self._folder, place_of(origin), NOTE_BYTES)
        if note is None:
            return None
        try:
            head = Head.read(note)
        except MalformedCheckpoint as error:
            raise MemoryLost(f"what was cosigned of {origin}: {error}") from error
        if head.checkpoint.origin != origin:
            raise MemoryLost(f"what was cosigned of {origin} is of {head.checkpoint.origin}")
        return head

    def keep(self, origin: str, note: str) -> None:
        """Remember a cosigned checkpoint in the place of the older one. Durable when it returns."""
        self._folder.write([(place_of(origin), note.encode())], once=False)


def _read(folder: Folder, name: str, most: int) -> str | None:
    try:
        octets = folder.read(name, most)
        return None if octets is None else octets.decode()
    except (NotPlain, UnicodeDecodeError) as error:
        raise MemoryLost(f"{name}: {error}") from error
