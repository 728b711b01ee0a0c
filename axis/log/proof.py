"""Proofs made from the files of a log, and the text in which one entry's proof travels (C2SP tlog-proof)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from axis.core.merkle import HASH_BYTES, consistency_proof, inclusion_proof, leaf_hash, verify_inclusion
from axis.log.files import CHECKPOINT, Damaged, LogFolder, StoredTree
from axis.log.heads import Head

HEADER: Final = "c2sp.org/tlog-proof@v1"
_MAX_HASHES: Final = 64


class MalformedProof(ValueError):
    """Text that is not a proof of one entry."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a log holds an entry: its index, the way up to the root, and the signed checkpoint with that root.

    ::

        c2sp.org/tlog-proof@v1
        extra eyJhY3RvciI6...
        index 73894
        gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
        ...

        truc.tinh.gov.vn/nhat-ky
        109482
        sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

        — truc.tinh.gov.vn/nhat-ky hI2DJw...1roloI=

    `extra` is the entry itself where the proof brings it: the line is for data of the application, and the path vouches
    for these. Without it the entry travels beside the proof.
    """

    index: int
    path: tuple[bytes, ...]
    head: Head
    extra: bytes | None = None

    @property
    def text(self) -> str:
        extra = "" if self.extra is None else f"extra {base64.b64encode(self.extra).decode()}\n"
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in self.path)
        return f"{HEADER}\n{extra}index {self.index}\n{hashes}\n{self.head.note}"

    def holds(self, entry: bytes) -> bool:
        """Say whether the path leads from these octets to the root of the checkpoint.

        The signature of the checkpoint is not looked at: open `head.note` with a key that you trust.
        """
        tree = self.head.checkpoint
        return verify_inclusion(self.index, tree.size, leaf_hash(entry), self.path, tree.root)


def parse_proof(text: str) -> Proof:
    """Read a proof. Whether the entry that it may bring is the one that it proves, says `holds`. `MalformedProof`."""
    top, blank, note = text.partition("\n\n")
    lines = top.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise MalformedProof(f"a proof begins with {HEADER} and has a checkpoint after a blank line")
    extra = lines.pop(0).removeprefix("extra ") if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index ") or len(lines) > _MAX_HASHES:
        raise MalformedProof("a proof names the index of its entry, then at most 63 hashes")
    try:
        index = int(lines[0].removeprefix("index "))
        path = tuple(base64.b64decode(line, validate=True) for line in lines[1:])
        brought = None if extra is None else base64.b64decode(extra, validate=True)
        proof = Proof(index, path, Head.read(note), brought)
    except (ValueError, binascii.Error) as error:
        raise MalformedProof("a part of the proof cannot be read") from error
    if lines[0] != f"index {index}" or index < 0 or any(len(item) != HASH_BYTES for item in path):
        raise MalformedProof("an index has one spelling, and a hash has 32 octets")
    if [base64.b64encode(item).decode() for item in path] != lines[1:]:
        raise MalformedProof("a hash has one spelling")
    if brought is not None and base64.b64encode(brought).decode() != extra:
        raise MalformedProof("what a proof brings has one spelling")
    return proof


def prove_inclusion(folder: Path, index: int) -> Proof:
    """The proof of one entry in the tree of the published checkpoint; it brings the entry.

    `ValueError` where the log has no such entry yet, `Damaged` where files are missing or do not fit: a proof that does
    not hold never leaves here.
    """
    log = LogFolder(folder)
    note = log.checkpoint()
    if note is None:
        raise Damaged(CHECKPOINT, "the log has no checkpoint", missing=True)
    try:
        head = Head.read(note)
    except ValueError as error:
        raise Damaged(CHECKPOINT, str(error)) from error
    size = head.checkpoint.size
    path = tuple(inclusion_proof(index, size, StoredTree(log, size)))
    entry = log.entry(index, size)
    proof = Proof(index, path, head, entry)
    if not proof.holds(entry):
        raise Damaged(CHECKPOINT, f"entry {index} and the tiles do not lead to the root of the checkpoint")
    return proof


def prove_consistency(folder: Path, old: int, new: int) -> list[bytes]:
    """What proves that the tree of `old` leaves is the beginning of the tree of `new` (RFC 6962 §2.1.2)."""
    return consistency_proof(old, new, StoredTree(LogFolder(folder), new))
