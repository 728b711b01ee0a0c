"""A package in parts, written to a file: what `axis send --parts` sends, and keeps to be sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from axis.cli.client import PIECE

if TYPE_CHECKING:
    from schemas.envelope import AttachmentInfo

_HEAD: Final = 4_096


def digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def head_of(path: Path) -> bytes:
    """As much of a file as tells its kind."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def write_parts(
    target: BinaryIO, envelope: bytes, attached: Sequence[tuple[AttachmentInfo, Path, bytes]], digest: str
) -> None:
    """The body of an envelope and its attachments: what the manifest says of each, its file, and its SHA-256.

    `digest` is that of the package. `ValueError` where a file is not what it was when it was signed.
    """
    from schemas.multipart import boundary_of, write_end, write_head

    own = hashlib.sha256(envelope).hexdigest()
    boundary = boundary_of(own, digest)
    target.write(write_head(boundary, None, "application/xml", len(envelope), own) + envelope)
    for info, path, sha256 in attached:
        size, content_type = path.stat().st_size, info.content_type
        target.write(write_head(boundary, info.content_id, content_type, size, sha256.hex()))
        found = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                found.update(piece)
                target.write(piece)
        if found.digest() != sha256:
            raise ValueError(f"{path} was changed while it was being sent")
    target.write(write_end(boundary))
