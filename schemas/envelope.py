"""What one edXML document package says, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, IntEnum

from schemas.codes import AgencyCode


class MessageKind(Enum):
    """Loại nghiệp vụ (`BussinessDocType`); the value is the wire number. Missing on the wire means NEW."""

    NEW = 0  # văn bản mới
    RECALL = 1  # thu hồi
    UPDATE = 2  # cập nhật
    REPLACE = 3  # thay thế

    slug: str
    """Its name in our own words."""

    def __init__(self, _number: int) -> None:
        self.slug = self.name.lower()


class Priority(IntEnum):
    """Độ khẩn (NĐ 30/2020 art. 4.2c). Wire values 0, 5, empty and absent are all ORDINARY."""

    ORDINARY = 0  # thường
    URGENT = 1  # khẩn
    VERY_URGENT = 2  # thượng khẩn
    EXPRESS = 3  # hỏa tốc
    EXPRESS_TIMED = 4  # hỏa tốc hẹn giờ


@dataclass(frozen=True, slots=True)
class Organization:
    """A sender or receiver. Only `code` is dependable, the rest is what the sender's system happened to know."""

    code: AgencyCode
    in_charge: str | None = None
    name: str | None = None
    address: str | None = None
    email: str | None = None
    telephone: str | None = None
    fax: str | None = None
    website: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentNumber:
    """Số, ký hiệu: `12` and `UBND-VP`, printed `12/UBND-VP`."""

    number: str
    notation: str

    def __str__(self) -> str:
        return f"{self.number}/{self.notation}"


@dataclass(frozen=True, slots=True)
class DocumentType:
    """Loại văn bản. The numbers disagree between systems; only `name` says something."""

    type: int | None = None
    detail: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """Người ký, as the sender typed it. It proves nothing."""

    competence: str | None = None
    position: str | None = None
    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class OtherInfo:
    priority: Priority = Priority.ORDINARY
    sphere: str | None = None
    typer_notation: str | None = None
    promulgation_amount: int | None = None
    page_amount: int | None = None
    reply_fors: str | None = None
    direction: bool | None = None
    reference_codes: str | None = None
    appendixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseFor:
    """The document that this one answers or concerns. `code` is the joined `số/ký hiệu`."""

    organ: AgencyCode | None = None
    code: str | None = None
    document_id: str | None = None
    promulgated_on: date | None = None


@dataclass(frozen=True, slots=True)
class StaffInfo:
    department: str | None = None
    staff: str | None = None
    email: str | None = None
    mobile: str | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver of an update: `added` (ReceiverType 1) or removed (0)."""

    code: AgencyCode
    added: bool


@dataclass(frozen=True, slots=True)
class Replacement:
    """One replaced document and the receivers concerned."""

    document_id: str
    receivers: tuple[AgencyCode, ...] = ()


@dataclass(frozen=True, slots=True)
class Business:
    """Khối nghiệp vụ (`Bussiness`, spelt so on the wire)."""

    kind: MessageKind = MessageKind.NEW
    reason: str | None = None
    document_id: str | None = None
    paper: bool = False
    document_info: bool | None = None
    document_receiver: bool | None = None
    receivers: tuple[Receiver, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    staff: StaffInfo | None = None


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """One hop as a package tells it. The real axis has written hops without an agency."""

    organ: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class AttachmentInfo:
    """Tệp đính kèm as the manifest names it; `content_id` without `cid:`. The octets travel apart.

    Where the manifest does not say a name it is not `named`, and the id stands there for one.
    """

    content_id: str
    name: str
    content_type: str | None = None
    description: str | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything an edXML document package says, without the attachments' octets.

    `document_id` is `None` when the sender gave none; `schemas.edxml.effective_document_id` builds the customary one.
    Dates are Vietnam's calendar; `traces` are what the package itself carries, never trusted for routing.
    """

    sender: Organization
    recipients: tuple[Organization, ...]
    number: DocumentNumber
    subject: str
    document_id: str | None = None
    issued_on: date | None = None
    issued_at: str | None = None
    type: DocumentType = DocumentType()
    content: str | None = None
    signer: SignerInfo | None = None
    due_on: date | None = None
    other: OtherInfo = OtherInfo()
    responses: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    task_codes: tuple[str, ...] = ()
    application_type: str | None = None
    places: tuple[str, ...] = ()
    business: Business = Business()
    traces: tuple[TraceHeader, ...] = ()
    attachments: tuple[AttachmentInfo, ...] = ()

    @property
    def kind(self) -> MessageKind:
        return self.business.kind


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """A status message (thông điệp trạng thái) as it stands on the wire.

    `wire_code` is kept as text of two digits: unknown codes are carried on, never invented. `addressee` is
    `ResponseFor/OrganId`: status messages have no `To`. `at` has a zone (Vietnam time on the wire).
    """

    reporter: Organization
    addressee: AgencyCode
    document_id: str | None
    code: str | None
    wire_code: str
    at: datetime | None
    description: str | None = None
    promulgated_on: date | None = None
    staff: StaffInfo | None = None
