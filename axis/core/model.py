"""The nouns of the daemon: what is submitted, kept, delivered, reported, decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from axis.core.canonical import Json
from axis.core.follow_up import AddFollowUp, MoveFollowUp
from axis.core.happening import EntryKind as EntryKind
from axis.core.happening import LogEntry as LogEntry
from axis.core.hop import Hop as Hop
from axis.core.hop import Way as Way
from axis.core.principal import Principal as Principal
from axis.core.principal import Profile as Profile
from axis.core.principal import Role as Role
from axis.core.refs import DeliveryId as DeliveryId
from axis.core.refs import DocumentRef as DocumentRef
from axis.core.refs import NewId as NewId
from axis.core.refs import NoticeRef as NoticeRef
from axis.core.refs import StatusRef as StatusRef
from axis.core.states import DeliveryEvent, DeliveryState, IntakeState
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind, Priority, StaffInfo
from schemas.multipart import PackageForm
from schemas.status import BY_WIRE, Standing, Status
from signing.verdict import PdfOutcome, Reason, Verdict

SUSPECT = 2
"""A delivery whose last so many attempts ended without an outcome is attempted while no other such one is: what kills a
worker is told so from what was only under way beside it."""


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """A handle to stored octets: SHA-256 in hex and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Căn cứ: octets that verdicts rest on, named by their digest and kept for ever. `kind` is that of the verdict's
    row. `octets` is `None` where they are a file."""

    kind: str
    ref: PayloadRef
    octets: bytes | None


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """One attachment of a stored document; `sha256` is over the decoded octets. `form` is `pdf` or `zip` by its first
    octets, whatever name and type say: what may hold signatures of its own."""

    content_id: str
    name: str
    content_type: str | None
    size: int
    sha256: str
    form: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """Gói tin gửi lên: what came in, by whom, how, when.

    `digest` is the package digest (`schemas.digest`); in parts, `payload` is the envelope alone. `only_for` names the
    recipients that this copy is for when a neighbour passes it on; `None` means all that the document names.
    """

    payload: PayloadRef
    digest: str
    by: Principal
    at: datetime
    only_for: tuple[AgencyCode, ...] | None = None
    hops: tuple[Hop, ...] = ()
    form: PackageForm = PackageForm.INLINE


@dataclass(frozen=True, slots=True)
class Document:
    """Văn bản đã vào trục. Facts come from the verified bytes (or, unsigned, from the gated ones).

    `nonce` (hex, 32 octets) opens the commitments that the log holds about this document. `crossed` says whether it
    passed, or is to pass, the national axis. `receipt_state` is the state at intake and never changes. Since
    `removed_at` its content is no longer kept: no octets, no subject, no names of attachments. `by`, `only_for` and
    `hops` are those of the first time that it came; `ways` are the others (`axis.core.way`).
    """

    ref: DocumentRef
    sender: AgencyCode
    kind: MessageKind
    document_id: str
    concerns: str
    digest: str
    payload: PayloadRef
    number: str
    subject: str
    recipients: tuple[AgencyCode, ...]
    verdict: Verdict
    state: IntakeState
    receipt_state: IntakeState
    by: str
    via: Role
    accepted_at: datetime
    nonce: str
    issued_on: date | None = None
    priority: Priority = Priority.ORDINARY
    attachments: tuple[AttachmentRecord, ...] = ()
    only_for: tuple[AgencyCode, ...] | None = None
    hops: tuple[Hop, ...] = ()
    crossed: bool = False
    notes: tuple[str, ...] = ()
    form: PackageForm = PackageForm.INLINE
    removed_at: datetime | None = None
    ways: tuple[Way, ...] = ()

    @property
    def anchor(self) -> str | None:
        """SHA-256 of the trust anchor that the signer's certificate leads to, `None` where no path was found."""
        return self.verdict.path[-1] if self.verdict.path else None


