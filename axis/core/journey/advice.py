"""What a person at the node does next about a delivery that does not get on: one table, by the stable code."""

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
