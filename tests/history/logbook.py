"""A reader of the log's folder that shares no line with the product: tiles, entries, signed heads (C2SP, RFC 6962)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDE = 256


class Unreadable(Exception):
    """What is there is not a log."""


@dataclass(frozen=True)
class Head:
    """A signed note about the tree: whether its signature holds is another question."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Key:
    """Who may sign heads."""

    name: str
    public: bytes

    @classmethod
    def read(cls, text: str) -> Key:
        name, _, octets = text.split("+", 2)
        return cls(name, base64.b64decode(octets)[1:])

    def signed(self, head: Head) -> bool:
        """Whether one of the head's signatures is a good one by this key."""
        tag = hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]
        for name, octets in head.signatures:
            if name == self.name and octets[:4] == tag and is_signed(self.public, head.text.encode(), octets[4:]):
                return True
        return False


def is_signed(public: bytes, octets: bytes, signature: bytes) -> bool:
    """Ed25519."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, octets)
    except InvalidSignature:
        return False
    return True


def read_note(note: str) -> Head:
    """The head that a note is about. `Unreadable` for anything else."""
    try:
        text, rest = note.split("\n\n", 1)
        origin, size, root = text.split("\n")
        lines = [line.removeprefix("— ").split(" ") for line in rest.splitlines()]
        signatures = tuple((name, base64.b64decode(octets)) for name, octets in lines)
        return Head(origin, int(size), base64.b64decode(root), text + "\n", signatures)
    except ValueError as error:
        raise Unreadable(f"not a note: {note[:60]!r}") from error


@dataclass(frozen=True)
class Logbook:
    """What lies in the folders: the entries below the published head, and every head that was ever stored."""

    entries: tuple[bytes, ...]
    heads: tuple[Head, ...]
    published: Head | None
    keys: tuple[Key, ...] = ()

    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(entry) for entry in self.entries]

    def roots(self, sizes: Iterable[int]) -> dict[int, bytes]:
        """The root of the first `size` entries, for each size."""
        wanted, found = set(sizes), {}
        peaks: list[tuple[int, bytes]] = []  # perfect subtrees from left to right: how many leaves, and their hash
        for count, entry in enumerate((b"", *self.entries)):
            if count:
                peaks.append((1, hashlib.sha256(b"\0" + entry).digest()))
            while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
                (leaves, right), (_, left) = peaks.pop(), peaks.pop()
                peaks.append((2 * leaves, _node(left, right)))
            if count in wanted:
                found[count] = _folded([hash_ for _, hash_ in peaks])
        return found


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _folded(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks[-1]
    for left in reversed(peaks[:-1]):
        root = _node(left, root)
    return root


def read_logbook(folder: Path, heads: Path, *keys: str) -> Logbook:
    """The log as it lies there. `Unreadable` when files are missing, cut off, or contradict each other."""
    history = heads / "heads.jsonl"
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True) if history.exists() else []
    try:
        stored = tuple(read_note(json.loads(line)["note"]) for line in lines if line.endswith("\n"))
    except ValueError as error:
        raise Unreadable("a line of the heads is not one") from error
    there = folder / "checkpoint"
    published = read_note(there.read_text(encoding="utf-8")) if there.exists() else None
    size = published.size if published else 0
    entries: list[bytes] = []
    for number in range((size + WIDE - 1) // WIDE):
        width = min(WIDE, size - number * WIDE)
        bundle = _unpacked(_file(folder, "entries", number, width))[:width]
        hashes = _file(folder, "0", number, width)[: 32 * width]
        if hashes != b"".join(hashlib.sha256(b"\0" + entry).digest() for entry in bundle):
            raise Unreadable(f"tile {number} of level 0 is not about its entries")
        entries += bundle
    if len(entries) != size:
        raise Unreadable(f"{len(entries)} entries where {size} are published")
    return Logbook(tuple(entries), stored, published, tuple(map(Key.read, keys)))


def _file(folder: Path, level: str, number: int, width: int) -> bytes:
    """A tile or bundle, or the full one that has taken its place."""
    name = f"{number % 1000:03d}"
    while number := number // 1000:
        name = f"x{number % 1000:03d}/{name}"
    full = folder / "tile" / level / name
    for path in (full.with_name(f"{full.name}.p") / str(width), full):
        if path.is_file() and (width < WIDE or path == full):
            return path.read_bytes()
    raise Unreadable(f"tile/{level}/{name} is missing")


def _unpacked(octets: bytes) -> list[bytes]:
    entries, place = [], 0
    while place < len(octets):
        end = place + 2 + int.from_bytes(octets[place : place + 2], "big")
        if end > len(octets):
            raise Unreadable("an entry is cut off")
        entries.append(octets[place + 2 : end])
        place = end
    return entries
