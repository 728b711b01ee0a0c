"""The answer of the judge, in the words of ETSI EN 319 102-1.

Three indications and no fourth. "Unsigned" is not an indication: it is the absence of a signature, and a package
without one has no `Verdict` of the judge but `Verdict.unsigned()`, which never passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from signing.rows import Check as Check
from signing.rows import CheckStatus as CheckStatus
from signing.rows import Covered as Covered
from signing.rows import Evidence as Evidence
from signing.rows import Row, orjson, written
from signing.rows import Signer as Signer

VERSION: Final = 1

POLICY: Final = "policy"
RULES: Final = "rules"
BINDING: Final = "binding"
"""Kinds of evidence that are ours: what was asked for, whom we believed, and whom the signer speaks for."""


class Indication(StrEnum):
    TOTAL_PASSED = "TOTAL-PASSED"
    TOTAL_FAILED = "TOTAL-FAILED"
    INDETERMINATE = "INDETERMINATE"


class SubIndication(StrEnum):
    """Why a signature did not pass. Names of EN 319 102-1 §5.1.3; the last two are ours and marked so."""

    # TOTAL-FAILED
    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    # INDETERMINATE
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    POLICY_PROCESSING_ERROR = "POLICY_PROCESSING_ERROR"
    SIGNATURE_POLICY_NOT_AVAILABLE = "SIGNATURE_POLICY_NOT_AVAILABLE"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND_NO_POE = "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    OUT_OF_BOUNDS_NOT_REVOKED = "OUT_OF_BOUNDS_NOT_REVOKED"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    REVOCATION_OUT_OF_BOUNDS_NO_POE = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    NO_POE = "NO_POE"
    TRY_LATER = "TRY_LATER"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    # ours, beside the standard
    UNSIGNED = "UNSIGNED"  # không ký: only "để biết, tham khảo" (QĐ 28/2018 art. 4)
    NOT_VERIFIABLE = "NOT_VERIFIABLE"  # không kiểm tra được: a signature that no profile of ours can judge


FAILED: Final = frozenset(
    {
        SubIndication.FORMAT_FAILURE,
        SubIndication.HASH_FAILURE,
        SubIndication.SIG_CRYPTO_FAILURE,
        SubIndication.REVOKED,
        SubIndication.EXPIRED,
        SubIndication.NOT_YET_VALID,
    }
)


class Reason(StrEnum):
    """The key of the one sentence that says why; texts in `REASONS`. Stable: auditors and tests quote it."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    STRUCTURE = "sig-structure"
    DUPLICATE_ID = "sig-duplicate-id"
    REFERENCE = "sig-reference"
    TRANSFORM = "sig-transform"
    C14N = "sig-c14n"
    ALGORITHM = "sig-algorithm"
    KEYINFO = "sig-keyinfo"
    COVERAGE = "sig-coverage"
    DIGEST = "sig-digest"
    VALUE = "sig-value"
    LIMIT = "sig-limit"
    NAMESPACE = "sig-namespace"
    WEAK_KEY = "cert-weak-key"
    KEY_USAGE = "cert-key-usage"
    UNTRUSTED = "cert-untrusted"
    EXPIRED = "cert-expired"
    NOT_YET_VALID = "cert-not-yet-valid"
    REVOKED = "cert-revoked"
    CA_REVOKED = "cert-ca-revoked"
    REVOCATION_UNKNOWN = "cert-revocation-unknown"
    CHAIN = "cert-chain"
    NOT_BOUND = "cert-agency-mismatch"
    TIME = "sig-time"
    TIMESTAMP = "sig-timestamp"
    COUNTERSIGNATURE = "sig-countersignature"
    PROCESSING = "processing-error"


@dataclass(frozen=True, slots=True)
class Sentence(Row):
    vi: str
    en: str


