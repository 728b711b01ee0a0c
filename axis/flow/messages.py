"""What a delivery carries, ready for a hand: the package as it came, or a status as a message."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from axis.core.model import (
    Cargo,
    Delivery,
    DocumentRef,
    Hop,
    NoticeRef,
    PayloadRef,
    StatusRef,
    StatusReport,
)
from axis.core.ports import Consignment, Payload
from axis.core.problems import Kind, Problem, Refused
from axis.flow.context import Context
from schemas.envelope import Organization, StatusMessage
from schemas.write import serialise, write_status


@dataclass(frozen=True, slots=True)
class Written:
    """A `Payload` that is made anew each time from stored facts, and is the same octets each time."""

    octets: bytes

    @property
    def ref(self) -> PayloadRef:
        return PayloadRef(hashlib.sha256(self.octets).hexdigest(), len(self.octets))

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.octets

    async def read(self) -> bytes:
        return self.octets


def status_message(report: StatusReport, ctx: Context) -> bytes:
    """A recorded status as an edXML status message, in the strict form, in Vietnam time."""
    agency = ctx.network.registry.find(report.reporter)
    message = StatusMessage(
        reporter=Organization(report.reporter, name=agency.name if agency else None),
        addressee=report.addressee,
        document_id=report.document_id,
        code=report.number,
        wire_code=report.wire,
        at=report.at,
        description=report.description,
        promulgated_on=report.issued_on,
        staff=report.staff,
    )
    return serialise(write_status(message))


async def consign(delivery: Delivery, ctx: Context) -> Consignment:
    """Put together what a delivery carries. The trace of hops gets this node's own hop as its last."""
    views = ctx.store.views
    document = await views.document(delivery.document) if delivery.document else None
    if delivery.cargo is Cargo.DOCUMENT:
        document = await views.document(DocumentRef(delivery.cargo_ref))
        if document is None:
            raise Refused(Problem(Kind.NOT_FOUND, context={"document": delivery.cargo_ref}))
        payload: Payload = await views.payload(document.payload)
        hops = (*document.hops, Hop(ctx.network.node, document.accepted_at))
        return Consignment(delivery, document, None, payload, hops)
    if delivery.cargo is Cargo.NOTICE:
        notice = await views.notice(NoticeRef(delivery.cargo_ref))
        if notice is None:
            raise Refused(Problem(Kind.NOT_FOUND, context={"notice": delivery.cargo_ref}))
        return Consignment(delivery, document, None, Written(notice.octets), ())
    report = await views.status(StatusRef(delivery.cargo_ref))
    if report is None:
        raise Refused(Problem(Kind.NOT_FOUND, context={"status": delivery.cargo_ref}))
    hops = (*report.hops, Hop(ctx.network.node, report.received_at))
    return Consignment(delivery, document, report, Written(status_message(report, ctx)), hops)
