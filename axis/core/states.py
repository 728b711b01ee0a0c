"""The state machines of an intake, a delivery and a destination, as tables. `docs/states.md` is generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar


class IntakeState(StrEnum):
    START = "start"
    ACCEPTED = "accepted"
    HELD = "held"  # neither yes nor no: revocation evidence is missing
    REFUSED = "refused"


class IntakeEvent(StrEnum):
    PASS = "pass"
    DOUBT = "doubt"
    FAIL = "fail"
    EXPIRE = "expire"  # held longer than the budget


class DeliveryState(StrEnum):
    __hash__ = str.__hash__  # as `schemas.status.Status`: each delivery is looked up by both

    QUEUED = "queued"
    LEASED = "leased"
    ON_HOLD = "on-hold"  # an operator keeps it back
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"  # a status or notice that an operator ended: its lane goes on


class DeliveryEvent(StrEnum):
    __hash__ = str.__hash__

    CLAIM = "claim"  # a worker takes it for one attempt
    ACK = "ack"  # the destination has it
    COLLECT = "collect"  # the recipient fetched it from its mailbox and said so
    DEFER = "defer"  # temporary problem: due again by the retry policy
    EXPIRE = "expire"  # the lease ran out: the worker died or was cut off
    REFUSE = "refuse"  # permanent problem, lifetime spent, or poison
    QUARANTINE = "quarantine"  # what it carries is damaged in the store: not one octet of it may be believed
    AGE = "age"  # its lifetime was spent before an attempt could be made
    REQUEUE = "requeue"  # an operator asked
    HOLD = "hold"  # an operator keeps it back
    RELEASE = "release"  # an operator lets it go on
    GIVE_UP = "give-up"  # an operator ended a document: what follows it stays
    DROP = "drop"  # an operator ended a status or a notice: what follows it goes on
    RESEND = "resend"  # the destination has lost it: due again
    LOSE = "lose"  # the destination has lost it, and by itself it is not sent again


class BreakerState(StrEnum):
    """How a destination is used, as this process knows it."""

    CLOSED = "closed"  # as much as its window allows
    OPEN = "open"  # not at all
    HALF_OPEN = "half-open"  # one attempt: the probe
    DRAINING = "draining"  # it is back: a window that grows with every answer


class BreakerEvent(StrEnum):
    ANSWER = "answer"  # it took a delivery, or refused one: it is there
    FAIL = "fail"  # a delivery failed for now
    TRIP = "trip"  # so many deliveries in a row have failed for now
    COOL = "cool"  # the wait is over
    FILL = "fill"  # the growing window has reached its size


INTAKE: Final[Mapping[tuple[IntakeState, IntakeEvent], IntakeState]] = MappingProxyType(
    {
        (IntakeState.START, IntakeEvent.PASS): IntakeState.ACCEPTED,
        (IntakeState.START, IntakeEvent.DOUBT): IntakeState.HELD,
        (IntakeState.START, IntakeEvent.FAIL): IntakeState.REFUSED,
        (IntakeState.HELD, IntakeEvent.DOUBT): IntakeState.HELD,
        (IntakeState.HELD, IntakeEvent.PASS): IntakeState.ACCEPTED,
        (IntakeState.HELD, IntakeEvent.FAIL): IntakeState.REFUSED,
        (IntakeState.HELD, IntakeEvent.EXPIRE): IntakeState.REFUSED,
    }
)

DELIVERY: Final[Mapping[tuple[DeliveryState, DeliveryEvent], DeliveryState]] = MappingProxyType(
    {
        (DeliveryState.QUEUED, DeliveryEvent.CLAIM): DeliveryState.LEASED,
        (DeliveryState.QUEUED, DeliveryEvent.COLLECT): DeliveryState.DELIVERED,
        (DeliveryState.LEASED, DeliveryEvent.ACK): DeliveryState.DELIVERED,
        (DeliveryState.LEASED, DeliveryEvent.DEFER): DeliveryState.QUEUED,
        (DeliveryState.LEASED, DeliveryEvent.EXPIRE): DeliveryState.QUEUED,
        (DeliveryState.LEASED, DeliveryEvent.REFUSE): DeliveryState.FAILED,
        (DeliveryState.LEASED, DeliveryEvent.QUARANTINE): DeliveryState.FAILED,
        (DeliveryState.QUEUED, DeliveryEvent.QUARANTINE): DeliveryState.FAILED,
        (DeliveryState.FAILED, DeliveryEvent.REQUEUE): DeliveryState.QUEUED,
        (DeliveryState.QUEUED, DeliveryEvent.AGE): DeliveryState.FAILED,
        (DeliveryState.QUEUED, DeliveryEvent.HOLD): DeliveryState.ON_HOLD,
        (DeliveryState.ON_HOLD, DeliveryEvent.RELEASE): DeliveryState.QUEUED,
        (DeliveryState.QUEUED, DeliveryEvent.GIVE_UP): DeliveryState.FAILED,
        (DeliveryState.ON_HOLD, DeliveryEvent.GIVE_UP): DeliveryState.FAILED,
        (DeliveryState.QUEUED, DeliveryEvent.DROP): DeliveryState.DROPPED,
        (DeliveryState.ON_HOLD, DeliveryEvent.DROP): DeliveryState.DROPPED,
        (DeliveryState.FAILED, DeliveryEvent.GIVE_UP): DeliveryState.FAILED,
        (DeliveryState.FAILED, DeliveryEvent.DROP): DeliveryState.DROPPED,
        (DeliveryState.DELIVERED, DeliveryEvent.RESEND): DeliveryState.QUEUED,
        (DeliveryState.DELIVERED, DeliveryEvent.LOSE): DeliveryState.FAILED,
    }
)

BREAKER: Final[Mapping[tuple[BreakerState, BreakerEvent], BreakerState]] = MappingProxyType(
    {
        (BreakerState.CLOSED, BreakerEvent.ANSWER): BreakerState.CLOSED,
        (BreakerState.CLOSED, BreakerEvent.FAIL): BreakerState.CLOSED,
        (BreakerState.CLOSED, BreakerEvent.TRIP): BreakerState.OPEN,
        (BreakerState.OPEN, BreakerEvent.COOL): BreakerState.HALF_OPEN,
        # What was under way when it opened may still be heard of.
        (BreakerState.OPEN, BreakerEvent.ANSWER): BreakerState.DRAINING,
        (BreakerState.OPEN, BreakerEvent.FAIL): BreakerState.OPEN,
        (BreakerState.HALF_OPEN, BreakerEvent.ANSWER): BreakerState.DRAINING,
        (BreakerState.HALF_OPEN, BreakerEvent.TRIP): BreakerState.OPEN,
        (BreakerState.DRAINING, BreakerEvent.ANSWER): BreakerState.DRAINING,
        (BreakerState.DRAINING, BreakerEvent.FAIL): BreakerState.DRAINING,
        (BreakerState.DRAINING, BreakerEvent.TRIP): BreakerState.OPEN,
        (BreakerState.DRAINING, BreakerEvent.FILL): BreakerState.CLOSED,
    }
)

OPEN: Final = frozenset({DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.ON_HOLD, DeliveryState.FAILED})
"""A delivery in one of these parks its successors in the lane."""

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class IllegalTransition(Exception):
    """A step that the table does not have: a bug or a lost race, never an answer to a stranger."""


def advance(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    """The state after `event`. `IllegalTransition` when the table has no such step."""
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"no step {event} from {state}") from None


def diagram(table: Mapping[tuple[S, E], S]) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {was} --> {now}: {event}" for (was, event), now in table.items()]
    return "\n".join(lines)