REASONS: Final[Mapping[Reason, Sentence]] = MappingProxyType(
    {
        Reason.GOOD: Sentence("Chữ ký hợp lệ", "the signature is valid"),
        Reason.UNSIGNED: Sentence("Gói tin không ký, chỉ để biết, tham khảo", "the package is not signed"),
        Reason.STRUCTURE: Sentence(
            "Cấu trúc chữ ký không đúng quy định", "the signature does not have the one structure that is accepted"
        ),
        Reason.DUPLICATE_ID: Sentence("Định danh (Id) bị lặp", "an Id occurs more than once"),
        Reason.REFERENCE: Sentence(
            "Chữ ký tham chiếu đến nội dung không được phép hoặc không có",
            "a reference points to nothing, or to what may not be referenced",
        ),
        Reason.TRANSFORM: Sentence("Phép biến đổi không được phép", "a transform is not allowed"),
        Reason.C14N: Sentence(
            "Phép chuẩn hóa không được phép hoặc thất bại", "canonicalisation is not allowed or failed"
        ),
        Reason.ALGORITHM: Sentence("Thuật toán không được phép", "an algorithm is not allowed"),
        Reason.KEYINFO: Sentence(
            "Không xác định được chứng thư số của người ký", "the signing certificate cannot be determined"
        ),
        Reason.COVERAGE: Sentence(
            "Chữ ký không bao phủ toàn bộ nội dung được sử dụng", "the signature does not cover everything that is used"
        ),
        Reason.DIGEST: Sentence("Nội dung đã bị thay đổi sau khi ký", "the content was changed after signing"),
        Reason.VALUE: Sentence("Giá trị chữ ký sai", "the signature value is wrong"),
        Reason.LIMIT: Sentence("Chữ ký vượt giới hạn cho phép", "the signature exceeds a limit"),
        Reason.NAMESPACE: Sentence(
            "Không kiểm tra được: khối chữ ký không theo chuẩn XML-DSig",
            "not verifiable: the signature block is not an XML signature",
        ),
        Reason.WEAK_KEY: Sentence("Khóa của chứng thư số quá yếu", "the certificate's key is too weak"),
        Reason.KEY_USAGE: Sentence("Chứng thư số không dùng để ký", "the certificate is not meant for signing"),
        Reason.UNTRUSTED: Sentence("Chứng thư số không được tin cậy", "the certificate leads to no trusted root"),
        Reason.EXPIRED: Sentence("Chứng thư số đã hết hạn", "the certificate had expired"),
        Reason.NOT_YET_VALID: Sentence("Chứng thư số chưa có hiệu lực", "the certificate was not yet valid"),
        Reason.REVOKED: Sentence("Chứng thư số đã bị thu hồi", "the certificate is revoked"),
        Reason.CA_REVOKED: Sentence("Chứng thư số của cơ quan cấp đã bị thu hồi", "an issuing certificate is revoked"),
        Reason.REVOCATION_UNKNOWN: Sentence(
            "Chưa xác định được tình trạng thu hồi của chứng thư số", "revocation status could not be determined"
        ),
        Reason.CHAIN: Sentence("Đường dẫn chứng thực không hợp lệ", "the certification path is not valid"),
        Reason.NOT_BOUND: Sentence(
            "Chứng thư số không đại diện cho cơ quan gửi", "the certificate does not speak for the sender"
        ),
        Reason.TIME: Sentence("Thời gian ký không hợp lệ", "the signing time is not acceptable"),
        Reason.TIMESTAMP: Sentence("Dấu thời gian của chữ ký không đúng", "a time stamp of the signature is not right"),
        Reason.COUNTERSIGNATURE: Sentence(
            "Chữ ký xác nhận trên chữ ký không đúng", "a countersignature of the signature is not right"
        ),
        Reason.PROCESSING: Sentence("Không hoàn tất được việc kiểm tra", "the check could not be completed"),
    }
)


class SignatureRole(StrEnum):
    """What a signature is to its package."""

    PRIMARY = "primary"  # the one that the verdict of the package is told of
    PARALLEL = "parallel"  # over the same content, beside the primary one
    COUNTERSIGNATURE = "countersignature"  # over the value of another signature, within it


class PdfOutcome(StrEnum):
    """Kết luận về một tệp PDF."""

    VALID = "valid"
    UNSIGNED = "unsigned"
    INVALID = "invalid"
    INDETERMINATE = "indeterminate"


OUTCOMES: Final[Mapping[PdfOutcome, Sentence]] = MappingProxyType(
    {
        PdfOutcome.VALID: Sentence("hợp lệ", "valid"),
        # QĐ 28/2018 art. 4
        PdfOutcome.UNSIGNED: Sentence("không ký (để biết, tham khảo)", "not signed (for information only)"),
        PdfOutcome.INVALID: Sentence("không hợp lệ", "not valid"),
        PdfOutcome.INDETERMINATE: Sentence("chưa kết luận được", "cannot be decided yet"),
    }
)