class Cargo(StrEnum):
    DOCUMENT = "document"
    STATUS = "status"
    NOTICE = "notice"


class Delivery(NamedTuple):
    """Lượt chuyển: everything that leaves is one of these.

    `cargo_ref` is a `DocumentRef`, a `StatusRef` or a `NoticeRef`. `token` fences: each claim raises it, and only its
    holder settles. `seq` is the order of creation within the store, 0 before it is stored. `breaks` counts the last
    attempts in a row that ended without an outcome: an unexpected exception, or a lease that ran out. `renewed_at` is
    when an operator queued it anew.
    """

    id: DeliveryId
    cargo: Cargo
    cargo_ref: str
    document: DocumentRef | None
    endpoint: str
    recipients: tuple[AgencyCode, ...]
    lane: str
    created_at: datetime
    due_at: datetime
    priority: Priority = Priority.ORDINARY
    state: DeliveryState = DeliveryState.QUEUED
    attempts: int = 0
    token: int = 0
    seq: int = 0
    last_problem: str | None = None
    settled_at: datetime | None = None
    breaks: int = 0
    renewed_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """When its lifetime began."""
        return self.renewed_at or self.created_at

    @property
    def suspect(self) -> bool:
        """Whether its last attempts ended without an outcome more than once."""
        return self.breaks >= SUSPECT


class Attestation(StrEnum):
    """On whose word a status stands."""

    CONNECTION = "connection"  # the authenticated connection of the reporting agency
    NEIGHBOUR = "neighbour"  # a neighbouring axis or the national axis passed it on
    AXIS = "axis"  # this node set it itself on hand-over (01)


class StatusReport(NamedTuple):
    """Trạng thái xử lý reported for one document at one receiver.

    `document` is `None` while no stored document matches: an orphan, kept until its document comes. `at` is the
    reporter's time, to the second, as on the wire. `receiver` is whose handling it tells of; `reporter` who said so
    (they differ only for codes that the sender sets).
    """

    ref: StatusRef
    document: DocumentRef | None
    sender: AgencyCode
    receiver: AgencyCode
    reporter: AgencyCode
    addressee: AgencyCode
    document_id: str | None
    number: str | None
    wire: str
    at: datetime
    received_at: datetime
    by: str
    via: Role
    attestation: Attestation
    standing: Standing = Standing.APPLIED
    description: str | None = None
    issued_on: date | None = None
    staff: StaffInfo | None = None
    hops: tuple[Hop, ...] = ()

    @property
    def status(self) -> Status | None:
        """The status by name, `None` for a wire code that we do not know (carried on, never invented)."""
        return BY_WIRE.get(self.wire)


class NoticeOutcome(StrEnum):
    """What a notice tells of a document."""

    RELEASED = "released"  # it was held; accepted after all, and on its way
    REFUSED = "refused"  # it was held; not accepted: nothing of it was delivered
    UNDELIVERED = "undelivered"  # it, or a status about it, does not reach the recipients that the notice names


@dataclass(frozen=True, slots=True)
class Notice:
    """Thông báo: the signed word of an axis to a sender about a document that it gave a receipt for.

    `octets` is canonical JSON with its signature, made by the axis that the notice names and passed on unchanged.
    """

    ref: NoticeRef
    document: DocumentRef
    outcome: NoticeOutcome
    octets: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class JudgedAttachment:
    """Kết luận về một tệp đính kèm: what the judge says of the PDFs in one attachment.

    `verdict` is the whole of it (`signing.pdf.AttachmentVerdicts.to_dict`), `outcome` the worst in it, `None` where it
    holds no PDF, and `reason` that of the PDF that decided. `waits`: revocation is what is left to know. `place` is
    its place in the manifest, from 1: content ids may be missing.
    """

    place: int
    content_id: str
    outcome: PdfOutcome | None
    reason: Reason | None
    waits: bool
    verdict: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AttachmentVerdict:
    """One judgement of one attachment, kept for ever; the one of the highest `round` counts."""

    document: DocumentRef
    round: int
    judged_at: datetime
    found: JudgedAttachment


