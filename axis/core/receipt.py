"""The receipt (biên nhận): what the sender keeps, and can prove offline that we took the document."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from axis.core.canonical import Json, canonical
from axis.core.model import Document, EntryKind
from axis.core.states import IntakeState
from axis.core.times import rfc3339
from signing.verdict import Indication

VERSION = 1
PROMISED: Final = frozenset({EntryKind.ACCEPTED, EntryKind.HELD})
"""The log entries that receipts promise."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """`octets` is the whole receipt, canonical JSON with its signature: the same bytes for ever."""

    document: Document
    octets: bytes


def receipt(
    document: Document, node: str, merge_delay: timedelta, key_id: str, sign: Callable[[bytes], bytes]
) -> Receipt:
    """Compute a document's receipt from its committed row.

    `sign` is Ed25519, which is deterministic, over the canonical body without `signature`. `merge_by` promises when
    the log will hold the acceptance at the latest.
    """
    held = document.receipt_state is IntakeState.HELD  # judged again later, and the receipt must not change with it
    body: dict[str, Json] = {
        "v": VERSION,
        "type": "axis-receipt",
        "node": node,
        "document": document.ref,
        "state": document.receipt_state.value,
        "sender": document.sender.text,
        "kind": document.kind.slug,
        "document_id": document.document_id,
        "package_sha256": document.digest,
        "bytes_sha256": document.payload.sha256,
        "bytes": document.payload.size,
        "verdict": Indication.INDETERMINATE.value if held else document.verdict.indication.value,
        "policy_sha256": None if held else document.verdict.policy_sha256,
        "accepted_at": rfc3339(document.accepted_at),
        "merge_by": rfc3339(document.accepted_at + merge_delay),
    }
    return Receipt(document, seal(body, key_id, sign))


def seal(body: Mapping[str, Json], key_id: str, sign: Callable[[bytes], bytes]) -> bytes:
    """`body` with the key's id and the signature over both: canonical JSON, what a receipt or a notice is."""
    signed = {**body, "key_id": key_id}
    return canonical({**signed, "signature": base64.b64encode(sign(canonical(signed))).decode()})
