"""One step of what became of a document, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.core.model import Attestation, Cargo, Delivery, NoticeOutcome, Role
from axis.core.problems import TABLE, Kind
from axis.core.routing import RoutingTable
from schemas.codes import AgencyCode
from signing.verdict import Sentence


class What(StrEnum):
    """What a step of a journey is."""

    TAKEN = "taken"
    VERDICT = "verdict"
    ATTACHMENTS = "attachments"
    RELEASED = "released"
    ROUTED = "routed"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
    OPERATED = "operated"
    STATUS = "status"
    NOTICE = "notice"
    CONTENT_REMOVED = "content-removed"
    HELD = "held"
    WAITS = "waits"
    UNDER_WAY = "under-way"
    PARKED = "parked"
    ON_HOLD = "on-hold"
    UNFETCHED = "unfetched"
    UNREADABLE = "unreadable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened at `at`, or that is so since then.

    `code` is stable: the reason of a verdict, the kind of a problem, a status on the wire. `about` is our id of the
    delivery, status or notice. `until` is when something comes of what is so now, `ends` when that is given up; `then`
    and `command` are for whoever can do something. `turn` says who that is (`axis.core.problems.Row.acts`).
    """

    at: datetime
    what: What
    told: Sentence
    code: str | None = None
    about: str | None = None
    endpoint: str | None = None
    agencies: tuple[AgencyCode, ...] = ()
    until: datetime | None = None
    then: Sentence | None = None
    command: str | None = None
    ends: datetime | None = None
    turn: str = ""

    @property
    def bad(self) -> bool:
        """Somebody must do something, or somebody is told no."""
        return self.what in (What.FAILED, What.DROPPED, What.UNREADABLE, What.REFUSED)


@dataclass(frozen=True, slots=True)
class Around:
    """What the node is like now. `called` are the endpoints that it calls by itself, of `known` ones; `shut` those
    whose breaker is open, and until when. `signed` is the size of the tree under the newest signed head."""

    routes: RoutingTable
    known: frozenset[str]
    called: frozenset[str]
    hold: timedelta
    lifetime: timedelta
    signed: int
    shut: Mapping[str, datetime | None] = field(default_factory=dict)


BROUGHT: Final[Mapping[Role, Sentence]] = MappingProxyType(
    {
        Role.AGENCY: Sentence("vào trục từ hệ thống của cơ quan", "brought by an agency's system"),
        Role.NODE: Sentence("vào trục từ trục lân cận", "brought by a neighbouring axis"),
        Role.NATIONAL: Sentence("vào trục từ trục quốc gia", "fetched from the national axis"),
        Role.OPERATOR: Sentence("vào trục", "taken in"),
    }
)
CARGO: Final[Mapping[Cargo, Sentence]] = MappingProxyType(
    {
        Cargo.DOCUMENT: Sentence("văn bản", "document"),
        Cargo.STATUS: Sentence("trạng thái", "status"),
        Cargo.NOTICE: Sentence("thông báo", "notice"),
    }
)
ATTESTED: Final[Mapping[Attestation, Sentence]] = MappingProxyType(
    {
        Attestation.CONNECTION: Sentence("nơi nhận báo", "the recipient said so"),
        Attestation.NEIGHBOUR: Sentence("trục lân cận chuyển đến", "passed on by another axis"),
        Attestation.AXIS: Sentence("trục ghi khi giao", "this axis, on handing over"),
    }
)
NOTICED: Final[Mapping[NoticeOutcome, Sentence]] = MappingProxyType(
    {
        NoticeOutcome.RELEASED: Sentence("thông báo: thôi tạm giữ, được nhận", "notice: held no longer, accepted"),
        NoticeOutcome.REFUSED: Sentence("thông báo: thôi tạm giữ, bị từ chối", "notice: held no longer, refused"),
        NoticeOutcome.UNDELIVERED: Sentence("thông báo không chuyển được", "notice of non-delivery"),
    }
)
RELEASES: Final[Mapping[str, Sentence]] = MappingProxyType(
    {
        "pass": Sentence("thôi tạm giữ, được nhận", "held no longer: accepted"),
        "fail": Sentence("thôi tạm giữ, bị từ chối", "held no longer: refused"),
        "expire": Sentence("hết thời hạn tạm giữ, bị từ chối", "held too long: refused"),
    }
)

NO_WAY_BACK: Final = Sentence(
    "không có đường báo về nơi gửi: chỉ nhật ký ghi", "no way leads back to the sender: the log alone tells"
)


def of_delivery(
    one: Delivery,
    at: datetime,
    what: What,
    told: Sentence,
    code: str | None = None,
    until: datetime | None = None,
    then: Sentence | None = None,
    command: str | None = None,
) -> Step:
    """A step about a delivery."""
    return Step(at, what, told, code, one.id, one.endpoint, one.recipients, until, then, command)


def cargo_words(one: Delivery, wires: Mapping[str, str]) -> Sentence:
    words, wire = CARGO[one.cargo], wires.get(one.cargo_ref, "")
    return Sentence(f"{words.vi} {wire}".rstrip(), f"{words.en} {wire}".rstrip())


def problem_words(code: str | None) -> Sentence | None:
    if code is None:
        return None
    words = TABLE[Kind(code)] if code in list(Kind) else None
    return Sentence(f": {words.vi}", f": {words.en}") if words else None


def join(*parts: Sentence | None) -> Sentence:
    said = [one for one in parts if one is not None]
    return Sentence("".join(one.vi for one in said), "".join(one.en for one in said))
