"""What the flows ask of the store, implemented in `axis.sql`. Octets: `axis.core.octets`; hands: `axis.core.hands`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar

from axis.core.amounts import Age as Age
from axis.core.amounts import Counts as Counts
from axis.core.amounts import Heap as Heap
from axis.core.follow_up import FollowUp
from axis.core.inbox import InboxItem
from axis.core.journey.dossier import Dossier, Placed
from axis.core.journey.reached import Counted, Sent
from axis.core.model import (
    AttachmentCheck,
    AttachmentVerdict,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    EvidenceRecord,
    LogEntry,
    Notice,
    NoticeRef,
    PayloadRef,
    StatusRef,
    StatusReport,
)
from axis.core.octets import Kept
from axis.core.outline import Outline, Said
from axis.core.retention import Leftover
from axis.core.states import DeliveryState
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind

T = TypeVar("T")


class Intent(NamedTuple):
    """One log entry that has no index yet. `id` orders intents: what was caused by another entry has a greater one.

    On PostgreSQL a smaller id may be committed later than a greater one, by a process that did not know of it.
    """

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
    def crossed(self, refs: Iterable[DocumentRef]) -> frozenset[DocumentRef]:
        """Which of `refs` have crossed: the only thing about an accepted document that may change."""
        ...

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

    def addressed(self, ref: DocumentRef) -> Mapping[AgencyCode, DeliveryState]:
        """Recipients for whom a delivery of the document itself exists already, and how that stands."""
        ...

    def statuses(self, ref: DocumentRef, receiver: AgencyCode) -> Sequence[StatusReport]:
        """What was reported for one receiver, in the order of storing."""
        ...

    def outlines(self, refs: Iterable[DocumentRef]) -> Mapping[DocumentRef, Outline]:
        """What statuses are decided by, of those documents that there are."""
        ...

    def said_of(self, pairs: Iterable[tuple[DocumentRef, str]], same: Iterable[tuple[str, str]]) -> Sequence[Said]:
        """What was reported for any of these pairs of document and receiver (its code's text), in the order of storing,
        as far as it decides what is reported next: what was no repetition, and what has one of these codes and
        instants, as they are stored.

        Somebody may have told one code ten thousand times: who reports on does not read all of it.
        """
        ...

    def told_of(self, ref: DocumentRef, receiver: str, most: int) -> int:
        """How many statuses are kept of one document at one receiver (its code's text), counted up to `most`."""
        ...

    def orphans(self, sender: AgencyCode, document_id: str, number: str) -> Sequence[StatusReport]: ...
    def passed_on(self, orphan: StatusRef) -> frozenset[str]:
        """The endpoints that a status without its document was made out to."""
        ...

    def same_orphan(self, report: StatusReport) -> bool:
        """Say whether an orphan with the same reporter, addressee, document id, number, code and time is stored."""
        ...

    def orphan_codes(self, report: StatusReport) -> Sequence[str]:
        """The codes of all orphans of the same sender and receiver that name the same document: by its id, or by its
        number where `report` has no id."""
        ...

    def delivery(self, id: DeliveryId) -> Delivery | None: ...
    def is_head(self, delivery: Delivery) -> bool:
        """Say whether no older delivery of the same lane is open."""
        ...

    def status(self, ref: StatusRef) -> StatusReport | None: ...
    def held(self, limit: int, after: DocumentRef | None = None) -> Sequence[Document]:
        """Documents that wait, oldest first; with `after` those behind that one, whatever has become of it."""
        ...

    def held_under(self, anchor: str | None) -> int:
        """How many documents wait whose signer's certificate leads to that trust anchor."""
        ...

    def notice(self, ref: NoticeRef) -> Notice | None: ...
    def undone(self, ref: DocumentRef) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        """Where deliveries of the document itself are still to be made, and for whom; those that failed are not."""
        ...

    def handed_to(self, ref: DocumentRef) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        """Where deliveries of the document itself were made out to, and for whom, whatever became of them."""
        ...

    def attachment_check(self, ref: DocumentRef) -> AttachmentCheck | None: ...
    def follow_up(self, id: DeliveryId) -> FollowUp | None: ...
    def behind(self, delivery: Delivery) -> frozenset[DeliveryState]:
        """The states of what is open behind it in its lane. They stay what they are until the transaction ends."""
        ...

    def overtaken(self, delivery: Delivery) -> bool:
        """Whether something later in its lane has been delivered, or may have been: it was tried."""
        ...

    def attachment_verdicts(self, ref: DocumentRef) -> Sequence[AttachmentVerdict]:
        """Every judgement of the document's attachments, oldest first."""
        ...

    def same_notice(self, document: DocumentRef, octets: bytes) -> bool:
        """Say whether just this notice about the document is stored already."""
        ...

    def notices(self, document: DocumentRef) -> int:
        """How many notices about the document are stored, ours among them."""
        ...

    def claim(
        self,
        endpoints: Sequence[str],
        now: datetime,
        lease: timedelta,
        limit: int,
        turn: int = 0,
        suspects: bool = True,
    ) -> Sequence[Delivery]:
        """Lease up to `limit` due deliveries of `endpoints`; heads of lanes only. Who goes first: `axis.core.turns`.

        Raises `attempts` and `token` by one each. A delivery whose lease ran out is due again, with one more break.
        `turn` counts the places given before. At most one suspect is taken, none without `suspects`.
        """
        ...

    def prolong(self, delivery: Delivery, until: datetime) -> None:
        """Keep a claim whose attempt goes on: its lease ends then. `LostRace` where the delivery is no longer leased
        under its token."""
        ...

    def holds(self) -> frozenset[str]:
        """The endpoints for which an operator lets nothing be claimed."""
        ...

    def waiting(self, endpoint: str, after_seq: int, limit: int) -> Sequence[Delivery]:
        """Queued heads of lanes of one endpoint by `seq`, due or not; none of a held endpoint."""
        ...

    def parked(self, endpoint: str, after_seq: int, limit: int) -> Sequence[Delivery]:
        """Queued deliveries of one endpoint that stand behind others in their lanes, by `seq`."""
        ...

    def first_of(self, lane: str) -> Delivery | None:
        """The oldest that is open in a lane. It stays what it is until the transaction ends."""
        ...

    def begin_anew(self, endpoint: str, at: datetime, after_seq: int, limit: int) -> int | None:
        """Let the lifetimes of so many that wait at `endpoint` begin at `at`: they were kept back until then. Replies
        with the number of the last one, `None` where nothing waits after `after_seq`."""
        ...

    def hasten(self, endpoint: str, now: datetime, beyond: datetime, limit: int) -> int:
        """Make due what is first in its lane and would be due after `beyond`, leases as well; how many those were."""
        ...

    def apply(self, decision: Decision[object]) -> None:
        """Write a decision: its changes and its log entries. The only writer of business state.

        `LostRace` when a row is no longer in the state that the decision was made from.
        """
        ...

    def put_payload(self, ref: PayloadRef, octets: bytes) -> None:
        """Keep small octets in the database. Repeating is harmless."""
        ...

    def deliveries_about(self, ref: DocumentRef) -> Sequence[Delivery]:
        """All of the document and of statuses and notices about it. They stay what they are until the transaction
        ends."""
        ...

    def follow_ups_about(self, ref: DocumentRef) -> Sequence[FollowUp]:
        """Those of all these deliveries."""
        ...

    def collect(self, one: Leftover) -> bool:
        """Remove octets that nothing names, unless they were put here anew since it was asked: `False`."""
        ...

    def fact(self, name: str) -> str | None:
        """A fact of the store itself. It stays what it is until the transaction ends."""
        ...

    def keep_fact(self, name: str, was: str | None, now: str) -> None:
        """Compare and swap. `LostRace` when the fact is not `was` any more."""
        ...

    def put_evidence(self, records: Iterable[EvidenceRecord]) -> None:
        """Keep what a verdict rests on, in the transaction that stores the verdict. Repeating is harmless.

        What is no row must be on stable storage under its digest before.
        """
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

    def placed(self, index: int) -> bytes | None:
        """The leaf of the intent that has this index."""
        ...


class LostRace(Exception):
    """Someone else moved the row first. The transaction is rolled back; nothing of it stays."""


Carried = Callable[[], tuple[Document, Kept]]
"""A document and its payload, read from what was found when it is called: a damaged row is the trouble of who wants it.
"""


class Parcel(NamedTuple):
    """What a delivery to `endpoint` for `recipients` (as they are stored, JSON) hands out.

    `package` are a document's octets where they are all that goes out: it has one form, one payload. `digest` is the
    document's, `outcome` what was found in its attached PDFs.
    """

    endpoint: str
    recipients: str
    package: Kept | None
    digest: str | None
    outcome: str | None


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

    async def parcel(self, id: DeliveryId) -> Parcel | None: ...
    async def carried(self, refs: Iterable[DocumentRef]) -> Mapping[DocumentRef, Carried]:
        """Those of the documents that are there, in one question."""
        ...

    async def recent(
        self, limit: int, before: DocumentRef | None = None, until: datetime | None = None
    ) -> Sequence[Document]:
        """The newest documents first; page with the last one's ref, or begin with what came before `until`."""
        ...

    async def held(self, limit: int) -> Sequence[Document]:
        """Documents that wait for revocation evidence, oldest first."""
        ...

    async def search(self, document_id: str) -> Sequence[Document]:
        """Documents under that sender-given id, or with that ref, newest first."""
        ...

    async def find(self, text: str) -> Sequence[Document]:
        """The same, and those with that official number, or that a delivery of that id is about: for people who ask."""
        ...

    async def dossier(self, ref: DocumentRef) -> Dossier | None:
        """Everything about one document, as of one moment."""
        ...

    async def promised(self, document: Document) -> Placed | None:
        """The log entry that the document's receipt promised."""
        ...

    async def refusals(self, limit: int, among: int) -> Sequence[LogEntry]:
        """What was refused to authenticated callers, newest first, as far as the newest `among` log entries tell."""
        ...

    async def attachment_check(self, ref: DocumentRef) -> AttachmentCheck | None: ...
    async def attachment_verdicts(self, ref: DocumentRef) -> Sequence[AttachmentVerdict]:
        """Every judgement of the document's attachments, oldest first."""
        ...

    async def attachment_checks(self, refs: Sequence[DocumentRef]) -> Mapping[DocumentRef, AttachmentCheck]:
        """How far judging the attachments of these documents is; without those that have none. One question."""
        ...

    async def reached(
        self, refs: Sequence[DocumentRef]
    ) -> Mapping[DocumentRef, tuple[Sequence[Sent], Sequence[Counted]]]:
        """How far these documents have come, for `axis.core.journey.reached.together`. One question for all."""
        ...

    async def checks_due(self, now: datetime, limit: int) -> Sequence[AttachmentCheck]:
        """Accepted documents whose attachments are to be judged by now, longest due first."""
        ...

    async def checks_waiting(self, after: str, limit: int) -> Sequence[AttachmentCheck]:
        """Accepted documents whose attachments were judged and will be again, by reference; `after` the last one's."""
        ...

    async def follow_ups_due(self, endpoint: str, now: datetime, limit: int) -> Sequence[FollowUp]:
        """Deliveries about which `endpoint` is to be asked by now, longest due first."""
        ...

    async def follow_ups_of(self, ref: DocumentRef) -> Sequence[FollowUp]:
        """Those of the deliveries of a document and of statuses about it, in their order."""
        ...

    async def counts(self) -> Counts: ...
    async def queue(
        self, endpoint: str | None, state: DeliveryState | None, document: str | None, limit: int, after_seq: int = 0
    ) -> Sequence[Delivery]:
        """Open deliveries, oldest first, or those of one state, whatever it is (newest first where it is final).

        `document` is a ref or a sender's id: then all deliveries about it. Open ones are paged by `after_seq`.
        """
        ...

    async def shape(self, now: datetime) -> Sequence[Heap]:
        """All open deliveries in heaps, by endpoint, state and age."""
        ...

    async def addressees(self) -> Sequence[tuple[str, tuple[AgencyCode, ...]]]:
        """For whom deliveries are open at which endpoint, each pair once. Reads all that is open."""
        ...

    async def holds(self) -> frozenset[str]:
        """The endpoints for which an operator lets nothing be claimed."""
        ...

    async def backlog(self) -> tuple[int, datetime | None]:
        """Log intents without an index: how many, and since when the oldest waits."""
        ...

    async def with_content(self, after: int, limit: int) -> Sequence[tuple[int, DocumentRef, datetime]]:
        """Documents whose content is kept, by their numbers, with when they were accepted."""
        ...

    async def leftovers(self, before: datetime, limit: int) -> Sequence[Leftover]:
        """What was left until `before`, the oldest first, and whether anything names it. Reads all documents."""
        ...

    async def payload(self, ref: PayloadRef) -> Kept: ...


@dataclass(frozen=True, slots=True)
class About:
    """The document that a body will ask about first: `same_document`, then `orphans`. A database behind a network looks
    for those of a whole group at once. Only the cost depends on it, never the answer."""

    sender: AgencyCode
    document_id: str
    number: str


class Store(Protocol):
    @property
    def views(self) -> Views: ...

    async def transact(self, body: Callable[[Ledger], T], about: About | None = None, brief: int = 0) -> T:
        """Run `body` in a transaction of its own and return after it is on stable storage.

        `brief`: it may run on the event loop, and takes so many times well below a millisecond.

        An exception of `body` rolls back only its own work and is raised here. `Unavailable(STORE_UNAVAILABLE)` when
        the outcome of the commit is unknown: repeat the request. Cancelling the caller does not undo the commit.
        """
        ...

    async def shelve(self, octets: bytes) -> tuple[PayloadRef, bytes | None]:
        """Make large octets durable under their digest; small ones are given back, to be put into a row."""
        ...
