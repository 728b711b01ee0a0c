"""A log of two documents that were taken, and their receipts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.entry import leaf
from axis.core.intake import decide_intake
from axis.core.receipt import receipt
from axis.log.files import Batch
from tests.unit.core.world import NONCE, NOW, content, document_of, ids, network, passed, submission, waiting
from tests.unit.log.logs import writer_at

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
"""Signs the receipts."""


def log_of_two(path: Path, node: str) -> tuple[Path, list[bytes]]:
    """A log below `path` that holds the acceptance of one document and the holding of another, and the receipts that
    `node` gave."""
    decisions = [
        decide_intake(submission(), content(), verdict, (), {}, network(), NOW, ids(prefix), NONCE)
        for verdict, prefix in ((passed(), "doc"), (waiting(), "held"))
    ]
    entries = [leaf(entry) for decision in decisions for entry in decision.entries]
    writer = writer_at(path)
    writer.open()
    writer.reconcile(0)
    writer.commit(Batch(0, tuple(range(len(entries))), tuple(entries)))
    writer.publish()
    writer.close()
    merge = timedelta(seconds=5)
    return path / "log", [receipt(document_of(one), node, merge, "receipts", KEY.sign).octets for one in decisions]
