"""Hold receipts against the log: each promised an entry of its acceptance."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from axis.core.canonical import canonical
from axis.core.model import EntryKind
from axis.core.receipt import PROMISED
from axis.log.entries import ReadEntry, read_canonical
from axis.log.files import LogFolder
from axis.log.findings import Code, Collector, Finding
from axis.log.reading import entries
from signing.keys import verify_bytes

_SAME: Final = ("sender", "kind", "verdict", "policy_sha256")
"""What the receipt and the facts of the entry both say plainly (`axis.core.receipt`, `axis.core.intake`)."""


def check_receipts(
    receipts: Iterable[bytes], folder: Path, size: int, public: bytes | None = None, origin: str = ""
) -> tuple[Finding, ...]:
    """Look for the acceptance of each receipt (its octets, canonical JSON) among the first `size` entries.

    Run `verify_log` first and give the size that it verified. `public` are the 32 octets of the key of receipts;
    without it their signatures are not judged. `origin` is the log's: a receipt names its node, which is the same. The
    whole log is read once, however many receipts there are.
    """
    found = Collector()
    wanted: dict[str, list[dict[str, Any]]] = {}
    for number, octets in enumerate(receipts):
        try:
            said = read_canonical(octets)
        except ValueError as error:
            found.add(Code.RECEIPT_MALFORMED, number, str(error))
            continue
        document = said.get("document")
        if said.get("type") != "axis-receipt" or not isinstance(document, str) or not document:
            found.add(Code.RECEIPT_MALFORMED, number, "not a receipt that names a document")
            continue
        if public is not None and not is_signed(said, public):
            found.add(Code.RECEIPT_SIGNATURE, document)
            continue
        wanted.setdefault(document, []).append(said)
    missing = set(wanted)
    for index, entry in entries(LogFolder(folder), size):
        if entry.kind in PROMISED and entry.subject in wanted:
            missing.discard(entry.subject)
            for said in wanted[entry.subject]:
                if origin and said.get("node") != origin:
                    found.add(Code.RECEIPT_MISMATCH, entry.subject, f"it is a receipt of another node than {origin}")
                for name in differences(said, entry):
                    found.add(Code.RECEIPT_MISMATCH, entry.subject, f"{name} differs from entry {index}")
    for document in sorted(missing):
        found.add(Code.RECEIPT_WITHOUT_LEAF, document, f"promised by {wanted[document][0].get('merge_by')}")
    return tuple(found.findings)


def is_signed(said: dict[str, Any], public: bytes) -> bool:
    """Ed25519 over the canonical receipt without its `signature` (`axis.core.receipt`), which has one spelling: else an
    octet of a receipt could be changed and nobody see it."""
    body = {name: value for name, value in said.items() if name != "signature"}
    try:
        signature = base64.b64decode(said["signature"], validate=True)
    except (KeyError, TypeError, ValueError):
        return False
    if base64.b64encode(signature).decode() != said["signature"]:
        return False
    return verify_bytes(public, canonical(body), signature)


def differences(said: dict[str, Any], entry: ReadEntry) -> list[str]:
    logged = {name: entry.facts.get(name) for name in _SAME} | {"state": entry.kind.value, "accepted_at": entry.at}
    if entry.kind is EntryKind.HELD:
        logged["policy_sha256"] = None  # the receipt of a held document names no policy: it is judged again
    return [name for name, value in logged.items() if said.get(name) != value]
