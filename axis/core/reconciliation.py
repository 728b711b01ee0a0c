"""Decide what follows from an answer about a delivery that was handed over before."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from axis.core.canonical import Json
from axis.core.follow_up import RESENDS, Became, FollowUp, MoveFollowUp
from axis.core.model import Cargo, Decision, Delivery, EntryKind, LogEntry, MoveDelivery
from axis.core.network import Network
from axis.core.notice import Telling
from axis.core.problems import Kind, Problem
from axis.core.retry import RetryPolicy
from axis.core.settlement import delivery_facts, failed
from axis.core.states import DELIVERY, DeliveryEvent, advance


class Outcome(StrEnum):
    """What one answer led to."""

    NOTED = "noted"  # nothing that a person must know
    UNFETCHED = "unfetched"  # in all the time that is asked a recipient did not fetch it
    UNREADABLE = "unreadable"  # a recipient could not read it
    RESENT = "resent"  # lost; it is due again
    FAILED = "failed"  # lost; it has failed, and its sender is told


def decide_answer(
    delivery: Delivery,
    before: FollowUp,
    after: FollowUp,
    overtaken: bool,
    policy: RetryPolicy,
    network: Network,
    now: datetime,
    jitter: float,
    telling: Telling,
) -> Decision[Outcome]:
    """Note an answer (`axis.core.follow_up`). What is lost is due again, as after an attempt that failed for now.

    A document that others of its lane have followed to the recipient (`overtaken`) is not sent again by itself: it
    would arrive behind its own recall or update. Nor is what is past its lifetime, or was lost too often. Those have
    failed.
    """
    move = MoveFollowUp(after, before.asked)
    facts: dict[str, Json] = {
        **delivery_facts(delivery),
        "peer_ref": after.peer_ref,
        "asked": after.asked,
        "became": after.became and after.became.value,
    }

    def told(resent: bool) -> LogEntry:
        return LogEntry(EntryKind.FOLLOWED, now, delivery.endpoint, delivery.id, {**facts, "resent": resent})

    if after.became is not Became.LOST:
        return Decision((told(False),), (move,), _outcome(after))
    late = (overtaken and delivery.cargo is Cargo.DOCUMENT) or after.lost > RESENDS
    due = None if late else policy.next_due(delivery.attempts, delivery.since, now, jitter)
    if due is None:
        ended = failed(delivery, DeliveryEvent.LOSE, Problem(Kind.DELIVERY_LOST), None, network, now, telling)
        return Decision((told(False), *ended.entries), (*ended.changes, move), Outcome.FAILED)
    event = DeliveryEvent.RESEND
    state = advance(DELIVERY, delivery.state, event)
    problem = Kind.DELIVERY_LOST.value
    again = MoveDelivery(delivery.id, delivery.state, event, state, delivery.token, now, due, problem, 0)
    return Decision((told(True),), (again, move), Outcome.RESENT)


def _outcome(after: FollowUp) -> Outcome:
    if after.became is Became.REFUSED:
        return Outcome.UNREADABLE
    return Outcome.UNFETCHED if after.became is Became.WAITING and after.due_at is None else Outcome.NOTED
