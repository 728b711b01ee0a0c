"""What the demo plays: who takes part, which documents they send, who refuses, which packages are bad. Pure.

Codes end in H99 and G99, which no province and no ministry has. The same call gives the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schemas.codes import Level
from signing.verdict import Reason

KB: Final = 1024
MB: Final = 1024 * KB
DEFAULT_DOCUMENTS: Final = 24


class Access(StrEnum):
    """How an agency's system proves who it is."""

    CERTIFICATE = "certificate"  # mutual TLS
    API_KEY = "api-key"
    VXP = "vxp"  # the national axis's own protocol: system id and HMAC


@dataclass(frozen=True, slots=True)
class AxisNode:
    """A node (trục) that the demo starts. `name` is also its folder and its endpoint's name at the neighbour."""

    name: str
    title: str
    level: Level

    @property
    def origin(self) -> str:
        """Its name in hops and receipts, and the origin of its log."""
        return f"truc-{self.name}-h99"


PROVINCE: Final = AxisNode("tinh", "Trục tỉnh", Level.PROVINCE)
DISTRICT: Final = AxisNode("huyen", "Trục huyện", Level.DISTRICT)
NODES: Final = (PROVINCE, DISTRICT)
NATIONAL: Final = "quoc-gia"
NATIONAL_TITLE: Final = "Trục quốc gia"


@dataclass(frozen=True, slots=True)
class Party:
    """An agency with a document-management system of its own. `home` is the axis that it is connected to."""

    name: str
    code: str
    title: str
    short: str
    notation: str
    level: Level
    home: str
    access: Access


MINISTRY: Final = Party("bo", "000.00.00.G99", "Bộ Diễn tập", "Bộ", "BDT-VP", Level.CENTRAL, NATIONAL, Access.VXP)
DEPARTMENT: Final = Party(
    "so", "000.00.13.H99", "Sở Diễn tập tỉnh H99", "Sở", "SDT-VP", Level.PROVINCE, PROVINCE.name, Access.CERTIFICATE
)
OFFICE: Final = Party(
    "van-phong-huyen",
    "000.00.31.H99",
    "Văn phòng UBND huyện 31",
    "Huyện",
    "UBND-VP",
    Level.DISTRICT,
    DISTRICT.name,
    Access.API_KEY,
)
COMMUNE_20: Final = Party(
    "xa-20", "000.20.31.H99", "UBND xã 20", "Xã 20", "UBND", Level.COMMUNE, DISTRICT.name, Access.CERTIFICATE
)
COMMUNE_21: Final = Party(
    "xa-21", "000.21.31.H99", "UBND xã 21", "Xã 21", "UBND", Level.COMMUNE, DISTRICT.name, Access.API_KEY
)
PARTIES: Final = (MINISTRY, DEPARTMENT, OFFICE, COMMUNE_20, COMMUNE_21)
BY_CODE: Final[Mapping[str, Party]] = MappingProxyType({party.code: party for party in PARTIES})
PROVINCE_CODE: Final = "000.00.00.H99"


class Flaw(StrEnum):
    """What is wrong with a bad package."""

    CHANGED = "changed"
    REVOKED = "revoked"
    IMPOSTOR = "impostor"
    WRAPPED = "wrapped"


FLAW_TITLES: Final[Mapping[Flaw, str]] = MappingProxyType(
    {
        Flaw.CHANGED: "sửa trích yếu sau khi ký",
        Flaw.REVOKED: "chứng thư đã thu hồi",
        Flaw.IMPOSTOR: "chứng thư của cơ quan khác",
        Flaw.WRAPPED: "tráo tiêu đề đã ký (wrapping)",
    }
)

REFUSED_FOR: Final[Mapping[Flaw, Reason]] = MappingProxyType(
    {
        Flaw.CHANGED: Reason.DIGEST,
        Flaw.REVOKED: Reason.REVOKED,
        Flaw.IMPOSTOR: Reason.NOT_BOUND,
        Flaw.WRAPPED: Reason.COVERAGE,
    }
)
"""The reason that the judge must name; another one means that it refused for something else."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One document (văn bản) of the demo. `attachments` are sizes in bytes, `refusers` answer with 02."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    number: str
    document_id: str
    subject: str
    priority: int
    attachments: tuple[int, ...]
    refusers: tuple[str, ...] = ()
    flaw: Flaw | None = None

    @property
    def crosses(self) -> bool:
        """Say whether it passes the national axis."""
        return any(BY_CODE[code].home == NATIONAL for code in (self.sender, *self.recipients))

    def expected_codes(self, receiver: str) -> tuple[str, ...]:
        """The statuses that `receiver` ends with."""
        return ("01", "02") if receiver in self.refusers else ("01", "03", "04", "05", "06")

    def compared_at(self, receiver: str) -> str:
        """Where the statuses of `receiver` are looked up: at the national axis, or at the sender's node.

        The national axis is told by the province's node, which has the connection. It is not told of copies that
        never leave the district, even when the same document went up to the ministry as well.
        """
        homes = {BY_CODE[self.sender].home, BY_CODE[receiver].home}
        return NATIONAL if self.crosses and homes != {DISTRICT.name} else BY_CODE[self.sender].home


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to happen."""

    issued_on: date
    documents: tuple[Planned, ...]

    @property
    def good(self) -> tuple[Planned, ...]:
        return tuple(document for document in self.documents if document.flaw is None)

    @property
    def bad(self) -> tuple[Planned, ...]:
        return tuple(document for document in self.documents if document.flaw is not None)

    @property
    def rows(self) -> tuple[tuple[Planned, str], ...]:
        """Good document × recipient: what is to be delivered."""
        return tuple((document, code) for document in self.good for code in document.recipients)

    @property
    def expected_statuses(self) -> int:
        return sum(len(document.expected_codes(code)) for document, code in self.rows)

    def sent_by(self, code: str) -> tuple[Planned, ...]:
        return tuple(document for document in self.documents if document.sender == code)

    def refused_by(self, code: str) -> tuple[str, ...]:
        """The document ids that `code` answers with 02."""
        return tuple(document.document_id for document in self.good if code in document.refusers)


