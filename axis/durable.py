"""Octets and names on stable storage: the two calls that every room which writes files needs."""

from __future__ import annotations

import os
from pathlib import Path


def write_all(handle: int, octets: bytes) -> None:
    """`os.write` until everything is written: it may take less than it is given."""
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(handle, rest) :]


def sync_folder(path: Path) -> None:
    """Make names in a folder durable: what was created, renamed or removed there. Before, a power cut may undo it."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
