"""Decide what becomes of a reported business status, and whom it is passed on to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Generic, TypeVar

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
from axis.core.network import ArrivedBy, Network, Ways, lane
from axis.core.outline import Concerned, Earlier
from axis.core.problems import Kind, Problem
from schemas.codes import AgencyCode, document_key
from schemas.envelope import StaffInfo
from schemas.status import BY_WIRE, LABEL, REASON_REQUIRED, WIRE_BY_SENDER, Standing, Status, effective, standing

E = TypeVar("E", bound=Earlier, covariant=True)

_ARRIVED: Final = Status.ARRIVED.wire
_MOST_KEPT: Final = 4096
"""Answers that are kept of one party: a node has some hundred thousand agencies."""


@dataclass(frozen=True, slots=True)
class Report:
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


def decide_status(
    report: Report,
    document: Concerned | None,
    prior: Sequence[StatusReport],
    by: Principal,
    hops: tuple[Hop, ...],
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[StatusReport | Problem]:
    """Decide one report: see `Reporting.decide`. A repeat is answered with the first."""
    decision = Reporting(Party(by, hops, network), now, new_id).decide(report, document, prior)
    reply = decision.reply
    if isinstance(reply, Repeat):
        return Decision((), (), replace(reply.first, standing=Standing.REPEATED))
    return Decision(decision.entries, decision.changes, reply)


@dataclass(frozen=True, slots=True)
class Repeat(Generic[E]):
    """The answer to what was reported before is its first report: whoever answers reads all of it."""

    first: E


class Party:
    """Who reports, by which way, to a network. What is the same for many reports is asked once, and kept as long as
    these are the same: for whom it may speak, and where what is told to somebody goes."""

    __slots__ = ("by", "hops", "network", "speaks", "ways")

    def __init__(self, by: Principal, hops: tuple[Hop, ...], network: Network) -> None:
        self.by, self.hops, self.network = by, hops, network
        self.speaks: dict[tuple[str, bool], Problem | None] = {}
        self.ways: dict[tuple[str, str, bool | None], Ways] = {}

    def still(self, by: Principal, network: Network) -> bool:
        """Say whether it may be asked on: both are the very same, and not too much is kept."""
        return self.by is by and self.network is network and len(self.speaks) + len(self.ways) < _MOST_KEPT


class Reporting:
    """What one party reports at one moment."""

    __slots__ = ("_by", "_latest", "_new_id", "_now", "_party")

    def __init__(self, party: Party, now: datetime, new_id: NewId) -> None:
        self._party, self._by, self._now, self._new_id = party, party.by, now, new_id
        self._latest = now + party.network.future

    def decide(
        self, report: Report, document: Concerned | None, prior: Sequence[E]
    ) -> Decision[StatusReport | Repeat[E] | Problem]:
        """Decide one report. `prior` is what was reported for the same document and receiver.

        A repeat of the same code and time is answered with the first; a repeat with another time is history;
        contradictions are stored and shown. Refused is only what this party may never say. A neighbour's report of a
        document that is not here is kept as an orphan, and passed on when its addressee lies behind another axis.
        """
        by, now = self._by, self._now
        problem = self._unacceptable(report, document)
        if problem:
            entry = LogEntry(
                EntryKind.STATUS_REFUSED,
                now,
                by.name,
                document.ref if document else "",
                {"problem": problem.kind.value, "code": report.wire, "reporter": report.reporter.text},
            )
            return Decision((entry,), (), problem)
        again = self._first_of(report, prior) if prior else None
        if again is not None:
            return Decision((), (), Repeat(again))
        made = StatusReport(
            ref=StatusRef(self._new_id()),
            document=document.ref if document else None,
            sender=report.sender,
            receiver=report.receiver,
            reporter=report.reporter,
            addressee=report.addressee,
            document_id=document_key(report.document_id) if report.document_id else None,
            number=report.number,
            wire=report.wire,
            at=report.at,
            received_at=now,
            by=by.name,
            via=by.role,
            attestation=Attestation.CONNECTION if by.role is Role.AGENCY else Attestation.NEIGHBOUR,
            standing=_standing(report.wire, prior),
            description=report.description,
            issued_on=report.issued_on,
            staff=report.staff,
            hops=self._party.hops,
        )
        return _record(made, document, self._ways_of(made, document), now, self._new_id)

    def _first_of(self, report: Report, prior: Sequence[E]) -> E | None:
        """What is reported again."""
        for one in prior:
            if one.wire == report.wire and one.at == report.at:
                return one
        if _axis_owns(report, self._party.network, self._by):
            return next((one for one in prior if one.status is Status.ARRIVED), None)
        return None

    def _ways_of(self, made: StatusReport, document: Concerned | None) -> Ways:
        about = made.addressee.text, made.wire, None if document is None else document.crossed
        party = self._party
        ways = party.ways.get(about)
        if ways is None:
            ways = party.ways[about] = _ways(made, document, party.network)
        return ways

    def _unacceptable(self, report: Report, document: Concerned | None) -> Problem | None:
        speaks, known = (report.reporter.text, report.signed), self._party.speaks
        if speaks not in known:
            known[speaks] = self._unheard(report)
        unheard = known[speaks]
        if unheard is not None:
            return unheard
        if self._by.role is Role.AGENCY:
            status = BY_WIRE.get(report.wire)
            if document is None:
                return Problem(Kind.NOT_FOUND)
            if status is None:
                return Problem(Kind.SCHEMA_VIOLATION, "unknown status code")
            if status in REASON_REQUIRED and not (report.description or "").strip():
                return Problem(Kind.SCHEMA_VIOLATION, "this status needs a description: the reason")
            if report.at > self._latest:
                return Problem(Kind.SCHEMA_VIOLATION, "the status lies in the future")
        if document is None:
            return None
        if report.sender != document.sender or report.receiver not in document.recipients:
            return Problem(Kind.ILLEGAL_STATUS, _not_theirs(report, document))
        return None

    def _unheard(self, report: Report) -> Problem | None:
        """Why nothing that this reporter says counts, however it is said: it is not asked again."""
        by, network, hops = self._by, self._party.network, self._party.hops
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
    prior: Sequence[StatusReport],
    network: Network,
    now: datetime,
    new_id: NewId,
) -> Decision[StatusReport | None]:
    """Status 01 by this node itself, when a recipient has taken the document and the axis owns 01."""
    if network.arrived_by is not ArrivedBy.AXIS or (prior and any(one.status is Status.ARRIVED for one in prior)):
        return Decision((), (), None)
    wire = _ARRIVED
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
    decision = _record(made, document, _ways(made, document, network), now, new_id)
    return Decision(decision.entries, decision.changes, made)


def adopt(
    orphan: StatusReport,
    document: Document,
    prior: Sequence[StatusReport],
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
    found = replace(orphan, document=document.ref, standing=_standing(orphan.wire, prior))
    entry = LogEntry(EntryKind.ORPHAN_MATCHED, now, network.node, orphan.ref, {"document": document.ref})
    changes: list[Change] = [AdoptStatus(orphan.ref, document.ref, found.standing)]
    if found.standing is not Standing.REPEATED:
        onward = _onward(found, document, _ways(found, document, network), now, new_id)
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
    made: StatusReport, document: Concerned | None, ways: Ways, now: datetime, new_id: NewId
) -> Decision[StatusReport]:
    entry = LogEntry(EntryKind.STATUS, now, made.by, made.ref, status_facts(made))
    first = made.standing is not Standing.REPEATED
    deliveries = _onward(made, document, ways, now, new_id) if first else []
    return Decision((entry,), (AddStatus(made), *map(AddDelivery, deliveries)), made)


def _ways(made: StatusReport, document: Concerned | None, network: Network) -> Ways:
    """Where the network sends it on to, and never back to where it came from.

    Of the status, this asks for nothing but addressee, code and who brought it; of the document, whether it crossed.
    """
    ways = network.onward(made.addressee, made.wire, None if document is None else document.crossed)
    return tuple([way for way in ways if way[0] != made.by or not way[1]])


def _onward(made: StatusReport, document: Concerned | None, ways: Ways, now: datetime, new_id: NewId) -> list[Delivery]:
    concerns = document.concerns if document else made.document_id or made.number or ""
    return [
        Delivery(
            id=DeliveryId(new_id()),
            cargo=Cargo.STATUS,
            cargo_ref=made.ref,
            document=made.document,
            endpoint=endpoint,
            recipients=(made.addressee,),
            lane=lane(endpoint, () if away else (made.addressee,), made.sender, concerns),
            created_at=now,
            due_at=now,
        )
        for endpoint, away in ways
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


def _axis_owns(report: Report, network: Network, by: Principal) -> bool:
    """A recipient's own 01 where this node has set it on hand-over: acknowledged, not recorded twice."""
    arrived_again = BY_WIRE.get(report.wire) is Status.ARRIVED
    return arrived_again and by.role is Role.AGENCY and network.arrived_by is ArrivedBy.AXIS


def _standing(wire: str, prior: Sequence[Earlier]) -> Standing:
    status = BY_WIRE.get(wire)
    if status is None:
        return Standing.REPEATED if any(one.wire == wire for one in prior) else Standing.CONFLICT
    known = [one.status for one in prior if one.status is not None]
    return standing(effective(known), known, status)
