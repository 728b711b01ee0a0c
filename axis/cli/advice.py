"""What to do next when the axis said no, in Vietnamese and English: docs/endpoints.md, section 7, in short."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

NEXT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "unauthenticated": (
            "nêu --cert và --key, hoặc --api-key-file; người quản trị của trục biết cần loại nào",
            "name --cert and --key, or --api-key-file; the node's administrator knows which it expects",
        ),
        "forbidden": (
            "việc này cần loại kết nối khác: hỏi người quản trị của trục",
            "this takes another kind of connection: ask the node's administrator",
        ),
        "not-your-agency": (
            "mục `agencies` của kết nối nói được gửi thay ai: người quản trị của trục đặt",
            "the node's administrator says in `agencies` of the connection for whom it may send",
        ),
        "signature-failed": (
            "ký lại từ nguồn; axis verify TỆP nói sai ở đâu",
            "sign again at the source; axis verify FILE says what is wrong with it",
        ),
        "signature-missing": (
            "ký gói tin: --sign-cert và --sign-key, hoặc khóa trong thiết bị",
            "sign it: --sign-cert and --sign-key, or a key in a token",
        ),
        "certificate-agency-mismatch": (
            "đăng ký chứng thư số cho nơi gửi: axis cert bind, tại trục",
            "have the certificate registered for the sender: axis cert bind, at the node",
        ),
        "unknown-agency": (
            "xem lại mã; người quản trị của trục đăng ký cơ quan",
            "look at the code; the node's administrator registers agencies",
        ),
        "inactive-agency": (
            "gửi cho cơ quan kế thừa",
            "send to its successor",
        ),
        "no-route": (
            "người quản trị của trục thêm tuyến: axis explain, tại trục",
            "the node's administrator adds a route: axis explain, at the node",
        ),
        "duplicate-conflict": (
            "gửi lại đúng tệp lần đầu để nhận lại biên nhận; hoặc lấy số mới",
            "send the file that was sent first, which gives its receipt again; or take a new number",
        ),
        "not-found": (
            "axis inbox in DELIVERY ở dòng đầu, DOCUMENT ở dòng thứ hai của mỗi mục",
            "axis inbox shows on the first line of an item its DELIVERY, on the second its DOCUMENT",
        ),
        "content-removed": (
            "nội dung đã hết thời hạn lưu giữ ở trục: hỏi cơ quan gửi, hay tìm trong hệ thống của mình",
            "the axis keeps the content no more: ask its sender, or look into your own system",
        ),
        "range-not-satisfiable": (
            "tệp đã tải nhiều hơn gói tin: tải lại từ đầu",
            "more is there than the package has: fetch it from the beginning",
        ),
        "too-large": (
            "--parts làm gói nhỏ đi một phần tư; người quản trị của trục đặt limits.max_bytes, limits.max_recipients",
            "--parts saves a quarter; the node's administrator sets limits.max_bytes and limits.max_recipients",
        ),
        "unsupported-media": (
            "tệp phải là gói tin edXML, hoặc gói nhiều phần như axis fetch lưu",
            "the file must be an edXML package, or one in parts as axis fetch saves it",
        ),
        "malformed-parts": (
            "tệp bị cụt hay bị sửa: lấy lại (axis fetch), hoặc lập lại gói tin",
            "the file is cut off or was changed: fetch it again, or make the package anew",
        ),
        "attachment": (
            "danh mục và tệp đính kèm phải khớp nhau: lập lại gói tin",
            "manifest and attachments must agree: make the package anew",
        ),
        "attachment-signature-failed": (
            "ký lại tệp đính kèm đó từ nguồn; axis verify TỆP nói sai ở đâu",
            "sign that attachment again at the source; axis verify FILE says what is wrong with it",
        ),
        "signature-indeterminate": (
            "chưa kết luận được trong thời hạn: hỏi người quản trị của trục về danh sách thu hồi",
            "it could not be decided in time: ask the node's administrator about revocation lists",
        ),
        "illegal-status": (
            "nơi nhận báo 01 đến 06, 15, 16; nơi gửi báo 13 (lấy lại)",
            "a recipient reports 01 to 06, 15, 16; the sender reports 13 (recall)",
        ),
        "too-many-repeats": (
            "không cần gửi lại: trạng thái đã có; phần mềm chỉ nên báo khi trạng thái đổi",
            "nothing is to be sent again: the status stands; software should report it only when it changes",
        ),
        "routing-loop": (
            "tuyến của hai trục trỏ vào nhau: báo người quản trị của trục",
            "two nodes lead it to each other: tell the node's administrator",
        ),
    }
)
_ANOTHER: Final = (
    "ký lại bằng chứng thư số khác, còn hiệu lực; ký lại bằng chứng thư này vẫn bị từ chối",
    "sign again with another certificate that is in force: with this one it is refused again",
)
BY_REASON: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "cert-revoked": _ANOTHER,
        "cert-ca-revoked": _ANOTHER,
        "cert-expired": _ANOTHER,
        "cert-weak-key": _ANOTHER,
        "cert-key-usage": (
            "ký lại bằng chứng thư số để ký văn bản, không phải chứng thư kết nối",
            "sign again with a certificate for signing documents, not with that of the connection",
        ),
        "cert-not-yet-valid": (
            "chứng thư số chưa đến ngày có hiệu lực, hoặc đồng hồ máy ký chạy sai",
            "the certificate is for later, or the clock of the signing machine is wrong",
        ),
        "cert-untrusted": (
            "trục không tin nơi cấp chứng thư số: hỏi người quản trị của trục (trust.anchors, trust.intermediates)",
            "the node does not believe its authority: ask the administrator (trust.anchors, trust.intermediates)",
        ),
        "cert-chain": (
            "nơi cấp chứng thư số có gì không đúng: hỏi người quản trị của trục, axis cert inspect nói rõ",
            "something about its authority is not right: ask the node's administrator, axis cert inspect tells",
        ),
        "sig-coverage": (
            "chữ ký phải bao phủ từng phần: docs/endpoints.md, mục 8; hoặc để axis send ký",
            "the signature must cover every part: docs/endpoints.md, section 8; or let axis send sign",
        ),
        "sig-algorithm": (
            "ký bằng SHA-256 trở lên: docs/endpoints.md, mục 8",
            "sign with SHA-256 or better: docs/endpoints.md, section 8",
        ),
    }
)
"""Where the reason of a verdict says more of what to do than the kind of the problem."""
_FIELDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "at": (
            "giờ kèm múi giờ, không ở tương lai: 2026-11-23T08:30:00+07:00",
            "a time with its zone, not in the future",
        ),
        "code": ('hai chữ số, trong dấu nháy: "03"', "two digits, in quotes"),
        "description": (
            "bắt buộc với 02 và 16; nhiều nhất 500 ký tự",
            "required with 02 and 16; at most 500 characters",
        ),
        "document": ("tham chiếu của trục, 26 ký tự", "the axis' reference, 26 characters"),
        "receiver": (
            "mã của một nơi nhận mà kết nối này thay mặt",
            "the code of a recipient that this connection acts for",
        ),
        "staff": ("department, staff, email nhiều nhất 200 ký tự, mobile 50", "at most 200 characters, mobile 50"),
    }
)
"""What the fields of a status must be (docs/endpoints.md, section 4)."""
_LISTS: Final = ("violations", "fields")
_NAMES: Final = ("agency", "reason", "content_id")


def next_step(kind: str, problem: Mapping[str, Any]) -> str:
    """The next step after a problem of that kind: what it lists as wrong, or our advice; empty where there is none."""
    listed = next((problem[name] for name in _LISTS if isinstance(problem.get(name), list)), ())
    advice = BY_REASON.get(str(problem.get("reason"))) or NEXT.get(kind)
    return "; ".join(_field(str(one)) for one in listed) or (f"{advice[0]} ({advice[1]})" if advice else "")


def _field(name: str) -> str:
    """What was wrong, with what it must be, where we know."""
    said = _FIELDS.get(name.partition(".")[0])
    return f"{name}: {said[0]} ({said[1]})" if said else name


def quoted(step: str, problem: Mapping[str, Any]) -> str:
    """The same for people, with the code under which the node's own log knows the answer."""
    instance = problem.get("instance")
    step = " ".join(step.split())
    code = " ".join(str(instance).split())
    return f"{step}\n  mã để hỏi quản trị (quote it when you ask): {code}".lstrip() if instance else step


def named(problem: Mapping[str, Any]) -> str:
    """Which agency, reason or attachment a problem is about, as it stands behind its sentence."""
    about = ", ".join(f"{name}: {problem[name]}" for name in _NAMES if problem.get(name))
    return f" ({about})" if about else ""
