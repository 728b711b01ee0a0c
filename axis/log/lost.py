"""What a restore lost, as the log tells it: whom to ask for what. The records are gone, their entries are not.

An acknowledgement was given for each of it: for a document to its sender, for a status to the agency that reported it,
for an order to an operator. Only who gave it can give it again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from axis.core.model import Cargo, EntryKind
from axis.log.entries import ReadEntry


@dataclass(frozen=True, slots=True)
class LostDocument:
    """A document that was accepted or held. `handed_to` has it: when it is sent again, it comes there under another
    delivery."""

    place: int
    ref: str
    sender: str
    at: str
    recipients: tuple[str, ...]
    handed_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LostStatus:
    """A status that `reporter` said, and was told to be recorded. The one that the axis itself records (01) comes again
    with the delivery."""

    place: int
    document: str | None
    code: str
    receiver: str
    reporter: str
    at: str


@dataclass(frozen=True, slots=True)
class LostOrder:
    """What an operator did to a delivery, or with an empty `subject` to a whole endpoint."""

    place: int
    action: str
    subject: str
    endpoint: str
    operator: str
    at: str


@dataclass(frozen=True, slots=True)
class Lost:
    documents: Sequence[LostDocument] = ()
    statuses: Sequence[LostStatus] = ()
    orders: Sequence[LostOrder] = ()


def lost_records(entries: Iterable[tuple[int, ReadEntry]], lost: Container[int]) -> Lost:
    """What the entries at the places `lost` told of. `entries` come in the order of their places.

    A held document that was refused in the end is left out: its sender was told so.
    """
    documents: dict[str, LostDocument] = {}
    statuses, orders = list[LostStatus](), list[LostOrder]()
    for place, entry in entries:
        if place not in lost:
            continue
        facts, ref = entry.facts, entry.subject
        match entry.kind:
            case EntryKind.ACCEPTED | EntryKind.HELD:
                named = tuple(map(str, facts.get("recipients", ())))
                documents[ref] = LostDocument(place, ref, str(facts.get("sender", "")), entry.at, named)
            case EntryKind.RELEASED if facts.get("event") != "pass":
                documents.pop(ref, None)
            case EntryKind.DELIVERED if facts.get("cargo") == Cargo.DOCUMENT:
                known = documents.get(str(facts.get("cargo_ref")))
                if known is not None:
                    handed = (*known.handed_to, *map(str, facts.get("recipients", ())))
                    documents[known.ref] = replace(known, handed_to=handed)
            case EntryKind.STATUS if facts.get("attestation") != "axis" and facts.get("standing") != "repeated":
                code, receiver, reporter = (str(facts.get(name, "")) for name in ("code", "receiver", "reporter"))
                statuses.append(LostStatus(place, facts.get("document"), code, receiver, reporter, entry.at))
            case EntryKind.OPERATED:
                action, endpoint, operator = (str(facts.get(name, "")) for name in ("action", "endpoint", "operator"))
                orders.append(LostOrder(place, action, ref, endpoint, operator, entry.at))
    return Lost(tuple(documents.values()), tuple(statuses), tuple(orders))


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore, as its entry says: who, when, why, and the places whose records were lost."""

    place: int
    at: str
    operator: str
    reason: str
    lost: tuple[range, ...]


def restores(entries: Iterable[tuple[int, ReadEntry]]) -> Sequence[Restore]:
    """Every restore that the log tells of. Runs that cannot be read count for none."""
    return [
        Restore(
            place, entry.at, str(entry.facts.get("operator", "")), str(entry.facts.get("reason", "")), _spans(entry)
        )
        for place, entry in entries
        if entry.kind is EntryKind.RESTORED
    ]


def _spans(entry: ReadEntry) -> tuple[range, ...]:
    found = entry.facts.get("lost", ())
    try:
        return tuple(range(first, end) for first, end in found)
    except (TypeError, ValueError):
        return ()


@dataclass(frozen=True, slots=True)
class Places:
    """The places of several restores, each counted once."""

    spans: tuple[range, ...]

    def __contains__(self, place: object) -> bool:
        return any(place in span for span in self.spans)
