"""What waits in a mailbox, as its owner is told of it."""

from __future__ import annotations

from typing import NamedTuple

from axis.core.model import DeliveryId, DocumentRef, StatusRef


class InboxItem(NamedTuple):
    """One thing that waits in a mailbox: a delivery, with what its owner is told of its cargo.

    All of it is as it is stored: instants by `axis.core.times.rfc3339`, `recipients` and `notice` as JSON. A tuple,
    because a list has up to two hundred. `document` is the one that is carried, or that the status or the notice tells
    of. `rounds` to `due_at` are its `AttachmentCheck`, where a document is carried; `status` to `attestation` a
    `StatusReport`.
    """

    delivery: DeliveryId
    seq: int
    cargo: str
    recipients: str
    priority: int
    document: DocumentRef | None
    sender: str | None
    document_id: str | None
    number: str | None
    subject: str | None
    form: str | None
    size: int | None
    sha256: str | None
    rounds: int | None
    outcome: str | None
    due_at: str | None
    status: StatusRef | None
    wire: str | None
    receiver: str | None
    reporter: str | None
    at: str | None
    received_at: str | None
    description: str | None
    standing: str | None
    attestation: str | None
    notice: bytes | None
