"""A log entry as the octets of a leaf, and the commitments inside it.

Golden vectors in `tests/unit/core/test_entry.py` pin both for ever: an old log must verify with new code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from axis.core.canonical import Json, canonical
from axis.core.model import EntryKind, LogEntry
from axis.core.times import rfc3339
from signing.verdict import Sentence

VERSION: Final = 1
_DOMAIN: Final = b"axis/v1/commitment\x00"

ENTRY_MEANING: Final[Mapping[EntryKind, Sentence]] = MappingProxyType(
    {
        EntryKind.ACCEPTED: Sentence(
            "văn bản được nhận; kết quả kiểm tra chữ ký, nơi gửi, nơi nhận, cam kết về mã và gói tin",
            "a document was accepted; verdict, sender, recipients, commitments to id and package",
        ),
        EntryKind.HELD: Sentence(
            "văn bản tạm giữ chờ căn cứ thu hồi; chưa chuyển đi đâu",
            "a document waits for revocation evidence; nothing is delivered",
        ),
        EntryKind.REPEATED: Sentence(
            "cùng gói tin đến lại; trả biên nhận lần đầu", "the same package came again; the first receipt was given"
        ),
        EntryKind.REFUSED: Sentence(
            "gói tin của bên đã xác thực bị từ chối; mã lỗi và kết quả kiểm tra",
            "a submission of an authenticated caller was refused; problem and verdict",
        ),
        EntryKind.ROUTED: Sentence(
            "nơi nhận, điểm kết nối đã chọn và tiền tố quyết định",
            "recipients and the endpoints chosen for them, with the prefix that matched",
        ),
        EntryKind.RELEASED: Sentence(
            "văn bản tạm giữ được nhận hoặc bị từ chối sau khi xét lại",
            "a held document was accepted or refused after a new judgement",
        ),
        EntryKind.NOTICE: Sentence(
            "nơi gửi được báo về văn bản đã tạm giữ, hoặc văn bản không chuyển được",
            "the sender is told what became of a document that was held, or that one stays undelivered",
        ),
        EntryKind.ATTACHMENTS: Sentence(
            "đã xét chữ ký trong các tệp PDF đính kèm; kết luận từng tệp",
            "the PDFs in a document's attachments were judged; the outcome of each attachment",
        ),
        EntryKind.DELIVERED: Sentence(
            "bên kia đã có văn bản, trạng thái hoặc thông báo", "a destination has a document, status or notice"
        ),
        EntryKind.DEFERRED: Sentence("một lần thử hỏng tạm thời; sẽ thử lại", "an attempt failed for now; due again"),
        EntryKind.FAILED: Sentence("lượt chuyển kết thúc mà không thành", "a delivery ended without success"),
        EntryKind.FOLLOWED: Sentence(
            "đã hỏi bên kia về điều họ đã nhận; có gửi lại hay không",
            "a destination was asked what became of what it took; whether it is sent again",
        ),
        EntryKind.OPERATED: Sentence(
            "người quản trị tác động đến một lượt chuyển hay cả điểm kết nối; ai, vì sao",
            "an operator acted on a delivery, or on all of an endpoint; who, and why",
        ),
        EntryKind.STATUS: Sentence(
            "một trạng thái xử lý được báo; mã, nơi nhận, ý nghĩa của lần báo",
            "a business status was reported; code, receiver, standing",
        ),
        EntryKind.STATUS_REFUSED: Sentence(
            "trạng thái mà bên báo không được đặt bị từ chối", "a status that this party may never set was refused"
        ),
        EntryKind.ORPHAN_MATCHED: Sentence(
            "trạng thái đến trước nay đã có văn bản của nó", "a status that came before its document found it"
        ),
        EntryKind.STARTED: Sentence("trục khởi động", "the daemon started"),
        EntryKind.STOPPED: Sentence("trục dừng có trật tự", "the daemon stopped in order"),
        EntryKind.CONFIGURED: Sentence(
            "cấu hình mới có hiệu lực khi trục đang chạy; lần thứ mấy, mã băm các tệp",
            "a changed configuration is in force in a running daemon; its number, and the digest of its files",
        ),
        EntryKind.RESTORED: Sentence(
            "nút đi tiếp từ bản sao lưu; bản đó biết nhật ký đến đâu, bản ghi nào mất dữ liệu",
            "the node went on from a backup; how far that knew the log, and what has no record now",
        ),
        EntryKind.CONTENT_REMOVED: Sentence(
            "nội dung văn bản được xóa vì hết thời hạn lưu giữ; mọi chứng cứ còn lại",
            "the content of a document was removed, as its time was over; all that proves it stays",
        ),
        EntryKind.KEY_CHANGED: Sentence(
            "khóa ký nhật ký được thay: từ mốc kết thúc bằng bản ghi này, khóa mới ký",
            "the key that signs the log was replaced: from the head that ends with this entry on, the new one signs",
        ),
    }
)


def leaf(entry: LogEntry) -> bytes:
    """The octets of one leaf: canonical JSON, below 64 KiB (the limit of a C2SP entry bundle)."""
    octets = canonical(
        {
            "v": VERSION,
            "kind": str(entry.kind),
            "at": rfc3339(entry.at),
            "actor": entry.actor,
            "subject": entry.subject,
            "facts": entry.facts,
        }
    )
    if len(octets) >= 1 << 16:
        raise ValueError("a log entry is at most 65,535 octets")
    return octets


def commitment(nonce: str, name: str, value: str | bytes) -> Json:
    """A commitment to `value`: SHA-256(domain, nonce, name, SHA-256(value)), hex.

    The nonce keeps short or guessable values from being found by trying; it stays with the document's record. `name`
    separates the fields of one document.
    """
    octets = value if isinstance(value, bytes) else value.encode()
    inner = hashlib.sha256(octets).digest()
    return hashlib.sha256(_DOMAIN + bytes.fromhex(nonce) + name.encode() + b"\x00" + inner).hexdigest()
