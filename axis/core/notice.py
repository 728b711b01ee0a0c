"""Tell a sender what became of its document after the receipt, in a form that it can show to others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from axis.core.canonical import Json
from axis.core.model import (
    AddDelivery,
    AddNotice,
    Attestation,
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
    StatusReport,
)
from axis.core.network import Network, lane
from axis.core.problems import Problem
from axis.core.times import rfc3339
from axis.core.way import brought
from schemas.codes import AgencyCode

VERSION = 1
TYPE = "axis-notice"
MOST_EACH: Final = 16
"""Notices about one document for each of its recipients, before others' are refused. Each is told of once, and once
more whenever an operator tries again."""

Seal = Callable[[Mapping[str, Json]], bytes]
"""Adds the key's id and the signature to a body: its canonical octets."""


def decide_notice(
    document: Document, outcome: NoticeOutcome, reason: str, network: Network, now: datetime, new_id: NewId, seal: Seal
) -> Decision[Notice]:
    """Write the notice about `document` and send it towards its sender, back along the ways the document came.

    The national axis has no message for it: there the log alone tells.
    """
    notice = Notice(
        NoticeRef(new_id()), document.ref, outcome, seal(_body(document, outcome, reason, network, now)), now
    )
    back = _ways_back(document, document.sender, document.recipients, network)
    return _tell(notice, document, document.sender, "", tuple(back), network, now, new_id)


@dataclass(frozen=True, slots=True)
class Telling:
    """What it takes to tell somebody of a failed delivery: its document (`None` for an orphan's status), the status
    that it carries, and the means to write the notice.
    """

    document: Document | None
    report: StatusReport | None
    new_id: NewId
    seal: Seal


def decide_undelivered(
    delivery: Delivery, problem: Problem, telling: Telling, network: Network, now: datetime
) -> Decision[Notice] | None:
    """The non-delivery notice about a delivery that failed for good; `None` where there is nobody to tell.

    Of a document its sender is told, back along the way it came; where several axes brought it for these recipients,
    through each, of those that it has our receipt for. Of a status its reporter, where that is connected to this node
    and the status does not reach its addressee; a report to the national axis is the operators' business. A notice that
    cannot be delivered makes no further notice. Replies with the first.
    """
    document, report = telling.document, telling.report
    to = _concerned(delivery, document, report, network)
    if document is None or to is None:
        return None
    body: dict[str, Json] = {
        **_body(document, NoticeOutcome.UNDELIVERED, problem.kind.value, network, now),
        "cargo": delivery.cargo.value,
        "delivery": delivery.id,
    }
    if report is not None:
        body["code"] = report.wire
    believed: dict[tuple[AgencyCode, ...], list[str | None]] = {}
    for endpoint, codes in _ways_back(document, to, delivery.recipients, network).items():
        believed.setdefault(codes, []).append(endpoint)
    told: list[Decision[Notice]] = []
    for codes, back in believed.items():
        octets = telling.seal({**body, "recipients": [code.text for code in codes]})
        notice = Notice(NoticeRef(telling.new_id()), document.ref, NoticeOutcome.UNDELIVERED, octets, now)
        told.append(_tell(notice, document, to, "", back, network, now, telling.new_id))
    entries = tuple(entry for one in told for entry in one.entries)
    return Decision(entries, tuple(change for one in told for change in one.changes), told[0].reply)


def _concerned(
    delivery: Delivery, document: Document | None, report: StatusReport | None, network: Network
) -> AgencyCode | None:
    if document is None:
        return None
    if delivery.cargo is Cargo.DOCUMENT:
        return document.sender
    if report is None or report.attestation is not Attestation.CONNECTION:
        return None
    onward, back = network.routes.route(report.addressee), network.routes.route(report.reporter)
    # It may have waited where its addressee was before the routes changed; what went to the national axis went beside.
    beside = network.roles.get(delivery.endpoint) in (None, Role.NATIONAL)
    if beside and (onward is None or onward.endpoint != delivery.endpoint):
        return None
    if back is None or network.leads_away(back.endpoint):
        return None
    return report.reporter


