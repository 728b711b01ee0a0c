"""What one entry's proof proves, with the log's public key at hand and nothing else: no log, no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axis.core.receipt import PROMISED
from axis.log.entries import BadEntry, ReadEntry, read_entry
from axis.log.findings import Code, Finding
from axis.log.key import ForeignNote, LogKeys
from axis.log.proof import Proof
from axis.log.receipts import differences, is_signed


@dataclass(frozen=True, slots=True)
class Proven:
    """`entry` is what the log holds at the proof's index, `None` where that is not shown. `former` says that only a key
    signed which the log has no more: who stole it could sign as much."""

    entry: ReadEntry | None
    former: bool
    findings: tuple[Finding, ...]


def check_proof(proof: Proof, keys: LogKeys) -> Proven:
    """Hold a proof that brings its entry against the keys of the log, the present one first."""
    tree, leaf = proof.head.checkpoint, proof.extra or b""
    found: list[Finding] = []
    former = False
    try:
        keys.open(proof.head.note)
        former = len(keys.keys) > 1 and not _opens(proof, LogKeys(keys.keys[:1]))
    except ForeignNote as error:
        found.append(Finding(Code.CHECKPOINT_SIGNATURE, "", str(error)))
    if tree.origin != keys.name:
        found.append(Finding(Code.CHECKPOINT_ORIGIN, tree.origin))
    if not proof.holds(leaf):
        found.append(Finding(Code.ENTRY_NOT_INCLUDED, str(proof.index)))
    entry = read_entry(leaf)
    if isinstance(entry, BadEntry):
        return Proven(None, former, (*found, Finding(entry.code, str(proof.index), entry.detail)))
    return Proven(None if found else entry, former, tuple(found))


def check_receipt(
    said: dict[str, Any], proven: Proven, origin: str, public: bytes | None = None
) -> tuple[Finding, ...]:
    """Hold a receipt (as `read_canonical` reads it) against the entry that was proved.

    `public` are the 32 octets of the key of receipts; without it the receipt's signature is not judged.
    """
    document = str(said.get("document"))
    if public is not None and not is_signed(said, public):
        return (Finding(Code.RECEIPT_SIGNATURE, document),)
    entry = proven.entry
    if entry is None:
        return ()
    if entry.kind not in PROMISED or entry.subject != document:
        return (Finding(Code.RECEIPT_MISMATCH, document, f"the entry is `{entry.kind}` of {entry.subject}"),)
    found = [f"{name} differs from the entry" for name in differences(said, entry)]
    if said.get("node") != origin:
        found.append(f"it is a receipt of another node than {origin}")
    return tuple(Finding(Code.RECEIPT_MISMATCH, document, detail) for detail in found)


def _opens(proof: Proof, keys: LogKeys) -> bool:
    try:
        keys.open(proof.head.note)
    except ForeignNote:
        return False
    return True
