"""Tell a sender what became of its document after the receipt, in a form that it can show to others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """Write the notice about `document` and send it towards its sender, back along the way the document came.

    The national axis has no message for it: there the log alone tells.
    """
    body = _body(document, outcome, reason, network, now)
    return _tell(
        Notice(NoticeRef(new_id()), document.ref, outcome, seal(body), now),
        document,
        document.sender,
        "",
        network,
        now,
        new_id,
    )


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

    Of a document its sender is told, back along the way it came. Of a status its reporter, where that is connected to
    this node and the status does not reach its addressee; a report to the national axis is the operators' business. A
    notice that cannot be delivered makes no further notice.
    """
    document, report = telling.document, telling.report
    to = _concerned(delivery, document, report, network)
    if document is None or to is None:
        return None
    body: dict[str, Json] = {
        **_body(document, NoticeOutcome.UNDELIVERED, problem.kind.value, network, now),
        "cargo": delivery.cargo.value,
        "delivery": delivery.id,
        "recipients": [code.text for code in delivery.recipients],
    }
    if report is not None:
        body["code"] = report.wire
    notice = Notice(NoticeRef(telling.new_id()), document.ref, NoticeOutcome.UNDELIVERED, telling.seal(body), now)
    return _tell(notice, document, to, "", network, now, telling.new_id)


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
    octets: bytes, outcome: NoticeOutcome, document: Document, by: str, network: Network, now: datetime, new_id: NewId
) -> Decision[Notice]:
    """A neighbour's notice about a document that went through here: on towards the sender, as it came."""
    notice = Notice(NoticeRef(new_id()), document.ref, outcome, octets, now)
    return _tell(notice, document, document.sender, by, network, now, new_id)


def _way_back(document: Document, to: AgencyCode, network: Network) -> str | None:
    """Who is connected here is told here. Otherwise the axis that brought the document: it alone knows that it handed
    it over, and believes the notice. A route may lead elsewhere, in a circle of axes to the very one that refused."""
    route = network.routes.route(to)
    if route is not None and not network.leads_away(route.endpoint):
        return route.endpoint
    if document.via is Role.NODE and network.roles.get(document.by) is Role.NODE:
        return document.by
    return None if route is None else route.endpoint


def _tell(
    notice: Notice, document: Document, to: AgencyCode, by: str, network: Network, now: datetime, new_id: NewId
) -> Decision[Notice]:
    endpoint = _way_back(document, to, network)
    reachable = endpoint is not None and endpoint != by and network.roles[endpoint] is not Role.NATIONAL
    facts: dict[str, Json] = {"document": document.ref, "outcome": notice.outcome.value, "sent": reachable}
    entry = LogEntry(EntryKind.NOTICE, now, by or network.node, notice.ref, facts)
    if endpoint is None or not reachable:
        return Decision((entry,), (AddNotice(notice),), notice)
    own = () if network.leads_away(endpoint) else (to,)
    delivery = Delivery(
        id=DeliveryId(new_id()),
        cargo=Cargo.NOTICE,
        cargo_ref=notice.ref,
        document=document.ref,
        endpoint=endpoint,
        recipients=(to,),
        lane=lane(endpoint, own, document.sender, document.concerns),
        created_at=now,
        due_at=now,
    )
    return Decision((entry,), (AddNotice(notice), AddDelivery(delivery)), notice)
