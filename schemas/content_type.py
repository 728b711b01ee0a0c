"""What octets are, by how they begin, whatever a package says of them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ZIP: Final = "application/zip"
_UNKNOWN: Final = "application/octet-stream"
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
