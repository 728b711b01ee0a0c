"""Thời hạn lưu giữ: when the content of a document may go, and what is left to be collected then.

What goes is the package, its attachments, the subject and the names of attachments. What stays, for ever, is all that
is known of it: digests, receipt, verdicts with what they rest on, deliveries, statuses, notices, every log entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from axis.core.attachments import attached_payloads
from axis.core.follow_up import FollowUp
from axis.core.model import (
    AttachmentCheck,
    Cargo,
    Decision,
    Delivery,
    Document,
    EntryKind,
    LogEntry,
    RemoveContent,
)
from axis.core.settlement import is_given_up
from axis.core.states import DeliveryState, IntakeState

LEAST: Final = timedelta(days=30)
"""No shorter time can be configured."""
STEADY: Final = timedelta(days=1)
"""For so long the removal has run without a leap of the clock before it removes anything: a clock that is years ahead
has so long to be seen."""
LEAP: Final = timedelta(hours=6)
"""What lies between two runs, at most, where the clock goes on as it should and the node does."""


class Stays(StrEnum):
    """Why the content of a document is still kept."""

    REMOVED = "removed"  # it is gone already
    YOUNG = "young"  # it, or what became of it, is not old enough
    HELD = "held"  # it was not accepted yet
    UNDELIVERED = "undelivered"  # a delivery of it is under way or waits
    FAILED = "failed"  # a delivery of it failed and may be sent again: nobody has given it up
    UNTOLD = "untold"  # one was given up, and a notice about the document was not taken
    FOLLOWED = "followed"  # the other side is still asked what became of it
    UNJUDGED = "unjudged"  # its attachments are still to be judged


_HEARD: Final = frozenset({DeliveryState.DELIVERED, DeliveryState.DROPPED})
"""A notice in one of these was taken, or a person gave it up."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Octets that a document named whose content was removed at `since`.

    `named` is the number of their row, as it was before it was asked who names them; `None` where they have none.
    `wanted` says that a document with content names them.
    """

    sha256: str
    since: datetime
    named: int | None
    wanted: bool

    @property
    def removable(self) -> bool:
        """Whether there is a row, and nothing names it."""
        return self.named is not None and not self.wanted


def stays(
    document: Document,
    deliveries: Iterable[Delivery],
    follow_ups: Iterable[FollowUp],
    check: AttachmentCheck | None,
    before: datetime,
) -> Stays | None:
    """Why the content of `document` stays; `None` where it may go.

    `deliveries` and `follow_ups` are all that are about it. Whatever may still be sent, fetched, asked about or judged
    keeps it; so does whatever happened to it at `before` or later. A delivery that failed is no end, however old it is:
    somebody may send it again. It ends when a person gives it up, by name and with a reason, if whoever gets notices
    about the document has taken them, or those were given up as well: nothing goes that nobody has heard of.
    """
    if document.removed_at is not None:
        return Stays.REMOVED
    if document.accepted_at >= before:
        return Stays.YOUNG
    if document.state is IntakeState.HELD:
        return Stays.HELD
    unmade = [one for one in deliveries if one.cargo is Cargo.DOCUMENT and one.state is not DeliveryState.DELIVERED]
    if any(one.state is not DeliveryState.FAILED for one in unmade):
        return Stays.UNDELIVERED
    if not all(map(is_given_up, unmade)):
        return Stays.FAILED
    if any((one.settled_at or one.created_at) >= before for one in deliveries):
        return Stays.YOUNG
    if unmade and any(one.cargo is Cargo.NOTICE and one.state not in _HEARD for one in deliveries):
        return Stays.UNTOLD
    if any(one.due_at is not None for one in follow_ups):
        return Stays.FOLLOWED
    if check is not None and check.due_at is not None:
        return Stays.UNJUDGED
    return None


def decide_removal(
    document: Document,
    deliveries: Sequence[Delivery],
    follow_ups: Sequence[FollowUp],
    check: AttachmentCheck | None,
    keep: timedelta,
    node: str,
    now: datetime,
) -> Decision[Stays | None]:
    """Take the content of a document away, or say why it stays. Only names go at once: octets go later, when it was
    seen that nothing else names them."""
    why = stays(document, deliveries, follow_ups, check, now - keep)
    if why is not None:
        return Decision((), (), why)
    named = (document.payload, *attached_payloads(document))
    change = RemoveContent(
        document.ref,
        now,
        tuple(replace(one, name="") for one in document.attachments),
        tuple(sorted({one.sha256 for one in named})),
    )
    facts = {"keep_days": keep.days, "octets": sum(one.size for one in named)}
    return Decision((LogEntry(EntryKind.CONTENT_REMOVED, now, node, document.ref, facts),), (change,), None)


def steady_since(now: datetime, known: tuple[datetime, datetime] | None) -> datetime:
    """Since when runs follow each other as the clock goes. `known` are the same of the last run, and when that was."""
    if known is None:
        return now
    since, last = known
    return since if since <= last <= now <= last + LEAP else now
