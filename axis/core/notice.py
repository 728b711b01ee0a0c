"""Tell a sender what became of a document that was held, in a form that it can show to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from axis.core.canonical import Json
from axis.core.model import (
    AddDelivery,
    AddNotice,
    Cargo,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    EntryKind,
    LogEntry,
    NewId,
    Notice,
    NoticeOutcome,
    NoticeRef,
    Role,
)
from axis.core.network import Network, lane
from axis.core.times import rfc3339

VERSION = 1
TYPE = "axis-notice"

Seal = Callable[[Mapping[str, Json]], bytes]
"""Adds the key's id and the signature to a body: its canonical octets."""


def decide_notice(
    document: Document, outcome: NoticeOutcome, reason: str, network: Network, now: datetime, new_id: NewId, seal: Seal
) -> Decision[Notice]:
    """Write the notice about `document` and send it towards its sender, back along the way the document came.

    The national axis has no message for it: there the log alone tells.
    """
    body: dict[str, Json] = {
        "v": VERSION,
        "type": TYPE,
        "node": network.node,
        "document": document.ref,
        "outcome": outcome.value,
        "reason": reason,
        "sender": document.sender.text,
        "kind": document.kind.slug,
        "document_id": document.document_id,
        "package_sha256": document.digest,
        "accepted_at": rfc3339(document.accepted_at),
        "at": rfc3339(now),
    }
    return _tell(
        Notice(NoticeRef(new_id()), document.ref, outcome, seal(body), now), document, "", network, now, new_id
    )


def pass_on(
    octets: bytes, outcome: NoticeOutcome, document: Document, by: str, network: Network, now: datetime, new_id: NewId
) -> Decision[Notice]:
    """A neighbour's notice about a document that went through here: on towards the sender, as it came."""
    notice = Notice(NoticeRef(new_id()), document.ref, outcome, octets, now)
    return _tell(notice, document, by, network, now, new_id)


def _tell(
    notice: Notice, document: Document, by: str, network: Network, now: datetime, new_id: NewId
) -> Decision[Notice]:
    route = network.routes.route(document.sender)
    reachable = route is not None and route.endpoint != by and network.roles[route.endpoint] is not Role.NATIONAL
    facts: dict[str, Json] = {"document": document.ref, "outcome": notice.outcome.value, "sent": reachable}
    entry = LogEntry(EntryKind.NOTICE, now, by or network.node, notice.ref, facts)
    if route is None or not reachable:
        return Decision((entry,), (AddNotice(notice),), notice)
    own = () if network.leads_away(route.endpoint) else (document.sender,)
    delivery = Delivery(
        id=DeliveryId(new_id()),
        cargo=Cargo.NOTICE,
        cargo_ref=notice.ref,
        document=document.ref,
        endpoint=route.endpoint,
        recipients=(document.sender,),
        lane=lane(route.endpoint, own, document.sender, document.concerns),
        created_at=now,
        due_at=now,
    )
    return Decision((entry,), (AddNotice(notice), AddDelivery(delivery)), notice)
