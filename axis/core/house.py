"""The invariants of the house: what must hold between documents, deliveries, statuses and the log, at any moment."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from axis.core.as_logged import (
    Told,
    delivery_differs,
    document_differs,
    follow_up_differs,
    notice_differs,
    report_differs,
)
from axis.core.attachments import attached_payloads, attachment_commitments, worst
from axis.core.follow_up import Became, FollowUp
from axis.core.intake import document_facts
from axis.core.model import (
    AttachmentCheck,
    AttachmentVerdict,
    Cargo,
    Delivery,
    Document,
    DocumentRef,
    EntryKind,
    Notice,
    NoticeRef,
    PayloadRef,
    StatusRef,
    StatusReport,
)
from axis.core.network import lane
from axis.core.queue import Action
from axis.core.states import OPEN, DeliveryState, IntakeState
from axis.core.way import targets
from signing.verdict import kept_evidence, kept_pdf_evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken invariant: a stable code and the record that it concerns."""

    code: str
    subject: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.subject} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A log entry as the store holds it; `index` is `None` before it is sequenced."""

    id: int
    index: int | None
    octets: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """An endpoint that an operator holds: since when (RFC 3339), who, and why."""

    endpoint: str
    at: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class Portion:
    """Some documents, and everything about them: their deliveries, statuses, judgements, the log entries of all these,
    and every entry of a notice. The last portion of a store has what is about no document, too."""

    documents: Sequence[Document] = ()
    deliveries: Sequence[Delivery] = ()
    reports: Sequence[StatusReport] = ()
    attachment_checks: Sequence[AttachmentCheck] = ()
    attachment_verdicts: Sequence[AttachmentVerdict] = ()
    leaves: Sequence[Leaf] = ()
    notices: Sequence[Notice] = ()
    follow_ups: Sequence[FollowUp] = ()


class Books(Protocol):
    """Everything that a store holds, read in one snapshot, so much at a time as fits in memory."""

    def portions(self) -> Iterable[Portion]:
        """Each record in just one of them; there is always a last one."""
        ...

    def leaves(self) -> Iterable[Leaf]:
        """All log entries, in the order of their numbers."""
        ...

    def holds(self) -> Iterable[Hold]:
        """The endpoints that an operator holds."""
        ...

    def octets(self, ref: PayloadRef) -> bytes | None: ...
    def evidence(self, sha256: str) -> bytes | None:
        """Octets that are kept under that digest, as they lie there."""
        ...


def check_house(books: Books, *, octets: bool = True) -> tuple[Finding, ...]:
    """Every broken invariant of a store, an empty tuple when all hold. Without `octets` none of those are read.

    Checked: each document, settled delivery and status has its log entry and no entry is without its record; the
    facts and commitments in the log are those of what is stored; octets match their digests, also those that verdicts
    rest on; every recipient of an accepted document has exactly one delivery, and what is open stands in the lane of
    what it carries; an endpoint is held where the log says so; each judgement of an attachment stands
    in the log with its outcome, and the newest make the document's; indexes are dense, and no entry stands before what
    caused it. (The numbers of intents are no order: of several processes one may commit a smaller number later.) No
    record is in a combination of states that the tables do not lead to. Entries that a restore has declared lost tell
    of no record.
    """
    order, looked = read_order(books.leaves()), dict[str, str | None]()
    found: list[Finding] = []
    for portion in books.portions():
        found += check_portion(portion, order)
        if octets:
            found += _octets(portion.documents, books)
            found += _evidence(portion, books, looked)
    return (*found, *order.findings, *check_holds(books.holds(), order))


@dataclass(frozen=True, slots=True)
class Order:
    """What the places of all entries say. `lost` are those whose records a restore has declared lost
    (`axis.core.restoration`), `unsigned` those of them whose declaration has no place in the log yet. `orders` are what
    operators did to whole endpoints."""

    lost: tuple[range, ...]
    findings: tuple[Finding, ...]
    unsigned: tuple[range, ...] = ()
    orders: tuple[Leaf, ...] = ()

    def keeps(self, leaf: Leaf) -> bool:
        """Say whether the record of an entry is still to be there."""
        return leaf.index is None or not any(leaf.index in span for span in self.lost)


def read_order(leaves: Iterable[Leaf]) -> Order:
    """Look at each entry once; only places are kept. `ValueError`, `LookupError` for what is no entry."""
    places, lost, unsigned, orders = array("q"), list[range](), list[range](), list[Leaf]()
    for leaf in leaves:
        if leaf.index is not None:
            places.append(leaf.index)
        entry = json.loads(leaf.octets)
        if entry["kind"] == EntryKind.RESTORED:
            spans = [range(first, end) for first, end in entry["facts"]["lost"]]
            lost += spans
            unsigned += spans if leaf.index is None else ()
        elif entry["kind"] == EntryKind.OPERATED and not entry["subject"]:
            orders.append(leaf)
    dense = all(place == number for number, place in enumerate(sorted(places)))
    found = () if dense else (Finding("log-indexes", "", "not dense"),)
    return Order(tuple(lost), found, tuple(unsigned), tuple(orders))


def check_holds(holds: Iterable[Hold], order: Order) -> Iterator[Finding]:
    """The endpoints that are held against what operators last did to each."""
    said: dict[str, Hold] = {}
    for leaf in filter(order.keeps, order.orders):
        entry = json.loads(leaf.octets)
        facts = entry["facts"]
        said.pop(facts["endpoint"], None)
        if facts["action"] == Action.HOLD:
            said[facts["endpoint"]] = Hold(facts["endpoint"], entry["at"], facts["operator"], facts["reason"])
    held = {one.endpoint: one for one in holds}
    for endpoint in sorted(held.keys() | said.keys()):
        if held.get(endpoint) != said.get(endpoint):
            yield Finding("hold-differs", endpoint, "held" if endpoint in held else "not held")


def check_portion(portion: Portion, order: Order) -> Iterator[Finding]:
    """What `check_house` says of some documents and of all that is about them, without the octets."""
    documents = {document.ref: document for document in portion.documents}
    kept = [leaf for leaf in portion.leaves if order.keeps(leaf)]
    told = _told(kept)
    yield from _documents(portion.documents, told)
    yield from _states(portion.documents, portion.deliveries)
    yield from _deliveries(documents, portion.deliveries, told)
    yield from _cargo(documents, portion)
    yield from _recordless(documents, portion, told)
    yield from _reports(documents, portion.reports, told)
    yield from _attachments(documents, portion.attachment_checks, portion.attachment_verdicts, told)
    yield from _notices(portion.notices, told)
    yield from _follow_ups(portion.follow_ups, told)
    yield from _causes(portion.deliveries, kept)


def _told(leaves: Iterable[Leaf]) -> Told:
    """Entries by kind and subject."""
    told: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for leaf in leaves:
        entry = json.loads(leaf.octets)
        told[entry["kind"]][entry["subject"]].append(entry)
    return told


def _documents(documents: Iterable[Document], told: Told) -> Iterator[Finding]:
    known = set()
    for document in documents:
        known.add(document.ref)
        kind = EntryKind.HELD if document.receipt_state is IntakeState.HELD else EntryKind.ACCEPTED
        entries = told[kind][document.ref]
        if len(entries) != 1:
            yield Finding("document-entry", document.ref, f"{len(entries)} {kind} entries")
            continue
        released = told[EntryKind.RELEASED][document.ref]
        facts = [*entries, *released][-1]["facts"]
        for name, value in document_facts(document).items():
            if facts.get(name) != value:
                code = "commitment" if name.endswith("_commitment") else "document-differs"
                yield Finding(code, document.ref, name)
        removed, repeated = told[EntryKind.CONTENT_REMOVED][document.ref], told[EntryKind.REPEATED][document.ref]
        for name in document_differs(document, entries[0], released, removed, repeated):
            yield Finding("document-differs", document.ref, name)
    for kind in (EntryKind.ACCEPTED, EntryKind.HELD, EntryKind.CONTENT_REMOVED):
        yield from (Finding("entry-without-document", ref) for ref in _subjects(told, kind) if ref not in known)


def _octets(documents: Iterable[Document], books: Books) -> Iterator[Finding]:
    for document in documents:
        for ref in (document.payload, *attached_payloads(document)) if document.removed_at is None else ():
            octets = books.octets(ref)
            if octets is None:
                yield Finding("payload-missing", document.ref, ref.sha256)
            elif len(octets) != ref.size or hashlib.sha256(octets).hexdigest() != ref.sha256:
                yield Finding("payload-digest", document.ref, ref.sha256)


def evidence_named(portion: Portion) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The digests of what the verdicts of each document rest on, each with its kind, by its reference."""
    yield from ((document.ref, kept_evidence(document.verdict)) for document in portion.documents)
    yield from ((one.document, kept_pdf_evidence(one.found.verdict)) for one in portion.attachment_verdicts)


