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
        index 73894
        gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
        ...

        truc.tinh.gov.vn/nhat-ky
        109482
        sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

        — truc.tinh.gov.vn/nhat-ky hI2DJw...1roloI=
    """

    index: int
    path: tuple[bytes, ...]
    head: Head

    @property
    def text(self) -> str:
        hashes = "".join(base64.b64encode(item).decode() + "\n" for item in self.path)
        return f"{HEADER}\nindex {self.index}\n{hashes}\n{self.head.note}"

    def holds(self, entry: bytes) -> bool:
        """Say whether the path leads from these octets to the root of the checkpoint.

        The signature of the checkpoint is not looked at: open `head.note` with a key that you trust.
        """
        tree = self.head.checkpoint
        return verify_inclusion(self.index, tree.size, leaf_hash(entry), self.path, tree.root)


def parse_proof(text: str) -> Proof:
    """Read a proof. An `extra` line is passed over: nothing vouches for it. `MalformedProof`."""
    top, blank, note = text.partition("\n\n")
    lines = top.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise MalformedProof(f"a proof begins with {HEADER} and has a checkpoint after a blank line")
    if lines and lines[0].startswith("extra "):
        lines.pop(0)
    if not lines or not lines[0].startswith("index ") or len(lines) > _MAX_HASHES:
        raise MalformedProof("a proof names the index of its entry, then at most 63 hashes")
    try:
        index = int(lines[0].removeprefix("index "))
        path = tuple(base64.b64decode(line, validate=True) for line in lines[1:])
        proof = Proof(index, path, Head.read(note))
    except (ValueError, binascii.Error) as error:
        raise MalformedProof("a part of the proof cannot be read") from error
    if lines[0] != f"index {index}" or index < 0 or any(len(item) != HASH_BYTES for item in path):
        raise MalformedProof("an index has one spelling, and a hash has 32 octets")
    if [base64.b64encode(item).decode() for item in path] != lines[1:]:
        raise MalformedProof("a hash has one spelling")
    return proof


def prove_inclusion(folder: Path, index: int) -> Proof:
    """The proof of one entry in the tree of the published checkpoint.

    `ValueError` where the log has no such entry yet, `Damaged` where files are missing or do not fit: a proof that does
    not hold never leaves here.
    """
    log = LogFolder(folder)
    note = log.checkpoint()
    if note is None:
        raise Damaged(CHECKPOINT, "the log has no checkpoint", missing=True)
    head = Head.read(note)
    size = head.checkpoint.size
    proof = Proof(index, tuple(inclusion_proof(index, size, StoredTree(log, size))), head)
    if not proof.holds(log.entry(index, size)):
        raise Damaged(CHECKPOINT, f"entry {index} and the tiles do not lead to the root of the checkpoint")
    return proof


def prove_consistency(folder: Path, old: int, new: int) -> list[bytes]:
    """What proves that the tree of `old` leaves is the beginning of the tree of `new` (RFC 6962 §2.1.2)."""
    return consistency_proof(old, new, StoredTree(LogFolder(folder), new))
