"""The zip file of a bundle: one form, written by ourselves, the same octets for the same content on every machine.

Entries are stored, not compressed, sorted by name, dated 1980-01-01. Any zip tool opens it. Reading takes this form and
no other, so nothing can hide between entries, be unpacked to more than was read, or have two names.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Final
from zlib import crc32

MAGIC: Final = b"PK\x03\x04"
MOST_BYTES: Final = 512 * 1024 * 1024
MOST_ENTRIES: Final = 1024
MOST_NAME: Final = 200
"""Our choice: a package of at most 160 MB, and what a verdict rests on, which is some dozen pieces."""

_NAME: Final = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?\.[a-z0-9]+")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\x05\x06"
_VERSION, _DATE = 20, (1 << 5) | 1


class Broken(ValueError):
    """Octets that are no bundle as we write them. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


def pack(entries: Mapping[str, bytes]) -> bytes:
    """The zip file of these entries. `ValueError` for what would not be read again."""
    if len(entries) > MOST_ENTRIES or sum(map(len, entries.values())) > MOST_BYTES:
        raise ValueError("a bundle of so much would not be read again")
    pieces: list[bytes] = []
    directory: list[bytes] = []
    place = 0
    for name, octets in sorted(entries.items()):
        if not _NAME.fullmatch(name) or len(name) > MOST_NAME:
            raise ValueError(f"not the name of an entry: {name!r}")
        label, crc, size = name.encode("ascii"), crc32(octets), len(octets)
        local = _LOCAL.pack(MAGIC, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(label), 0)
        pieces += (local, label, octets)
        facts = (_VERSION, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(label), 0, 0, 0, 0, 0, place)
        directory += (_CENTRAL.pack(b"PK\x01\x02", *facts), label)
        place += len(local) + len(label) + size
    index = b"".join(directory)
    end = _END.pack(_END_MARK, 0, 0, len(entries), len(entries), len(index), place, 0)
    return b"".join((*pieces, index, end))


def unpack(octets: bytes) -> dict[str, bytes]:
    """The entries of a file that `pack` made. `Broken` for every other one."""
    if len(octets) > MOST_BYTES + 1024 * MOST_ENTRIES:
        raise Broken("bundle-too-large", f"{len(octets)} octets")
    try:
        mark, _, _, _, count, size, place, _ = _END.unpack_from(octets, len(octets) - _END.size)
        if mark != _END_MARK or place > len(octets):
            raise Broken("bundle-layout", "not a zip file as bundles are written")
        if count > MOST_ENTRIES:
            raise Broken("bundle-too-large", f"{count} entries")
        entries: dict[str, bytes] = {}
        stated: dict[str, int] = {}
        at = len(octets) - _END.size - size
        for _ in range(count):
            facts = _CENTRAL.unpack_from(octets, at)
            stored, named, where = facts[8], facts[10], facts[16]
            place -= _LOCAL.size + named + stored
            if place < 0:  # entries that overlap: as small a file would fill the memory
                raise Broken("bundle-layout", "entries that are larger than the file")
            name = octets[at + _CENTRAL.size : at + _CENTRAL.size + named].decode("ascii")
            begin = where + _LOCAL.size + named
            entries[name] = octets[begin : begin + stored]
            stated[name] = facts[7] if facts[3:5] == (0, 0) else crc32(entries[name])  # packed, it was not by us
            at += _CENTRAL.size + named
        same = place == 0 and pack(entries) == octets
    except (struct.error, ValueError) as error:
        if isinstance(error, Broken):
            raise
        raise Broken("bundle-layout", "not a zip file as bundles are written") from error
    if not same:
        changed = [name for name, had in entries.items() if crc32(had) != stated[name]]
        if changed and len(octets) == len(pack(entries)):
            raise Broken("bundle-digest", f"{', '.join(changed[:3])!a:.300}: changed since it was written")
        raise Broken("bundle-layout", "not the one form in which bundles are written")
    return entries
