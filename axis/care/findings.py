"""What looking after a node can find, as a table: stable codes, and for each what it means and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.log.findings import MOST_OF_A_CODE
from axis.log.findings import TABLE as LOG_TABLE

OF_THE_LOG: Final = "log:"
"""What stands before a code of `axis log verify`."""


class Code(StrEnum):
    DATABASE_DAMAGED = "database-damaged"
    DATABASE_ALTERED = "database-altered"
    RESTORE_UNFINISHED = "restore-unfinished"
    ROW_UNREADABLE = "row-unreadable"
    ROW_WITHOUT_PARENT = "row-without-parent"
    COLUMN_DIFFERS = "column-differs"
    RECIPIENTS_DIFFER = "recipients-differ"
    STATE = "state"
    PAYLOAD_MISSING = "payload-missing"
    PAYLOAD_SIZE = "payload-size"
    PAYLOAD_DIGEST = "payload-digest"
    EVIDENCE_MISSING = "evidence-missing"
    EVIDENCE_SIZE = "evidence-size"
    EVIDENCE_DIGEST = "evidence-digest"
    BLOB_DIGEST = "blob-digest"
    DOCUMENT_ENTRY = "document-entry"
    DOCUMENT_DIFFERS = "document-differs"
    COMMITMENT = "commitment"
    ENTRY_WITHOUT_DOCUMENT = "entry-without-document"
    ENTRY_WITHOUT_RECORD = "entry-without-record"
    DELIVERY_WITHOUT_DOCUMENT = "delivery-without-document"
    DELIVERY_ENTRY = "delivery-entry"
    DELIVERY_DIFFERS = "delivery-differs"
    DELIVERY_OF_UNACCEPTED = "delivery-of-unaccepted"
    RECIPIENT_DELIVERIES = "recipient-deliveries"
    HOLD_DIFFERS = "hold-differs"
    NOTICE_DIFFERS = "notice-differs"
    FAILURE_NOTICE = "failure-notice"
    STATUS_ENTRY = "status-entry"
    STATUS_DIFFERS = "status-differs"
    FOLLOW_UP_DIFFERS = "follow-up-differs"
    STATUS_WITHOUT_DOCUMENT = "status-without-document"
    STATUS_OF_STRANGER = "status-of-stranger"
    ATTACHMENT_ENTRY = "attachment-entry"
    ATTACHMENT_COMMITMENT = "attachment-commitment"
    ENTRY_WITHOUT_ATTACHMENT = "entry-without-attachment"
    ATTACHMENT_OUTCOME = "attachment-outcome"
    ATTACHMENT_WITHOUT_CHECK = "attachment-without-check"
    LOG_INDEXES = "log-indexes"
    LOG_ORDER = "log-order"
    LEAF_DIFFERS = "leaf-differs"
    STORE_BEHIND_LOG = "store-behind-log"
    STORE_AHEAD_OF_LOG = "store-ahead-of-log"
    ENTRIES_LOST = "entries-lost"
    LOSS_UNSIGNED = "loss-unsigned"
    ENTRY_WAITING = "entry-waiting"
    BLOB_UNNAMED = "blob-unnamed"
    BLOB_STRAY = "blob-stray"
    SPOOL_LEFTOVER = "spool-leftover"


@dataclass(frozen=True, slots=True)
class Row:
    """`fault` says whether the store is damaged; otherwise it is only worth knowing. `remedy` is for the operator."""

    fault: bool
    vi: str
    en: str
    remedy: str


_RESTORE: Final = "stop the node, keep everything as it is, and restore a backup (axis restore)"
_ASK: Final = "stop the node, keep everything as it is: a person must find out who changed it; then restore a backup"
_OCTETS: Final = "put the file back from a backup under the same name; its digest proves that it is the right one"
_RESEND: Final = f"{_OCTETS}; then: axis queue retry"
_REPORT: Final = "keep the database as it is and report it: a program did this, no disk"
_NOTHING: Final = "nothing: axis store sweep collects it when it is old enough"

TABLE: Final[Mapping[Code, Row]] = MappingProxyType(
    {
        Code.DATABASE_DAMAGED: Row(True, "Cơ sở dữ liệu hỏng", "the database is damaged", _RESTORE),
        Code.DATABASE_ALTERED: Row(
            True,
            "Cấu trúc cơ sở dữ liệu đã bị thay đổi: nó có thể tự sửa hoặc che dữ liệu",
            "the database is not as axis made it: it may change or hide rows by itself",
            _ASK,
        ),
        Code.RESTORE_UNFINISHED: Row(
            True,
            "Khôi phục chưa xong: trục không khởi động trên kho này",
            "a restore was ended before its last step: no node starts on this store",
            "axis restore, with the same backup again: it goes on by itself",
        ),
        Code.ROW_UNREADABLE: Row(
            True,
            "Dòng dữ liệu không đọc được; chưa đối chiếu với nhật ký",
            "a row is not what such a row can be; records were not compared with the log",
            _ASK,
        ),
        Code.ROW_WITHOUT_PARENT: Row(
            True, "Dòng dữ liệu mất dòng gốc", "a row names another row that is not there", _RESTORE
        ),
        Code.COLUMN_DIFFERS: Row(
            True,
            "Cột tra cứu khác với nội dung của dòng",
            "a column that repeats another one says something else",
            _ASK,
        ),
        Code.RECIPIENTS_DIFFER: Row(
            True,
            "Bảng nơi nhận khác với văn bản",
            "the table of recipients is not what the document says",
            _ASK,
        ),
        Code.STATE: Row(
            True, "Tổ hợp trạng thái không thể có", "states that no step of the tables leads to together", _ASK
        ),
        Code.PAYLOAD_MISSING: Row(True, "Mất nội dung gói tin", "the octets of a package are missing", _RESEND),
        Code.PAYLOAD_SIZE: Row(True, "Gói tin sai cỡ", "the octets of a package have another size", _RESEND),
        Code.PAYLOAD_DIGEST: Row(True, "Gói tin sai giá trị băm", "the octets of a package were changed", _RESEND),
        Code.EVIDENCE_MISSING: Row(True, "Mất chứng cứ của kết luận", "evidence of a verdict is missing", _OCTETS),
        Code.EVIDENCE_SIZE: Row(True, "Chứng cứ sai cỡ", "evidence of a verdict has another size", _OCTETS),
        Code.EVIDENCE_DIGEST: Row(True, "Chứng cứ sai giá trị băm", "evidence of a verdict was changed", _OCTETS),
        Code.BLOB_DIGEST: Row(
            True,
            "Tệp không còn đúng với tên, chưa văn bản nào dùng",
            "a file that no row names is not what its name says",
            "remove the file: a package with this digest is not taken before (a bucket would believe it to be stored)",
        ),
        Code.DOCUMENT_ENTRY: Row(
            True, "Văn bản không có bản ghi nhật ký", "a document without the log entry of its acceptance", _ASK
        ),
        Code.DOCUMENT_DIFFERS: Row(
            True, "Văn bản đã lưu khác với nhật ký", "a stored document is not what the log says of it", _ASK
        ),
        Code.COMMITMENT: Row(
            True,
            "Cam kết trong nhật ký không mở ra văn bản đã lưu",
            "the log's commitment does not open to what is stored",
            _ASK,
        ),
        Code.ENTRY_WITHOUT_DOCUMENT: Row(
            True, "Bản ghi nhật ký không còn văn bản", "a log entry whose document is not stored", _RESTORE
        ),
        Code.ENTRY_WITHOUT_RECORD: Row(
            True,
            "Bản ghi nhật ký không còn lượt chuyển, trạng thái hay thông báo",
            "a log entry whose delivery, status or notice is not stored",
            _RESTORE,
        ),
        Code.DELIVERY_WITHOUT_DOCUMENT: Row(
            True, "Lượt chuyển không có văn bản", "a delivery without its document", _RESTORE
        ),
        Code.DELIVERY_ENTRY: Row(
            True, "Lượt chuyển khác với nhật ký", "the state of a delivery and its log entries disagree", _ASK
        ),
        Code.DELIVERY_DIFFERS: Row(
            True,
            "Lượt chuyển đi nơi khác, hoặc kết thúc khác, so với nhật ký",
            "a delivery goes elsewhere or ended otherwise than the log says",
            _ASK,
        ),
        Code.DELIVERY_OF_UNACCEPTED: Row(
            True, "Lượt chuyển của văn bản chưa nhận", "a delivery of a document that is not accepted", _ASK
        ),
        Code.RECIPIENT_DELIVERIES: Row(
            True, "Nơi nhận không có đúng một lượt chuyển", "a recipient without exactly one delivery", _RESTORE
        ),
        Code.HOLD_DIFFERS: Row(
            True,
            "Kết nối bị giữ, hoặc không bị giữ, khác với nhật ký",
            "an endpoint is held, or is not, otherwise than the log says of its operators",
            "find out who did it; axis queue hold or release says it anew, to the log as well",
        ),
        Code.NOTICE_DIFFERS: Row(
            True,
            "Thông báo khác với nhật ký, hoặc không còn như khi ký",
            "a notice is not what the log says, or not as it was signed",
            _ASK,
        ),
        Code.FAILURE_NOTICE: Row(
            True, "Lượt hỏng mà thông báo không có bản ghi", "a failure whose notice has no log entry", _REPORT
        ),
        Code.STATUS_ENTRY: Row(True, "Trạng thái không có bản ghi", "a status without its log entry", _ASK),
        Code.STATUS_DIFFERS: Row(
            True, "Trạng thái đã lưu khác với nhật ký", "a stored status is not what the log says of it", _ASK
        ),
        Code.FOLLOW_UP_DIFFERS: Row(
            True,
            "Kết quả đối soát đã lưu khác với nhật ký",
            "what is stored of asking about a handover is not what the log says of it",
            _ASK,
        ),
        Code.STATUS_WITHOUT_DOCUMENT: Row(
            True, "Trạng thái của văn bản không còn", "a status of a document that is not there", _RESTORE
        ),
        Code.STATUS_OF_STRANGER: Row(
            True, "Trạng thái của cơ quan không phải nơi nhận", "a status of an agency that is no recipient", _ASK
        ),
        Code.ATTACHMENT_ENTRY: Row(
            True, "Kết luận tệp kèm không có bản ghi", "a judgement of an attachment without its log entry", _ASK
        ),
        Code.ATTACHMENT_COMMITMENT: Row(
            True,
            "Kết luận tệp kèm khác với nhật ký",
            "a judgement of an attachment is not the one that was logged",
            _ASK,
        ),
        Code.ENTRY_WITHOUT_ATTACHMENT: Row(
            True, "Bản ghi không còn kết luận tệp kèm", "a logged judgement of an attachment is not stored", _RESTORE
        ),
        Code.ATTACHMENT_OUTCOME: Row(
            True,
            "Kết luận chung về tệp kèm sai",
            "a document's outcome is not the worst of its attachments",
            _ASK,
        ),
        Code.ATTACHMENT_WITHOUT_CHECK: Row(
            True, "Kết luận tệp kèm không có lượt kiểm tra", "a judgement of an attachment without its check", _RESTORE
        ),
        Code.LOG_INDEXES: Row(True, "Số thứ tự nhật ký bị hở", "the places in the log have gaps", _RESTORE),
        Code.LOG_ORDER: Row(
            True, "Kết quả đứng trước nguyên nhân trong nhật ký", "an entry stands before what caused it", _REPORT
        ),
        Code.LEAF_DIFFERS: Row(
            True, "Bản ghi trong kho khác bản ghi đã ký", "the store holds another entry than the one signed", _ASK
        ),
        Code.STORE_BEHIND_LOG: Row(
            True,
            "Kho lùi sau nhật ký: mất văn bản đã cấp biên nhận",
            "the store knows fewer entries than were signed: it was put back, documents with receipts are missing",
            "start nothing; restore with --log and the log's folder: the newest backup, or one made of this store now, "
            "whichever knows more (docs/care.md)",
        ),
        Code.STORE_AHEAD_OF_LOG: Row(
            True,
            "Kho đi trước nhật ký: nhật ký hoặc kho mốc bị lùi",
            "the store knows more entries than were signed: the log or the checkpoint store was put back",
            "put the newest log and checkpoint store back; never restore checkpoints from a backup",
        ),
        Code.ENTRIES_LOST: Row(
            False,
            "Bản ghi mất dữ liệu, đã khai khi khôi phục",
            "entries without records, as a restore has declared",
            "ask for what axis log lost lists: senders to send again, agencies to report again",
        ),
        Code.LOSS_UNSIGNED: Row(
            False,
            "Việc khai mất dữ liệu chưa được ký vào nhật ký",
            "a loss is declared by an entry that is not in the log yet: whoever writes the database can declare one",
            "right after axis restore: start the node; otherwise find out who declared it, before it is signed",
        ),
        Code.ENTRY_WAITING: Row(
            False,
            "Bản ghi chưa vào nhật ký",
            "an entry waits for its place in the log longer than the merge delay",
            "start the node; while it runs, axis doctor and its operational log tell what is wrong",
        ),
        Code.BLOB_UNNAMED: Row(False, "Tệp không văn bản nào dùng", "a file that no row names", _NOTHING),
        Code.BLOB_STRAY: Row(
            False,
            "Tệp lạ trong kho tệp",
            "a file that does not belong there",
            "find out who put it there, then remove it",
        ),
        Code.SPOOL_LEFTOVER: Row(
            False,
            "Tệp tạm còn sót",
            "a spool file of a process that ended",
            "nothing: the next start of that process removes it",
        ),
    }
)

_LOG_REMEDY: Final = "stop the node, keep everything as it is; axis log verify says more"
_LOG_NOTE: Final = "nothing, where the node runs: it completes its rounds by itself; axis log verify says more"


def row_of(code: str) -> Row:
    """The row of a code of ours, or of one of the log's (`log:root-mismatch`)."""
    if code.startswith(OF_THE_LOG):
        told = {one.value: row for one, row in LOG_TABLE.items()}[code.removeprefix(OF_THE_LOG)]
        return Row(told.fault, told.vi, told.en, _LOG_REMEDY if told.fault else _LOG_NOTE)
    return TABLE[Code(code)]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a code of `TABLE`, the record or file that it concerns, more in English where there is more."""

    code: str
    subject: str = ""
    detail: str = ""

    @property
    def fault(self) -> bool:
        return row_of(self.code).fault


@dataclass(frozen=True, slots=True)
class Looked:
    """How much was looked at."""

    documents: int = 0
    deliveries: int = 0
    statuses: int = 0
    files: int = 0
    octets_hashed: int = 0
    log_entries: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `counts` counts every finding, `findings` shows the first of each code."""

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    looked: Looked
    deep: bool

    @property
    def sound(self) -> bool:
        return not any(row_of(code).fault for code in self.counts)


@dataclass(slots=True)
class Collector:
    """Takes findings while a store is walked through."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, subject: object = "", detail: str = "", times: int = 1) -> None:
        self.counts[code] += times
        if self.counts[code] <= MOST_OF_A_CODE:
            self.findings.append(Finding(str(code), str(subject), detail))
