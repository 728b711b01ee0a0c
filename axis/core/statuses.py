"""Decide what becomes of a reported business status, and whom it is passed on to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Generic, NamedTuple, TypeVar

from axis.core.canonical import Json
from axis.core.hop import MAX_HOPS
from axis.core.model import (
    AddDelivery,
    AddStatus,
    AdoptStatus,
    Attestation,
    Cargo,
    Change,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    EntryKind,
    Hop,
    LogEntry,
    NewId,
    Principal,
    Role,
    StatusRef,
    StatusReport,
)
from axis.core.network import ArrivedBy, Network, lane
from axis.core.outline import Concerned, Earlier
from axis.core.problems import Kind, Problem
from axis.core.repeats import too_often, was_told
from axis.core.states import IntakeState
from schemas.codes import AgencyCode, document_key
from schemas.envelope import StaffInfo
from schemas.status import (
    BY_WIRE,
    LABEL,
    WIRE_BY_SENDER,
    WIRE_WITH_REASON,
    Standing,
    Status,
    effective,
    standing,
)

E = TypeVar("E", bound=Earlier, covariant=True)

_MOST_KEPT: Final = 4096
"""Answers that are kept of one party: a node has some hundred thousand agencies."""
_DAY: Final = timedelta(days=1)
_SHORT: Final = 8
"""So many earlier statuses are usual: what comes after them is remembered."""

# Asked of each of many statuses: an enumeration is asked for its member by a function in Python.
_AGENCY: Final = Role.AGENCY
_REPEATED: Final = Standing.REPEATED
_ARRIVED: Final = Status.ARRIVED
_ARRIVED_WIRE: Final = _ARRIVED.wire
_STATUS: Final = EntryKind.STATUS
_CARRIED: Final = Cargo.STATUS
_ACCEPTED: Final = IntakeState.ACCEPTED
_CONNECTION, _NEIGHBOUR = Attestation.CONNECTION, Attestation.NEIGHBOUR


class Report(NamedTuple):
    """A status as somebody tells it, before anything is decided.

    `reporter` speaks, `addressee` is to hear it. Which of the two is the receiver of the document follows from the
    code. `document_id` or `number` name the document. `at` is to the second.
    """

    wire: str
    reporter: AgencyCode
    addressee: AgencyCode
    at: datetime
    document_id: str | None = None
    number: str | None = None
    description: str | None = None
    issued_on: date | None = None
    staff: StaffInfo | None = None
    signed: bool = False
    """Whether the reporter itself signed it; otherwise it stands on the word of whoever brought it."""

    @property
    def sender(self) -> AgencyCode:
        """Who sent the document that this tells of."""
        return self.reporter if self.wire in WIRE_BY_SENDER else self.addressee

    @property
    def receiver(self) -> AgencyCode:
        return self.addressee if self.wire in WIRE_BY_SENDER else self.reporter


@dataclass(frozen=True, slots=True)
class Repeat(Generic[E]):
    """The answer to what was reported before is its first report: whoever answers reads all of it."""

    first: E


class Part(NamedTuple):
    """What a party is to what one sender sends to the same recipients."""

    recipients: Sequence[AgencyCode]
    own: tuple[AgencyCode, ...]
    """Those of the recipients that it may speak for."""
    sends: bool
    """Whether it may speak for the sender."""


class Party:
    """Who reports, by which way, to a network. What is the same for many reports is asked once, and kept as long as
    these are the same: for whom it may speak, and what it is to a document."""

    __slots__ = ("_parts", "by", "hops", "is_agency", "network", "speaks")

    def __init__(self, by: Principal, hops: tuple[Hop, ...], network: Network) -> None:
        self.by, self.hops, self.network = by, hops, network
        self.is_agency = by.role is _AGENCY
        self.speaks: dict[tuple[str, bool], Problem | None] = {}
        self._parts: dict[tuple[str, int], Part] = {}

    def still(self, by: Principal, network: Network) -> bool:
        """Say whether it may be asked on: both are the very same, and not too much is kept."""
        kept = len(self.speaks) + len(self._parts)
        return self.by is by and self.network is network and kept < _MOST_KEPT

    def part_in(self, document: Concerned) -> Part:
        """What it is to this document. The same recipients out of the store are the same object, and known by it: a
        hash of them takes a call for each. What is kept holds them, so that no others take their place."""
        recipients = document.recipients
        about = document.sender.text, id(recipients)
        part = self._parts.get(about)
        if part is None:
            within, authority = self.network.registry.within, self.by.authority
            own = tuple([code for code in recipients if within(code, authority)])
            part = self._parts[about] = Part(recipients, own, within(document.sender, authority))
        return part

    def may_see(self, document: Concerned) -> bool:
        """Say whether it may know of this document: it sent it, or it is addressed and the document was let in.

        A neighbour has authority over everything behind it, and knows of nothing but what it brought itself.
        """
        if not self.is_agency:
            return document.by == self.by.name
        part = self.part_in(document)
        return part.sends or (bool(part.own) and document.state is _ACCEPTED)


class Reporting:
    """What one party reports at one moment. Nothing may be told of what lies after `latest`, nor of a day before the
    document was issued, unless that day is not over for long (`lately`): documents are dated ahead, too."""

    __slots__ = ("_new_id", "lately", "latest", "now", "party")

    def __init__(self, party: Party, now: datetime, new_id: NewId) -> None:
        self.party, self.now, self._new_id = party, now, new_id
        self.latest = now + party.network.future
        self.lately = now.date() - _DAY

    def decide(
        self, report: Report, document: Concerned | None, prior: Sequence[E], kept: int = 0
    ) -> Decision[StatusReport | Repeat[E] | Problem]:
        """Decide one report. `prior` is what was reported for the same document and receiver, but perhaps for
        repetitions; `kept` is how many there are with them (`axis.core.repeats`), where the code `was_told`.

        A repeat of the same code and time is answered with the first; a repeat with another time is history, as long
        as that has room; contradictions are stored and shown. Refused is what this party may never say, and what an
        agency says too often. A neighbour's repeat is then answered with the first: refused, it would fail there, and
        what stands behind it with it. A neighbour's report of a document that is not here is kept as an orphan, and
        passed on when its addressee lies behind another axis.
        """
        party, now, by_sender = self.party, self.now, report.wire in WIRE_BY_SENDER
        by, reporter, addressee = party.by, report.reporter, report.addressee
        sender, receiver = (reporter, addressee) if by_sender else (addressee, reporter)
        problem = self._unacceptable(report, sender, receiver, document)
        again = self._first_of(report, prior) if prior and not problem else None
        if again is not None:
            return Decision((), (), Repeat(again))
        often = not problem and kept > 0 and too_often(kept, was_told(report.wire, prior))
        if often and party.is_agency:
            problem = Problem(Kind.TOO_MANY_REPEATS)
        if problem:
            entry = LogEntry(
                EntryKind.STATUS_REFUSED,
                now,
                by.name,
                document.ref if document else "",
                {"problem": problem.kind.value, "code": report.wire, "reporter": reporter.text},
            )
            return Decision((entry,), (), problem)
        stands = _standing(report.wire, prior)
        if often and stands is _REPEATED:
            return Decision((), (), Repeat(next(one for one in prior if one.wire == report.wire)))
        # By place, in the order of its fields: by name costs three times as much.
        made = StatusReport(
            StatusRef(self._new_id()),
            None if document is None else document.ref,
            sender,
            receiver,
            reporter,
            addressee,
            document_key(report.document_id) if report.document_id else None,
            report.number,
            report.wire,
            report.at,
            now,
            by.name,
            by.role,
            _CONNECTION if party.is_agency else _NEIGHBOUR,
            stands,
            report.description,
            report.issued_on,
            report.staff,
            party.hops,
        )
        return _record(made, document, party.network, now, self._new_id)

    def _first_of(self, report: Report, prior: Sequence[E]) -> E | None:
        """What is reported again."""
        wire, at = report.wire, report.at
        for one in prior:
            if one.wire == wire and one.at == at:
                return one
        if BY_WIRE.get(wire) is _ARRIVED and _axis_owns(self.party):
            return next((one for one in prior if one.status is _ARRIVED), None)
        return None

    def _unacceptable(
        self, report: Report, sender: AgencyCode, receiver: AgencyCode, document: Concerned | None
    ) -> Problem | None:
        party = self.party
        speaks, known = (report.reporter.text, report.signed), party.speaks
        if speaks not in known:
            known[speaks] = self._unheard(report)
        unheard = known[speaks]
        if unheard is not None:
            return unheard
        if party.is_agency:
            wire = report.wire
            if document is None:
                return Problem(Kind.NOT_FOUND)
            if wire not in BY_WIRE:
                return Problem(Kind.SCHEMA_VIOLATION, "unknown status code")
            if wire in WIRE_WITH_REASON and not (report.description or "").strip():
                return Problem(Kind.SCHEMA_VIOLATION, "this status needs a description: the reason")
            if report.at > self.latest:
                return Problem(Kind.SCHEMA_VIOLATION, "the status lies in the future")
            if self.too_early(report.at, document.issued_on):
                return Problem(Kind.SCHEMA_VIOLATION, "the status lies before its document was issued")
        if document is None:
            return None
        if sender != document.sender or receiver not in document.recipients:
            return Problem(Kind.ILLEGAL_STATUS, _not_theirs(report, document))
        return None

    def too_early(self, at: datetime, issued_on: date | None) -> bool:
        """Say whether that time lies before the document was issued."""
        day = at.date()
        return day < self.lately and issued_on is not None and day < issued_on - _DAY

    def _unheard(self, report: Report) -> Problem | None:
        """Why nothing that this reporter says counts, however it is said: it is not asked again."""
        by, network, hops = self.party.by, self.party.network, self.party.hops
        if not network.registry.within(report.reporter, by.authority):
            return Problem(Kind.NOT_YOUR_AGENCY, "this connection may not report for that agency")
        if not report.signed and not network.may_vouch(by, report.reporter):
            return Problem(Kind.NOT_YOUR_AGENCY, "that agency is connected here and reports for itself")
        if any(hop.node == network.node for hop in hops) or len(hops) >= MAX_HOPS:
            return Problem(Kind.ROUTING_LOOP)
        return None


def arrived(
    document: Document,
    receiver: AgencyCode,
    prior: Sequence[Earlier],
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[StatusReport | None]:
    """Status 01 by this node itself, when a recipient has taken the document and the axis owns 01."""
    if network.arrived_by is not ArrivedBy.AXIS or (prior and any(one.status is Status.ARRIVED for one in prior)):
        return Decision((), (), None)
    wire = _ARRIVED_WIRE
    made = StatusReport(
        ref=StatusRef(new_id()),
        document=document.ref,
        sender=document.sender,
        receiver=receiver,
        reporter=receiver,
        addressee=document.sender,
        document_id=document.document_id,
        number=document.number,
        wire=wire,
        at=now.replace(microsecond=0),
        received_at=now,
        by=network.node,
        via=Role.OPERATOR,
        attestation=Attestation.AXIS,
        standing=_standing(wire, prior),
        description=LABEL[Status.ARRIVED],
        issued_on=document.issued_on,
    )
    decision = _record(made, document, network, now, new_id)
    return Decision(decision.entries, decision.changes, made)


def adopt(
    orphan: StatusReport,
    document: Document,
    prior: Sequence[Earlier],
    reached: Collection[str],
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[StatusReport]:
    """An orphan's document has come: give it its place and pass it on to whom it was not passed on before.

    `reached` are the endpoints that it was made out to when it came: the routes may have changed since. A status of
    somebody whom the document does not name stays an orphan: it would have been refused had it come later.
    """
    if orphan.sender != document.sender or orphan.receiver not in document.recipients:
        return Decision((), (), orphan)
    found = orphan._replace(document=document.ref, standing=_standing(orphan.wire, prior))
    entry = LogEntry(EntryKind.ORPHAN_MATCHED, now, network.node, orphan.ref, {"document": document.ref})
    changes: list[Change] = [AdoptStatus(orphan.ref, document.ref, found.standing)]
    if found.standing is not Standing.REPEATED:
        onward = _onward(found, document, network, now, new_id)
        changes += [AddDelivery(delivery) for delivery in onward if delivery.endpoint not in reached]
    return Decision((entry,), tuple(changes), found)


def status_facts(made: StatusReport) -> dict[str, Json]:
    """What the log says of a status: who said what of whom and when, and how that stands; no words of it."""
    return {
        "document": made.document,
        "code": made.wire,
        "receiver": made.receiver.text,
        "reporter": made.reporter.text,
        "standing": str(made.standing),
        "attestation": str(made.attestation),
        "status_at": int(made.at.timestamp()),
    }


def _record(
    made: StatusReport, document: Concerned | None, network: Network, now: datetime, new_id: NewId
) -> Decision[StatusReport]:
    entry = LogEntry(_STATUS, now, made.by, made.ref, status_facts(made))
    first = made.standing is not _REPEATED
    deliveries = _onward(made, document, network, now, new_id) if first else []
    return Decision((entry,), (AddStatus(made), *map(AddDelivery, deliveries)), made)


def _onward(
    made: StatusReport, document: Concerned | None, network: Network, now: datetime, new_id: NewId
) -> list[Delivery]:
    """To wherever the network sends it on, and never back to the axis that it came from."""
    ways = network.onward(made.addressee, made.wire, None if document is None else document.crossed)
    concerns = document.concerns if document else made.document_id or made.number or ""
    return [
        Delivery(
            DeliveryId(new_id()),
            _CARRIED,
            made.ref,
            made.document,
            endpoint,
            (made.addressee,),
            lane(endpoint, () if away else (made.addressee,), made.sender, concerns),
            now,
            now,
        )
        for endpoint, away in ways
        if endpoint != made.by or not away
    ]


def _not_theirs(report: Report, document: Concerned) -> str:
    """Which of the two parties is the wrong one, in words."""
    if report.wire in WIRE_BY_SENDER:
        if report.reporter != document.sender:
            return "only the sender of the document may set this status"
        return "the agency that this status is told to is no receiver of the document"
    if report.reporter not in document.recipients:
        return "only a receiver of the document may set this status"
    return "this status is told to the sender of the document, and to nobody else"


def _axis_owns(party: Party) -> bool:
    """A recipient's own 01 where this node has set it on hand-over: acknowledged, not recorded twice."""
    return party.is_agency and party.network.arrived_by is ArrivedBy.AXIS


def _standing(wire: str, prior: Sequence[Earlier]) -> Standing:
    before = tuple([one.wire for one in prior])
    return _known_standing(before, wire) if len(before) <= _SHORT else _standing_after(before, wire)


def _standing_after(before: tuple[str, ...], wire: str) -> Standing:
    """What `wire` means after those that were reported `before`, in their order."""
    status = BY_WIRE.get(wire)
    if status is None:
        return Standing.REPEATED if wire in before else Standing.CONFLICT
    known = [BY_WIRE[one] for one in before if one in BY_WIRE]
    return standing(effective(known), known, status)


_known_standing: Final = lru_cache(maxsize=1024)(_standing_after)