@dataclass(frozen=True, slots=True)
class AttachmentCheck:
    """How far judging the attachments of one document is.

    `outcome` is the worst of the newest verdicts. `due_at` is when they are judged next, `None` when that is over;
    `rounds` counts the judgements, `since` is when the first was due.
    """

    document: DocumentRef
    since: datetime
    due_at: datetime | None
    rounds: int = 0
    outcome: PdfOutcome | None = None


@dataclass(frozen=True, slots=True)
class AddDocument:
    document: Document


@dataclass(frozen=True, slots=True)
class MoveDocument:
    """HELD → ACCEPTED or REFUSED, with the verdict that moved it; the store repeats `was` in its WHERE."""

    ref: DocumentRef
    was: IntakeState
    now: IntakeState
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SetWays:
    """The document came again, by another way or for further recipients: `ways` are all but the first. Of a held one
    these are released to all of them, so the store repeats `was` in its WHERE."""

    ref: DocumentRef
    was: IntakeState
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class MarkCrossed:
    ref: DocumentRef


@dataclass(frozen=True, slots=True)
class AddDelivery:
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class MoveDelivery:
    """One step of the delivery table; the store repeats `was` and `token` in its WHERE: a lost race is an error.

    `due_at`, `problem` and `breaks` stay as they were where the step names none. `REQUEUE` begins anew: no attempts, no
    breaks, a lifetime from `at` on. What waits behind it in its lane has that as well; so after `RELEASE` and `DROP`.
    """

    id: DeliveryId
    was: DeliveryState
    event: DeliveryEvent
    now: DeliveryState
    token: int
    at: datetime
    due_at: datetime | None = None
    problem: str | None = None
    breaks: int | None = None


@dataclass(frozen=True, slots=True)
class HoldEndpoint:
    """Nothing is claimed for this endpoint until `FreeEndpoint`, whatever is or will be queued."""

    endpoint: str
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class FreeEndpoint:
    endpoint: str


@dataclass(frozen=True, slots=True)
class AddStatus:
    report: StatusReport


@dataclass(frozen=True, slots=True)
class AdoptStatus:
    """An orphan finds its document."""

    ref: StatusRef
    document: DocumentRef
    standing: Standing


@dataclass(frozen=True, slots=True)
class AddNotice:
    notice: Notice


@dataclass(frozen=True, slots=True)
class AddAttachmentCheck:
    check: AttachmentCheck


@dataclass(frozen=True, slots=True)
class MoveAttachmentCheck:
    """One round further; the store repeats `was`, the rounds before, in its WHERE."""

    check: AttachmentCheck
    was: int


@dataclass(frozen=True, slots=True)
class AddAttachmentVerdict:
    verdict: AttachmentVerdict


@dataclass(frozen=True, slots=True)
class RemoveContent:
    """The document has no content from `at` on: `attachments` stay without their names, and what lies under the digests
    `octets` goes later, unless another document names it."""

    ref: DocumentRef
    at: datetime
    attachments: tuple[AttachmentRecord, ...]
    octets: tuple[str, ...]


Change = (
    AddDocument
    | MoveDocument
    | SetWays
    | MarkCrossed
    | AddDelivery
    | MoveDelivery
    | HoldEndpoint
    | FreeEndpoint
    | AddStatus
    | AdoptStatus
    | AddNotice
    | AddAttachmentCheck
    | MoveAttachmentCheck
    | AddAttachmentVerdict
    | AddFollowUp
    | MoveFollowUp
    | RemoveContent
)

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True)
class Decision(Generic[R]):
    """What to write and what to answer. There is no change without a log entry."""

    entries: tuple[LogEntry, ...]
    changes: tuple[Change, ...]
    reply: R

    def __post_init__(self) -> None:
        assert self.entries or not self.changes, "a change without a log entry"
