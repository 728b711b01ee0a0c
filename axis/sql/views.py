"""Read-only questions. What they answer was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, Protocol, TypeVar

from axis.core.model import (
    Cargo,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    Notice,
    NoticeRef,
    PayloadRef,
    StatusRef,
    StatusReport,
)
from axis.core.ports import Counts, InboxItem, Payload
from axis.sql.read import Reader
from axis.sql.readers import Readers
from axis.sql.rows import instant
from schemas.codes import document_key

T = TypeVar("T")

MAX_FOUND: Final = 200
"""How many documents under one id a search shows. One id has a handful: itself, updates, a recall."""


class Shelf(Protocol):
    """Where octets live that are too large for a row, and what makes a `Payload` of those that are not."""

    def payload(self, ref: PayloadRef) -> Payload: ...
    def inline(self, ref: PayloadRef, octets: bytes) -> Payload: ...


class Questions(Reader):
    """`axis.core.ports.Views` as ordinary functions, for one session. `axis log`, `axis doctor` and tests ask these."""

    __slots__ = ()

    def statuses(self, ref: DocumentRef) -> Sequence[StatusReport]:
        return self.reports(self.sql.statuses, document=ref)

    def deliveries_of(self, ref: DocumentRef) -> Sequence[Delivery]:
        return self.deliveries(self.sql.deliveries, document=ref)

    def inbox(self, endpoint: str, after_seq: int, limit: int) -> Sequence[InboxItem]:
        waiting = self.deliveries(self.sql.inbox, endpoint=endpoint, after=after_seq, limit=limit)
        return [self._item(delivery) for delivery in waiting]

    def _item(self, delivery: Delivery) -> InboxItem:
        document = None if delivery.document is None else self.document(delivery.document)
        status = self.status(StatusRef(delivery.cargo_ref)) if delivery.cargo is Cargo.STATUS else None
        notice = self.notice(NoticeRef(delivery.cargo_ref)) if delivery.cargo is Cargo.NOTICE else None
        return InboxItem(delivery, document, status, notice)

    def recent(self, limit: int, before: DocumentRef | None = None) -> Sequence[Document]:
        if before is None:
            return self.documents(self.sql.recent, limit=limit)
        return self.documents(self.sql.recent_before, limit=limit, before=before)

    def search(self, document_id: str) -> Sequence[Document]:
        return self.documents(
            self.sql.search, document_key=document_key(document_id), ref=document_id.strip(), limit=MAX_FOUND
        )

    def counts(self) -> Counts:
        deliveries: dict[str, dict[str, int]] = {}
        for endpoint, state, number in self.session.run(self.sql.count_deliveries).fetchall():
            deliveries.setdefault(endpoint, {})[state] = number
        return Counts(
            documents=dict(self.session.run(self.sql.count_documents).fetchall()),
            deliveries=deliveries,
            statuses=dict(self.session.run(self.sql.count_statuses).fetchall()),
        )

    def backlog(self) -> tuple[int, datetime | None]:
        (number,) = self.session.run(self.sql.backlog).fetchone()
        oldest = self.session.run(self.sql.oldest_intent).fetchone()
        return number, None if oldest is None else instant(oldest[0])

    def octets(self, ref: PayloadRef) -> bytes | None:
        """Octets that share the database; `None` when they are a file or missing."""
        row = self.session.run(self.sql.payload, sha256=ref.sha256).fetchone()
        return None if row is None else bytes(row[0])

    def meta(self, name: str) -> str | None:
        row = self.session.run(self.sql.meta, name=name).fetchone()
        return None if row is None else str(row[0])


class SqlViews:
    """Implements `axis.core.ports.Views`.

    A question by key takes some 50 µs and runs where it is asked; handing it to a thread would cost three times as much
    (measured). Lists and counts run in threads.
    """

    def __init__(self, readers: Readers, shelf: Shelf) -> None:
        self._readers = readers
        self._shelf = shelf
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="axis-views")

    def close(self) -> None:
        self._threads.shutdown()

    def _here(self, question: Callable[[Questions], T]) -> T:
        with self._readers.borrow(snapshot=False) as session:
            return question(Questions(session))

    def _snapshot(self, question: Callable[[Questions], T]) -> T:
        with self._readers.borrow(snapshot=True) as session:
            return question(Questions(session))

    async def _aside(self, question: Callable[[Questions], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._snapshot, question)

    async def document(self, ref: DocumentRef) -> Document | None:
        return self._here(lambda ask: ask.document(ref))

    async def delivery(self, id: DeliveryId) -> Delivery | None:
        return self._here(lambda ask: ask.delivery(id))

    async def status(self, ref: StatusRef) -> StatusReport | None:
        return self._here(lambda ask: ask.status(ref))

    async def notice(self, ref: NoticeRef) -> Notice | None:
        return self._here(lambda ask: ask.notice(ref))

    async def statuses(self, ref: DocumentRef) -> Sequence[StatusReport]:
        return await self._aside(lambda ask: ask.statuses(ref))

    async def deliveries(self, ref: DocumentRef) -> Sequence[Delivery]:
        return await self._aside(lambda ask: ask.deliveries_of(ref))

    async def inbox(self, endpoint: str, after_seq: int, limit: int) -> Sequence[InboxItem]:
        return await self._aside(lambda ask: ask.inbox(endpoint, after_seq, limit))

    async def recent(self, limit: int, before: DocumentRef | None = None) -> Sequence[Document]:
        return await self._aside(lambda ask: ask.recent(limit, before))

    async def search(self, document_id: str) -> Sequence[Document]:
        return await self._aside(lambda ask: ask.search(document_id))

    async def counts(self) -> Counts:
        return await self._aside(lambda ask: ask.counts())

    async def backlog(self) -> tuple[int, datetime | None]:
        return await self._aside(lambda ask: ask.backlog())

    async def payload(self, ref: PayloadRef) -> Payload:
        """The octets, from their row or their file. Whether the file is there and whole shows when it is read."""
        octets = self._here(lambda ask: ask.octets(ref))
        return self._shelf.payload(ref) if octets is None else self._shelf.inline(ref, octets)
