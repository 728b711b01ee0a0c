"""Each record held against the log's entries about it: the same facts, the same time, the same actor.

That an entry is there is asked by `axis.core.house`. Here every column is asked that an entry tells of: a record that
was changed keeps its entry. What no entry tells of, nobody can ask; which columns those are says `docs/auditing.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from axis.core.follow_up import FollowUp
from axis.core.model import Cargo, Delivery, Document, EntryKind, Notice, StatusReport, Way
from axis.core.settlement import delivery_facts
from axis.core.states import DeliveryState, IntakeEvent, IntakeState
from axis.core.statuses import status_facts
from axis.core.times import rfc3339
from schemas.status import BY_WIRE, SET_BY_SENDER

Entry = Mapping[str, Any]
Told = Mapping[str, Mapping[str, Sequence[Entry]]]
"""Entries by kind and subject, in the order of their numbers. What is not there is an empty list."""

_BECAME: Final = {
    IntakeEvent.PASS.value: IntakeState.ACCEPTED,
    IntakeEvent.FAIL.value: IntakeState.REFUSED,
    IntakeEvent.EXPIRE.value: IntakeState.REFUSED,
}
_OF_A_WAY: Final = ("role", "hops", "for")
_TELLS: Final = {
    DeliveryState.DELIVERED: EntryKind.DELIVERED,
    DeliveryState.FAILED: EntryKind.FAILED,
    DeliveryState.DROPPED: EntryKind.FAILED,
}


def document_differs(
    document: Document, taken: Entry, released: Sequence[Entry], removed: Sequence[Entry], repeated: Sequence[Entry]
) -> Iterator[str]:
    """What of a document its entries tell otherwise, beside the facts. `taken` is the entry of its acceptance,
    `removed` are those that took its content away, `repeated` tell that it came again."""
    if taken["at"] != rfc3339(document.accepted_at):
        yield "accepted_at"
    if taken["actor"] != document.by:
        yield "by"
    became = _BECAME.get(released[-1]["facts"]["event"]) if released else document.receipt_state
    if document.state is not became:
        yield "state"
    if [entry["at"] for entry in removed] != ([] if document.removed_at is None else [rfc3339(document.removed_at)]):
        yield "removed_at"
    elif document.removed_at is not None and (document.subject or any(one.name for one in document.attachments)):
        yield "content"
    ways = [(entry["actor"], entry["at"], *map(entry["facts"].get, _OF_A_WAY)) for entry in repeated]
    if sorted(way for way in ways if way[-1]) != sorted(map(_way, document.ways)):
        yield "ways"


def _way(way: Way) -> tuple[str, str, str, list[str], list[str]]:
    to = [code.text for code in way.recipients]
    return way.by, rfc3339(way.at), way.via.value, [hop.node for hop in way.hops], to


def delivery_differs(delivery: Delivery, told: Told) -> Iterator[str]:
    """What of a delivery the log tells otherwise: where it goes, and how it ended."""
    if delivery.cargo is Cargo.DOCUMENT:
        ways = _ways(told[EntryKind.ROUTED][delivery.cargo_ref])
        at = rfc3339(delivery.created_at)
        if any((code.text, delivery.endpoint, at) not in ways for code in delivery.recipients):
            yield "endpoint or created_at"
    ended = told[_TELLS[delivery.state]][delivery.id] if delivery.state in _TELLS else ()
    if not ended:
        return
    last = ended[-1]
    facts = delivery_facts(delivery)
    if delivery.state is not DeliveryState.DELIVERED:
        facts |= {"problem": delivery.last_problem, "attempt": delivery.attempts}
    yield from _unlike(facts, last)
    if delivery.settled_at is not None and last["at"] != rfc3339(delivery.settled_at):
        yield "settled_at"


def _ways(entries: Iterable[Entry]) -> set[tuple[str, str | None, str]]:
    return {(code, endpoint, entry["at"]) for entry in entries for code, endpoint, _ in entry["facts"]["routes"]}


def report_differs(report: StatusReport, entry: Entry, matched: Sequence[Entry]) -> Iterator[str]:
    """What of a status its entry tells otherwise. One that came before its document found it later (`matched`), and
    how it stands among the others was decided anew then."""
    facts = status_facts(report)
    if matched and entry["facts"].get("document") is None:
        del facts["standing"]
        facts["document"] = None
        if report.document != matched[-1]["facts"]["document"]:
            yield "document"
    yield from _unlike(facts, entry)
    if entry["at"] != rfc3339(report.received_at):
        yield "received_at"
    if entry["actor"] != report.by:
        yield "by"
    by_sender = BY_WIRE.get(report.wire) in SET_BY_SENDER
    parties = (report.reporter, report.addressee) if by_sender else (report.addressee, report.reporter)
    if parties != (report.sender, report.receiver):
        yield "parties"


def notice_differs(notice: Notice, entry: Entry) -> Iterator[str]:
    """What of a notice its entry tells otherwise. Its octets carry a signature of their own."""
    yield from _unlike({"document": notice.document, "outcome": notice.outcome.value}, entry)
    if entry["at"] != rfc3339(notice.at):
        yield "at"


def follow_up_differs(one: FollowUp, handed: Sequence[Entry], answers: Sequence[Entry]) -> Iterator[str]:
    """What of asking about a handover the log tells otherwise: under which id, since when, what the last answer was."""
    if not handed or handed[-1]["facts"].get("peer_ref") != one.peer_ref:
        yield "peer_ref"
    elif handed[-1]["at"] != rfc3339(one.since):
        yield "since"
    last = answers[-1]["facts"] if one.asked and answers else {}
    if (last.get("asked", 0), last.get("became")) != (one.asked, one.became):
        yield "answers"


def _unlike(facts: Mapping[str, Any], entry: Entry) -> Iterator[str]:
    return (name for name, value in facts.items() if entry["facts"].get(name) != value)