def _body(document: Document, outcome: NoticeOutcome, reason: str, network: Network, now: datetime) -> dict[str, Json]:
    return {
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


def handed_to(
    by: str, deliveries: Iterable[tuple[str, Iterable[AgencyCode]]], network: Network
) -> frozenset[AgencyCode]:
    """For whom a document was handed to the axis that is connected as `by`.

    An endpoint that the configuration no longer names was renamed, or gave way to another. What was handed over there
    is the business of the axis to which its recipients are routed now.
    """
    found: set[AgencyCode] = set()
    for endpoint, recipients in deliveries:
        if endpoint == by:
            found.update(recipients)
        elif endpoint not in network.roles:
            routes = ((code, network.routes.route(code)) for code in recipients)
            found.update(code for code, route in routes if route is not None and route.endpoint == by)
    return frozenset(found)


def may_tell_more(told: int, deliveries: Iterable[tuple[str, Iterable[AgencyCode]]]) -> bool:
    """Say whether others may tell more of a document about which `told` notices are stored: whoever it was handed to
    can write as many different ones as it likes, and its sender gets them all."""
    recipients = {code for _, those in deliveries for code in those}
    return told < MOST_EACH * len(recipients)


def pass_on(
    octets: bytes,
    outcome: NoticeOutcome,
    recipients: Collection[AgencyCode],
    document: Document,
    by: str,
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[Notice]:
    """A neighbour's notice about a document that went through here: on towards the sender, as it came. `recipients` are
    those that it is about, none where it is about all: who did not hand the document over for them does not believe
    it."""
    notice = Notice(NoticeRef(new_id()), document.ref, outcome, octets, now)
    back = _ways_back(document, document.sender, tuple(recipients) or document.recipients, network)
    believing = [endpoint for endpoint, codes in back.items() if {*recipients} <= {*codes}]
    return _tell(notice, document, document.sender, by, believing or tuple(back), network, now, new_id)


def _ways_back(
    document: Document, to: AgencyCode, recipients: Sequence[AgencyCode], network: Network
) -> Mapping[str | None, tuple[AgencyCode, ...]]:
    """Where to tell `to` of `recipients`, each endpoint with those that it believes it of. `None` leads nowhere.

    Who is connected here is told here. Otherwise the axes that brought the document: they alone know that they handed
    it over, and believe the notice. A route may lead elsewhere, in a circle of axes to the very one that refused.
    """
    route = network.routes.route(to)
    if route is not None and not network.leads_away(route.endpoint):
        return {route.endpoint: tuple(recipients)}
    found: dict[str | None, tuple[AgencyCode, ...]] = {}
    for way, codes in brought(document, recipients):
        neighbour = way.via is Role.NODE and network.roles.get(way.by) is Role.NODE
        endpoint = way.by if neighbour else None if route is None else route.endpoint
        found[endpoint] = tuple(dict.fromkeys((*found.get(endpoint, ()), *codes)))
    return found


def _tell(
    notice: Notice,
    document: Document,
    to: AgencyCode,
    by: str,
    back: Iterable[str | None],
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[Notice]:
    told = [one for one in back if one is not None and one != by and network.roles[one] is not Role.NATIONAL]
    facts: dict[str, Json] = {"document": document.ref, "outcome": notice.outcome.value, "sent": bool(told)}
    entry = LogEntry(EntryKind.NOTICE, now, by or network.node, notice.ref, facts)
    deliveries = (
        Delivery(
            id=DeliveryId(new_id()),
            cargo=Cargo.NOTICE,
            cargo_ref=notice.ref,
            document=document.ref,
            endpoint=endpoint,
            recipients=(to,),
            lane=lane(endpoint, () if network.leads_away(endpoint) else (to,), document.sender, document.concerns),
            created_at=now,
            due_at=now,
        )
        for endpoint in told
    )
    return Decision((entry,), (AddNotice(notice), *map(AddDelivery, deliveries)), notice)
