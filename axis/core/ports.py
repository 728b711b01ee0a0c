"""What the flows ask of the world. Every protocol in one place; implementations live in `axis.sql`, `adapters`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar

from axis.core.model import (
    Decision,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    Hop,
    Notice,
    NoticeRef,
    PayloadRef,
    StatusRef,
    StatusReport,
)
from axis.core.problems import Problem
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind

T = TypeVar("T")


class Payload(Protocol):
    """Stored octets that can be read more than once, piece by piece. Verified against the digest on reading."""

    @property
    def ref(self) -> PayloadRef: ...
    def chunks(self) -> AsyncIterator[bytes]: ...
    async def read(self) -> bytes: ...


class Spooled(Protocol):
    """Octets that came in completely and are not kept yet; gone when the spool is left, unless kept."""

    @property
    def ref(self) -> PayloadRef: ...
    @property
    def inline(self) -> bytes | None:
        """The octets themselves when they are small enough to ride in the database row, otherwise `None`."""
        ...

    def view(self) -> memoryview:
        """All octets, valid while the spool is open."""
        ...

    async def keep(self) -> None:
        """Make large octets durable under their digest. `Unavailable` when the disk does not take them."""
        ...


@dataclass(frozen=True, slots=True)
class Intent:
    """One log entry that has no index yet. `id` orders intents as they were committed on this store."""

    id: int
    leaf: bytes


class Ledger(Protocol):
    """Business state inside one open transaction. Plain functions: a network call cannot sit in here.

    Valid only inside the body given to `Store.transact`.
    """

    def same_document(self, sender: AgencyCode, kind: MessageKind, document_id: str) -> Sequence[Document]:
        """Documents stored under that key, oldest first (held and accepted ones; refused ones do not count)."""
        ...

    def document(self, ref: DocumentRef) -> Document | None: ...

    def match_document(
        self,
        sender: AgencyCode,
        receiver: AgencyCode,
        document_id: str | None,
        number: str | None,
        issued_on: date | None,
    ) -> Document | None:
        """The accepted document that a status tells of: by DocumentId first, else by (sender, receiver, number, date).

        Only a document that names `receiver` among its recipients. The newest when several match.
        """
        ...

    def addressed(self, ref: DocumentRef) -> frozenset[AgencyCode]:
        """Recipients for whom a delivery of the document itself exists already."""
        ...

    def statuses(self, ref: DocumentRef, receiver: AgencyCode) -> Sequence[StatusReport]:
        """What was reported for one receiver, in the order of storing."""
        ...

    def orphans(self, sender: AgencyCode, document_id: str, number: str) -> Sequence[StatusReport]: ...
    def same_orphan(self, report: StatusReport) -> bool:
        """Say whether an orphan with the same reporter, addressee, document id, number, code and time is stored."""
        ...

    def delivery(self, id: DeliveryId) -> Delivery | None: ...
    def is_head(self, delivery: Delivery) -> bool:
        """Say whether no older delivery of the same lane is open."""
        ...

    def status(self, ref: StatusRef) -> StatusReport | None: ...
    def held(self, limit: int) -> Sequence[Document]: ...
    def held_under(self, anchor: str | None) -> int:
        """How many documents wait whose signer's certificate leads to that trust anchor."""
        ...

    def notice(self, ref: NoticeRef) -> Notice | None: ...
    def was_sent(self, ref: DocumentRef, endpoint: str) -> bool:
        """Say whether a delivery of the document itself was made out to that endpoint."""
        ...

    def same_notice(self, document: DocumentRef, octets: bytes) -> bool:
        """Say whether just this notice about the document is stored already."""
        ...

    def claim(self, endpoints: Sequence[str], now: datetime, lease: timedelta, limit: int) -> Sequence[Delivery]:
        """Lease up to `limit` due deliveries of `endpoints`: urgent first, then oldest; heads of lanes only.

        Raises `attempts` and `token` by one each. A delivery whose lease ran out is due again.
        """
        ...

    def apply(self, decision: Decision[object]) -> None:
        """Write a decision: its changes and its log entries. The only writer of business state.

        `LostRace` when a row is no longer in the state that the decision was made from.
        """
        ...

    def put_payload(self, ref: PayloadRef, octets: bytes) -> None:
        """Keep small octets in the database. Repeating is harmless."""
        ...

    def intents(self, limit: int) -> Sequence[Intent]:
        """Log intents without an index, in order."""
        ...

    def indexed(self, first_index: int, ids: Sequence[int]) -> None:
        """Give the intents `ids` the indexes from `first_index` on. `LostRace` if one of them has another."""
        ...

    def log_size(self) -> int:
        """How many intents have an index: the size of the tree that the store knows."""
        ...


