"""Decide what an attempt's outcome makes of a delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from axis.core.canonical import Json
from axis.core.follow_up import AddFollowUp, begin
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
from axis.core.network import ArrivedBy, Network
from axis.core.notice import Telling, decide_undelivered
from axis.core.outline import Earlier
from axis.core.problems import Kind, Problem
from axis.core.retry import RetryPolicy
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, advance
from axis.core.statuses import arrived
from schemas.codes import AgencyCode

Prior = Mapping[AgencyCode, Sequence[Earlier]]
"""What was reported before, per recipient of the delivery: what was a repetition may be left out."""


def asks_for_arrival(delivery: Delivery, network: Network) -> bool:
    """Whether this node tells of an arrival when `delivery` is handed over: a document's, in the hands of its recipient
    and not of a neighbouring axis, where the axis owns 01."""
    by_axis = network.arrived_by is ArrivedBy.AXIS
    return by_axis and delivery.cargo is Cargo.DOCUMENT and not network.leads_away(delivery.endpoint)


def decide_handover(
    delivery: Delivery,
    event: DeliveryEvent,
    document: Document | None,
    prior: Prior,
    by: str,
    network: Network,
    now: datetime,
    new_id: NewId,
    peer_ref: str | None = None,
) -> Decision[tuple[StatusReport, ...]]:
    """The destination has it: `ACK` of a hand, or `COLLECT` by the recipient itself. `peer_ref` is its own id of it.

    A document in the hands of its recipient (not of a neighbouring axis) has arrived: 01 where the axis owns it.
    Replies with the statuses so made.
    """
    now_state = advance(DELIVERY, delivery.state, event)
    told = {} if peer_ref is None else {"peer_ref": peer_ref}
    entry = LogEntry(EntryKind.DELIVERED, now, by, delivery.id, {**delivery_facts(delivery), **told})
    entries = [entry]
    changes: list[Change] = [MoveDelivery(delivery.id, delivery.state, event, now_state, delivery.token, now)]
    rules = network.follow_up.get(delivery.endpoint)
    if rules is not None and peer_ref is not None:
        changes.append(AddFollowUp(begin(delivery.id, delivery.endpoint, peer_ref, now, rules)))
    made: list[StatusReport] = []
    if document is not None and asks_for_arrival(delivery, network):
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
    *,
    broke: bool = False,
    telling: Telling | None = None,
) -> Decision[Problem | None]:
    """The attempt failed: due again while waiting helps and the lifetime lasts, otherwise failed, and somebody is told.

    A destination that names its own wait is given at least that, within the policy's ceiling. `broke` says that the
    attempt ended without an outcome; so many in a row, and the delivery is set aside as poison. Replies with what it
    failed of.
    """
    breaks = delivery.breaks + 1 if broke else 0
    if breaks >= policy.breaks:
        return failed(delivery, DeliveryEvent.REFUSE, Problem(Kind.DELIVERY_POISON), problem, network, now, telling)
    if problem.kind is Kind.STORED_DAMAGED:
        return decide_quarantine(delivery, problem, network, now, telling)
    if not problem.temporary:
        return failed(delivery, DeliveryEvent.REFUSE, problem, None, network, now, telling)
    due = policy.next_due(delivery.attempts, delivery.since, now, jitter)
    if due is None:
        return failed(delivery, DeliveryEvent.REFUSE, Problem(Kind.DELIVERY_EXPIRED), problem, network, now, telling)
    if retry_after_s is not None:
        due = max(due, min(now + policy.ceiling, _later(now, retry_after_s)))
    change = MoveDelivery(
        delivery.id,
        delivery.state,
        DeliveryEvent.DEFER,
        advance(DELIVERY, delivery.state, DeliveryEvent.DEFER),
        delivery.token,
        now,
        due,
        problem.kind.value,
        breaks,
    )
    facts = {**delivery_facts(delivery), "problem": problem.kind.value, "attempt": delivery.attempts}
    return Decision((LogEntry(EntryKind.DEFERRED, now, network.node, delivery.id, facts),), (change,), None)


def decide_quarantine(
    delivery: Delivery, problem: Problem, network: Network, now: datetime, telling: Telling | None
) -> Decision[Problem | None]:
    """What it carries is not what was stored: no attempt can mend that, and none may send it. Once a person has put the
    octets back, it is sent again like all that failed."""
    return failed(delivery, DeliveryEvent.QUARANTINE, problem, None, network, now, telling)


def decide_poison(delivery: Delivery, network: Network, now: datetime, telling: Telling) -> Decision[Problem | None]:
    """Set a claimed delivery aside without another attempt: the last ones never came back."""
    return failed(
        delivery, DeliveryEvent.REFUSE, Problem(Kind.DELIVERY_POISON), Problem(Kind.INTERNAL), network, now, telling
    )


def decide_expiry(delivery: Delivery, network: Network, now: datetime, telling: Telling) -> Decision[Problem | None]:
    """A queued delivery's lifetime ended before an attempt could be made, as behind an open breaker."""
    problem = Problem(Kind.DELIVERY_EXPIRED)
    return failed(delivery, DeliveryEvent.AGE, problem, _last(delivery), network, now, telling)


