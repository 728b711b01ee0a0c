"""Đối soát: what the other side says became of what it took, and when it is asked again.

A handover is the word of a destination that answered once. One that says so and loses the message afterwards leaves a
document that nobody has and nobody misses: so it is asked, later and more than once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from axis.core.refs import DeliveryId


class PeerState(StrEnum):
    """What the other side says of one recipient."""

    WAITING = "waiting"  # it waits there to be fetched
    TAKEN = "taken"  # the recipient has it
    REFUSED = "refused"  # the recipient said that it could not read it


class Became(StrEnum):
    """What became of one delivery after its handover, as far as is known."""

    WAITING = "waiting"  # the other side has it; not every recipient has fetched it
    TAKEN = "taken"  # every recipient has fetched it
    REFUSED = "refused"  # a recipient could not read it
    LOST = "lost"  # the other side no longer knows it


MISSES: Final = 3
"""So many answers in a row that do not know it, and it is lost: a list that is empty because the other side is busy is
seen in the field (docs/specifications.md)."""
RESENDS: Final = 3
"""So often at most one thing is sent again because it was lost."""
AGAIN: Final = timedelta(minutes=10)
"""After an answer that did not know it."""
RARELY: Final = timedelta(hours=12)
"""At the longest between two questions about what waits."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """How far asking about one delivery is. `peer_ref` is the other side's id of it.

    `since` is the last handover. `due_at` is when it is asked next, `None` when that is over; `asked` counts the
    answers since then, `missed` those in a row that did not know it, `lost` how often it was lost, over all handovers.
    """

    delivery: DeliveryId
    endpoint: str
    peer_ref: str
    since: datetime
    due_at: datetime | None
    asked: int = 0
    missed: int = 0
    became: Became | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class AddFollowUp:
    """The first one of a delivery, or the one of its next handover in place of the last one's: of that stays `lost`."""

    follow_up: FollowUp


@dataclass(frozen=True, slots=True)
class MoveFollowUp:
    """One answer further; the store repeats `was`, the answers before, in its WHERE."""

    follow_up: FollowUp
    was: int


@dataclass(frozen=True, slots=True)
class FollowUpRules:
    """When to ask: `first` after the handover, then after waits that double, until `lifetime` after it."""

    first: timedelta
    lifetime: timedelta


def begin(delivery: DeliveryId, endpoint: str, peer_ref: str, now: datetime, rules: FollowUpRules) -> FollowUp:
    """What a handover is followed by."""
    return FollowUp(delivery, endpoint, peer_ref, now, now + rules.first)


def heard(
    before: FollowUp,
    said: Mapping[str, PeerState],
    now: datetime,
    rules: FollowUpRules,
    *,
    believed: bool = True,
    until_taken: bool = True,
) -> FollowUp:
    """What an answer makes of it: `said` by recipient, as the other side writes their codes, empty where it knows none.

    Who has never named anything of the kind (`believed`) does not tell by his silence that he has lost it: perhaps he
    lists nothing at all. An answer that knows it ends a row of those that did not; and all of it, unless it is asked
    about `until_taken`: many systems never say that they have fetched a status.
    """
    asked = before.asked + 1
    if not said and not believed:
        return unheard(before, now, rules)
    if not said:
        missed = before.missed + 1
        if missed < MISSES:
            return replace(before, asked=asked, missed=missed, due_at=now + min(AGAIN, rules.first))
        return replace(before, asked=asked, missed=missed, due_at=None, became=Became.LOST, lost=before.lost + 1)
    states = set(said.values())
    became = next(
        result
        for state, result in (
            (PeerState.WAITING, Became.WAITING),
            (PeerState.REFUSED, Became.REFUSED),
            (PeerState.TAKEN, Became.TAKEN),
        )
        if state in states
    )
    if became is Became.WAITING and not until_taken:
        return replace(before, asked=asked, missed=0, became=None, due_at=None)
    due = _next(before, now, rules) if became is Became.WAITING else None
    return replace(before, asked=asked, missed=0, became=became, due_at=due)


def concerning(said: Mapping[str, PeerState], recipients: Iterable[str]) -> Mapping[str, PeerState]:
    """Those of an answer that the delivery was for: who else the document names got it on other ways. All of them where
    none is named as we name them."""
    wanted = set(recipients)
    return {code: state for code, state in said.items() if code in wanted} or said


def unheard(before: FollowUp, now: datetime, rules: FollowUpRules) -> FollowUp:
    """The other side does not say: nothing is concluded, and it is asked again like what waits."""
    return replace(before, asked=before.asked + 1, due_at=_next(before, now, rules))


def _next(before: FollowUp, now: datetime, rules: FollowUpRules) -> datetime | None:
    """As much later as it has waited already: so the waits double. `None` when its time is over."""
    due = now + min(max(now - before.since, min(AGAIN, rules.first)), RARELY)
    return due if due < before.since + rules.lifetime else None