class LostRace(Exception):
    """Someone else moved the row first. The transaction is rolled back; nothing of it stays."""


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing that waits in a mailbox: a delivery with the document, the status or the notice that it carries."""

    delivery: Delivery
    document: Document | None
    status: StatusReport | None
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is, by state. Keys are the states' wire names."""

    documents: Mapping[str, int]
    deliveries: Mapping[str, Mapping[str, int]]  # endpoint -> state -> number
    statuses: Mapping[str, int]  # wire code -> number


class Views(Protocol):
    """Read-only questions, outside any write transaction. What they answer was committed."""

    async def document(self, ref: DocumentRef) -> Document | None: ...
    async def delivery(self, id: DeliveryId) -> Delivery | None: ...
    async def status(self, ref: StatusRef) -> StatusReport | None: ...
    async def notice(self, ref: NoticeRef) -> Notice | None: ...
    async def statuses(self, ref: DocumentRef) -> Sequence[StatusReport]: ...
    async def deliveries(self, ref: DocumentRef) -> Sequence[Delivery]:
        """Every delivery of the document itself and of statuses about it, oldest first."""
        ...

    async def inbox(self, endpoint: str, after_seq: int, limit: int) -> Sequence[InboxItem]:
        """Queued heads of lanes of one endpoint by `seq`, urgent ones not first: a client pages by `after_seq`."""
        ...

    async def recent(self, limit: int, before: DocumentRef | None = None) -> Sequence[Document]:
        """The newest documents first; page with the last one's ref."""
        ...

    async def search(self, document_id: str) -> Sequence[Document]:
        """Documents under that sender-given id, or with that ref, newest first."""
        ...

    async def counts(self) -> Counts: ...
    async def backlog(self) -> tuple[int, datetime | None]:
        """Log intents without an index: how many, and since when the oldest waits."""
        ...

    async def payload(self, ref: PayloadRef) -> Payload: ...


class Store(Protocol):
    @property
    def views(self) -> Views: ...

    async def transact(self, body: Callable[[Ledger], T]) -> T:
        """Run `body` in a transaction of its own and return after it is on stable storage.

        An exception of `body` rolls back only its own work and is raised here. `Unavailable(STORE_UNAVAILABLE)` when
        the outcome of the commit is unknown: repeat the request. Cancelling the caller does not undo the commit.
        """
        ...


@dataclass(frozen=True, slots=True)
class Consignment:
    """One delivery with everything a hand needs to make it: the cargo's facts, its octets, the trace of hops.

    For a status, `payload` is the status message as XML, for a notice its JSON. `document` is the document itself or
    the one that the status or notice tells of (`None` for an orphan).
    """

    delivery: Delivery
    document: Document | None
    status: StatusReport | None
    payload: Payload
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Handover:
    """The destination has it. `facts` are what it answered, for the log of this node (ids, never content)."""

    facts: Mapping[str, str]


class Sink(Protocol):
    """A hand that delivers."""

    async def deliver(self, consignment: Consignment) -> Handover:
        """Hand over once. `Unavailable` to be asked again, `Refused` to stop. Safe to repeat with one delivery id."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something a source fetched. `accept` is called after it is durably stored, `reject` after a final refusal.

    Neither is called when waiting helps: the source will find it again.
    """

    octets: AsyncIterator[bytes]
    only_for: tuple[AgencyCode, ...] | None
    accept: Callable[[], Awaitable[None]]
    reject: Callable[[Problem], Awaitable[None]]


class Source(Protocol):
    """A hand that fetches."""

    def poll(self) -> AsyncIterator[Incoming]:
        """One round: everything that waits at the other side now. `Unavailable` when it cannot be reached."""
        ...

    async def close(self) -> None: ...
