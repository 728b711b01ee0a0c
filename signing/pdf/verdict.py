"""What the judge says of a PDF: one verdict for each signature, one outcome for the document.

Signatures speak EN 319 102-1 (`signing.verdict.Verdict`); a document has one of four outcomes, the words that a clerk
reads. `to_dict` and `from_dict` are inverse and use JSON types only.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from signing.verdict import OUTCOMES, Evidence, PdfOutcome, Reason, Sentence, SubIndication, Verdict, verdict_from_dict

if TYPE_CHECKING:
    from signing.timestamp import TimestampVerdict

VERSION: Final = 1


class Changes(StrEnum):
    """What was done to the file after a signature, as the difference analysis sees it."""

    NONE = "none"
    VALIDATION_DATA = "validation-data"  # DSS, document time stamps
    SIGNATURES = "signatures"
    FORM_FILLING = "form-filling"
    OTHER = "other"
    UNKNOWN = "unknown"  # the analysis could not be completed


class Role(StrEnum):
    """Who a signer seems to be (NĐ 30/2020 art. 5: the competent person, and the organisation)."""

    PERSON = "person"
    ORGANISATION = "organisation"
    UNKNOWN = "unknown"


class FindingCode(StrEnum):
    """What was noticed about the file as a whole. Stable: reports and tests quote it."""

    DAMAGED = "damaged"
    ENCRYPTED = "encrypted"
    LIMIT = "limit"
    PROCESSING = "processing-error"
    REMOVED = "signature-removed"
    OUTSIDE_FORM = "signature-outside-form"
    EMPTY_FIELD = "empty-signature-field"
    LENIENT = "lenient-structure"
    VALIDATION_DATA = "validation-data-present"
    TIMESTAMP_FAILED = "document-timestamp-failed"
    TIMESTAMP_DOUBTFUL = "document-timestamp-doubtful"
    TIMESTAMP_UNKNOWN = "timestamp-revocation-unknown"
    TIMESTAMP_REVOKED = "timestamp-authority-revoked"
    ROLE_NOT_SHOWN = "role-not-shown"
    ACTIVE = "active-content"
    NOT_SEARCHED = "active-content-not-searched"


FINDINGS: Final[Mapping[FindingCode, Sentence]] = MappingProxyType(
    {
        FindingCode.DAMAGED: Sentence("Tệp PDF hỏng, không đọc được", "the PDF is damaged and cannot be read"),
        FindingCode.ENCRYPTED: Sentence(
            "Tệp PDF được mã hóa, không kiểm tra được chữ ký", "the PDF is encrypted; its signatures cannot be judged"
        ),
        FindingCode.LIMIT: Sentence(
            "Tệp PDF vượt giới hạn kiểm tra", "the PDF is larger or more involved than what is judged"
        ),
        FindingCode.PROCESSING: Sentence("Không hoàn tất được việc kiểm tra", "the check could not be completed"),
        FindingCode.REMOVED: Sentence(
            "Một chữ ký của bản trước đã bị gỡ bỏ", "a signature of an earlier revision has been removed"
        ),
        FindingCode.OUTSIDE_FORM: Sentence(
            "Có dữ liệu chữ ký không thuộc trường chữ ký nào", "there is signature data that no signature field holds"
        ),
        FindingCode.EMPTY_FIELD: Sentence("Có trường chữ ký chưa ký", "a signature field is empty"),
        FindingCode.LENIENT: Sentence(
            "Cấu trúc PDF không hoàn toàn đúng chuẩn", "the PDF's structure is not strictly conformant"
        ),
        FindingCode.VALIDATION_DATA: Sentence(
            "Tệp kèm dữ liệu xác minh (DSS), không được sử dụng", "the file carries validation data (DSS), not used"
        ),
        FindingCode.TIMESTAMP_FAILED: Sentence("Dấu thời gian của tệp sai", "a document time stamp is wrong"),
        FindingCode.TIMESTAMP_DOUBTFUL: Sentence(
            "Chưa xác định được độ tin cậy của dấu thời gian", "a document time stamp could not be trusted"
        ),
        FindingCode.TIMESTAMP_UNKNOWN: Sentence(
            "Chưa xác định được chứng thư số của nơi cấp dấu thời gian có bị thu hồi không",
            "whether a time stamp's authority was revoked could not be determined",
        ),
        FindingCode.TIMESTAMP_REVOKED: Sentence(
            "Chứng thư số của nơi cấp dấu thời gian đã bị thu hồi", "a time stamp's authority was revoked"
        ),
        FindingCode.ROLE_NOT_SHOWN: Sentence(
            "Chưa thấy đủ chữ ký của người có thẩm quyền và của cơ quan",
            "not every required signer can be told from the certificates",
        ),
        FindingCode.ACTIVE: Sentence(
            "Tệp có nội dung động (mã lệnh, biểu mẫu, lớp ẩn, tệp kèm), có thể hiển thị khác khi mở",
            "the PDF has active content (scripts, forms, hidden layers, files inside) and may show something else",
        ),
        FindingCode.NOT_SEARCHED: Sentence(
            "Chưa xem hết tệp có nội dung động hay không", "not all of the PDF was searched for active content"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    code: FindingCode
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RoleHint:
    """A guess, never a proof: `because` says which fact of the certificate it rests on."""

    role: Role
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A time-stamp token (dấu thời gian) and what it is worth.

    `genuine` where the token itself is right (imprint, value); `trusted` where its authority is believed too, and only
    then `gen_time` proves anything. `gen_time` is as the authority wrote it, never corrected. What is told of a
    `TimestampVerdict`.
    """

    sha256: str
    genuine: bool
    trusted: bool
    reason: Reason
    sub_indication: SubIndication | None
    gen_time: datetime | None = None
    authority: str = ""
    certificate: str = ""

    @staticmethod
    def of(verdict: TimestampVerdict) -> Timestamp:
        signer = verdict.signer
        return Timestamp(
            sha256=verdict.sha256,
            genuine=verdict.genuine,
            trusted=verdict.proven_at is not None,
            reason=verdict.reason,
            sub_indication=verdict.sub_indication,
            gen_time=verdict.gen_time,
            authority=signer.subject if signer else "",
            certificate=signer.certificate if signer else "",
        )


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """One signature field with a value.

    `revision` counts from 1 and is the one the signature belongs to, 0 where that is not known. `byte_range` is as the
    file has it. `covers_revision`: from the first octet to the end of its revision, without the value itself. `visible`
    says whether the field has an area on a page, which proves nothing. `proven_at` is the earliest time at which a
    trusted time stamp saw the signature: the certificate was judged for it. `embedded` are SHA-256 of the other
    certificates in the CMS: hints, not used. For a document time stamp (`sub_filter` ETSI.RFC3161) the verdict
    is on its authority. `certificate` is the signer's, DER, for whoever fetches evidence about it, and `brought` are
    that and those of the time stamps' authorities, by SHA-256; `missing` are those of them (DER) of which it is not
    known whether they were revoked, and may become so. None of these three is stored here.
    """

    field: str
    sub_filter: str
    revision: int
    byte_range: tuple[int, ...]
    covers_revision: bool
    covers_file: bool
    changes: Changes
    changes_detail: str
    visible: bool
    proven_at: datetime | None
    certification: int | None
    role: RoleHint
    timestamps: tuple[Timestamp, ...]
    embedded: tuple[str, ...]
    outcome: PdfOutcome
    verdict: Verdict
    certificate: bytes = dataclasses.field(default=b"", repr=False, compare=False)
    brought: Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    missing: tuple[bytes, ...] = dataclasses.field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PdfVerdict:
    """Kết quả kiểm tra một tệp PDF. `reason` is the one sentence: that of the signature or finding that decided."""

    outcome: PdfOutcome
    reason: Reason
    at: datetime
    sha256: str
    octets: int
    revisions: int
    policy: str
    policy_sha256: str
    signatures: tuple[PdfSignature, ...] = ()
    timestamps: tuple[PdfSignature, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(finding.code.value for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The stored form, with the words for the outcome and the findings in Vietnamese and English."""
        whole = asdict(self)
        for item in (*whole["signatures"], *whole["timestamps"]):
            del item["certificate"], item["brought"], item["missing"], item["verdict"]
        data = _plain(whole)
        for name, items in (("signatures", self.signatures), ("timestamps", self.timestamps)):
            for item, signature in zip(data[name], items, strict=True):
                item["verdict"] = signature.verdict.to_dict()
        for item, finding in zip(data["findings"], self.findings, strict=True):
            item["sentence"] = asdict(FINDINGS[finding.code])
        data["version"] = VERSION
        data["words"] = asdict(OUTCOMES[self.outcome])
        return data

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> PdfVerdict:
        """Read back what `to_dict` wrote. `ValueError` or `KeyError` for anything else."""
        if data["version"] != VERSION:
            raise ValueError("a PDF verdict of another version")
        return PdfVerdict(
            outcome=PdfOutcome(data["outcome"]),
            reason=Reason(data["reason"]),
            at=datetime.fromisoformat(data["at"]),
            sha256=data["sha256"],
            octets=data["octets"],
            revisions=data["revisions"],
            policy=data["policy"],
            policy_sha256=data["policy_sha256"],
            signatures=tuple(_signature(item) for item in data["signatures"]),
            timestamps=tuple(_signature(item) for item in data["timestamps"]),
            findings=tuple(Finding(FindingCode(item["code"]), item["detail"]) for item in data["findings"]),
        )


@dataclass(frozen=True, slots=True)
class EntryVerdict:
    """One PDF of an attachment. `path` are the names from the outside in: shown, never used as a path."""

    path: tuple[str, ...]
    verdict: PdfVerdict


@dataclass(frozen=True, slots=True)
class AttachmentVerdicts:
    """What is to be said of one attachment. `kind` is `pdf`, `zip` or `other`; `problems` are what could not be seen.

    `outcome` is the worst of all PDFs, `None` where there is none and nothing was hidden. `evidence` names what they
    were all judged under, policy and rules; nothing where the judge did not come to an end.
    """

    name: str
    kind: str
    sha256: str
    entries: tuple[EntryVerdict, ...] = ()
    others: int = 0
    problems: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def outcome(self) -> PdfOutcome | None:
        found = {entry.verdict.outcome for entry in self.entries}
        if self.problems:
            found.add(PdfOutcome.INDETERMINATE)
        order = (PdfOutcome.INVALID, PdfOutcome.INDETERMINATE, PdfOutcome.UNSIGNED, PdfOutcome.VALID)
        return next((outcome for outcome in order if outcome in found), None)

    @property
    def reason(self) -> Reason | None:
        """Why the outcome is what it is: the reason of the PDF that decided, `None` where there is no outcome."""
        outcome = self.outcome
        return next(
            (entry.verdict.reason for entry in self.entries if entry.verdict.outcome is outcome),
            None if outcome is None else Reason.PROCESSING,
        )

    @property
    def missing(self) -> tuple[bytes, ...]:
        """The certificates (DER), of signers and of time stamps' authorities, of which nobody knows yet whether they
        were revoked, where that is what is left to know. Told by the judge only: it is not stored."""
        if self.outcome is not PdfOutcome.INDETERMINATE:
            return ()
        each = (one for entry in self.entries for one in (*entry.verdict.signatures, *entry.verdict.timestamps))
        return tuple(dict.fromkeys(der for one in each for der in one.missing))

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "name": self.name,
            "kind": self.kind,
            "sha256": self.sha256,
            "outcome": self.outcome,
            "entries": [{"path": list(entry.path), "verdict": entry.verdict.to_dict()} for entry in self.entries],
            "others": self.others,
            "problems": list(self.problems),
            "evidence": [{"kind": row.kind, "sha256": row.sha256, "source": row.source} for row in self.evidence],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> AttachmentVerdicts:
        """Read back what `to_dict` wrote. `ValueError` or `KeyError` for anything else."""
        if data["version"] != VERSION:
            raise ValueError("attachment verdicts of another version")
        return AttachmentVerdicts(
            name=data["name"],
            kind=data["kind"],
            sha256=data["sha256"],
            entries=tuple(
                EntryVerdict(tuple(item["path"]), PdfVerdict.from_dict(item["verdict"])) for item in data["entries"]
            ),
            others=data["others"],
            problems=tuple(data["problems"]),
            evidence=tuple(Evidence(row["kind"], row["sha256"], row["source"]) for row in data["evidence"]),
        )


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    def other(item: object) -> str:
        if isinstance(item, datetime):
            return item.isoformat()
        raise TypeError(type(item).__name__)

    plain: dict[str, Any] = json.loads(json.dumps(value, default=other))
    return plain


def _signature(data: Mapping[str, Any]) -> PdfSignature:
    return PdfSignature(
        field=data["field"],
        sub_filter=data["sub_filter"],
        revision=data["revision"],
        byte_range=tuple(data["byte_range"]),
        covers_revision=data["covers_revision"],
        covers_file=data["covers_file"],
        changes=Changes(data["changes"]),
        changes_detail=data["changes_detail"],
        visible=data["visible"],
        proven_at=None if data["proven_at"] is None else datetime.fromisoformat(data["proven_at"]),
        certification=data["certification"],
        role=RoleHint(Role(data["role"]["role"]), tuple(data["role"]["because"])),
        timestamps=tuple(_timestamp(item) for item in data["timestamps"]),
        embedded=tuple(data["embedded"]),
        outcome=PdfOutcome(data["outcome"]),
        verdict=verdict_from_dict(data["verdict"]),
    )


def _timestamp(data: Mapping[str, Any]) -> Timestamp:
    sub_indication, gen_time = data["sub_indication"], data["gen_time"]
    return Timestamp(
        sha256=data["sha256"],
        genuine=data["genuine"],
        trusted=data["trusted"],
        reason=Reason(data["reason"]),
        sub_indication=None if sub_indication is None else SubIndication(sub_indication),
        gen_time=None if gen_time is None else datetime.fromisoformat(gen_time),
        authority=data["authority"],
        certificate=data["certificate"],
    )
