"""Write how attempts ended: those that end together in one transaction.

Nobody waits for another: what has ended when the store is free goes together (`axis.flow.dispatch`). Where one of
several cannot be written, nothing of that transaction stands, and each is written alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from axis.core.hands import Handover
from axis.core.model import (
    Cargo,
    Change,
    Decision,
    Delivery,
    Document,
    DocumentRef,
    MoveDelivery,
    StatusRef,
    StatusReport,
)
from axis.core.network import Network
from axis.core.notice import Telling
from axis.core.outline import Said
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Kind, Problem, Unavailable
from axis.core.settlement import asks_for_arrival, decide_handover, decide_poison, decide_setback
from axis.core.states import DeliveryEvent
from axis.flow.context import Context
from schemas.codes import AgencyCode

log = structlog.get_logger()

TOGETHER: Final = 16
"""How many are written in one transaction at most: some 2 ms of the event loop."""

_Prior = dict[DocumentRef, dict[str, list[Said]]]
"""What was reported before, of each document that arrives, by its recipients (codes)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attempt at a claimed delivery ended. `outcome` is `None` where none was made: its last ones were never
    heard of again.

    `document` is what was handed over, as it was read then: of what follows from it only its crossing can have changed.
    `broke` says that the attempt ended without an outcome of its own, `retry_after_s` what the destination asked for,
    `unwritten` that the store could not be told before.
    """

    delivery: Delivery
    outcome: Handover | Problem | None
    at: datetime
    document: Document | None = None
    retry_after_s: float | None = None
    broke: bool = False
    unwritten: bool = False


async def settle(ended: Sequence[Ended], ctx: Context) -> Sequence[Ended]:
    """Write how `ended` ended, and say so. What the store cannot be told now is returned, to be told later.

    A lost lease means that somebody else settles: the outcome of that attempt is dropped.
    """
    try:
        failed = await ctx.store.transact(lambda ledger: _written(ended, ledger, ctx), brief=len(ended))
    except Exception as error:
        if len(ended) > 1:  # whose it was is not known; whatever stands already is a lost race
            left = await asyncio.gather(*(settle([one], ctx) for one in ended))
            return [one for several in left for one in several]
        if not _told(ended[0], error):
            raise
        return [replace(ended[0], unwritten=True)] if isinstance(error, Unavailable) else ()
    _tell_all(ended, failed)
    ctx.wake()
    return ()


def _written(ended: Sequence[Ended], ledger: Ledger, ctx: Context) -> list[Problem | None]:
    """The body: what each has failed of for good."""
    network = ctx.network
    crossed, prior = _known(ended, ledger, network)
    decisions = [
        _handover(one, crossed, prior, network, ctx)
        if isinstance(one.outcome, Handover)
        else _setback(one, one.outcome, ledger, network, ctx)
        for one in ended
    ]
    ledger.apply(_as_one(decisions))
    return [decision.reply if isinstance(decision.reply, Problem) else None for decision in decisions]


def _as_one(decisions: Sequence[Decision[object]]) -> Decision[None]:
    """What was handed over first: that ends together. What else moves goes before what is added, which is then told
    table by table (ADR 0040)."""
    handed_over: list[Change] = []
    moved: list[Change] = []
    added: list[Change] = []
    for change in (change for decision in decisions for change in decision.changes):
        if type(change) is not MoveDelivery:
            added.append(change)
        else:
            (handed_over if change.event is DeliveryEvent.ACK else moved).append(change)
    entries = [entry for decision in decisions for entry in decision.entries]
    return Decision(tuple(entries), (*handed_over, *moved, *added), None)


def _known(ended: Sequence[Ended], ledger: Ledger, network: Network) -> tuple[frozenset[DocumentRef], _Prior]:
    """What the statuses of arrivals are decided from, of all of them at once: a recipient gets a document once, so none
    of them makes another one's."""
    prior: _Prior = {}
    for one in ended:
        if one.document is not None and _arrives(one, network):
            told = prior.setdefault(one.document.ref, {})
            for code in one.delivery.recipients:
                told[code.text] = []
    if not prior:
        return frozenset(), prior
    crossed = ledger.crossed(prior)
    for said in ledger.said_of([(ref, code) for ref, told in prior.items() for code in told], ()):
        prior[said.document][said.receiver].append(said)
    return crossed, prior


