"""Everything that can go wrong with what others send or receive: one table, one value, two exceptions.

Two questions decide a kind: who must act, and does waiting help. `docs/problems.md` is generated from `TABLE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

TYPE_PREFIX: Final = "urn:axis:problem:"


class Kind(StrEnum):
    UNAUTHENTICATED = "unauthenticated"
    NOT_YOUR_AGENCY = "not-your-agency"
    FORBIDDEN = "forbidden"
    BAD_REQUEST = "bad-request"
    UNSUPPORTED_MEDIA = "unsupported-media"
    MALFORMED_XML = "malformed-xml"
    MALFORMED_PARTS = "malformed-parts"
    SCHEMA_VIOLATION = "schema-violation"
    ATTACHMENT = "attachment"
    TOO_LARGE = "too-large"
    SIGNATURE_FAILED = "signature-failed"
    SIGNATURE_MISSING = "signature-missing"
    ATTACHMENT_SIGNATURE_FAILED = "attachment-signature-failed"
    SIGNATURE_INDETERMINATE = "signature-indeterminate"
    CERTIFICATE_MISMATCH = "certificate-agency-mismatch"
    UNKNOWN_AGENCY = "unknown-agency"
    INACTIVE_AGENCY = "inactive-agency"
    NO_ROUTE = "no-route"
    ROUTING_LOOP = "routing-loop"
    DUPLICATE_CONFLICT = "duplicate-conflict"
    ILLEGAL_STATUS = "illegal-status"
    TOO_MANY_REPEATS = "too-many-repeats"
    NOT_FOUND = "not-found"
    CONTENT_REMOVED = "content-removed"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    RANGE = "range-not-satisfiable"
    RATE_LIMITED = "rate-limited"
    BUSY = "busy"
    TOO_SLOW = "too-slow"
    DESTINATION_UNAVAILABLE = "destination-unavailable"
    DESTINATION_REFUSED = "destination-refused"
    DELIVERY_EXPIRED = "delivery-expired"
    DELIVERY_POISON = "delivery-poison"
    DELIVERY_LOST = "delivery-lost"
    GIVEN_UP = "given-up"
    NOT_POSSIBLE = "not-possible"
    REVOCATION_UNKNOWN = "revocation-unknown"
    STORE_UNAVAILABLE = "store-unavailable"
    STORED_DAMAGED = "stored-damaged"
    LOG_STALE = "log-stale"
    KEY_UNAVAILABLE = "key-unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Row:
    """`http` is the answer's status (0: never an answer); `temporary` says whether waiting helps."""

    http: int
    temporary: bool
    acts: str
    vi: str
    en: str


