"""The state machines of an intake and of a delivery, as tables. `docs/states.md` is generated from them."""

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
    QUEUED = "queued"
    LEASED = "leased"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryEvent(StrEnum):
    CLAIM = "claim"  # a worker takes it for one attempt
    ACK = "ack"  # the destination has it
    COLLECT = "collect"  # the recipient fetched it from its mailbox and said so
    DEFER = "defer"  # temporary problem: due again by the retry policy
    EXPIRE = "expire"  # the lease ran out: the worker died or was cut off
    REFUSE = "refuse"  # permanent problem, or attempts spent
    REQUEUE = "requeue"  # an operator asked


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
        (DeliveryState.FAILED, DeliveryEvent.REQUEUE): DeliveryState.QUEUED,
    }
)

OPEN: Final = frozenset({DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.FAILED})
"""A delivery in one of these parks its successors in the lane."""

S = TypeVar("S", IntakeState, DeliveryState)
E = TypeVar("E", IntakeEvent, DeliveryEvent)


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