def _arrives(one: Ended, network: Network) -> bool:
    handed_over = isinstance(one.outcome, Handover) and one.document is not None
    return handed_over and asks_for_arrival(one.delivery, network)


def _handover(
    one: Ended, crossed: frozenset[DocumentRef], prior: _Prior, network: Network, ctx: Context
) -> Decision[tuple[StatusReport, ...]]:
    delivery, document = one.delivery, one.document
    told: Mapping[AgencyCode, Sequence[Said]] = {}
    if document is not None and document.ref in prior:
        if document.crossed is not (document.ref in crossed):
            document = replace(document, crossed=not document.crossed)
        said = prior[document.ref]
        told = {code: said[code.text] for code in delivery.recipients}
    assert isinstance(one.outcome, Handover), "it was handed over"
    by, peer_ref = delivery.endpoint, one.outcome.peer_ref
    return decide_handover(delivery, DeliveryEvent.ACK, document, told, by, network, one.at, ctx.new_id, peer_ref)


def _setback(
    one: Ended, problem: Problem | None, ledger: Ledger, network: Network, ctx: Context
) -> Decision[Problem | None]:
    delivery, jitter = one.delivery, ctx.jitter()
    if problem is None:
        return decide_poison(delivery, network, one.at, telling_of(delivery, ledger, ctx))

    def decided(telling: Telling | None) -> Decision[Problem | None]:
        return decide_setback(
            delivery, problem, ctx.retry, network, one.at, jitter, one.retry_after_s, broke=one.broke, telling=telling
        )

    # What a notice is made from is read where one is made: most setbacks are for now.
    decision = decided(None)
    return decision if decision.reply is None else decided(telling_of(delivery, ledger, ctx))


def _told(ended: Ended, error: Exception) -> bool:
    """Say why it was not written, where that is no bug; of what is tried again, once."""
    delivery = ended.delivery
    if isinstance(error, LostRace):
        log.warning("delivery_lease_lost", delivery=delivery.id, endpoint=delivery.endpoint, attempt=delivery.attempts)
    elif isinstance(error, Unavailable):
        if not ended.unwritten:
            kind, context = error.problem.kind.value, error.problem.context
            log.warning("delivery_not_settled", delivery=delivery.id, problem=kind, **context)
    else:
        return False
    return True


def _tell_all(ended: Sequence[Ended], failed: Sequence[Problem | None]) -> None:
    """Tell the operational log. What one endpoint took is one line, whoever looks for a delivery finds it there by its
    id; every failure has a line of its own."""
    made: dict[str, list[str]] = {}
    for one, problem in zip(ended, failed, strict=True):
        if isinstance(one.outcome, Handover):
            made.setdefault(one.delivery.endpoint, []).append(one.delivery.id)
        else:
            _tell(one.delivery, one.outcome, problem)
    for endpoint, deliveries in made.items():
        log.info("deliveries_made", endpoint=endpoint, deliveries=deliveries)


def _tell(delivery: Delivery, outcome: Problem | None, failed: Problem | None) -> None:
    if outcome is None:
        log.error("delivery_set_aside", delivery=delivery.id, endpoint=delivery.endpoint, breaks=delivery.breaks)
    else:
        quarantined = failed is not None and failed.kind is Kind.STORED_DAMAGED
        say = log.error if quarantined else log.warning
        say(
            "delivery_quarantined" if quarantined else "delivery_failed" if failed else "delivery_deferred",
            delivery=delivery.id,
            endpoint=delivery.endpoint,
            attempt=delivery.attempts,
            problem=outcome.kind.value,
            failed_of=failed.kind.value if failed else None,
            detail=outcome.detail,
            **outcome.context,
        )


def telling_of(delivery: Delivery, ledger: Ledger, ctx: Context) -> Telling:
    """What a notice about a delivery that fails is made from. Where a row is damaged nobody can be told; the failure
    is written all the same, or it would be met again at every start."""
    document: Document | None = None
    report: StatusReport | None = None
    try:
        document = ledger.document(delivery.document) if delivery.document else None
        report = ledger.status(StatusRef(delivery.cargo_ref)) if delivery.cargo is Cargo.STATUS else None
    except (ValueError, LookupError, TypeError) as error:
        log.error("delivery_untold", delivery=delivery.id, error=type(error).__name__)
    return Telling(document, report, ctx.new_id, ctx.receipt_key.seal)