TABLE: Final[Mapping[Kind, Row]] = MappingProxyType(
    {
        Kind.UNAUTHENTICATED: Row(401, False, "caller", "Chưa xác thực", "credentials are missing or wrong"),
        Kind.NOT_YOUR_AGENCY: Row(
            403,
            False,
            "sender",
            "Hệ thống không được gửi thay cơ quan này",
            "this connection may not act for that agency",
        ),
        Kind.FORBIDDEN: Row(403, False, "caller", "Không được phép", "this connection may not do that"),
        Kind.BAD_REQUEST: Row(400, False, "caller", "Yêu cầu không hợp lệ", "the request is not understood"),
        Kind.UNSUPPORTED_MEDIA: Row(415, False, "caller", "Kiểu dữ liệu không hỗ trợ", "unsupported type or encoding"),
        Kind.MALFORMED_XML: Row(400, False, "sender", "XML không đọc được", "the XML cannot be read"),
        Kind.MALFORMED_PARTS: Row(
            400, False, "sender", "Các phần của gói tin không đọc được", "the parts of the body cannot be read"
        ),
        Kind.SCHEMA_VIOLATION: Row(
            422, False, "sender", "Gói tin không đúng cấu trúc edXML", "not a valid edXML package"
        ),
        Kind.ATTACHMENT: Row(422, False, "sender", "Tệp đính kèm không hợp lệ", "an attachment is not acceptable"),
        Kind.TOO_LARGE: Row(413, False, "sender", "Gói tin quá lớn", "the package exceeds the limit"),
        Kind.SIGNATURE_FAILED: Row(422, False, "sender", "Chữ ký số không hợp lệ", "the signature is not acceptable"),
        Kind.SIGNATURE_MISSING: Row(422, False, "sender", "Gói tin chưa ký số", "a signature is required"),
        Kind.ATTACHMENT_SIGNATURE_FAILED: Row(
            422,
            False,
            "sender",
            "Chữ ký số trong tệp đính kèm không hợp lệ",
            "a signature inside an attachment is not valid",
        ),
        Kind.SIGNATURE_INDETERMINATE: Row(
            422, False, "sender, operator", "Chưa kết luận được chữ ký số", "the signature could not be judged in time"
        ),
        Kind.CERTIFICATE_MISMATCH: Row(
            403,
            False,
            "sender",
            "Chứng thư số không đại diện cho cơ quan gửi",
            "the certificate does not speak for From",
        ),
        Kind.UNKNOWN_AGENCY: Row(422, False, "sender", "Mã cơ quan không tồn tại", "an agency code is not registered"),
        Kind.INACTIVE_AGENCY: Row(422, False, "sender", "Cơ quan đã ngừng hoạt động", "an agency is no longer active"),
        Kind.NO_ROUTE: Row(422, False, "operator", "Không có tuyến đến nơi nhận", "no route leads to a recipient"),
        Kind.ROUTING_LOOP: Row(422, False, "operator", "Tuyến bị lặp", "the document would return to where it was"),
        Kind.DUPLICATE_CONFLICT: Row(
            409, False, "sender", "Mã văn bản đã dùng cho nội dung khác", "this document id was used for other content"
        ),
        Kind.ILLEGAL_STATUS: Row(
            409, False, "recipient", "Không được đặt trạng thái này", "this party may not set that status"
        ),
        Kind.TOO_MANY_REPEATS: Row(
            422,
            False,
            "caller",
            "Trạng thái này đã được báo, và đã báo lại quá nhiều lần",
            "this status stands already, and was told again too often",
        ),
        Kind.NOT_FOUND: Row(404, False, "caller", "Không tìm thấy", "not found"),
        Kind.CONTENT_REMOVED: Row(
            410,
            False,
            "caller",
            "Đã hết thời hạn lưu giữ, nội dung văn bản không còn ở trục",
            "the time for keeping the content has passed, and the axis has it no more",
        ),
        Kind.METHOD_NOT_ALLOWED: Row(405, False, "caller", "Phương thức không hỗ trợ", "method not allowed"),
        Kind.RANGE: Row(416, False, "caller", "Phần yêu cầu nằm ngoài gói tin", "the range lies behind the end"),
        Kind.RATE_LIMITED: Row(429, True, "caller", "Quá nhiều yêu cầu", "too many requests"),
        Kind.BUSY: Row(503, True, "caller", "Trục đang bận", "too much is being taken in at this moment"),
        Kind.TOO_SLOW: Row(408, True, "caller", "Gửi quá chậm", "the body came too slowly"),
        Kind.DESTINATION_UNAVAILABLE: Row(
            0, True, "axis", "Nơi nhận tạm thời không kết nối được", "destination unavailable"
        ),
        Kind.DESTINATION_REFUSED: Row(0, False, "recipient", "Nơi nhận từ chối", "the destination refused"),
        Kind.DELIVERY_EXPIRED: Row(
            0,
            False,
            "recipient, operator",
            "Quá thời hạn mà không chuyển được",
            "the time for delivering it is spent",
        ),
        Kind.DELIVERY_POISON: Row(
            0,
            False,
            "us, operator",
            "Lượt chuyển nhiều lần làm hỏng việc chuyển",
            "attempts at it broke again and again, and it was set aside",
        ),
        Kind.DELIVERY_LOST: Row(
            0,
            False,
            "recipient, operator",
            "Nơi nhận đã nhận nhưng sau đó không còn văn bản",
            "the destination took it, and said later that it does not know it",
        ),
        Kind.GIVEN_UP: Row(0, False, "operator", "Người vận hành trục đã dừng chuyển", "the axis' operator gave it up"),
        Kind.NOT_POSSIBLE: Row(
            0, False, "operator", "Trạng thái hiện tại không cho phép", "the present state does not allow that"
        ),
        Kind.REVOCATION_UNKNOWN: Row(
            503,
            True,
            "operator",
            "Tạm thời không xác định được tình trạng thu hồi chứng thư số",
            "revocation status cannot be determined now, and no more documents can be held",
        ),
        Kind.STORE_UNAVAILABLE: Row(
            503, True, "operator", "Kho dữ liệu tạm thời không sẵn sàng", "the store is unavailable"
        ),
        Kind.STORED_DAMAGED: Row(
            503, True, "operator", "Bản lưu tại trục bị hỏng", "what the axis stored is damaged or gone there"
        ),
        Kind.LOG_STALE: Row(503, True, "operator", "Nhật ký ký số bị chậm", "the signature log is behind"),
        Kind.KEY_UNAVAILABLE: Row(
            503, True, "operator", "Trục tạm thời không ký được biên nhận", "receipts cannot be signed now"
        ),
        Kind.INTERNAL: Row(500, True, "us", "Lỗi hệ thống", "internal error"),
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong. `detail` and `extra` are safe for strangers; `context` is for our log only.

    `detail` never names a file, host, query or policy, and never quotes the document.
    """

    kind: Kind
    detail: str = ""
    extra: Mapping[str, str | int | tuple[str, ...]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def temporary(self) -> bool:
        return TABLE[self.kind].temporary

    @property
    def type(self) -> str:
        return TYPE_PREFIX + self.kind


class ProblemError(Exception):
    """Carries a `Problem` up to whoever answers. Raise one of its two children."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.kind}: {problem.detail}")
        self.problem = problem


class Refused(ProblemError):
    """Permanent: someone must change something before it can succeed."""


class Unavailable(ProblemError):
    """Temporary: the same again, later, may succeed. `retry_after_s` where the other side named it."""

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


def answer_of(problem: Problem) -> ProblemError:
    """The exception that carries `problem`, by whether waiting helps."""
    return Unavailable(problem) if problem.temporary else Refused(problem)


def refuse(kind: Kind, detail: str = "", **context: str) -> Refused:
    return Refused(Problem(kind, detail, context=context))
