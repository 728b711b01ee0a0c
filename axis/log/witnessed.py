"""The checkpoints that witnesses cosigned, in the log's folder: for each witness the newest, as a signed note.

::

    witnessed/3f0a91c2         the log's note with the line of the witness whose key has that hash

The log's own octets are never changed by it: lines are added below a note. What lies here proves itself, so it is
written without ceremony: after a power cut an older one may lie here, and the witness cosigns anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from axis.log.disk import TEMPORARY, Folder
from axis.log.files import NOTE_BYTES
from axis.plain import NotPlain
from signing.cosignature import WitnessKey, cosignatures_of
from signing.note import read_signatures

FOLDER: Final = "witnessed"
MOST_WITNESSES: Final = 64
"""So many files are looked at: the folder may be what somebody else made."""


class WitnessedNotes:
    """The folder `witnessed` of a log's folder. `mark` as `disk.Folder`."""

    def __init__(self, log: Path, mark: str = "") -> None:
        self._folder = Folder(log / FOLDER, mark)

    def of(self, key: WitnessKey) -> str | None:
        """The newest note with a cosignature of this witness that holds, `None` where there is none."""
        note = self._read(key.hash.hex())
        return note if note is not None and cosignatures_of(note, [key])[0] else None

    def keep(self, key: WitnessKey, note: str) -> None:
        self._folder.make()
        self._folder.replace(key.hash.hex(), note.encode())

    def all(self) -> Iterator[str]:
        """Every note that is there, believed or not."""
        try:
            names = sorted(one.name for one in self._folder.path.iterdir() if not one.name.endswith(TEMPORARY))
        except OSError:
            return
        for name in names[:MOST_WITNESSES]:
            note = self._read(name)
            if note is not None and read_signatures(note) is not None:
                yield note

    def _read(self, name: str) -> str | None:
        try:
            octets = self._folder.read(name, NOTE_BYTES)
            return None if octets is None else octets.decode()
        except (NotPlain, OSError, UnicodeDecodeError):
            return None


def with_cosignatures(note: str, others: Iterable[str]) -> str:
    """A note with the lines of all that were added to the same text elsewhere, each once. Its own octets come first."""
    read = read_signatures(note)
    if read is None:
        return note
    text, own = read
    here = {one.line for one in own}
    lines = dict[str, None]()
    for other in others:
        found = read_signatures(other)
        if found is not None and found[0] == text:
            lines |= {one.line: None for one in found[1] if one.line not in here}
    return note + "".join(lines)
