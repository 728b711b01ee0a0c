"""Undoes the wrapping of the Java edXML library, which zips what it does not know; names types by magic bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas.errors import SchemaError, Violation

ZIP: Final = "application/zip"
_UNKNOWN: Final = "application/octet-stream"
_ARCHIVES: Final = frozenset({"zip", "jar", "war", "ear", "apk", "epub", "kmz", "asice", "asics", "sce", "scs"})
"""Extensions of files that may rightly be a ZIP with one entry. Office files are not among them: they always have
several, and the library does wrap real `xlsx`."""

_PIECE: Final = 1 << 20
_SYMLINK: Final = 0o120000
_KIND_MASK: Final = 0o170000

_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"{\\rtf", "application/rtf"),
    (b"<?xml", "application/xml"),
    (b"\xef\xbb\xbf<?xml", "application/xml"),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "doc": "application/msword",
        "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
        "msg": "application/vnd.ms-outlook",
    }
)
_OFFICE: Final = (
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
# All that `zipfile` raises for octets a stranger chose: damage, encryption, unknown methods (a `RuntimeError`), no
# names, impossible numbers. The same as in `signing.pdf.archive`, which takes nothing from here.
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, LookupError, ValueError, OSError)
_MAX_ENTRIES: Final = 10_000


def unwrap(octets: bytes, name: str, limit: int) -> tuple[bytes, str]:
    """The real octets of an attachment and their type by magic bytes, whatever the package claims.

    A ZIP that holds exactly one plain file, under a name that is no archive's, is the library's wrapping: the file
    comes out. Anything else stays as it is: real archives, encrypted or damaged ones, entries with a path. Never
    reads more than `limit` bytes of content: `SchemaError` (`attachment-too-large`) when a wrapped file is larger.
    """
    entry = _wrapped(octets, name)
    if entry is None:
        return octets, content_type_of(octets, name)
    inner = _extract(octets, entry, limit)
    if inner is None:
        return octets, ZIP
    return inner, content_type_of(inner, name)


def content_type_of(octets: bytes, name: str = "") -> str:
    """The media type by magic bytes; the name only tells old Office formats apart. Never more than a guess."""
    for magic, content_type in _MAGIC:
        if octets.startswith(magic):
            return content_type
    if octets.startswith(_OLE):
        return _OLE_TYPES.get(_extension(name), "application/x-ole-storage")
    if octets.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(octets)
    return _UNKNOWN


def _wrapped(octets: bytes, name: str) -> zipfile.ZipInfo | None:
    if not octets.startswith(b"PK\x03\x04") or _extension(name) in _ARCHIVES:
        return None
    entries = _entries(octets)
    if len(entries) != 1:
        return None
    entry = entries[0]
    plain = not entry.flag_bits & 1 and entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    symlink = (entry.external_attr >> 16) & _KIND_MASK == _SYMLINK
    inner = entry.filename
    path = inner in ("", ".", "..") or entry.is_dir() or "/" in inner or "\\" in inner or ":" in inner
    return entry if plain and not symlink and not path else None


def _extract(octets: bytes, entry: zipfile.ZipInfo, limit: int) -> bytes | None:
    """The entry's content; `None` when it is damaged. Counts what really comes out, not what the entry declares."""
    pieces, size = [], 0
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive, archive.open(entry) as content:
            while piece := content.read(_PIECE):
                size += len(piece)
                if size > limit:
                    raise SchemaError(
                        Violation("attachment-too-large", "", f"a zipped attachment holds more than {limit} bytes")
                    )
                pieces.append(piece)
    except _BROKEN:
        return None
    return b"".join(pieces)


def _entries(octets: bytes) -> list[zipfile.ZipInfo]:
    """The entries of a ZIP; none when it is damaged, or declares more than anybody needs."""
    end = octets.rfind(b"PK\x05\x06")
    if end < 0 or int.from_bytes(octets[end + 10 : end + 12], "little") > _MAX_ENTRIES:
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            return archive.infolist()
    except _BROKEN:
        return []


def _zip_type(octets: bytes) -> str:
    names = [entry.filename for entry in _entries(octets)]
    if "[Content_Types].xml" in names:
        for folder, content_type in _OFFICE:
            if any(name.startswith(folder) for name in names):
                return content_type
    return ZIP


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""