def _evidence(portion: Portion, books: Books, looked: dict[str, str | None]) -> Iterator[Finding]:
    """Each verdict's evidence is there and has the digest that the verdict names it by. `looked` knows what was found
    before, and learns."""
    for ref, names in evidence_named(portion):
        for name in names:
            if name not in looked:
                octets = books.evidence(name)
                same = octets is not None and hashlib.sha256(octets).hexdigest() == name
                looked[name] = None if same else "evidence-missing" if octets is None else "evidence-digest"
            broken = looked[name]
            if broken is not None:
                yield Finding(broken, ref, name)


_LATER: Final = {
    IntakeState.ACCEPTED: {IntakeState.ACCEPTED},
    IntakeState.HELD: {IntakeState.HELD, IntakeState.ACCEPTED, IntakeState.REFUSED},
}
"""What may become of a document, by the state that its receipt says."""
_ENDED: Final = {DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.DROPPED}


def _states(documents: Iterable[Document], deliveries: Iterable[Delivery]) -> Iterator[Finding]:
    for document in documents:
        if document.state not in _LATER.get(document.receipt_state, ()):
            yield Finding("state", document.ref, f"{document.state} after a receipt that says {document.receipt_state}")
    for delivery in deliveries:
        ended = delivery.state in _ENDED
        if ended != (delivery.settled_at is not None):
            yield Finding("state", delivery.id, f"{delivery.state} and {'not ' if ended else ''}settled")
        if delivery.state is DeliveryState.LEASED and not (delivery.attempts and delivery.token):
            yield Finding("state", delivery.id, "leased and never claimed")
        if delivery.cargo is Cargo.DOCUMENT and delivery.state is DeliveryState.DROPPED:
            yield Finding("state", delivery.id, "a document that was dropped")
        if delivery.cargo is Cargo.DOCUMENT and delivery.document != delivery.cargo_ref:
            yield Finding("state", delivery.id, "it carries another document than the one it is about")


