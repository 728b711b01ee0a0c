"""What waits in a mailbox, as its owner is told of it."""

from __future__ import annotations

from typing import NamedTuple

from axis.core.model import DeliveryId, DocumentRef, StatusRef


class ToldStatus(NamedTuple):
    """A `StatusReport` that waits in a mailbox. `document_id` and `number` are those that it names, where its document
    did not come this way."""

    status: StatusRef
    wire: str
    receiver: str
    reporter: str
    at: str
    received_at: str
    description: str | None
    standing: str
    attestation: str
    document_id: str | None
    number: str | None


class InboxItem(NamedTuple):
    """One thing that waits in a mailbox: a delivery, with what its owner is told of its cargo.

    All of it is as it is stored: instants by `axis.core.times.rfc3339`, `recipients` and `notice` as JSON. A tuple,
    because a list has up to two hundred. `document` is the one that is carried, or that the status or the notice tells
    of. `rounds` to `due_at` are its `AttachmentCheck`, where a document is carried.
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
    notice: bytes | None
    report: ToldStatus | None
