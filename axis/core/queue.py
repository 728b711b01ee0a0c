"""What an operator may do to deliveries: send again, hold, release, give up. Who did it, and why, goes into the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.core.canonical import Json
from axis.core.model import (
    Cargo,
    Change,
    Decision,
    Delivery,
    EntryKind,
    FreeEndpoint,
    HoldEndpoint,
    LogEntry,
    MoveDelivery,
)
from axis.core.network import Network
from axis.core.notice import Telling
from axis.core.problems import Kind, Problem, Refused
from axis.core.settlement import decide_end, is_given_up
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, IllegalTransition, advance

MAX_REASON: Final = 200


class Action(StrEnum):
    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    GIVE_UP = "give-up"


EVENTS: Final[Mapping[Action, DeliveryEvent]] = MappingProxyType(
    {
        Action.RETRY: DeliveryEvent.REQUEUE,
        Action.HOLD: DeliveryEvent.HOLD,
        Action.RELEASE: DeliveryEvent.RELEASE,
    }
)

APPLIES_TO: Final[Mapping[Action, frozenset[DeliveryState]]] = MappingProxyType(
    {
        Action.RETRY: frozenset({DeliveryState.FAILED}),
        Action.HOLD: frozenset({DeliveryState.QUEUED}),
        Action.RELEASE: frozenset({DeliveryState.ON_HOLD}),
        Action.GIVE_UP: frozenset({DeliveryState.QUEUED, DeliveryState.ON_HOLD, DeliveryState.FAILED}),
    }
)
"""In which states an action may find a delivery."""


@dataclass(frozen=True, slots=True)
class Order:
    """One act of one person. `operator` is the name of the account at the machine; `reason` stands in the log for ever
    and must name neither content nor persons.
    """

    action: Action
    operator: str
    reason: str
    at: datetime


def decide_operation(delivery: Delivery, order: Order, network: Network, telling: Telling) -> Decision[DeliveryState]:
    """Do it to one delivery. `IllegalTransition` where its state does not allow it: under way, settled, or so already.
    `Refused(CONTENT_REMOVED)` where nothing is left to be sent again.

    What has failed is given up, too: so a person ends what would keep its content for ever (`axis.core.retention`).
    Sent again, a delivery begins anew: due now, no attempts, a lifetime from now.
    """
    entry = LogEntry(EntryKind.OPERATED, order.at, network.node, delivery.id, _facts(order, delivery.endpoint))
    if order.action is Action.GIVE_UP and is_given_up(delivery):
        raise IllegalTransition("it was given up before")
    if order.action is Action.RETRY and _is_gone(delivery, telling):
        raise Refused(Problem(Kind.CONTENT_REMOVED))
    if order.action is Action.GIVE_UP:
        ended = decide_end(delivery, network, order.at, telling)
        (move, *_) = ended.changes
        assert isinstance(move, MoveDelivery)
        return Decision((entry, *ended.entries), ended.changes, move.now)
    event = EVENTS[order.action]
    now = advance(DELIVERY, delivery.state, event)
    due = order.at if order.action is Action.RETRY else None
    change = MoveDelivery(delivery.id, delivery.state, event, now, delivery.token, order.at, due)
    return Decision((entry,), (change,), now)


def decide_endpoint_hold(endpoint: str, held: bool, order: Order, network: Network) -> Decision[bool]:
    """Hold everything for one endpoint, now and to come, or let it go. Replies whether that changed something."""
    hold = order.action is Action.HOLD
    if hold is held:
        return Decision((), (), False)
    change: Change = HoldEndpoint(endpoint, order.at, order.operator, order.reason) if hold else FreeEndpoint(endpoint)
    entry = LogEntry(EntryKind.OPERATED, order.at, network.node, "", _facts(order, endpoint))
    return Decision((entry,), (change,), True)


def _is_gone(delivery: Delivery, telling: Telling) -> bool:
    document = telling.document
    return delivery.cargo is Cargo.DOCUMENT and document is not None and document.removed_at is not None


def _facts(order: Order, endpoint: str) -> dict[str, Json]:
    return {
        "action": order.action.value,
        "operator": order.operator,
        "reason": order.reason,
        "endpoint": endpoint,
    }
