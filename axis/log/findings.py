"""What the verifier can find, as a table: stable codes, and one plain sentence each in both languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from axis.log.checkpoint import Checkpoint

if TYPE_CHECKING:
    from axis.log.key import Span

MOST_OF_A_CODE: Final = 100
"""How many findings of one code are kept with their place; the others are counted. A ruined log has millions."""


class Code(StrEnum):
    CHECKPOINT_MISSING = "checkpoint-missing"
    CHECKPOINT_MALFORMED = "checkpoint-malformed"
    CHECKPOINT_SIGNATURE = "checkpoint-signature"
    CHECKPOINT_ORIGIN = "checkpoint-origin"
    ROOT_MISMATCH = "root-mismatch"
    LOG_CUT_OFF = "log-cut-off"
    BUNDLE_MISSING = "bundle-missing"
    BUNDLE_MALFORMED = "bundle-malformed"
    TILE_MISSING = "tile-missing"
    TILE_MALFORMED = "tile-malformed"
    TILE_MISMATCH = "tile-mismatch"
    LEAF_MISMATCH = "leaf-mismatch"
    ENTRIES_ALTERED = "entries-altered"
    TILES_ALTERED = "tiles-altered"
    ENTRY_MALFORMED = "entry-malformed"
    ENTRY_VERSION = "entry-version"
    ENTRY_KIND = "entry-kind"
    EXTRA_ENTRIES = "extra-entries"
    EXTRA_TILE = "extra-tile"
    PARTIAL_MISMATCH = "partial-mismatch"
    OLD_CHECKPOINT = "old-checkpoint"
    OLD_INCONSISTENT = "old-inconsistent"
    ROLLED_BACK = "rolled-back"
    HEADS_MISSING = "heads-missing"
    HEADS_MALFORMED = "heads-malformed"
    HEADS_ORDER = "heads-order"
    HEADS_BEHIND = "heads-behind"
    HEAD_SIGNATURE = "head-signature"
    HEAD_MISMATCH = "head-mismatch"
    PROOF_MALFORMED = "proof-malformed"
    ENTRY_NOT_INCLUDED = "entry-not-included"
    RECEIPT_MALFORMED = "receipt-malformed"
    RECEIPT_SIGNATURE = "receipt-signature"
    RECEIPT_WITHOUT_LEAF = "receipt-without-leaf"
    RECEIPT_MISMATCH = "receipt-mismatch"
    FORMER_KEY = "former-key"
    KEY_CHANGE = "key-change-unsigned"
    WITNESS_MISMATCH = "witness-mismatch"
    WITNESS_QUORUM = "witness-quorum"
    COSIGNATURE = "cosignature"
    TIME_BACK = "time-back"
    JOURNAL_DAMAGED = "journal-damaged"
    UNPUBLISHED = "unpublished"
    STRAY_FILE = "stray-file"


@dataclass(frozen=True, slots=True)
class Row:
    """`fault` says whether the log cannot be trusted as it stands; otherwise it is only worth knowing."""

    fault: bool
    vi: str
    en: str


TABLE: Final[Mapping[Code, Row]] = MappingProxyType(
    {
        Code.CHECKPOINT_MISSING: Row(True, "Thiếu mốc nhật ký", "there is no checkpoint"),
        Code.CHECKPOINT_MALFORMED: Row(True, "Mốc nhật ký không đọc được", "the checkpoint cannot be read"),
        Code.CHECKPOINT_SIGNATURE: Row(
            True, "Mốc nhật ký không mang chữ ký của khóa này", "the checkpoint is not signed by this key"
        ),
        Code.CHECKPOINT_ORIGIN: Row(True, "Mốc thuộc nhật ký khác", "the checkpoint names another log than the key"),
        Code.ROOT_MISMATCH: Row(
            True, "Nội dung nhật ký khác với giá trị gốc đã ký", "the entries do not give the root that was signed"
        ),
        Code.LOG_CUT_OFF: Row(True, "Nhật ký bị cắt ngắn", "the files end before the log does"),
        Code.BUNDLE_MISSING: Row(True, "Thiếu tệp bản ghi", "a file of entries is missing"),
        Code.BUNDLE_MALFORMED: Row(True, "Tệp bản ghi hỏng", "a file of entries cannot be read"),
        Code.TILE_MISSING: Row(True, "Thiếu tệp giá trị băm", "a file of hashes is missing"),
        Code.TILE_MALFORMED: Row(True, "Tệp giá trị băm hỏng", "a file of hashes cannot be read"),
        Code.TILE_MISMATCH: Row(
            True, "Giá trị băm không khớp với tầng dưới", "a hash is not that of the hashes below it"
        ),
        Code.LEAF_MISMATCH: Row(True, "Bản ghi không khớp giá trị băm", "an entry does not have the hash of its leaf"),
        Code.ENTRIES_ALTERED: Row(
            True,
            "Các tệp băm vẫn khớp giá trị gốc đã ký: bản ghi đã bị sửa",
            "the hashes still give the signed root: the entries were altered",
        ),
        Code.TILES_ALTERED: Row(
            True,
            "Các bản ghi vẫn khớp giá trị gốc đã ký: tệp băm đã bị sửa",
            "the entries still give the signed root: the hashes were altered",
        ),
        Code.ENTRY_MALFORMED: Row(True, "Bản ghi sai định dạng", "an entry is not a canonical log entry"),
        Code.ENTRY_VERSION: Row(True, "Bản ghi thuộc phiên bản chưa biết", "an entry of a version not known here"),
        Code.ENTRY_KIND: Row(True, "Loại bản ghi chưa biết", "an entry of a kind not known here"),
        Code.EXTRA_ENTRIES: Row(True, "Có bản ghi ngoài mốc đã ký", "entries beyond the signed size"),
        Code.EXTRA_TILE: Row(True, "Có tệp băm ngoài mốc đã ký", "hashes beyond the signed size"),
        Code.PARTIAL_MISMATCH: Row(
            True, "Tệp cũ không phải phần đầu của tệp mới", "a superseded file is not the beginning of its successor"
        ),
        Code.OLD_CHECKPOINT: Row(
            True, "Mốc cũ không hợp lệ", "the older checkpoint cannot be read or is not signed by this key"
        ),
        Code.OLD_INCONSISTENT: Row(
            True, "Lịch sử đã bị viết lại so với mốc cũ", "history was rewritten since the older checkpoint"
        ),
        Code.ROLLED_BACK: Row(
            True, "Nhật ký bị lùi về trạng thái cũ", "the log is shorter than what was signed before"
        ),
        Code.HEADS_MISSING: Row(True, "Kho mốc trống", "the store of heads has none"),
        Code.HEADS_MALFORMED: Row(True, "Kho mốc hỏng", "the store of heads cannot be read"),
        Code.HEADS_ORDER: Row(True, "Kho mốc sai thứ tự", "a head is not larger than the one before it"),
        Code.HEADS_BEHIND: Row(
            True, "Mốc đã công bố không có trong kho mốc", "the checkpoint is newer than the store of heads"
        ),
        Code.HEAD_SIGNATURE: Row(True, "Mốc trong kho sai chữ ký", "a stored head is not signed by this key"),
        Code.HEAD_MISMATCH: Row(
            True, "Có hai lịch sử cho cùng một kích thước", "a stored head has another root than the log at that size"
        ),
        Code.PROOF_MALFORMED: Row(True, "Chứng minh không đọc được", "a proof cannot be read"),
        Code.ENTRY_NOT_INCLUDED: Row(
            True, "Chứng minh không dẫn đến mốc", "the proof does not lead from its entry to its checkpoint"
        ),
        Code.RECEIPT_MALFORMED: Row(True, "Biên nhận không đọc được", "a receipt cannot be read"),
        Code.RECEIPT_SIGNATURE: Row(
            True, "Biên nhận không mang chữ ký của khóa này", "a receipt is not signed by the key of receipts"
        ),
        Code.RECEIPT_WITHOUT_LEAF: Row(True, "Biên nhận không có trong nhật ký", "the log has no entry for a receipt"),
        Code.RECEIPT_MISMATCH: Row(
            True, "Biên nhận khác với bản ghi", "a receipt and the entry of its acceptance disagree"
        ),
        Code.FORMER_KEY: Row(
            True,
            "Mốc do khóa cũ ký sau khi nhật ký đã đổi khóa: khóa cũ có thể đã bị lộ",
            "a head was signed by the former key alone, beyond the entry that ended it: it may be stolen",
        ),
        Code.KEY_CHANGE: Row(
            True,
            "Bản ghi nói khóa đã đổi mà khóa lúc đó không ký",
            "an entry says that the key was changed, and the key of that time did not sign for it",
        ),
        Code.WITNESS_MISMATCH: Row(
            True,
            "Bên chứng kiến đã ký một lịch sử khác",
            "a witness cosigned another root than the log has at that size",
        ),
        Code.WITNESS_QUORUM: Row(
            True, "Không đủ bên chứng kiến", "fewer witnesses stand for the log than were asked for"
        ),
        Code.COSIGNATURE: Row(
            True, "Chữ ký của bên chứng kiến không đúng", "a line under a witness's name is no cosignature of it"
        ),
        Code.TIME_BACK: Row(
            False,
            "Bản ghi đề thời điểm sớm hơn bản ghi đứng trước quá một phút",
            "an entry is dated more than a minute before one that stands before it",
        ),
        Code.JOURNAL_DAMAGED: Row(False, "Tệp ghi dở không đọc được", "the journal of the last round cannot be read"),
        Code.UNPUBLISHED: Row(
            False, "Vòng ghi cuối chưa công bố", "the last round was not published yet; it is completed on start"
        ),
        Code.STRAY_FILE: Row(False, "Tệp lạ trong thư mục nhật ký", "a file that does not belong to the layout"),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `place` is an index, a file, a size; `detail` says more in English where there is more."""

    code: Code
    place: str = ""
    detail: str = ""

    @property
    def fault(self) -> bool:
        return TABLE[self.code].fault

    def __str__(self) -> str:
        place = f" [{self.place}]" if self.place else ""
        return f"{self.code}{place}: {self.detail or TABLE[self.code].en}"


@dataclass(frozen=True, slots=True)
class LogReport:
    """What was verified, and what was found. `counts` counts every finding, `findings` shows the first of each code.

    `entries` are the entries read, `kinds` how many of them are of which kind. `checkpoint` is the published one
    (`None` if it cannot be read) and `heads` the number of stored heads compared. `keys` are the log's keys in their
    order, with the sizes for which each speaks.
    """

    checkpoint: Checkpoint | None
    entries: int
    kinds: Mapping[str, int]
    heads: int
    findings: tuple[Finding, ...]
    counts: Mapping[Code, int]
    keys: tuple[Span, ...] = ()

    @property
    def ok(self) -> bool:
        """Say whether nothing speaks against the log."""
        return not any(TABLE[code].fault for code in self.counts)


@dataclass(slots=True)
class Collector:
    """Takes findings while a log is walked through."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[Code] = field(default_factory=Counter)

    def add(self, code: Code, place: object = "", detail: str = "") -> None:
        self.counts[code] += 1
        if self.counts[code] <= MOST_OF_A_CODE:
            self.findings.append(Finding(code, str(place), detail))