def _deliveries(documents: dict[Any, Document], deliveries: Iterable[Delivery], told: Told) -> Iterator[Finding]:
    made_out: dict[str, Counter[str]] = defaultdict(Counter)
    for delivery in deliveries:
        if delivery.cargo is Cargo.DOCUMENT:
            made_out[delivery.cargo_ref].update(code.text for code in delivery.recipients)
            if delivery.cargo_ref not in documents:
                yield Finding("delivery-without-document", delivery.id)
        lost = [one for one in told[EntryKind.FOLLOWED][delivery.id] if one["facts"]["became"] == Became.LOST]
        delivered = len(told[EntryKind.DELIVERED][delivery.id]) - len(lost)
        if delivered != (1 if delivery.state is DeliveryState.DELIVERED else 0):
            yield Finding("delivery-entry", delivery.id, f"{delivery.state} with {delivered} delivered entries")
        failures = told[EntryKind.FAILED][delivery.id]
        if delivery.state in (DeliveryState.FAILED, DeliveryState.DROPPED) and not failures:
            yield Finding("delivery-entry", delivery.id, f"{delivery.state} without an entry")
        if delivery.state is DeliveryState.ON_HOLD and not told[EntryKind.OPERATED][delivery.id]:
            yield Finding("delivery-entry", delivery.id, "on hold, and nobody did it")
        for name in delivery_differs(delivery, told):
            yield Finding("delivery-differs", delivery.id, name)
        for entry in failures:
            notice = entry["facts"].get("notice")
            if notice and not told[EntryKind.NOTICE][notice]:
                yield Finding("failure-notice", delivery.id, f"no entry of the notice {notice}")
    for document in documents.values():
        if document.state is not IntakeState.ACCEPTED:
            if made_out[document.ref]:
                yield Finding("delivery-of-unaccepted", document.ref)
            continue
        for code in targets(document):
            if made_out[document.ref][code.text] != 1:
                yield Finding("recipient-deliveries", document.ref, f"{code}: {made_out[document.ref][code.text]}")