def decide_return(delivery: Delivery, network: Network, now: datetime) -> Decision[None]:
    """It was under way, its lease has run out, and nobody makes another attempt: it waits to be fetched."""
    event = DeliveryEvent.EXPIRE
    state = advance(DELIVERY, delivery.state, event)
    facts = {**delivery_facts(delivery), "problem": Kind.INTERNAL.value, "attempt": delivery.attempts}
    change = MoveDelivery(delivery.id, delivery.state, event, state, delivery.token, now, problem=Kind.INTERNAL.value)
    return Decision((LogEntry(EntryKind.DEFERRED, now, network.node, delivery.id, facts),), (change,), None)


def decide_end(delivery: Delivery, network: Network, now: datetime, telling: Telling) -> Decision[Problem | None]:
    """An operator gave it up: told like every failure.

    What follows a document stays where it is, since its recipient never gets what that is about; what follows a status
    or a notice goes on. `IllegalTransition` where the delivery is under way or settled.
    """
    event = DeliveryEvent.GIVE_UP if delivery.cargo is Cargo.DOCUMENT else DeliveryEvent.DROP
    # Of what had failed before, everybody was told then.
    told = telling if delivery.state is not DeliveryState.FAILED else None
    return failed(delivery, event, Problem(Kind.GIVEN_UP), _last(delivery), network, now, told)


def is_given_up(delivery: Delivery) -> bool:
    """Say whether a person ended it, by name and with a reason, and nobody has sent it again since."""
    return delivery.state is DeliveryState.FAILED and delivery.last_problem == Kind.GIVEN_UP


def failed(
    delivery: Delivery,
    event: DeliveryEvent,
    problem: Problem,
    cause: Problem | None,
    network: Network,
    now: datetime,
    telling: Telling | None,
) -> Decision[Problem | None]:
    """End it as failed by `event`, and tell whom it concerns, where `telling` lets us."""
    told = decide_undelivered(delivery, problem, telling, network, now) if telling else None
    facts: dict[str, Json] = {
        **delivery_facts(delivery),
        "problem": problem.kind.value,
        "attempt": delivery.attempts,
        "cause": cause.kind.value if cause else None,
        "notice": told.reply.ref if told else None,
    }
    change = MoveDelivery(
        delivery.id,
        delivery.state,
        event,
        advance(DELIVERY, delivery.state, event),
        delivery.token,
        now,
        problem=problem.kind.value,
    )
    entry = LogEntry(EntryKind.FAILED, now, network.node, delivery.id, facts)
    if told is None:
        return Decision((entry,), (change,), problem)
    return Decision((entry, *told.entries), (change, *told.changes), problem)


def _last(delivery: Delivery) -> Problem | None:
    return Problem(Kind(delivery.last_problem)) if delivery.last_problem in list(Kind) else None


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(max(seconds, 0), 86_400))


def delivery_facts(delivery: Delivery) -> dict[str, Json]:
    """What every entry about a delivery says of it."""
    return {
        "cargo": str(delivery.cargo),
        "cargo_ref": delivery.cargo_ref,
        "endpoint": delivery.endpoint,
        "recipients": [code.text for code in delivery.recipients],
    }
