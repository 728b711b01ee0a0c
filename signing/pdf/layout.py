"""What a ZIP says twice: in its directory, and before each entry. Whoever unpacks it may go by either.

Where something else is said before an entry, or where one could take other octets for the directory, other programs may
take something else out of the archive: that is doubt. What every program takes alike is none, however it was written
(PKWARE's APPNOTE 6.3.10 §4.3 and §4.4; source to confirm).
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LOCAL: Final = b"PK\x03\x04"
END: Final = b"PK\x05\x06"
_MARK: Final = int.from_bytes(LOCAL, "little")
_DESCRIPTOR: Final = b"PK\x07\x08"
_HEADER: Final = struct.Struct("<L5H3L2H")
_END_RECORD: Final = struct.Struct("<4s4H2LH")
_EXTRA: Final = struct.Struct("<HH")
_ENCRYPTED, _BEHIND, _UTF8 = 1, 1 << 3, 1 << 11
_UNSAID: Final = 0xFFFFFFFF
_WIDE, _UNICODE_NAME = 0x0001, 0x7075
_EMPTY_DEFLATED: Final = 2
_LINK, _KIND = 0o120000, 0o170000
_WIDE_SIZES: Final = struct.Struct("<QQ")
_BEFORE_NAME: Final = 5
"""A version and a checksum stand before the name in Unicode."""
_DRIVE: Final = re.compile("[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Spot:
    """An entry and where its octets lie: its header from `at`, what is packed from `begin` to `end`. `header`, `name`
    and `extra` are what stands there, whatever that is."""

    entry: zipfile.ZipInfo
    at: int
    begin: int
    end: int
    header: tuple[int, ...]
    name: bytes
    extra: bytes


def spots(octets: bytes, archive: zipfile.ZipFile) -> list[Spot]:
    """Every entry of the directory, in the order in which they lie."""
    return [_spot(octets, one) for one in sorted(archive.infolist(), key=lambda one: one.header_offset)]


def _spot(octets: bytes, entry: zipfile.ZipInfo) -> Spot:
    at = entry.header_offset
    header = _HEADER.unpack(octets[at : at + _HEADER.size].ljust(_HEADER.size, b"\0"))
    behind = at + _HEADER.size + header[9]
    begin = behind + header[10]
    name, extra = octets[behind - header[9] : behind], octets[behind:begin]
    return Spot(entry, at, begin, begin + entry.compress_size, header, name, extra)


def directory_in_doubt(octets: bytes, archive: zipfile.ZipFile) -> str:
    """What lets other readers find another directory than ours; empty where nothing does.

    It ends where the one record of its end begins, and is said to lie where it lies: no octets before the archive, no
    second set of numbers for large ones (nothing of ours is that large).
    """
    at = octets.rfind(END)
    record = octets[at : at + _END_RECORD.size]
    if at < 0 or len(record) < _END_RECORD.size:
        return "no end of the directory"
    _, disk, first_disk, here, count, size, offset, _ = _END_RECORD.unpack(record)
    if offset + size != at or offset != archive.start_dir:
        return "a directory that is not where it is said to be"
    if disk or first_disk or here != count or count != len(archive.infolist()):
        return "a directory of another length than is said"
    return ""


def entries_in_doubt(octets: bytes, found: list[Spot]) -> str:
    """What lets other readers take something else out of an archive than its directory says; empty where nothing
    does."""
    taken, end = set[str](), 0
    for one in found:
        said = "entries that lie over each other" if one.at < end else _said_twice(octets, one)
        if said:
            return said
        end = one.end
        places = {_place(name) for name in _names(one)}
        if None in places:
            return "a name that leads out of the archive"
        if not one.entry.is_dir() and places & taken:
            return "two entries of one name"
        taken.update(place for place in places if place is not None)
    return ""


def _said_twice(octets: bytes, one: Spot) -> str:
    entry, header = one.entry, one.header
    flags, method, crc, packed, size = header[2], header[3], *header[6:9]
    if header[0] != _MARK or one.name != entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437"):
        return "another name before an entry"
    if method != entry.compress_type or (flags ^ entry.flag_bits) & _ENCRYPTED:
        return "another method before an entry"
    if packed == size == _UNSAID:
        wide = _extra(one.extra, _WIDE)
        size, packed = _WIDE_SIZES.unpack_from(wide) if len(wide) >= _WIDE_SIZES.size else (0, 0)
    pairs = ((crc, entry.CRC), (packed, entry.compress_size), (size, entry.file_size))
    if any(here != there and not (flags & _BEHIND and here == 0) for here, there in pairs):
        return "other sizes before an entry"
    if flags & _BEHIND and method == zipfile.ZIP_STORED and octets.find(_DESCRIPTOR, one.begin, one.end) >= 0:
        return "an entry that ends in two places"
    if entry.external_attr >> 16 & _KIND == _LINK:
        return "a link"
    content = entry.file_size or entry.compress_size > _EMPTY_DEFLATED
    if len({name.endswith("/") for name in _names(one)}) > 1 or (entry.is_dir() and content):
        return "a folder with content"
    return ""


def _names(one: Spot) -> set[str]:
    """The names that an entry has: that of the directory, and those in Unicode that stand beside it."""
    further = (_extra(extra, _UNICODE_NAME)[_BEFORE_NAME:].decode() for extra in (one.entry.extra, one.extra))
    return {one.entry.orig_filename, *(name for name in further if name)}


def _extra(extra: bytes, kind: int) -> bytes:
    """The field of this kind, empty where there is none."""
    return next((content for found, content in _fields(extra) if found == kind), b"")


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, size = _EXTRA.unpack_from(extra, at)
        yield kind, extra[at + _EXTRA.size : at + _EXTRA.size + size]
        at += _EXTRA.size + size


def _place(name: str) -> str | None:
    """Where a name leads, the same for names that some system takes for one; `None` outside of the archive."""
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or ".." in parts or _DRIVE.match(name):
        return None
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", "/".join(parts)).casefold())
    return "/".join(part for part in (one.rstrip(" .") for one in folded.split("/")) if part)


def unpacked(octets: bytes, one: Spot, most: int) -> bytes | None:
    """The content of an entry that is stored or deflated, `None` beyond `most` octets.

    `BadZipFile` where its octets end elsewhere than is said: who reads on to their end finds more.
    """
    if one.entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("packed in a way that few programs unpack")
    packed = memoryview(octets)[one.begin : one.end]
    content, whole = bytes(packed[: most + 1]), True
    if one.entry.compress_type != zipfile.ZIP_STORED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        content = inflater.decompress(packed, most + 1)
        whole = inflater.eof and not inflater.unused_data
    if len(content) > most:
        return None
    if not whole or len(content) != one.entry.file_size or zlib.crc32(content) != one.entry.CRC:
        raise zipfile.BadZipFile("an entry of another length or checksum")
    return content
