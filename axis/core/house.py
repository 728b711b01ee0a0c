"""The invariants of the house: what must hold between documents, deliveries, statuses and the log, at any moment."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from axis.core.entry import commitment
from axis.core.model import Cargo, Delivery, Document, EntryKind, PayloadRef, StatusReport
from axis.core.states import DeliveryState, IntakeState


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


class Books(Protocol):
    """Everything that a store holds, read in one snapshot."""

    def documents(self) -> Iterable[Document]: ...
    def deliveries(self) -> Iterable[Delivery]: ...
    def reports(self) -> Iterable[StatusReport]: ...
    def leaves(self) -> Iterable[Leaf]: ...
    def octets(self, ref: PayloadRef) -> bytes | None: ...


def check_house(books: Books) -> tuple[Finding, ...]:
    """Every broken invariant of a store, an empty tuple when all hold.

    Checked: each document, settled delivery and status has its log entry and no entry is without its record; the
    commitments in the log open to what is stored; octets match their digests; every recipient of an accepted document
    has exactly one delivery; indexes are dense and in the order of committing.
    """
    documents = {document.ref: document for document in books.documents()}
    deliveries = list(books.deliveries())
    reports = list(books.reports())
    leaves = list(books.leaves())
    told = _told(leaves)
    return (
        *_documents(documents.values(), told, books),
        *_deliveries(documents, deliveries, told),
        *_reports(documents, reports, told),
        *_indexes(leaves),
    )


Told = dict[str, dict[str, list[dict[str, Any]]]]


def _told(leaves: Iterable[Leaf]) -> Told:
    """Entries by kind and subject."""
    told: Told = defaultdict(lambda: defaultdict(list))
    for leaf in leaves:
        entry = json.loads(leaf.octets)
        told[entry["kind"]][entry["subject"]].append(entry)
    return told


def _documents(documents: Iterable[Document], told: Told, books: Books) -> Iterator[Finding]:
    known = set()
    for document in documents:
        known.add(document.ref)
        kind = EntryKind.HELD if document.receipt_state is IntakeState.HELD else EntryKind.ACCEPTED
        entries = told[kind][document.ref]
        if len(entries) != 1:
            yield Finding("document-entry", document.ref, f"{len(entries)} {kind} entries")
            continue
        facts = entries[0]["facts"]
        for name, value in (
            ("document_id", document.document_id),
            ("package", document.digest),
            ("bytes", document.payload.sha256),
        ):
            key = "document_commitment" if name == "document_id" else f"{name}_commitment"
            if facts[key] != commitment(document.nonce, name, value):
                yield Finding("commitment", document.ref, name)
        octets = books.octets(document.payload)
        if octets is None:
            yield Finding("payload-missing", document.ref, document.payload.sha256)
        elif len(octets) != document.payload.size or hashlib.sha256(octets).hexdigest() != document.payload.sha256:
            yield Finding("payload-digest", document.ref, document.payload.sha256)
    for kind in (EntryKind.ACCEPTED, EntryKind.HELD):
        yield from (Finding("entry-without-document", ref) for ref in told[kind] if ref not in known)


def _deliveries(documents: dict[Any, Document], deliveries: Iterable[Delivery], told: Told) -> Iterator[Finding]:
    made_out: dict[str, Counter[str]] = defaultdict(Counter)
    for delivery in deliveries:
        if delivery.cargo is Cargo.DOCUMENT:
            made_out[delivery.cargo_ref].update(code.text for code in delivery.recipients)
            if delivery.cargo_ref not in documents:
                yield Finding("delivery-without-document", delivery.id)
        delivered = len(told[EntryKind.DELIVERED][delivery.id])
        if delivered != (1 if delivery.state is DeliveryState.DELIVERED else 0):
            yield Finding("delivery-entry", delivery.id, f"{delivery.state} with {delivered} delivered entries")
        if delivery.state is DeliveryState.FAILED and not told[EntryKind.FAILED][delivery.id]:
            yield Finding("delivery-entry", delivery.id, "failed without an entry")
    for document in documents.values():
        if document.state is not IntakeState.ACCEPTED:
            if made_out[document.ref]:
                yield Finding("delivery-of-unaccepted", document.ref)
            continue
        for code in document.recipients if document.only_for is None else document.only_for:
            if made_out[document.ref][code.text] != 1:
                yield Finding("recipient-deliveries", document.ref, f"{code}: {made_out[document.ref][code.text]}")


def _reports(documents: dict[Any, Document], reports: Iterable[StatusReport], told: Told) -> Iterator[Finding]:
    for report in reports:
        if len(told[EntryKind.STATUS][report.ref]) != 1:
            yield Finding("status-entry", report.ref)
        document = documents.get(report.document) if report.document else None
        if report.document and document is None:
            yield Finding("status-without-document", report.ref)
        if document is not None and report.receiver not in document.recipients:
            yield Finding("status-of-stranger", report.ref)


def _indexes(leaves: Iterable[Leaf]) -> Iterator[Finding]:
    indexed = sorted((leaf.index, leaf.id) for leaf in leaves if leaf.index is not None)
    if [index for index, _ in indexed] != list(range(len(indexed))):
        yield Finding("log-indexes", "", "not dense")
    ids = [id for _, id in indexed]
    if ids != sorted(ids):
        yield Finding("log-order", "", "indexes do not follow the order of the intents")
