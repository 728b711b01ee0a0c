"""What a person at the node does next about a delivery that does not get on, and about what was refused: two tables, by
the stable code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from axis.core.problems import Kind
from signing.verdict import Sentence

NEXT: Final[Mapping[Kind, Sentence]] = MappingProxyType(
    {
        Kind.DESTINATION_UNAVAILABLE: Sentence(
            "trục tự thử lại; xem mạng, chứng thư TLS, hệ thống nơi nhận; nhật ký vận hành: delivery_deferred",
            "the axis tries again by itself; look at network, TLS certificate, receiving system; operational log: "
            "delivery_deferred",
        ),
        Kind.DESTINATION_REFUSED: Sentence(
            "hỏi nơi nhận vì sao từ chối (nhật ký vận hành: delivery_failed), sửa xong thì gửi lại",
            "ask the recipient why (operational log: delivery_failed), then send it again",
        ),
        Kind.DELIVERY_EXPIRED: Sentence(
            "nơi nhận trở lại thì gửi lại, thời hạn tính từ đầu; nơi gửi đã được báo",
            "send it again once the recipient is back, its lifetime begins anew; the sender was told",
        ),
        Kind.DELIVERY_POISON: Sentence(
            "các lần thử đều đứt giữa chừng: xem nhật ký vận hành quanh lúc đó và báo người làm phần mềm, rồi gửi lại",
            "its attempts broke: look at the operational log around that time and tell the makers, then send it again",
        ),
        Kind.DELIVERY_LOST: Sentence(
            "nơi nhận để mất sau khi nhận: hỏi bên vận hành nơi đó; gửi lại nếu bản thu hồi, cập nhật chưa đến trước",
            "the destination took it and lost it: ask who runs it; it can be sent again, unless its recall or update "
            "has arrived before it",
        ),
        Kind.GIVEN_UP: Sentence(
            "người quản trị đã dừng; vẫn gửi lại được nếu là văn bản",
            "an operator ended it; a document can still be sent again",
        ),
        Kind.STORED_DAMAGED: Sentence(
            "axis fsck nói tệp nào hỏng; lấy lại từ bản sao lưu rồi gửi lại",
            "axis fsck names what is damaged; put it back from a backup, then send it again",
        ),
        Kind.STORE_UNAVAILABLE: Sentence(
            "axis doctor xem kho dữ liệu và đĩa; trục tự thử lại",
            "axis doctor looks at store and disk; the axis tries again by itself",
        ),
        Kind.KEY_UNAVAILABLE: Sentence(
            "axis doctor xem thiết bị giữ khóa; trục tự thử lại",
            "axis doctor looks at the device with the keys; the axis tries again by itself",
        ),
        Kind.INTERNAL: Sentence(
            "lỗi của trục: xem nhật ký vận hành và báo người làm phần mềm; trục tự thử lại",
            "a fault of ours: look at the operational log and tell the makers; the axis tries again by itself",
        ),
    }
)

ELSE: Final = Sentence("docs/problems.md nói ai phải làm gì", "docs/problems.md says who must act")


def next_of(code: str | None) -> Sentence | None:
    """The next step after a problem of that code; `None` without one."""
    return None if code is None else NEXT.get(Kind(code), ELSE) if code in list(Kind) else ELSE


_THEIRS: Final = Sentence(
    "báo bên gửi: phần mềm của họ gửi sai, câu trả lời đã nêu chỗ sai",
    "tell the sender: the answer named what is wrong",
)
_SIGNS_AGAIN: Final = Sentence(
    "báo cơ quan gửi ký lại từ nguồn; cột Chữ ký nói vì sao",
    "tell the sending agency to sign again at the source; the column of signatures says why",
)
REFUSED: Final[Mapping[Kind, Sentence]] = MappingProxyType(
    {
        Kind.UNAUTHENTICATED: Sentence(
            "chứng thư hay khóa của họ đã đổi? xem certificates, api_keys của điểm kết nối; không quen thì bỏ qua",
            "has their certificate or key changed? look at certificates and api_keys of the endpoint; strangers need "
            "nothing",
        ),
        Kind.FORBIDDEN: Sentence(
            "kết nối dùng sai đường: cơ quan gửi /v1/documents, trục lân cận gửi /v1/relay",
            "the wrong kind of connection: agencies send to /v1/documents, neighbouring axes to /v1/relay",
        ),
        Kind.NOT_YOUR_AGENCY: Sentence(
            "được gửi thay cơ quan đó thì thêm mã vào agencies của điểm kết nối, rồi axis reload",
            "where they may: add the code to agencies of the endpoint, then axis reload",
        ),
        Kind.SIGNATURE_FAILED: _SIGNS_AGAIN,
        Kind.SIGNATURE_MISSING: _SIGNS_AGAIN,
        Kind.ATTACHMENT_SIGNATURE_FAILED: _SIGNS_AGAIN,
        Kind.SIGNATURE_INDETERMINATE: Sentence(
            "axis doctor nói thiếu danh sách thu hồi nào; có rồi thì báo bên gửi gửi lại",
            "axis doctor names the revocation list that is missing; then tell the sender to repeat it",
        ),
        Kind.CERTIFICATE_MISMATCH: Sentence(
            "đúng là chứng thư của cơ quan đó thì axis cert bind; không thì báo họ",
            "where it is that agency's certificate: axis cert bind; otherwise tell them",
        ),
        Kind.UNKNOWN_AGENCY: Sentence(
            "mã có thật thì thêm vào danh mục (registry.files), rồi axis reload",
            "where the code exists: add it to the registry (registry.files), then axis reload",
        ),
        Kind.INACTIVE_AGENCY: Sentence(
            "báo bên gửi: cơ quan đó đã ngừng, gửi cho cơ quan kế thừa", "tell the sender: send it to the successor"
        ),
        Kind.NO_ROUTE: Sentence(
            "axis explain --from NƠI-GỬI --to NƠI-NHẬN nói vì sao; thêm [[route]], rồi axis reload",
            "axis explain --from SENDER --to RECIPIENT says why; add a [[route]], then axis reload",
        ),
        Kind.ROUTING_LOOP: Sentence(
            "tuyến của hai trục trỏ vào nhau: hỏi người quản trị trục kia, sửa [[route]]",
            "the routes of two axes lead to each other: ask the other's administrator, mend [[route]]",
        ),
        Kind.TOO_LARGE: Sentence(
            "cần nhận thì tăng limits.max_bytes, limits.max_recipients, rồi axis reload",
            "where it should be taken: raise limits.max_bytes or limits.max_recipients, then axis reload",
        ),
        Kind.DUPLICATE_CONFLICT: Sentence(
            "báo bên gửi: mã văn bản đã dùng, lấy số mới hoặc gửi đúng gói tin cũ",
            "tell the sender: the document id is taken; a new number, or the very package of before",
        ),
        Kind.ILLEGAL_STATUS: Sentence(
            "báo bên gửi trạng thái: docs/states.md nói ai được đặt mã nào",
            "tell who reported it: docs/states.md says who may set which code",
        ),
        Kind.RATE_LIMITED: Sentence(
            "hệ thống đó gửi dồn: tăng limits.per_second, limits.burst, hoặc để họ gửi chậm lại",
            "that system sends in bursts: raise limits.per_second and limits.burst, or let them slow down",
        ),
        Kind.BUSY: Sentence(
            "hay gặp thì tăng limits.at_once, hoặc thêm máy", "where it is often: raise limits.at_once, or add machines"
        ),
        Kind.REVOCATION_UNKNOWN: Sentence(
            "axis doctor nói thiếu danh sách thu hồi nào; limits.hold_count là số văn bản giữ được",
            "axis doctor names the revocation list that is missing; limits.hold_count is how many can be held",
        ),
        Kind.STORE_UNAVAILABLE: Sentence("axis doctor", "axis doctor"),
        Kind.STORED_DAMAGED: Sentence(
            "axis fsck nói tệp nào hỏng; lấy lại từ bản sao lưu",
            "axis fsck names what is damaged: take it from a backup",
        ),
        Kind.LOG_STALE: Sentence("axis doctor", "axis doctor"),
        Kind.KEY_UNAVAILABLE: Sentence("axis doctor", "axis doctor"),
        Kind.INTERNAL: Sentence(
            "lỗi của trục: xem nhật ký vận hành và báo người làm phần mềm",
            "a fault of ours: look at the operational log and tell the makers",
        ),
    }
)


def next_of_refusal(kind: Kind) -> Sentence:
    """The next step, at the node, after something was refused so."""
    return REFUSED.get(kind, _THEIRS)
