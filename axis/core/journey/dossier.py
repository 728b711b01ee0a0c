"""Everything that the store has about one document, as of one moment, for whoever asks what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from axis.core.follow_up import FollowUp
from axis.core.model import (
    AttachmentCheck,
    AttachmentVerdict,
    Delivery,
    DeliveryId,
    Document,
    HoldEndpoint,
    LogEntry,
    Notice,
    StatusReport,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A log entry, and its index: `None` until the sequencer has given it one."""

    index: int | None
    entry: LogEntry


@dataclass(frozen=True, slots=True)
class Dossier:
    """Hồ sơ của một văn bản. `deliveries` are those of the document, of statuses and of notices about it, oldest first.

    `ahead` names for a delivery that waits the oldest open one of its lane, where that is another; `holds` the
    endpoints that an operator holds, and who. `entries` are those of the log that were found: by the instants that the
    records name, not by reading everything (`instants`). `follow_ups` are those of its deliveries, by their ids.
    """

    document: Document
    deliveries: Sequence[Delivery]
    statuses: Sequence[StatusReport]
    notices: Sequence[Notice] = ()
    check: AttachmentCheck | None = None
    verdicts: Sequence[AttachmentVerdict] = ()
    ahead: Mapping[DeliveryId, Delivery] = field(default_factory=dict)
    holds: Mapping[str, HoldEndpoint] = field(default_factory=dict)
    entries: Sequence[Placed] = ()
    follow_ups: Mapping[str, FollowUp] = field(default_factory=dict)


def instants(dossier: Dossier) -> frozenset[datetime]:
    """When log entries about it were written, as its records tell: an entry bears the instant of its decision.

    Not among them: attempts that failed for now, what an operator held and released, the same package come again.
    """
    return frozenset(_instants(dossier))


def _instants(dossier: Dossier) -> Iterator[datetime]:
    yield dossier.document.accepted_at
    if dossier.document.removed_at is not None:
        yield dossier.document.removed_at
    for delivery in dossier.deliveries:
        yield from (at for at in (delivery.created_at, delivery.settled_at, delivery.renewed_at) if at is not None)
    yield from (one.received_at for one in dossier.statuses)
    yield from (one.at for one in dossier.notices)
    yield from (one.judged_at for one in dossier.verdicts)


def subjects(dossier: Dossier) -> frozenset[str]:
    """What a log entry about it names as its subject: the document, its deliveries, statuses and notices."""
    return frozenset(
        (
            dossier.document.ref,
            *(one.id for one in dossier.deliveries),
            *(one.ref for one in dossier.statuses),
            *(one.ref for one in dossier.notices),
        )
    )