KEPT: Final = frozenset({"certificate", "crl", "ocsp", POLICY, RULES, BINDING})
HINT: Final = "message, not believed"
"""The source of evidence that a message brought along."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Kết quả kiểm tra chữ ký số.

    `at` is the time of judgement, `claimed_at` what the signer said (proves nothing). `best_signature_time` is when a
    trusted time stamp proves the signature to have existed at the latest: the certificate was judged for that time, and
    for `at` where there is none.
    `covered` is what the signature speaks for; `not_covered` names what was asked for and missing. `profile` names the
    shape that was found (`enveloped`, `parts`, `none`). `valid_until` bounds how long the certificate facts may be
    reused, `None` where no fact has an end. `certificate_at` is when the certificate was judged, which is not `at`
    where a verdict on it was at hand already, or evidence had to be fetched first. `place` is where the signature
    stands among those of the package. `others` are the verdicts on the other signatures, each on its own, in the order
    of the document, without `others`.
    """

    indication: Indication
    sub_indication: SubIndication | None
    reason: Reason
    at: datetime
    policy: str
    policy_sha256: str
    profile: str = "none"
    signature_algorithm: str | None = None
    claimed_at: datetime | None = None
    signer: Signer | None = None
    path: tuple[str, ...] = ()
    covered: tuple[Covered, ...] = ()
    not_covered: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    quirks: tuple[str, ...] = ()
    valid_until: datetime | None = None
    best_signature_time: datetime | None = None
    certificate_at: datetime | None = None
    role: SignatureRole = SignatureRole.PRIMARY
    place: str = ""
    others: tuple[Verdict, ...] = ()
    _stored: bytes = field(default=b"", init=False, repr=False, compare=False)
    """The stored form, once it was asked for: a document's row and its log entry both have it."""

    def __post_init__(self) -> None:
        passed = self.indication is Indication.TOTAL_PASSED
        assert passed == (self.sub_indication is None), "only a pass has no sub-indication"
        assert (self.indication is Indication.TOTAL_FAILED) == (self.sub_indication in FAILED)

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED

    def but(self, **changes: Any) -> Verdict:
        """This verdict with other values, as `dataclasses.replace` makes it, which asks for every field by itself."""
        return Verdict(**dict(zip(_FIELDS, _VALUES(self), strict=True), **changes))

    def turned(self, sub_indication: SubIndication, reason: Reason, check: Check) -> Verdict:
        """This verdict, no longer good for one more reason.

        A verdict that has failed already stays as it was; one that only waits for evidence (TRY_LATER) does not: no
        evidence can mend the new reason.
        """
        if not self.passed and self.sub_indication is not SubIndication.TRY_LATER:
            return self
        return self.but(
            indication=indication_of(sub_indication),
            sub_indication=sub_indication,
            reason=reason,
            checks=(*self.checks, check),
        )

    def to_dict(self) -> dict[str, Any]:
        """What is stored: JSON types only, times as RFC 3339, one sentence in Vietnamese and English."""
        said = {name: getattr(self, name) for name in _FIELDS}
        octets = orjson.dumps({**said, "version": VERSION, "sentence": REASONS[self.reason]})
        data: dict[str, Any] = orjson.loads(octets)
        return data

    def stored(self) -> bytes:
        """The stored form: `to_dict` as canonical JSON (RFC 8785), sorted, nothing between; none of it is a float."""
        if not self._stored:
            object.__setattr__(self, "_stored", _canonical(self, _STORED))
        return self._stored


_FIELDS: Final = tuple(one.name for one in fields(Verdict) if one.init)
_VALUES: Final = attrgetter(*_FIELDS)
_SORTED: Final = tuple(sorted(_FIELDS))
_STORED: Final = tuple(sorted((*_FIELDS, "sentence", "version")))


