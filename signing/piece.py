"""Octets that a verdict names by their digest, one by one and as what was asked for together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from signing.verdict import Evidence


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets that a verdict names: `sha256` is their digest, hex."""

    kind: str
    sha256: str
    octets: bytes


def piece(kind: str, octets: bytes) -> Piece:
    return Piece(kind, hashlib.sha256(octets).hexdigest(), octets)


@dataclass(frozen=True, slots=True)
class Frame:
    """What was asked for, and whom we believed: our own pieces, and the rows of a verdict that name them."""

    pieces: tuple[Piece, ...]
    rows: tuple[Evidence, ...]
