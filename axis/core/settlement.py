"""Decide what an attempt's outcome makes of a delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from axis.core.canonical import Json
from axis.core.model import (
    Cargo,
    Change,
    Decision,
    Delivery,
    Document,
    EntryKind,
    LogEntry,
    MoveDelivery,
    NewId,
    StatusReport,
)
from axis.core.network import Network
from axis.core.problems import Problem
from axis.core.retry import RetryPolicy
from axis.core.states import DELIVERY, DeliveryEvent, advance
from axis.core.statuses import arrived
from schemas.codes import AgencyCode

Prior = Mapping[AgencyCode, Sequence[StatusReport]]
"""What was reported before, per recipient of the delivery."""


def decide_handover(
    delivery: Delivery,
    event: DeliveryEvent,
    document: Document | None,
    prior: Prior,
    by: str,
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[tuple[StatusReport, ...]]:
    """The destination has it: `ACK` of a hand, or `COLLECT` by the recipient itself.

    A document in the hands of its recipient (not of a neighbouring axis) has arrived: 01 where the axis owns it.
    Replies with the statuses so made.
    """
    now_state = advance(DELIVERY, delivery.state, event)
    entry = LogEntry(EntryKind.DELIVERED, now, by, delivery.id, _facts(delivery))
    entries = [entry]
    changes: list[Change] = [MoveDelivery(delivery.id, delivery.state, event, now_state, delivery.token, now)]
    made: list[StatusReport] = []
    if delivery.cargo is Cargo.DOCUMENT and document is not None and not network.leads_away(delivery.endpoint):
        for recipient in delivery.recipients:
            decision = arrived(document, recipient, prior.get(recipient, ()), network, now, new_id)
            entries += decision.entries
            changes += decision.changes
            made += [decision.reply] if decision.reply else []
    return Decision(tuple(entries), tuple(changes), tuple(made))


def decide_setback(
    delivery: Delivery,
    problem: Problem,
    policy: RetryPolicy,
    network: Network,
    now: datetime,
    jitter: float,
    retry_after_s: float | None = None,
) -> Decision[None]:
    """The attempt failed: due again while waiting helps and the lifetime lasts, otherwise failed.

    A destination that names its own wait is given at least that, within the policy's ceiling.
    """
    due = policy.next_due(delivery.attempts, delivery.created_at, now, jitter) if problem.temporary else None
    if due is not None and retry_after_s is not None:
        due = max(due, min(now + policy.ceiling, _later(now, retry_after_s)))
    event = DeliveryEvent.DEFER if due is not None else DeliveryEvent.REFUSE
    kind = EntryKind.DEFERRED if due is not None else EntryKind.FAILED
    facts = {**_facts(delivery), "problem": problem.kind.value, "attempt": delivery.attempts}
    change = MoveDelivery(
        delivery.id,
        delivery.state,
        event,
        advance(DELIVERY, delivery.state, event),
        delivery.token,
        now,
        due,
        problem.kind.value,
    )
    return Decision((LogEntry(kind, now, network.node, delivery.id, facts),), (change,), None)


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(max(seconds, 0), 86_400))


def _facts(delivery: Delivery) -> dict[str, Json]:
    return {
        "cargo": delivery.cargo.value,
        "cargo_ref": delivery.cargo_ref,
        "endpoint": delivery.endpoint,
        "recipients": [code.text for code in delivery.recipients],
    }