def _canonical(verdict: Verdict, names: tuple[str, ...]) -> bytes:
    """`names` of a verdict, in that order."""
    said = dict[str, Any].fromkeys(names)
    said.update(zip(_FIELDS, _VALUES(verdict), strict=True))
    said["checks"] = orjson.Fragment(written(verdict.checks))
    said["covered"] = [one.told() for one in verdict.covered]  # of this package alone
    said["evidence"] = orjson.Fragment(written(verdict.evidence))
    if verdict.signer is not None:
        said["signer"] = orjson.Fragment(verdict.signer.written())
    if verdict.others:
        said["others"] = [orjson.Fragment(_canonical(other, _SORTED)) for other in verdict.others]
    if names is _STORED:
        said["sentence"], said["version"] = orjson.Fragment(REASONS[verdict.reason].written()), VERSION
    octets: bytes = orjson.dumps(said)
    return octets


def kept_evidence(verdict: Verdict) -> dict[str, str]:
    """Kind by digest of everything that must be kept beside this verdict and its `others`; the rest is in the package.

    Nothing for a verdict that names no policy: it was taken before evidence was kept.
    """
    found: dict[str, str] = {}
    names_policy = False
    for one in (verdict, *verdict.others):
        for row in one.evidence:
            kind = row.kind
            if kind in KEPT and row.source != HINT:
                found[row.sha256] = kind
                names_policy |= kind == POLICY
    return found if names_policy else {}


def kept_pdf_evidence(said: Mapping[str, Any]) -> dict[str, str]:
    """`kept_evidence` of the verdicts on an attachment, of their stored form (`signing.pdf.AttachmentVerdicts`).

    Nothing for those that name no policy: the judge did not come to an end.
    """
    rows = list(said.get("evidence", ()))
    if not any(row["kind"] == POLICY for row in rows):
        return {}
    for entry in said["entries"]:
        for one in (*entry["verdict"]["signatures"], *entry["verdict"]["timestamps"]):
            rows += one["verdict"]["evidence"]
    return {row["sha256"]: row["kind"] for row in rows if row["kind"] in KEPT and row["source"] != HINT}


def indication_of(sub_indication: SubIndication) -> Indication:
    return Indication.TOTAL_FAILED if sub_indication in FAILED else Indication.INDETERMINATE


def verdict_from_dict(data: Mapping[str, Any]) -> Verdict:
    """Read back what `to_dict` wrote. `ValueError` or `KeyError` for anything else."""
    if data["version"] != VERSION:
        raise ValueError("a verdict of another version")
    return _read(data)


def _read(data: Mapping[str, Any]) -> Verdict:
    def when(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text)

    def sure(text: str) -> datetime:
        return datetime.fromisoformat(text)

    signer = data["signer"]
    return Verdict(
        indication=Indication(data["indication"]),
        sub_indication=None if data["sub_indication"] is None else SubIndication(data["sub_indication"]),
        reason=Reason(data["reason"]),
        at=sure(data["at"]),
        policy=data["policy"],
        policy_sha256=data["policy_sha256"],
        profile=data["profile"],
        signature_algorithm=data["signature_algorithm"],
        claimed_at=when(data["claimed_at"]),
        signer=None
        if signer is None
        else Signer(
            **{
                **signer,
                "not_before": sure(signer["not_before"]),
                "not_after": sure(signer["not_after"]),
                "speaks_for": tuple(signer["speaks_for"]),
            }
        ),
        path=tuple(data["path"]),
        covered=tuple(Covered(**item) for item in data["covered"]),
        not_covered=tuple(data["not_covered"]),
        checks=tuple(Check(**{**item, "status": CheckStatus(item["status"])}) for item in data["checks"]),
        evidence=tuple(
            Evidence(**{**item, "this_update": when(item["this_update"]), "next_update": when(item["next_update"])})
            for item in data["evidence"]
        ),
        quirks=tuple(data["quirks"]),
        valid_until=when(data["valid_until"]),
        # Verdicts that were stored before these were known do not have them.
        best_signature_time=when(data.get("best_signature_time")),
        certificate_at=when(data.get("certificate_at")),
        # Nor those from before several signatures were judged these.
        role=SignatureRole(data.get("role", SignatureRole.PRIMARY)),
        place=data.get("place", ""),
        others=tuple(map(_read, data.get("others", ()))),
    )


def unsigned(at: datetime, policy: str, policy_sha256: str) -> Verdict:
    """The verdict on a package that carries no signature: indeterminate, for information only."""
    return Verdict(
        Indication.INDETERMINATE, SubIndication.UNSIGNED, Reason.UNSIGNED, at, policy, policy_sha256, profile="none"
    )
