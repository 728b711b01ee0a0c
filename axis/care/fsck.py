"""Look after a whole node: database, octets, log, and each against the others. Nothing is written, nothing is locked.

A running node may write meanwhile: everything in the database is of one moment, and what changes beside it changes in
an order that is known (`axis.care.logged`, `axis.blobs`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from axis.care.compared import Compared, compared
from axis.care.findings import Code, Collector, Looked, Report
from axis.care.logged import check_log, hold_against_log, hold_heads, is_begun, log_state
from axis.care.octets import Hashed, Told, check_files, check_rows, check_strangers
from axis.core.house import Leaf, check_holds, check_portion, evidence_named, read_order
from axis.core.model import Notice
from axis.holding import Holding, read
from axis.log.entries import BadEntry, read_canonical, read_entry
from axis.log.receipts import is_signed
from axis.sql.audit import SqlBooks, open_books
from axis.sql.driver import StoreDamaged, StoreError
from axis.sql.machinery import machinery
from axis.sql.soundness import (
    database_damage,
    evidence_kinds,
    parentless,
    parked_for_ever,
    recipients,
    untrue_columns,
)
from axis.sql.unfinished import ASKED


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of a node lie. `vkey` is the verifier key of its log; `heads` is `None` for a backup's copy."""

    store: str
    blobs: Holding
    log: Path
    vkey: str
    heads: Path | None


UNREADABLE: Final = (ValueError, LookupError, TypeError, AssertionError)
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
        with compared() as aside:
            looked = _look(place, now, deep, merge_delay, told, found, aside)
    except StoreDamaged as error:
        found.add(Code.DATABASE_DAMAGED, "", str(error))
    except StoreError:
        if not found.counts[Code.DATABASE_ALTERED]:
            raise  # else it was looked at, and what was found is why it cannot be read
    return Report(tuple(found.findings), dict(found.counts), looked, deep)


def _look(
    place: Place, now: datetime, deep: bool, merge_delay: timedelta, told: Told, found: Collector, aside: Compared
) -> Looked:
    begun, readable = is_begun(place.log, place.heads), True
    before = log_state(place.log, place.heads)
    with open_books(place.store, partial(read, place.blobs)) as books:
        for line in database_damage(books.session):
            found.add(Code.DATABASE_DAMAGED, "", line)
        for strange in machinery(books.session):
            found.add(Code.DATABASE_ALTERED, "", strange)
        for (said,) in books.session.run(ASKED).fetchall():
            found.add(Code.RESTORE_UNFINISHED, "", f"of the backup sha256:{said.split()[0]}")
        for id_ in parked_for_ever(books.session):
            found.add(Code.STATE, id_, "it waits behind others, and there are none: nobody will come for it")
        for one in parentless(books.session):
            found.add(Code.ROW_WITHOUT_PARENT, f"{one.table} {one.key}", f"no {one.parent}")
        try:
            looked = _records(books, told, found)
        except UNREADABLE:
            _unreadable(books, found)
            looked = Looked()
        _waiting(books, now, merge_delay, found)
        try:
            hashed = check_rows(books.session, deep, told, found)
            files = check_files(books.session, place.blobs, deep, told, found, aside)
        except UNREADABLE:  # told above: which files its rows name, nobody can say
            assert found.counts[Code.ROW_UNREADABLE], "the records were read before"
            hashed, files, readable = 0, Hashed(0, 0), False
        known = hold_against_log(books.session, place.log, before, found)
    hashed += files.octets
    if readable:
        hashed += check_strangers(place.blobs, aside, now.timestamp(), deep, found)
    entries = 0
    if begun or known:
        hold_heads(known, log_state(place.log, place.heads), found)
        entries = check_log(place.log, place.vkey, place.heads, partial(told, "log"), found)
    return replace(looked, files=files.files, octets_hashed=hashed, log_entries=entries)


def _records(books: SqlBooks, told: Told, found: Collector) -> Looked:
    """What records say of each other and of the log's entries."""
    order = read_order(books.leaves())
    for span in order.lost:
        found.add(Code.ENTRIES_LOST, f"{span.start} to {span.stop - 1}", times=len(span))
    for span in order.unsigned:
        found.add(Code.LOSS_UNSIGNED, f"{span.start} to {span.stop - 1}")
    documents = deliveries = reports = 0
    whole = books.number_of_documents()
    told("records", 0, whole)
    for portion in books.portions():
        for broken in check_portion(portion, order):
            found.add(broken.code, broken.subject, broken.detail)
        for one in portion.documents:
            if recipients(books.session, one.ref) != {code.text for code in one.recipients}:
                found.add(Code.RECIPIENTS_DIFFER, one.ref)
        rested_on = [*evidence_named(portion)]
        names = evidence_kinds(books.session, {name for _, rests_on in rested_on for name in rests_on})
        for ref, rests_on in rested_on:
            for name, kind in rests_on.items():
                if name not in names:
                    found.add(Code.EVIDENCE_MISSING, ref, name)
                elif names[name] != kind:
                    found.add(Code.COLUMN_DIFFERS, f"evidence {name}", "kind")
        for notice in portion.notices:
            if not _is_signed(notice):
                found.add(Code.NOTICE_DIFFERS, notice.ref, "it is not as it was signed")
        documents += len(portion.documents)
        deliveries += len(portion.deliveries)
        reports += len(portion.reports)
        told("records", documents, whole)
    for table, key, column in untrue_columns(books.session):
        found.add(Code.COLUMN_DIFFERS, f"{table} {key}", column)
    for broken in (*order.findings, *check_holds(books.holds(), order)):
        found.add(broken.code, broken.subject, broken.detail)
    return Looked(documents, deliveries, reports)


def _is_signed(notice: Notice) -> bool:
    """Say whether the octets of a notice are whole under the key that they name, and tell of that outcome."""
    try:
        said = read_canonical(notice.octets)
        return said["outcome"] == notice.outcome.value and is_signed(said, bytes.fromhex(said["key_id"]))
    except UNREADABLE:
        return False


def _unreadable(books: SqlBooks, found: Collector) -> None:
    """Tell which rows cannot be read. Their content is not told."""
    entries = (partial(_entry, leaf) for leaf in books.leaves())
    for table, rows in {**books.rows(), "log_intent": entries}.items():
        for number, read_row in enumerate(rows, 1):
            try:
                read_row()
            except UNREADABLE as error:
                found.add(Code.ROW_UNREADABLE, table, f"row {number} in its order: {type(error).__name__}")
    if not found.counts[Code.ROW_UNREADABLE]:
        found.add(Code.ROW_UNREADABLE, "", "records and entries cannot be compared")


def _entry(leaf: Leaf) -> None:
    if isinstance(read_entry(leaf.octets), BadEntry):
        raise ValueError("no entry")


def _waiting(books: SqlBooks, now: datetime, merge_delay: timedelta, found: Collector) -> None:
    """Entries outside the log for longer than they may be."""
    number, oldest = books.backlog()
    if oldest is not None and now - oldest > merge_delay:
        found.add(Code.ENTRY_WAITING, "", f"since {oldest:%Y-%m-%d %H:%M:%S} UTC", times=number)