def _cargo(documents: Mapping[DocumentRef, Document], portion: Portion) -> Iterator[Finding]:
    """A status or a notice is about the document that its delivery is about; and what is open stands in the lane that
    follows from where it goes and what it carries: in another one it would overtake, or wait for what it has nothing to
    do with."""
    reports = {one.ref: one for one in portion.reports}
    notices = {one.ref: one for one in portion.notices}
    for delivery in portion.deliveries:
        document = None if delivery.document is None else documents.get(delivery.document)
        sender, concerns = (None, []) if document is None else (document.sender, [document.concerns])
        if delivery.cargo is Cargo.STATUS:
            report = reports.get(StatusRef(delivery.cargo_ref))
            if report is None or report.document != delivery.document:
                yield Finding("state", delivery.id, "it carries a status of another document than the one it is about")
                continue
            sender, concerns = report.sender, [*concerns, report.document_id or report.number or ""]
            if delivery.recipients != (report.addressee,):
                yield Finding("column-differs", f"delivery {delivery.id}", "recipients")
        elif delivery.cargo is Cargo.NOTICE and NoticeRef(delivery.cargo_ref) not in notices:
            yield Finding("state", delivery.id, "it carries a notice of another document than the one it is about")
        if delivery.state in OPEN and sender is not None:
            ways = ((), delivery.recipients)
            if delivery.lane not in {lane(delivery.endpoint, way, sender, one) for way in ways for one in concerns}:
                yield Finding("column-differs", f"delivery {delivery.id}", "lane")


_ABOUT_DELIVERIES: Final = (EntryKind.DELIVERED, EntryKind.DEFERRED, EntryKind.FAILED, EntryKind.OPERATED)


def _recordless(documents: Mapping[DocumentRef, Document], portion: Portion, told: Told) -> Iterator[Finding]:
    """Entries whose delivery, status or notice is not stored. (Every portion has the entries of all notices.)"""
    deliveries = {one.id for one in portion.deliveries}
    statuses, notices = {one.ref for one in portion.reports}, {one.ref for one in portion.notices}
    for kind in _ABOUT_DELIVERIES:
        wanted = (id for id in _subjects(told, kind) if id)  # without: what was done to a whole endpoint
        yield from (Finding("entry-without-record", id, kind) for id in wanted if id not in deliveries)
    for kind in (EntryKind.STATUS, EntryKind.ORPHAN_MATCHED):
        yield from (Finding("entry-without-record", ref, kind) for ref in _subjects(told, kind) if ref not in statuses)
    for ref in _subjects(told, EntryKind.NOTICE):
        if told[EntryKind.NOTICE][ref][0]["facts"].get("document") in documents and ref not in notices:
            yield Finding("entry-without-record", ref, EntryKind.NOTICE)


def _subjects(told: Told, kind: EntryKind) -> list[str]:
    """What entries of that kind are about. (`told` has an empty list for whatever it was asked.)"""
    return [subject for subject, entries in told[kind].items() if entries]


