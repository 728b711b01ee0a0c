"""What answers look like, as types: the functions that write answers are held to them by the type checker, and the
description of the API is made of them (`axis.web.openapi`). What stands beside a type are words of JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NotRequired, TypedDict

from axis.core.follow_up import Became
from axis.core.model import Attestation, Cargo, NoticeOutcome
from axis.core.problems import TYPE_PREFIX
from axis.core.states import DeliveryState, IntakeState
from schemas.envelope import MessageKind, Priority
from schemas.multipart import PackageForm
from schemas.status import Standing
from signing.verdict import Indication, PdfOutcome, Reason

REF: Final = "[a-z0-9]{26}"
"""A reference of ours: of a document, a delivery, a status or a notice."""


@dataclass(frozen=True, eq=False, slots=True)
class Words:
    """What JSON Schema says of a type beside what the type says itself; in place of it where that is `Any`."""

    schema: Mapping[str, Any]


def _one_of(values: Iterable[str], **more: str) -> Words:
    return Words({"enum": [str(one) for one in values], **more})


Ref = Annotated[str, Words({"pattern": f"^{REF}$"})]
Agency = Annotated[str, Words({"description": "mã định danh cơ quan · an agency's code", "examples": ["H99.07"]})]
Instant = Annotated[str, Words({"format": "date-time"})]
Sha256 = Annotated[str, Words({"pattern": "^[0-9a-f]{64}$"})]
Code = Annotated[
    str, Words({"pattern": "^[0-9]{2,3}$", "description": "mã trạng thái · the status, as text of digits"})
]
_Kind = Annotated[str, _one_of(one.slug for one in MessageKind)]
_Form = Annotated[str, _one_of(PackageForm)]
_Cargo = Annotated[str, _one_of(Cargo)]
_Outcome = Annotated[str, _one_of(PdfOutcome)]
_Reason = Annotated[str, _one_of(Reason, description="docs/verdicts.md")]
_Urgency = Annotated[
    int, Words({"enum": [int(one) for one in Priority], "description": "độ khẩn · urgency, 0 is ordinary"})
]
_Vi = Annotated[str, Words({"description": "bằng tiếng Việt · in Vietnamese"})]
_En = Annotated[str, Words({"description": "bằng tiếng Anh · in English"})]
_ProblemKind = Annotated[str, Words({"description": "docs/problems.md"})]


class StatusFacts(TypedDict):
    """Một lần báo trạng thái · One status of one recipient."""

    status: Ref
    code: Code
    label: str | None
    receiver: Agency
    reporter: Agency
    at: Instant
    received_at: Instant
    description: str | None
    standing: Annotated[str, _one_of(Standing)]
    attestation: Annotated[str, _one_of(Attestation)]


class DeliveryFacts(TypedDict):
    """Một lượt chuyển · One delivery of a document or of a status about it."""

    delivery: Ref
    cargo: _Cargo
    endpoint: str
    recipients: list[Agency]
    state: Annotated[str, _one_of(DeliveryState)]
    attempts: Annotated[int, Words({"minimum": 0})]
    due_at: Instant | None
    settled_at: Instant | None
    problem: _ProblemKind | None
    became: Annotated[str, _one_of(Became)] | None


class MarkFacts(TypedDict):
    """Kết luận về các PDF đính kèm · The worst outcome of the attached PDFs."""

    outcome: _Outcome | None
    vi: _Vi
    en: _En
    again: Annotated[bool, Words({"description": "sẽ kiểm tra lại · it will be judged again"})]


class FindingFacts(TypedDict):
    """Điều thấy trong một PDF · Something that was found in a PDF."""

    code: str
    detail: str
    vi: _Vi
    en: _En


class PdfSignatureFacts(TypedDict):
    """Một chữ ký trong PDF · One signature inside a PDF."""

    field: str
    outcome: _Outcome
    vi: _Vi
    en: _En
    reason: _Reason
    reason_vi: _Vi
    reason_en: _En
    signer: str | None
    certificate: Sha256 | None
    claimed_at: Instant | None
    proven_at: Instant | None
    role_hint: Annotated[str, Words({"description": "chỉ là gợi ý · a guess, never a proof"})]
    changes_after: str
    changes_detail: str
    revision: int


class PdfFacts(TypedDict):
    """Một tệp PDF · One PDF: the attachment itself, or a file in a ZIP."""

    path: str
    outcome: _Outcome
    vi: _Vi
    en: _En
    reason: _Reason
    findings: list[FindingFacts]
    signatures: list[PdfSignatureFacts]


class EarlierFacts(TypedDict):
    """Lần kiểm tra trước · An earlier judgement."""

    judged_at: Instant
    outcome: _Outcome | None


class SignaturesFacts(TypedDict):
    """Chữ ký trong một tệp đính kèm · The signatures in one attachment, as they were judged the last time."""

    outcome: _Outcome | None
    vi: _Vi
    en: _En
    reason: NotRequired[_Reason | None]
    judged_at: NotRequired[Instant]
    waits_for_revocation: NotRequired[bool]
    pdfs: list[PdfFacts]
    not_seen: Annotated[list[Any], Words({"type": "array"})]
    earlier: NotRequired[list[EarlierFacts]]


class AttachmentFacts(TypedDict):
    """Một tệp đính kèm · One attachment; `sha256` is over its own octets."""

    content_id: str
    name: str
    type: str | None
    size: Annotated[int, Words({"minimum": 0})]
    sha256: Sha256
    signatures: SignaturesFacts | None


class DocumentFacts(TypedDict):
    """Văn bản · What a party to a document sees of it."""

    document: Ref
    state: Annotated[str, _one_of(IntakeState)]
    kind: _Kind
    sender: Agency
    document_id: str
    number: str
    subject: str
    issued_on: Annotated[str, Words({"format": "date"})] | None
    priority: _Urgency
    recipients: list[Agency]
    attachments: list[AttachmentFacts]
    attached_pdfs: MarkFacts | None
    form: _Form
    size: Annotated[int, Words({"minimum": 0})]
    sha256: Sha256
    package_sha256: Sha256
    accepted_at: Instant
    removed_at: Instant | None
    crossed: bool
    notes: list[str]
    verdict: Annotated[dict[str, Any], Words({"$ref": "#/components/schemas/Verdict"})]


class WholeDocumentFacts(DocumentFacts):
    """Văn bản, lượt chuyển, trạng thái · A document with the deliveries and statuses that the caller may see."""

    deliveries: list[DeliveryFacts]
    statuses: list[StatusFacts]


class ReceiptFacts(TypedDict):
    """Biên nhận · The receipt: canonical JSON (RFC 8785), signed with Ed25519. Keep its octets."""

    v: int
    type: Annotated[str, Words({"const": "axis-receipt"})]
    node: str
    document: Ref
    state: Annotated[str, _one_of(IntakeState)]
    sender: Agency
    kind: _Kind
    document_id: str
    package_sha256: Sha256
    bytes_sha256: Sha256
    bytes: Annotated[int, Words({"minimum": 0})]
    verdict: Annotated[str, _one_of(Indication)]
    policy_sha256: Sha256 | None
    accepted_at: Instant
    merge_by: Instant
    key_id: str
    signature: str


class NoticeFacts(TypedDict):
    """Thông báo · The signed word of an axis on what became of a document later. The last four tell of what could not
    be delivered."""

    v: int
    type: Annotated[str, Words({"const": "axis-notice"})]
    node: str
    document: Ref
    outcome: Annotated[str, _one_of(NoticeOutcome)]
    reason: str
    sender: Agency
    kind: _Kind
    document_id: str
    package_sha256: Sha256
    accepted_at: Instant
    at: Instant
    key_id: str
    signature: str
    cargo: NotRequired[_Cargo]
    delivery: NotRequired[Ref]
    recipients: NotRequired[list[Agency]]
    code: NotRequired[Code]


class InboxItemFacts(TypedDict):
    """Một mục trong hộp thư · One thing that waits. What is stored as JSON is told as it is stored."""

    delivery: Ref
    seq: Annotated[int, Words({"minimum": 1})]
    cargo: _Cargo
    recipients: Annotated[Any, Words({"type": "array", "items": {"type": "string"}})]
    document: Ref | None
    sender: Agency | None
    document_id: str | None
    number: str | None
    subject: str | None
    priority: _Urgency
    form: _Form | None
    size: Annotated[int, Words({"minimum": 0})] | None
    sha256: Sha256 | None
    attached_pdfs: MarkFacts | None
    status: StatusFacts | None
    notice: Annotated[Any, Words({"anyOf": [{"$ref": "#/components/schemas/Notice"}, {"type": "null"}]})]


class InboxFacts(TypedDict):
    """Một trang hộp thư · One page of the mailbox; `next` is the `after` of the next one."""

    items: list[InboxItemFacts]
    next: int | None


class AcknowledgedFacts(TypedDict):
    """Lượt chuyển đã giao · The settled delivery, and the 01 that the axis recorded for it."""

    delivery: Ref
    document: Ref | None
    state: Annotated[str, Words({"const": DeliveryState.DELIVERED.value})]
    settled_at: Instant | None
    arrived: StatusFacts | None


class TakenNoticeFacts(TypedDict):
    """Thông báo đã nhận · The notice that was taken; `null` where it was known."""

    notice: Ref | None


class ToldProblemFacts(TypedDict):
    """Vì sao không · What is wrong with one of several. More members may stand beside these."""

    type: Annotated[str, Words({"pattern": f"^{TYPE_PREFIX}[a-z-]+$"})]
    title: str
    title_vi: str
    status: Annotated[int, Words({"minimum": 400, "maximum": 599})]
    detail: NotRequired[str]
    fields: NotRequired[list[str]]


class ProblemFacts(ToldProblemFacts):
    """Lỗi · A problem (RFC 9457). Branch on `type`; quote `instance` to the administrator. docs/problems.md"""

    instance: Annotated[str, Words({"pattern": "^urn:axis:request:[0-9a-f]{16}$"})]


class ResultFacts(TypedDict):
    """Kết quả của một mục · Either the recorded status, or why it was not."""

    status: NotRequired[StatusFacts]
    problem: NotRequired[ToldProblemFacts]


class ResultsFacts(TypedDict):
    """Kết quả, cùng thứ tự · One result for each item, in their order."""

    results: list[ResultFacts]
