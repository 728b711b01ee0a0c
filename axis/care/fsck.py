"""Look after a whole node: database, octets, log, and each against the others. Nothing is written, nothing is locked.

A running node may write meanwhile: everything in the database is of one moment, and what changes beside it changes in
an order that is known (`axis.care.logged`, `axis.blobs`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from axis.care.findings import Code, Collector, Looked, Report
from axis.care.logged import check_log, hold_against_log, hold_heads, is_begun, log_state
from axis.care.octets import Told, check_files, check_rows, check_strangers
from axis.core.house import Leaf, check_house, declared_losses, evidence_named
from axis.core.model import AttachmentCheck, AttachmentVerdict, Delivery, Document, PayloadRef, StatusReport
from axis.holding import Holding, read
from axis.log.entries import BadEntry, read_entry
from axis.sql.audit import SqlBooks, open_books
from axis.sql.driver import StoreDamaged
from axis.sql.soundness import database_damage, evidence_names, parentless, recipients


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of a node lie. `vkey` is the verifier key of its log; `heads` is `None` for a backup's copy."""

    store: str
    blobs: Holding
    log: Path
    vkey: str
    heads: Path | None


_UNREADABLE: Final = (ValueError, LookupError, TypeError, AssertionError)
"""What the nouns raise when a row is none of theirs."""


def _nothing(what: str, done: int, whole: int) -> None:
    pass


def check_node(
    place: Place, now: datetime, *, deep: bool, merge_delay: timedelta = timedelta(0), told: Told = _nothing
) -> Report:
    """Everything that is wrong with a node. `deep` reads and hashes all octets, not only those of evidence.

    `StoreError` when the store cannot be looked at (none, another schema, no server), `OSError` likewise for folders
    and buckets. Damage never raises.
    """
    found, looked = Collector(), Looked()
    try:
        looked = _look(place, now, deep, merge_delay, told, found)
    except StoreDamaged as error:
        found.add(Code.DATABASE_DAMAGED, "", str(error))
    return Report(tuple(found.findings), dict(found.counts), looked, deep)


def _look(place: Place, now: datetime, deep: bool, merge_delay: timedelta, told: Told, found: Collector) -> Looked:
    begun = is_begun(place.log, place.heads)
    before = log_state(place.log, place.heads)
    with open_books(place.store, partial(read, place.blobs)) as books:
        for line in database_damage(books.session):
            found.add(Code.DATABASE_DAMAGED, "", line)
        for one in parentless(books.session):
            found.add(Code.ROW_WITHOUT_PARENT, f"{one.table} {one.key}", f"no {one.parent}")
        told("records", 0, 1)
        try:
            looked = _records(books, found)
        except _UNREADABLE:
            _unreadable(books, found)
            looked = Looked()
        told("records", 1, 1)
        _waiting(books, now, merge_delay, found)
        hashed = check_rows(books.session, deep, told, found)
        named, files = check_files(books.session, place.blobs, deep, told, found)
        known = hold_against_log(books.session, place.log, before, found)
    hashed += files.octets + check_strangers(place.blobs, named, now.timestamp(), deep, found)
    entries = 0
    if begun or known:
        hold_heads(known, log_state(place.log, place.heads), found)
        entries = check_log(place.log, place.vkey, place.heads, partial(told, "log"), found)
    return replace(looked, files=files.files, octets_hashed=hashed, log_entries=entries)


@dataclass(frozen=True, slots=True)
class _Read:
    """The books, read once: making nouns of rows costs more than anything else here. Implements `Books`."""

    books: SqlBooks
    _documents: list[Document]
    _deliveries: list[Delivery]
    _reports: list[StatusReport]
    _leaves: list[Leaf]
    _verdicts: list[AttachmentVerdict]

    @classmethod
    def of(cls, books: SqlBooks) -> _Read:
        return cls(
            books,
            list(books.documents()),
            list(books.deliveries()),
            list(books.reports()),
            list(books.leaves()),
            list(books.attachment_verdicts()),
        )

    def documents(self) -> list[Document]:
        return self._documents

    def deliveries(self) -> list[Delivery]:
        return self._deliveries

    def reports(self) -> list[StatusReport]:
        return self._reports

    def leaves(self) -> list[Leaf]:
        return self._leaves

    def attachment_checks(self) -> Iterable[AttachmentCheck]:
        return self.books.attachment_checks()

    def attachment_verdicts(self) -> list[AttachmentVerdict]:
        return self._verdicts

    def octets(self, ref: PayloadRef) -> bytes | None:
        return self.books.octets(ref)

    def evidence(self, sha256: str) -> bytes | None:
        return self.books.evidence(sha256)


def _records(books: SqlBooks, found: Collector) -> Looked:
    """What records say of each other and of the log's entries."""
    read = _Read.of(books)
    for broken in check_house(read, octets=False):
        found.add(broken.code, broken.subject, broken.detail)
    _recipients(books, read, found)
    for span in declared_losses(read.leaves()):
        found.add(Code.ENTRIES_LOST, f"{span.start} to {span.stop - 1}", times=len(span))
    names = evidence_names(books.session)
    for ref, rests_on in evidence_named(read.documents(), read.attachment_verdicts()):
        for name in rests_on:
            if name not in names:
                found.add(Code.EVIDENCE_MISSING, ref, name)
    return Looked(len(read.documents()), len(read.deliveries()), len(read.reports()))


def _unreadable(books: SqlBooks, found: Collector) -> None:
    """Tell which rows cannot be read. Their content is not told."""
    for table, rows in {
        "document": books.documents(),
        "delivery": books.deliveries(),
        "status_report": books.reports(),
        "attachment_check": books.attachment_checks(),
        "attachment_verdict": books.attachment_verdicts(),
        "log_intent": map(_entry, books.leaves()),
    }.items():
        each = iter(rows)
        for number in count(1):
            try:
                next(each)
            except StopIteration:
                break
            except _UNREADABLE as error:
                found.add(Code.ROW_UNREADABLE, table, f"row {number} in its order: {type(error).__name__}")
    if not found.counts[Code.ROW_UNREADABLE]:
        found.add(Code.ROW_UNREADABLE, "", "records and entries cannot be compared")


def _entry(leaf: Leaf) -> None:
    if isinstance(read_entry(leaf.octets), BadEntry):
        raise ValueError("no entry")


def _recipients(books: SqlBooks, read: _Read, found: Collector) -> None:
    listed: dict[str, set[str]] = defaultdict(set)
    for document, recipient in recipients(books.session):
        listed[document].add(recipient)
    for one in read.documents():
        if listed[one.ref] != {code.text for code in one.recipients}:
            found.add(Code.RECIPIENTS_DIFFER, one.ref)


def _waiting(books: SqlBooks, now: datetime, merge_delay: timedelta, found: Collector) -> None:
    """Entries outside the log for longer than they may be."""
    number, oldest = books.backlog()
    if oldest is not None and now - oldest > merge_delay:
        found.add(Code.ENTRY_WAITING, "", f"since {oldest:%Y-%m-%d %H:%M:%S} UTC", times=number)
