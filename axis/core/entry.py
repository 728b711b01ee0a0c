"""A log entry as the octets of a leaf, and the commitments inside it.

Golden vectors in `tests/unit/core/test_entry.py` pin both for ever: an old log must verify with new code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from axis.core.canonical import Json, canonical
from axis.core.model import EntryKind, LogEntry
from axis.core.times import rfc3339

VERSION: Final = 1
_DOMAIN: Final = b"axis/v1/commitment\x00"

ENTRY_MEANING: Final[Mapping[EntryKind, str]] = MappingProxyType(
    {
        EntryKind.ACCEPTED: "a document was accepted; verdict, sender, recipients, commitments to id and package",
        EntryKind.HELD: "a document waits for revocation evidence; nothing is delivered",
        EntryKind.REPEATED: "the same package came again; the first receipt was given",
        EntryKind.REFUSED: "a submission of an authenticated caller was refused; problem and verdict",
        EntryKind.ROUTED: "recipients and the endpoints chosen for them, with the prefix that matched",
        EntryKind.RELEASED: "a held document was accepted or refused after a new judgement",
        EntryKind.NOTICE: "the sender is told what became of a document that was held, or that one stays undelivered",
        EntryKind.ATTACHMENTS: "the PDFs in a document's attachments were judged; the outcome of each attachment",
        EntryKind.DELIVERED: "a destination has a document, status or notice",
        EntryKind.DEFERRED: "an attempt failed for now; due again",
        EntryKind.FAILED: "a delivery ended without success",
        EntryKind.FOLLOWED: "a destination was asked what became of what it took; whether it is sent again",
        EntryKind.OPERATED: "an operator acted on a delivery, or on all of an endpoint; who, and why",
        EntryKind.STATUS: "a business status was reported; code, receiver, standing",
        EntryKind.STATUS_REFUSED: "a status that this party may never set was refused",
        EntryKind.ORPHAN_MATCHED: "a status that came before its document found it",
        EntryKind.STARTED: "the daemon started",
        EntryKind.STOPPED: "the daemon stopped in order",
        EntryKind.RESTORED: "the node went on from a backup; how far that knew the log, and what has no record now",
    }
)


def leaf(entry: LogEntry) -> bytes:
    """The octets of one leaf: canonical JSON, below 64 KiB (the limit of a C2SP entry bundle)."""
    octets = canonical(
        {
            "v": VERSION,
            "kind": str(entry.kind),
            "at": rfc3339(entry.at),
            "actor": entry.actor,
            "subject": entry.subject,
            "facts": entry.facts,
        }
    )
    if len(octets) >= 1 << 16:
        raise ValueError("a log entry is at most 65,535 octets")
    return octets


def commitment(nonce: str, name: str, value: str | bytes) -> Json:
    """A commitment to `value`: SHA-256(domain, nonce, name, SHA-256(value)), hex.

    The nonce keeps short or guessable values from being found by trying; it stays with the document's record. `name`
    separates the fields of one document.
    """
    octets = value if isinstance(value, bytes) else value.encode()
    inner = hashlib.sha256(octets).digest()
    return hashlib.sha256(_DOMAIN + bytes.fromhex(nonce) + name.encode() + b"\x00" + inner).hexdigest()