_B, _S, _H, _X, _Y = (party.code for party in PARTIES)

_JOURNEYS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (_X, (_B,)),  # up through all four levels
    (_B, (_X, _Y, _H)),  # and down
    (_X, (_Y,)),  # sideways, inside one node
    (_X, (_H, _S, _B)),
    (_S, (_H, _X, _Y)),
    (_H, (_X, _Y)),
    (_Y, (_S, _B)),
    (_B, (_S, _Y)),
    (_H, (_S, _B, _X)),
    (_S, (_B, _X)),
    (_Y, (_H, _X, _S, _B)),
    (_B, (_S, _H, _X, _Y)),
)
"""Who sends to whom; longer plans begin again. Twelve documents make thirty deliveries."""

_SUBJECTS: Final = (
    "Báo cáo kết quả thực hiện nhiệm vụ tháng",
    "Về việc triển khai kế hoạch chuyển đổi số",
    "Giấy mời họp giao ban công tác văn thư",
    "Đề nghị cho ý kiến về dự thảo quy chế",
    "Hướng dẫn liên thông văn bản điện tử bốn cấp",
    "Thông báo lịch kiểm tra công tác cải cách hành chính",
)

_SIZES: Final[tuple[tuple[int, ...], ...]] = (
    (1 * KB,),
    (24 * KB, 3 * KB),
    (180 * KB,),
    (5 * KB,),
    (2 * MB,),
    (60 * KB, 12 * KB, 1 * KB),
    (20 * MB,),
    (8 * KB,),
    (400 * KB,),
    (1 * MB, 30 * KB),
    (16 * KB,),
    (5 * MB,),
)
_LARGE: Final = 300 * KB
"""Sizes above this are used in the first round only, so that a longer plan is not a heavier one."""

_REFUSED_EVERY: Final = 9

_BAD: Final[tuple[tuple[Flaw, str, tuple[str, ...]], ...]] = (
    (Flaw.CHANGED, _X, (_B, _Y)),
    (Flaw.REVOKED, _Y, (_H, _X)),
    (Flaw.IMPOSTOR, _H, (_S, _X)),
    (Flaw.WRAPPED, _S, (_B, _H)),
)


def make_plan(issued_on: date, documents: int = DEFAULT_DOCUMENTS) -> Plan:
    """Plan `documents` good documents and four bad ones among them. `ValueError` for less than one."""
    if documents < 1:
        raise ValueError("at least one document")
    planned: list[Planned] = []
    bad = {(place + 1) * documents // (len(_BAD) + 1): flaw for place, flaw in enumerate(_BAD)}
    if len(bad) < len(_BAD):
        bad = {}
    deliveries = 0
    for place in range(documents):
        if place in bad:
            planned.append(_spoilt(*bad[place], issued_on))
        sender, recipients = _JOURNEYS[place % len(_JOURNEYS)]
        refusers = tuple(
            code for step, code in enumerate(recipients, deliveries + 1) if step % _REFUSED_EVERY == _REFUSED_EVERY - 1
        )
        deliveries += len(recipients)
        planned.append(_document(place, sender, recipients, refusers, issued_on))
    if not bad:
        planned.extend(_spoilt(*flaw, issued_on) for flaw in _BAD)
    return Plan(issued_on, tuple(planned))


def _document(
    place: int, sender: str, recipients: tuple[str, ...], refusers: tuple[str, ...], issued_on: date
) -> Planned:
    sizes = _SIZES[place % len(_SIZES)]
    if place >= len(_SIZES):
        sizes = tuple(size if size <= _LARGE else 40 * KB for size in sizes)
    number = str(place + 1)
    return Planned(
        name=f"VB-{place + 1:02}",
        sender=sender,
        recipients=recipients,
        number=number,
        document_id=_document_id(sender, number, issued_on),
        subject=_SUBJECTS[place % len(_SUBJECTS)],
        priority=place % 4,
        attachments=sizes,
        refusers=refusers,
    )


def _spoilt(flaw: Flaw, sender: str, recipients: tuple[str, ...], issued_on: date) -> Planned:
    place = list(Flaw).index(flaw) + 1
    number = str(900 + place)
    return Planned(
        name=f"XẤU-{place}",
        sender=sender,
        recipients=recipients,
        number=number,
        document_id=_document_id(sender, number, issued_on),
        subject="Đề nghị cấp bổ sung kinh phí 100 triệu đồng",
        priority=1,
        attachments=(6 * KB,),
        flaw=flaw,
    )


def _document_id(sender: str, number: str, issued_on: date) -> str:
    """The customary form: agency, date, number and notation (official edXML samples)."""
    return f"{sender},{issued_on:%Y/%m/%d},{number}/{BY_CODE[sender].notation}"