def _reports(documents: dict[Any, Document], reports: Iterable[StatusReport], told: Told) -> Iterator[Finding]:
    for report in reports:
        entries = told[EntryKind.STATUS][report.ref]
        if len(entries) != 1:
            yield Finding("status-entry", report.ref)
        for name in report_differs(report, entries[0], told[EntryKind.ORPHAN_MATCHED][report.ref]) if entries else ():
            yield Finding("status-differs", report.ref, name)
        document = documents.get(report.document) if report.document else None
        if report.document and document is None:
            yield Finding("status-without-document", report.ref)
        if document is not None and report.receiver not in document.recipients:
            yield Finding("status-of-stranger", report.ref)


def _follow_ups(follow_ups: Sequence[FollowUp], told: Told) -> Iterator[Finding]:
    for one in follow_ups:
        handed, answers = told[EntryKind.DELIVERED][one.delivery], told[EntryKind.FOLLOWED][one.delivery]
        for name in follow_up_differs(one, handed, answers):
            yield Finding("follow-up-differs", one.delivery, name)
    known = {one.delivery for one in follow_ups}
    yield from (
        Finding("follow-up-differs", id, "gone") for id in _subjects(told, EntryKind.FOLLOWED) if id not in known
    )


def _notices(notices: Iterable[Notice], told: Told) -> Iterator[Finding]:
    for notice in notices:
        entries = told[EntryKind.NOTICE][notice.ref]
        if len(entries) != 1:
            yield Finding("notice-differs", notice.ref, f"{len(entries)} entries")
        for name in notice_differs(notice, entries[0]) if entries else ():
            yield Finding("notice-differs", notice.ref, name)


def _attachments(
    documents: dict[Any, Document],
    checks: Iterable[AttachmentCheck],
    verdicts: Iterable[AttachmentVerdict],
    told: Told,
) -> Iterator[Finding]:
    logged: dict[tuple[str, int, int], list[Any]] = {}
    for ref, entries in told[EntryKind.ATTACHMENTS].items():
        for entry in entries:
            for place, *rest in entry["facts"]["attachments"]:
                logged[ref, entry["facts"]["round"], place] = rest
    newest: dict[str, dict[int, AttachmentVerdict]] = defaultdict(dict)
    for verdict in sorted(verdicts, key=lambda one: one.round):
        found, document = verdict.found, documents.get(verdict.document)
        newest[verdict.document][found.place] = verdict
        said = logged.pop((verdict.document, verdict.round, found.place), None)
        if document is None or said is None:
            yield Finding("attachment-entry", verdict.document, f"round {verdict.round}, attachment {found.place}")
        elif said != [found.outcome, found.reason, *attachment_commitments(document, found)]:
            yield Finding("attachment-commitment", verdict.document, f"round {verdict.round}, attachment {found.place}")
    yield from (
        Finding("entry-without-attachment", ref, f"round {number}, attachment {place}") for ref, number, place in logged
    )
    for check in checks:
        if check.outcome != worst(one.found for one in newest.pop(check.document, {}).values()):
            yield Finding("attachment-outcome", check.document, str(check.outcome))
    yield from (Finding("attachment-without-check", ref) for ref in newest)


def _causes(deliveries: Iterable[Delivery], leaves: Iterable[Leaf]) -> Iterator[Finding]:
    """A document is in the log before what became of its deliveries: those began after its transaction had ended."""
    place: dict[tuple[str, str], int] = {}
    for leaf in leaves:
        if leaf.index is not None:
            entry = json.loads(leaf.octets)
            place.setdefault((entry["kind"], entry["subject"]), leaf.index)
    for delivery in deliveries:
        if delivery.cargo is not Cargo.DOCUMENT:
            continue
        taken = [place.get((kind, delivery.cargo_ref)) for kind in (EntryKind.ACCEPTED, EntryKind.HELD)]
        first = min((index for index in taken if index is not None), default=None)
        for kind in (EntryKind.DELIVERED, EntryKind.FAILED):
            then = place.get((kind, delivery.id))
            if then is not None and (first is None or then < first):
                yield Finding("log-order", delivery.id, f"{kind} before its document was taken")
