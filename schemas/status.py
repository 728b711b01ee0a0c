"""Business statuses of a document at one receiver (trạng thái xử lý văn bản): the only place that knows them.

Names and meanings: QĐ 28/2018 art. 10.2(h); wire codes: the nine official sample messages of the edXML library. That
01, 03, 04, 05, 06 are "the five" follows from both, no source prints them as a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Status(StrEnum):
    __hash__ = str.__hash__  # that of an enumeration is a function in Python; a status is asked about a dozen times

    ARRIVED = "arrived"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    ASSIGNED = "assigned"
    PROCESSING = "processing"
    COMPLETED = "completed"
    RECALL_REQUESTED = "recall-requested"
    CHANGE_AGREED = "change-agreed"
    CHANGE_REFUSED = "change-refused"

    @property
    def wire(self) -> str:
        return WIRE[self]

    @property
    def label(self) -> str:
        return LABEL[self]


WIRE: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.ARRIVED: "01",  # inbox.edxml
        Status.REJECTED: "02",  # rejection.edxml
        Status.ACCEPTED: "03",  # acceptance.edxml
        Status.ASSIGNED: "04",  # assignment.edxml
        Status.PROCESSING: "05",  # processing.edxml
        Status.COMPLETED: "06",  # finish.edxml
        Status.RECALL_REQUESTED: "13",  # cancellation.edxml
        Status.CHANGE_AGREED: "15",  # change-acceptance.edxml
        Status.CHANGE_REFUSED: "16",  # change-rejection.edxml
    }
)
BY_WIRE: Final[Mapping[str, Status]] = MappingProxyType({wire: status for status, wire in WIRE.items()})

LABEL: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.ARRIVED: "Đã đến",
        Status.REJECTED: "Từ chối tiếp nhận",
        Status.ACCEPTED: "Đã tiếp nhận",
        Status.ASSIGNED: "Phân công xử lý",
        Status.PROCESSING: "Đang xử lý",
        Status.COMPLETED: "Hoàn thành",
        Status.RECALL_REQUESTED: "Lấy lại",
        Status.CHANGE_AGREED: "Đồng ý cập nhật, lấy lại",
        Status.CHANGE_REFUSED: "Từ chối cập nhật, lấy lại",
    }
)

FIVE: Final = (Status.ARRIVED, Status.ACCEPTED, Status.ASSIGNED, Status.PROCESSING, Status.COMPLETED)
"""Năm trạng thái: the ones that are reported to the national axis, in their order."""

SET_BY_SENDER: Final = frozenset({Status.RECALL_REQUESTED})
"""Only the document's sender may set these; all others only a receiver."""

WIRE_BY_SENDER: Final = frozenset(WIRE[status] for status in SET_BY_SENDER)

REASON_REQUIRED: Final = frozenset({Status.REJECTED, Status.CHANGE_REFUSED})
"""A refusal names its reason (QĐ 28/2018 art. 5.4)."""

WIRE_WITH_REASON: Final = frozenset(WIRE[status] for status in REASON_REQUIRED)

RENEWABLE: Final = frozenset({Status.RECALL_REQUESTED, Status.CHANGE_AGREED, Status.CHANGE_REFUSED})
"""A refused recall may be asked for again, and is then answered again: these count once for each time they follow."""

FOLLOWS: Final[Mapping[Status | None, frozenset[Status]]] = MappingProxyType(
    {
        None: frozenset({*FIVE, Status.REJECTED, Status.RECALL_REQUESTED}),
        Status.ARRIVED: frozenset({*FIVE[1:], Status.REJECTED, Status.RECALL_REQUESTED}),
        Status.ACCEPTED: frozenset({*FIVE[2:], Status.RECALL_REQUESTED}),
        Status.ASSIGNED: frozenset({*FIVE[3:], Status.RECALL_REQUESTED}),
        Status.PROCESSING: frozenset({*FIVE[4:], Status.RECALL_REQUESTED}),
        Status.COMPLETED: frozenset({Status.RECALL_REQUESTED}),
        Status.REJECTED: frozenset({Status.RECALL_REQUESTED}),
        Status.RECALL_REQUESTED: frozenset({Status.CHANGE_AGREED, Status.CHANGE_REFUSED}),
        Status.CHANGE_AGREED: frozenset(),
        Status.CHANGE_REFUSED: frozenset({*FIVE, Status.RECALL_REQUESTED}),
    }
)
"""Who may follow whom as the *effective* status. What may not follow is still stored: see `Standing`."""


class Standing(StrEnum):
    """What a reported status means for the effective one."""

    APPLIED = "applied"  # moves the effective status
    REPEATED = "repeated"  # this receiver has set this code before: one (document, receiver, code) counts once
    LATE = "late"  # a lower step of the five than the one reached: history, not a step back
    CONFLICT = "conflict"  # contradicts what was reported (02 after 03): stored and shown to a person


STANDING_LABEL: Final[Mapping[Standing, str]] = MappingProxyType(
    {
        Standing.APPLIED: "tiến lên trạng thái này",
        Standing.REPEATED: "đã báo trước đó, không chuyển lại",
        Standing.LATE: "báo muộn, chỉ ghi lịch sử",
        Standing.CONFLICT: "trái với điều đã báo, cần người xem",
    }
)


def standing(effective: Status | None, seen: Iterable[Status], new: Status) -> Standing:
    """Say what `new` means after `seen` brought a receiver's document to `effective`. Monotone on 01<03<04<05<06."""
    follows = new in FOLLOWS[effective]
    if new in seen and not (follows and new in RENEWABLE):
        return Standing.REPEATED
    if follows:
        return Standing.APPLIED
    if new in FIVE and effective in FIVE:
        return Standing.LATE
    return Standing.CONFLICT


def effective(reported: Iterable[Status]) -> Status | None:
    """The effective status after `reported`, in the order in which they came."""
    now: Status | None = None
    seen: set[Status] = set()
    for status in reported:
        if standing(now, seen, status) is Standing.APPLIED:
            now = status
        seen.add(status)
    return now


def read_wire(text: str) -> str:
    """A `StatusCode` as two digits: `1` and `01` are the same. `ValueError` for anything but one to three digits."""
    code = text.strip()
    if not (1 <= len(code) <= 3 and code.isascii() and code.isdigit()):
        raise ValueError("a status code is one to three digits")
    return code.zfill(2)
