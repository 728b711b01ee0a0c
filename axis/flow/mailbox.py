"""What a recipient does at its mailbox: look, fetch, say that it has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from axis.core.hands import Body
from axis.core.inbox import InboxItem
from axis.core.model import Attestation, Cargo, Delivery, DeliveryId, Principal, StatusReport
from axis.core.ports import Ledger
from axis.core.problems import Kind, Problem, Refused
from axis.core.settlement import decide_handover, decide_quarantine
from axis.core.states import DeliveryEvent, DeliveryState
from axis.flow.body import Plain
from axis.flow.context import Context
from axis.flow.messages import consign
from axis.flow.settle import telling_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Collected:
    """The answer to an acknowledgement: the settled delivery, and the 01 that the axis set for it."""

    delivery: Delivery
    arrived: StatusReport | None


class Fetched(NamedTuple):
    """What goes to the recipient. `digest` is that of the package, where one is carried; `outcome` what was found in
    its attached PDFs."""

    body: Body
    digest: str | None
    outcome: str | None


async def inbox(by: Principal, after_seq: int, limit: int, ctx: Context) -> Sequence[InboxItem]:
    """What waits for this connection, by `seq`. A document's successors appear when it has been acknowledged."""
    found: list[InboxItem] = []
    while len(found) < limit:
        page = await ctx.store.views.inbox(by.name, after_seq, limit)
        served = {told for told in {item.recipients for item in page} if ctx.network.serves_listed(by.name, told)}
        found += [item for item in page if item.recipients in served]
        if len(page) < limit:
            break
        after_seq = page[-1].seq
    return found[:limit]


async def own_delivery(id: str, by: Principal, ctx: Context) -> Delivery:
    """A delivery of this connection's mailbox that is still for it; `Refused(NOT_FOUND)` for any other, as if it did
    not exist."""
    delivery = await ctx.store.views.delivery(DeliveryId(id))
    if delivery is None or delivery.endpoint != by.name or not ctx.network.serves(by.name, delivery.recipients):
        raise Refused(Problem(Kind.NOT_FOUND))
    return delivery


async def fetch(id: str, by: Principal, ctx: Context) -> Fetched:
    """What a delivery carries: the package as it came, the status message, or the notice. Of a mailbox of another it is
    `Refused(NOT_FOUND)`, as if it did not exist."""
    parcel = await ctx.store.views.parcel(DeliveryId(id))
    if parcel is None or parcel.endpoint != by.name or not ctx.network.serves_listed(by.name, parcel.recipients):
        raise Refused(Problem(Kind.NOT_FOUND))
    if parcel.package is not None:
        return Fetched(Plain(parcel.package), parcel.digest, parcel.outcome)
    consignment = await consign(await own_delivery(id, by, ctx), ctx, {})
    return Fetched(consignment.body, parcel.digest, parcel.outcome)


async def set_aside(id: str, problem: Problem, ctx: Context) -> None:
    """What was fetched is damaged in the store: the delivery is listed no more, and its sender and the operator hear of
    it. Where it is settled meanwhile, nothing changes."""

    def body(ledger: Ledger) -> bool:
        delivery = ledger.delivery(DeliveryId(id))
        if delivery is None or delivery.state is not DeliveryState.QUEUED or delivery.cargo is not Cargo.DOCUMENT:
            return False
        telling = telling_of(delivery, ledger, ctx)
        ledger.apply(decide_quarantine(delivery, problem, ctx.network, ctx.now(), telling))
        return True

    if await ctx.store.transact(body):
        ctx.wake()
        log.error("delivery_quarantined", delivery=id, problem=problem.kind.value, **problem.context)


async def acknowledge(id: str, by: Principal, ctx: Context) -> Collected:
    """The recipient has the delivery durably. Repeating answers the same. Returns after it is on stable storage."""
    await own_delivery(id, by, ctx)
    now = ctx.now()

    def body(ledger: Ledger) -> Collected:
        delivery = ledger.delivery(DeliveryId(id))
        if delivery is None or delivery.endpoint != by.name:
            raise Refused(Problem(Kind.NOT_FOUND))
        document = ledger.document(delivery.document) if delivery.document else None
        prior = (
            {code: ledger.statuses(document.ref, code) for code in delivery.recipients}
            if document and delivery.cargo is Cargo.DOCUMENT
            else {}
        )
        if delivery.state is DeliveryState.DELIVERED:
            return Collected(delivery, _axis_arrival(prior.values()))
        if delivery.state is not DeliveryState.QUEUED or not ledger.is_head(delivery):
            raise Refused(Problem(Kind.NOT_FOUND))
        decision = decide_handover(
            delivery, DeliveryEvent.COLLECT, document, prior, by.name, ctx.network, now, ctx.new_id
        )
        ledger.apply(decision)
        settled = ledger.delivery(delivery.id)
        assert settled is not None
        return Collected(settled, next(iter(decision.reply), None))

    collected = await ctx.store.transact(body, brief=True)
    ctx.wake()
    return collected


def _axis_arrival(prior: Iterable[Sequence[StatusReport]]) -> StatusReport | None:
    reports = (one for group in prior for one in group)
    return next((one for one in reports if one.attestation is Attestation.AXIS), None)
