"""Read-only questions. What they answer was committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Final, Protocol, TypeVar, cast

from axis.core.follow_up import Became, FollowUp
from axis.core.inbox import InboxItem, ToldStatus
from axis.core.journey.dossier import Dossier, Placed, instants, subjects
from axis.core.journey.reached import Counted, Sent
from axis.core.model import (
    AttachmentCheck,
    AttachmentVerdict,
    Cargo,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    EvidenceRecord,
    HoldEndpoint,
    LogEntry,
    Notice,
    NoticeRef,
    PayloadRef,
    StatusRef,
    StatusReport,
)
from axis.core.octets import Kept
from axis.core.ports import Age, Carried, Counts, Heap, Parcel
from axis.core.receipt import PROMISED
from axis.core.retention import Leftover
from axis.core.states import OPEN, DeliveryState
from axis.core.times import parse_rfc3339, rfc3339
from axis.sql.driver import unavailable
from axis.sql.instants import document_place, entries_at, entry_at, operated_since, refused_lately
from axis.sql.leftovers import leftovers
from axis.sql.read import Reader
from axis.sql.readers import Readers
from axis.sql.rows import Row, instant, many, read_code, read_codes, read_document, read_notice
from axis.sql.tally import Tally
from schemas.codes import AgencyCode, document_key, number_spellings
from schemas.multipart import PackageForm

T = TypeVar("T")

_AGES: Final = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7))
MAX_FOUND: Final = 200
"""How many documents under one id a search shows. One id has a handful: itself, updates, a recall."""

_STATUS: Final = Cargo.STATUS.value
_item: Final = cast("Callable[[Row], InboxItem]", partial(tuple.__new__, InboxItem))
"""A row of `Outgoing.listed`. Each has all columns, so that nobody counts them fifty times a list."""

_LISTS: Final = {
    DeliveryState.QUEUED: ("waiting", "parked"),
    DeliveryState.LEASED: ("leased",),
    DeliveryState.FAILED: ("failed",),
    DeliveryState.ON_HOLD: ("on-hold",),
}


class Shelf(Protocol):
    """Where octets live that are too large for a row, and what makes a `Kept` of those that are not."""

    def payload(self, ref: PayloadRef) -> Kept: ...
    def inline(self, ref: PayloadRef, octets: bytes) -> Kept: ...
    async def shelve(self, octets: bytes) -> tuple[PayloadRef, bytes | None]: ...


def _with(report: ToldStatus | None, item: InboxItem) -> InboxItem:
    """The item with its status, and named as that names its document, where the document did not come this way."""
    if report is None:
        return item
    if item.document_id is not None:
        return item._replace(report=report)
    return item._replace(report=report, document_id=report.document_id, number=report.number)


class Questions(Reader):
    """`axis.core.ports.Views` as ordinary functions, for one session. `axis log`, `axis doctor` and tests ask these."""

    __slots__ = ()

    def statuses(self, ref: DocumentRef) -> Sequence[StatusReport]:
        return self.reports(self.sql.statuses, document=ref)

    def deliveries_of(self, ref: DocumentRef) -> Sequence[Delivery]:
        return self.deliveries(self.sql.deliveries, document=ref)

    def inbox(self, endpoint: str, after_seq: int, limit: int) -> Sequence[InboxItem]:
        rows = self.session.run(self.sql.outgoing.listed, endpoint=endpoint, after=after_seq, limit=limit)
        items = [_item(row) for row in rows.fetchall()]
        statuses = [item.delivery for item in items if item.cargo == _STATUS]
        if not statuses:
            return items
        told = self.session.run(self.sql.outgoing.reported, ids=many(statuses)).fetchall()
        reports = {row[0]: ToldStatus._make(row[1:]) for row in told}
        return [_with(reports.get(item.delivery), item) for item in items]

    def parcel(self, id: DeliveryId) -> Row | None:
        """The row of `Outgoing.parcel`."""
        row: Row | None = self.session.run(self.sql.outgoing.parcel, id=id).fetchone()
        return row

    def carried(self, refs: Iterable[DocumentRef]) -> Sequence[Row]:
        """The rows of `Outgoing.carried`: a document, and its octets where these share the database."""
        rows: Sequence[Row] = self.session.run(self.sql.outgoing.carried, refs=many(refs)).fetchall()
        return rows

    def recent(
        self, limit: int, before: DocumentRef | None = None, until: datetime | None = None
    ) -> Sequence[Document]:
        if until is not None:
            place = document_place(self.session, until)
            return self.documents(self.sql.queues.accepted_before, limit=limit, seq=place)
        if before is None:
            return self.documents(self.sql.recent, limit=limit)
        return self.documents(self.sql.recent_before, limit=limit, before=before)

    def held(self, limit: int) -> Sequence[Document]:
        return self.documents(self.sql.held, limit=limit, after=None)

    def search(self, document_id: str) -> Sequence[Document]:
        return self.documents(
            self.sql.search, document_key=document_key(document_id), ref=document_id.strip(), limit=MAX_FOUND
        )

    def find(self, text: str) -> Sequence[Document]:
        found = self.search(text)
        if found:
            return found
        carried = self.delivery(DeliveryId(text.strip()))
        if carried is not None and carried.document is not None:
            document = self.document(carried.document)
            return [] if document is None else [document]
        for spelling in number_spellings(text):
            found = self.documents(self.sql.queues.numbered, number_key=spelling, limit=MAX_FOUND)
            if found:
                return found
        return []

    def dossier(self, ref: DocumentRef) -> Dossier | None:
        document = self.document(ref)
        if document is None:
            return None
        queues = self.sql.queues
        deliveries = self.deliveries_of(ref)
        waits = [one for one in deliveries if one.state in (DeliveryState.QUEUED, DeliveryState.ON_HOLD)]
        before = ((one.id, self.deliveries(queues.ahead, lane=one.lane, seq=one.seq)) for one in waits)
        held = [
            (row[0], HoldEndpoint(row[0], parse_rfc3339(row[1]), *row[2:]))
            for row in self.session.run(queues.holds).fetchall()
        ]
        dossier = Dossier(
            document=document,
            deliveries=deliveries,
            statuses=self.statuses(ref),
            notices=[read_notice(row) for row in self.session.run(queues.notices_of, document=ref).fetchall()],
            check=self.attachment_check(ref),
            verdicts=self.attachment_verdicts(ref),
            ahead={id: found[0] for id, found in before if found},
            holds=dict(held),
            follow_ups={one.delivery: one for one in self.follow_ups_of(ref)},
        )
        return replace(dossier, entries=tuple(self._entries(dossier)))

    def _entries(self, dossier: Dossier) -> Sequence[Placed]:
        """Those at the instants of its records; of what an operator holds, who did that, and why, as well."""
        found = list(entries_at(self.session, instants(dossier), subjects(dossier)))
        held = {one.id for one in dossier.deliveries if one.state is DeliveryState.ON_HOLD}
        if held:
            acts = operated_since(self.session, dossier.document.accepted_at, held)
            found += [one for one in acts if one not in found]
        return found

    def refusals(self, limit: int, among: int) -> Sequence[LogEntry]:
        return refused_lately(self.session, limit, among)

    def queue(
        self, endpoint: str | None, state: DeliveryState | None, document: str | None, limit: int, after_seq: int = 0
    ) -> Sequence[Delivery]:
        if document is not None:
            found = [one for known in self.search(document) for one in self.deliveries_of(known.ref)]
            fit = [
                one
                for one in found
                if one.seq > after_seq
                and (endpoint is None or one.endpoint == endpoint)
                and (one.state in OPEN if state is None else one.state is state)
            ]
            return sorted(fit, key=lambda one: one.seq)[:limit]
        if state is None and endpoint is None:
            return self.deliveries(self.sql.queues.queue[""], limit=limit, after=after_seq)
        if state is None or state in OPEN:
            lists = [name for one in (OPEN if state is None else {state}) for name in _LISTS[one]]
            if endpoint is None:
                pages = [self.deliveries(self.sql.queues.queue[name], limit=limit, after=after_seq) for name in lists]
            else:
                texts = [self.sql.queues.queue_of[name] for name in lists]
                pages = [self.deliveries(sql, endpoint=endpoint, limit=limit, after=after_seq) for sql in texts]
            return sorted((one for page in pages for one in page), key=lambda one: one.seq)[:limit]
        return self.deliveries(self.sql.queues.queue_done, endpoint=endpoint, state=state.value, limit=limit)

    def shape(self, now: datetime) -> Sequence[Heap]:
        ages = tuple(Age)
        bounds = {f"b{place}": rfc3339(now - age) for place, age in enumerate(_AGES)}
        return [
            Heap(endpoint, DeliveryState(state), ages[age], number, parse_rfc3339(oldest))
            for endpoint, state, age, number, oldest in self.session.run(self.sql.queues.shape, **bounds).fetchall()
        ]

    def addressees(self) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        rows = self.session.run(self.sql.queues.addressees).fetchall()
        return [(endpoint, read_codes(recipients)) for endpoint, recipients in rows]

    def holds(self) -> frozenset[str]:
        return frozenset(endpoint for (endpoint,) in self.session.run(self.sql.holds).fetchall())

    def attachment_checks(self, refs: Sequence[DocumentRef]) -> Mapping[DocumentRef, AttachmentCheck]:
        return {check.document: check for check in self.checks(self.sql.reports.checks, refs=many(refs))}

    def reached(self, refs: Sequence[DocumentRef]) -> Mapping[DocumentRef, tuple[list[Sent], list[Counted]]]:
        found: dict[DocumentRef, tuple[list[Sent], list[Counted]]] = {ref: ([], []) for ref in refs}
        rows = self.session.run(self.sql.reports.reached, refs=many(refs)).fetchall()
        for ref, _, endpoint, whose, code in sorted(rows, key=itemgetter(1)):
            sent, counted = found[ref]
            if endpoint is None:
                counted.append(Counted(read_code(whose), code))
            else:
                sent.append(Sent(endpoint, DeliveryState(code), read_codes(whose)))
        return found

    def follow_ups_of(self, ref: DocumentRef) -> Sequence[FollowUp]:
        return self.follow_ups(self.sql.follow_ups.of_document, document=ref)

    def told_of(self, became: Became | None, limit: int) -> Sequence[tuple[FollowUp, Delivery]]:
        """What was handed over and is not taken, with its delivery; those handed over first come first."""
        texts = self.sql.follow_ups
        if became is None:
            found = self.follow_ups(texts.told_of, limit=limit)
        else:
            found = self.follow_ups(texts.told_of_these, became=became.value, limit=limit)
        pairs = ((one, self.delivery(one.delivery)) for one in found)
        return [(one, delivery) for one, delivery in pairs if delivery is not None]

    def due_follow_ups(self, endpoint: str, now: datetime, limit: int) -> Sequence[FollowUp]:
        return self.follow_ups(self.sql.follow_ups.due, endpoint=endpoint, now=rfc3339(now), limit=limit)

    def backlog(self) -> tuple[int, datetime | None]:
        (number,) = self.session.run(self.sql.backlog).fetchone()
        oldest = self.session.run(self.sql.oldest_intent).fetchone()
        return number, None if oldest is None else instant(oldest[0])

    def with_content(self, after: int, limit: int) -> Sequence[tuple[int, DocumentRef, datetime]]:
        rows = self.session.run(self.sql.contents.oldest, after=after, limit=limit).fetchall()
        return [(seq, DocumentRef(ref), parse_rfc3339(at)) for seq, ref, at in rows]

    def octets(self, ref: PayloadRef) -> bytes | None:
        """Octets that share the database; `None` when they are a file or missing."""
        row = self.session.run(self.sql.contents.octets, sha256=ref.sha256).fetchone()
        return None if row is None else bytes(row[0])

    def evidence(self, sha256: str) -> EvidenceRecord | None:
        """What is kept under that digest, `None` where nothing is. The octets are as they lie there."""
        row = self.session.run(self.sql.evidence, sha256=sha256).fetchone()
        if row is None:
            return None
        kind, size, octets = row
        return EvidenceRecord(kind, PayloadRef(sha256, size), None if octets is None else bytes(octets))

    def leaves_about(self, document: Document) -> Sequence[tuple[int | None, bytes]]:
        """Index and octets of the log entries that carry a verdict on the document or its attachments, in order. Reads
        the whole log."""
        rows = self.session.run(self.sql.judged_leaves, since=rfc3339(document.accepted_at)).fetchall()
        return [(index, bytes(leaf)) for index, leaf in rows if json.loads(leaf)["subject"] == document.ref]

    def meta(self, name: str) -> str | None:
        row = self.session.run(self.sql.meta, name=name).fetchone()
        return None if row is None else str(row[0])


class SqlViews:
    """Implements `axis.core.ports.Views`.

    On SQLite a question by key takes some 50 µs and runs where it is asked; handing it to a thread would cost three
    times as much (measured). Lists and counts run in threads, and on PostgreSQL everything does.
    """

    def __init__(self, readers: Readers[Questions], shelf: Shelf, aside: bool = False) -> None:
        """With `aside` questions by key run in threads too: the database is behind a network."""
        self._readers = readers
        self._shelf = shelf
        self._all_aside = aside
        self._closed = False
        self._tally = Tally()
        self._threads = ThreadPoolExecutor(4 if aside else 2, thread_name_prefix="axis-views")

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown()

    async def _by_key(self, question: Callable[[Questions], T]) -> T:
        if self._all_aside:
            return await self._in_thread(self._readers.ask, question)
        return self._readers.ask(question)

    async def _in_thread(self, ask: Callable[[Callable[[Questions], T]], T], question: Callable[[Questions], T]) -> T:
        if self._closed:
            raise unavailable("not-stored", "the store is closed", 1)
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask, question)

    def _snapshot(self, question: Callable[[Questions], T]) -> T:
        return self._readers.ask(question, snapshot=True)

    async def _aside(self, question: Callable[[Questions], T]) -> T:
        return await self._in_thread(self._snapshot, question)

    async def document(self, ref: DocumentRef) -> Document | None:
        return await self._by_key(lambda ask: ask.document(ref))

    async def delivery(self, id: DeliveryId) -> Delivery | None:
        return await self._by_key(lambda ask: ask.delivery(id))

    async def status(self, ref: StatusRef) -> StatusReport | None:
        return await self._by_key(lambda ask: ask.status(ref))

    async def notice(self, ref: NoticeRef) -> Notice | None:
        return await self._by_key(lambda ask: ask.notice(ref))

    async def statuses(self, ref: DocumentRef) -> Sequence[StatusReport]:
        return await self._aside(lambda ask: ask.statuses(ref))

    async def deliveries(self, ref: DocumentRef) -> Sequence[Delivery]:
        return await self._aside(lambda ask: ask.deliveries_of(ref))

    async def inbox(self, endpoint: str, after_seq: int, limit: int) -> Sequence[InboxItem]:
        return await self._by_key(lambda ask: ask.inbox(endpoint, after_seq, limit))

    async def parcel(self, id: DeliveryId) -> Parcel | None:
        row = await self._by_key(lambda ask: ask.parcel(id))
        if row is None:
            return None
        endpoint, recipients, digest, form, sha256, size, outcome, octets = row
        whole = self._kept(PayloadRef(sha256, size), octets) if form == PackageForm.INLINE else None
        return Parcel(endpoint, recipients, whole, digest, outcome)

    async def carried(self, refs: Iterable[DocumentRef]) -> Mapping[DocumentRef, Carried]:
        rows = await self._by_key(lambda ask: ask.carried(refs))
        return {DocumentRef(row[1]): partial(self._carried, row) for row in rows}

    def _carried(self, row: Row) -> tuple[Document, Kept]:
        document = read_document(row[:-1])
        return document, self._kept(document.payload, row[-1])

    async def recent(
        self, limit: int, before: DocumentRef | None = None, until: datetime | None = None
    ) -> Sequence[Document]:
        return await self._aside(lambda ask: ask.recent(limit, before, until))

    async def held(self, limit: int) -> Sequence[Document]:
        return await self._aside(lambda ask: ask.held(limit))

    async def search(self, document_id: str) -> Sequence[Document]:
        return await self._aside(lambda ask: ask.search(document_id))

    async def find(self, text: str) -> Sequence[Document]:
        return await self._aside(lambda ask: ask.find(text))

    async def dossier(self, ref: DocumentRef) -> Dossier | None:
        return await self._aside(lambda ask: ask.dossier(ref))

    async def promised(self, document: Document) -> Placed | None:
        return await self._aside(lambda ask: entry_at(ask.session, document.accepted_at, document.ref, PROMISED))

    async def refusals(self, limit: int, among: int) -> Sequence[LogEntry]:
        return await self._aside(lambda ask: ask.refusals(limit, among))

    async def attachment_check(self, ref: DocumentRef) -> AttachmentCheck | None:
        return await self._by_key(lambda ask: ask.attachment_check(ref))

    async def attachment_verdicts(self, ref: DocumentRef) -> Sequence[AttachmentVerdict]:
        return await self._aside(lambda ask: ask.attachment_verdicts(ref))

    async def attachment_checks(self, refs: Sequence[DocumentRef]) -> Mapping[DocumentRef, AttachmentCheck]:
        return await self._aside(lambda ask: ask.attachment_checks(refs))

    async def reached(
        self, refs: Sequence[DocumentRef]
    ) -> Mapping[DocumentRef, tuple[Sequence[Sent], Sequence[Counted]]]:
        return await self._aside(lambda ask: ask.reached(refs))

    async def checks_due(self, now: datetime, limit: int) -> Sequence[AttachmentCheck]:
        return await self._aside(lambda ask: ask.checks(ask.sql.checks_due, now=rfc3339(now), limit=limit))

    async def checks_waiting(self, after: str, limit: int) -> Sequence[AttachmentCheck]:
        return await self._aside(lambda ask: ask.checks(ask.sql.checks_waiting, after=after, limit=limit))

    async def follow_ups_due(self, endpoint: str, now: datetime, limit: int) -> Sequence[FollowUp]:
        return await self._aside(lambda ask: ask.due_follow_ups(endpoint, now, limit))

    async def follow_ups_of(self, ref: DocumentRef) -> Sequence[FollowUp]:
        return await self._aside(lambda ask: ask.follow_ups_of(ref))

    async def counts(self) -> Counts:
        return await self._aside(lambda ask: self._tally.counts(ask.session))

    async def queue(
        self, endpoint: str | None, state: DeliveryState | None, document: str | None, limit: int, after_seq: int = 0
    ) -> Sequence[Delivery]:
        return await self._aside(lambda ask: ask.queue(endpoint, state, document, limit, after_seq))

    async def shape(self, now: datetime) -> Sequence[Heap]:
        return await self._aside(lambda ask: ask.shape(now))

    async def addressees(self) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        return await self._aside(lambda ask: ask.addressees())

    async def holds(self) -> frozenset[str]:
        return await self._by_key(lambda ask: ask.holds())

    async def backlog(self) -> tuple[int, datetime | None]:
        return await self._aside(lambda ask: ask.backlog())

    async def with_content(self, after: int, limit: int) -> Sequence[tuple[int, DocumentRef, datetime]]:
        return await self._aside(lambda ask: ask.with_content(after, limit))

    async def leftovers(self, before: datetime, limit: int) -> Sequence[Leftover]:
        return await self._aside(lambda ask: leftovers(ask.session, before, limit))

    async def payload(self, ref: PayloadRef) -> Kept:
        """The octets, from their row or their file. Whether the file is there and whole shows when it is read."""
        return self._kept(ref, await self._by_key(lambda ask: ask.octets(ref)))

    def _kept(self, ref: PayloadRef, octets: bytes | None) -> Kept:
        return self._shelf.payload(ref) if octets is None else self._shelf.inline(ref, octets)
