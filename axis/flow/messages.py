"""What a delivery carries, ready for a hand: the package as it came, or a status as a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from axis.core.hands import Consignment
from axis.core.model import (
    Cargo,
    Delivery,
    DocumentRef,
    Hop,
    NoticeRef,
    StatusRef,
    StatusReport,
)
from axis.core.payload import Made
from axis.core.ports import Carried
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.core.way import hops_behind
from axis.flow.body import Plain, body_of
from axis.flow.context import Context
from schemas.envelope import Organization, StatusMessage
from schemas.write import serialise, write_status


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


async def carried_by(deliveries: Sequence[Delivery], ctx: Context) -> Mapping[DocumentRef, Carried]:
    """The documents that go out with `deliveries`, asked for at once. None where the store cannot be read: then each
    asks for its own, and is told."""
    refs = {DocumentRef(one.cargo_ref) for one in deliveries if one.cargo is Cargo.DOCUMENT}
    try:
        return await ctx.store.views.carried(refs) if refs else {}
    except Unavailable:
        return {}


async def consign(delivery: Delivery, ctx: Context, carried: Mapping[DocumentRef, Carried]) -> Consignment:
    """Put together what a delivery carries; `carried` are the documents that are at hand. The trace of hops gets this
    node's own hop as its last."""
    views = ctx.store.views
    if delivery.cargo is Cargo.DOCUMENT:
        ref = DocumentRef(delivery.cargo_ref)
        take = carried.get(ref) or (await views.carried([ref])).get(ref)
        if take is None:
            raise Refused(Problem(Kind.NOT_FOUND, context={"document": delivery.cargo_ref}))
        document, octets = take()
        payload, attached, body = await body_of(document, views, octets)
        hops = (*hops_behind(document, delivery.recipients), Hop(ctx.node, document.accepted_at))
        return Consignment(delivery, document, None, payload, hops, body, attached)
    if delivery.cargo is Cargo.NOTICE:
        notice = await views.notice(NoticeRef(delivery.cargo_ref))
        if notice is None:
            raise Refused(Problem(Kind.NOT_FOUND, context={"notice": delivery.cargo_ref}))
        told = Made(notice.octets)
        return Consignment(delivery, None, None, told, (), Plain(told, "application/json"))
    report = await views.status(StatusRef(delivery.cargo_ref))
    if report is None:
        raise Refused(Problem(Kind.NOT_FOUND, context={"status": delivery.cargo_ref}))
    hops = (*report.hops, Hop(ctx.node, report.received_at))
    message = Made(status_message(report, ctx))
    return Consignment(delivery, None, report, message, hops, Plain(message))
