"""What will break, and when: decided from facts alone, without a clock or a file.

An agency can send signed documents while at least one of its certificates is bound, valid, accepted, and under
authorities that are valid. What matters is where such a cover ends and nothing follows: an overlapping successor makes
the end of a certificate no break.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.core.binding import Binding, Bindings
from axis.core.registry import Agency

_END: Final = datetime.max.replace(tzinfo=UTC)


class Kind(StrEnum):
    BINDING_ENDS = "binding-ends"
    CERTIFICATE_EXPIRES = "certificate-expires"
    CERTIFICATE_REFUSED = "certificate-refused"
    ANCHOR_EXPIRES = "anchor-expires"
    INTERMEDIATE_EXPIRES = "intermediate-expires"
    LIST_ENDS = "revocation-list-ends"
    SERVER_EXPIRES = "tls-server-expires"
    CLIENT_CA_EXPIRES = "client-ca-expires"
    NEIGHBOUR_CA_EXPIRES = "neighbour-ca-expires"
    NEIGHBOUR_CLIENT_EXPIRES = "neighbour-client-expires"
    ENDPOINT_CLIENT_EXPIRES = "endpoint-client-expires"


@dataclass(frozen=True, slots=True)
class Row:
    """What a kind means, in both languages: its name, what breaks, who must act and how."""

    vi: str
    en: str
    breaks_vi: str
    breaks: str
    who_vi: str
    who: str
    remedy_vi: str
    remedy: str


_OPERATOR: Final = ("người quản trị nút", "the operator of this node")
_AGENCY: Final = ("cơ quan, rồi người quản trị nút", "the agency, then the operator of this node")

KINDS: Final[Mapping[Kind, Row]] = MappingProxyType(
    {
        Kind.BINDING_ENDS: Row(
            "ràng buộc chứng thư số kết thúc",
            "the binding ends",
            "văn bản có ký của các cơ quan này bị từ chối",
            "signed documents of these agencies are refused",
            *_OPERATOR,
            "axis cert bind TỆP --agency MÃ, trước ngày đó",
            "axis cert bind FILE --agency CODE, before that day",
        ),
        Kind.CERTIFICATE_EXPIRES: Row(
            "chứng thư số ký hết hạn",
            "the signing certificate expires",
            "văn bản có ký của các cơ quan này bị từ chối",
            "signed documents of these agencies are refused",
            *_AGENCY,
            "xin nơi cấp chứng thư số mới, rồi: axis cert bind MỚI --replace CŨ --overlap 14d",
            "get a new certificate from the authority, then: axis cert bind NEW --replace OLD --overlap 14d",
        ),
        Kind.CERTIFICATE_REFUSED: Row(
            "chứng thư số ký không được chấp nhận",
            "the signing certificate is not accepted",
            "văn bản có ký của các cơ quan này bị từ chối",
            "signed documents of these agencies are refused",
            *_AGENCY,
            "axis cert inspect nói vì sao; ràng buộc chứng thư số khác, hoặc thêm nơi cấp còn thiếu vào [trust]",
            "axis cert inspect tells why; bind another certificate, or add the missing authority to [trust]",
        ),
        Kind.ANCHOR_EXPIRES: Row(
            "chứng thư số gốc hết hạn",
            "a trust anchor expires",
            "mọi chữ ký dưới nó bị từ chối",
            "everything signed under it is refused",
            *_OPERATOR,
            "thêm gốc kế tiếp của nơi cấp vào trust.anchors; các cơ quan cần chứng thư số dưới gốc đó",
            "add the authority's next root to trust.anchors; the agencies need certificates under it",
        ),
        Kind.INTERMEDIATE_EXPIRES: Row(
            "chứng thư số của cơ quan cấp hết hạn",
            "an issuing authority expires",
            "mọi chữ ký dưới nó bị từ chối",
            "everything signed under it is refused",
            *_OPERATOR,
            "thêm nơi cấp kế tiếp vào trust.intermediates; các cơ quan có thể cần chứng thư số dưới đó",
            "add its successor to trust.intermediates; the agencies may need certificates under that",
        ),
        Kind.LIST_ENDS: Row(
            "danh sách thu hồi hết hạn",
            "a revocation list ends",
            "văn bản của các cơ quan này bị tạm giữ, rồi bị từ chối khi hết hạn giữ",
            "documents of these agencies are held, and refused when the hold is over",
            *_OPERATOR,
            "tải danh sách mới nhất của nơi cấp vào trust.crls; trục tự đọc lại, không cần khởi động lại",
            "fetch the authority's newest list into trust.crls; it is read again without a restart",
        ),
        Kind.SERVER_EXPIRES: Row(
            "chứng thư số máy chủ hết hạn",
            "the TLS server certificate expires",
            "không hệ thống, không trục nào kết nối được",
            "no system and no neighbour can connect",
            *_OPERATOR,
            "cấp lại, thay tệp tại chỗ (mv); trục dùng ngay, không cần khởi động lại",
            "renew it and replace the file (mv); it is taken without a restart",
        ),
        Kind.CLIENT_CA_EXPIRES: Row(
            "tổ chức cấp chứng thư số kết nối hết hạn",
            "the authority of client certificates expires",
            "hệ thống xác thực bằng chứng thư số dưới nó không kết nối được",
            "systems that prove themselves with certificates under it cannot connect",
            *_OPERATOR,
            "thêm nơi cấp kế tiếp vào tệp mà listen.client_ca nêu; trục tự đọc lại",
            "add its successor to the file that listen.client_ca names; it is taken without a restart",
        ),
        Kind.NEIGHBOUR_CA_EXPIRES: Row(
            "tổ chức cấp chứng thư số của bên nhận hết hạn",
            "the authority of a destination expires",
            "không chuyển được gì sang đó",
            "nothing is delivered there",
            "người quản trị nút và bên nhận",
            "the operators of both sides",
            "xin nơi cấp kế tiếp của bên nhận, thêm vào tệp `ca` của điểm kết nối; trục tự đọc lại",
            "get the destination's next authority and add it to the endpoint's file `ca`; it is taken at once",
        ),
        Kind.NEIGHBOUR_CLIENT_EXPIRES: Row(
            "chứng thư số kết nối sang nút lân cận hết hạn",
            "our client certificate towards a neighbour expires",
            "không chuyển được gì sang đó",
            "nothing is delivered there",
            "người quản trị nút và nút lân cận",
            "the operators of both nodes",
            "cấp lại; nút lân cận phải đăng ký vân tay mới trước khi dùng",
            "renew it; the neighbour registers the new fingerprint before it is used",
        ),
        Kind.ENDPOINT_CLIENT_EXPIRES: Row(
            "chứng thư số kết nối của hệ thống hết hạn",
            "a system's client certificate expires",
            "hệ thống này không còn kết nối được bằng nó",
            "this system can no longer connect with it",
            *_AGENCY,
            "hệ thống đó xin cấp lại; thêm chứng thư số mới vào `certificates` của điểm kết nối, khởi động lại trục",
            "the system renews it; add the new one to `certificates` of the endpoint, and restart",
        ),
    }
)

SILENCES: Final = frozenset({Kind.BINDING_ENDS, Kind.CERTIFICATE_EXPIRES, Kind.CERTIFICATE_REFUSED})
"""Kinds that leave agencies without any certificate of their own."""

_OVER_BY: Final = MappingProxyType({True: Kind.ANCHOR_EXPIRES, False: Kind.INTERMEDIATE_EXPIRES})


@dataclass(frozen=True, slots=True)
class Authority:
    """An anchor or intermediate. `list_until`: when its newest revocation list ends, `None` without one."""

    sha256: str
    name: str
    anchor: bool
    not_after: datetime
    list_until: datetime | None


@dataclass(frozen=True, slots=True)
class Paper:
    """A signing certificate. `paths` are the ways up, each the authorities from its issuer to a root.

    `refused` says why this node never accepts it, whatever the time; empty where it does.
    """

    sha256: str
    name: str
    not_before: datetime
    not_after: datetime
    paths: tuple[tuple[str, ...], ...]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Facility:
    """A certificate of a connection."""

    kind: Kind
    name: str
    where: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a forecast is made of. Bound certificates that no file holds are missing from `papers`."""

    agencies: Sequence[Agency]
    bindings: Bindings
    papers: Mapping[str, Paper]
    authorities: Mapping[str, Authority]
    facilities: Sequence[Facility] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that breaks at `at`, which may lie in the past. `agencies` feel it.

    `again`: when it mends by itself, because something later is bound already. `where` is a fingerprint or a key of the
    configuration with its file.
    """

    at: datetime
    kind: Kind
    what: str
    where: str
    agencies: tuple[str, ...] = ()
    why: str = ""
    again: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Cover:
    """From `begins` until before `ends` an agency can sign with one certificate; what ends it, and its name."""

    begins: datetime
    ends: datetime
    kind: Kind | None = None
    what: str = ""
    where: str = ""


def forecast(facts: Facts, now: datetime, until: datetime) -> tuple[Event, ...]:
    """Everything that is broken at `now` or breaks until `until`, in the order of time."""
    silent: dict[Event, list[str]] = {}
    for agency in facts.agencies:
        for event in _silences(agency, facts, now, until):
            silent.setdefault(event, []).append(agency.code.text)
    told = [
        replace(event, agencies=tuple(agencies))
        for event, agencies in silent.items()
        if event.kind not in _OVER_BY.values()  # told below, with everything that hangs under it
    ]
    told += _authorities(facts, now, until)
    told += _lists(facts, now, until)
    told += [Event(one.not_after, one.kind, one.name, one.where) for one in facts.facilities if one.not_after <= until]
    return tuple(sorted(told, key=lambda event: (event.at, event.kind, event.what)))


def _silences(agency: Agency, facts: Facts, now: datetime, until: datetime) -> Iterator[Event]:
    """Where the agency loses its last certificate, once for each gap."""
    rows = [row for row in facts.bindings.of_agency(agency.code) if row.begins < row.ends]
    covers = sorted((one for row in rows if (one := _cover(row, agency, facts))), key=lambda one: one.begins)
    held = (facts.papers.get(row.certificate) for row in rows if row.holds(now))
    refused = next((paper for paper in held if paper is not None and paper.refused), None)
    if refused is not None and agency.active(now) and not any(cover.begins <= now < cover.ends for cover in covers):
        covers = [cover for cover in covers if cover.begins > now]
        again = covers[0].begins if covers else None
        yield Event(now, Kind.CERTIFICATE_REFUSED, refused.name, refused.sha256, why=refused.refused, again=again)
    if not covers:
        return
    last = covers[0]
    for cover in covers[1:]:
        if cover.begins > last.ends:
            yield from _gap(last, cover.begins, now, until)
        if cover.ends > last.ends:
            last = cover
    yield from _gap(last, None, now, until)


def _gap(last: _Cover, again: datetime | None, now: datetime, until: datetime) -> Iterator[Event]:
    over = again is not None and again <= now
    if last.kind is not None and last.ends <= until and not over:
        yield Event(last.ends, last.kind, last.what, last.where, again=again)


def _cover(row: Binding, agency: Agency, facts: Facts) -> _Cover | None:
    """When the agency can sign with this certificate, `None` for never. A certificate that nobody has shown is taken to
    be good: it is told among what could not be read.
    """
    begins = max(row.begins, agency.valid_from or row.begins)
    ends: list[tuple[datetime, Kind | None, str, str]] = [(agency.valid_to or _END, None, "", "")]
    paper = facts.papers.get(row.certificate)
    name = paper.name if paper else ""
    ends.append((row.ends, Kind.BINDING_ENDS if row.valid_to else None, name, row.certificate))
    if paper is not None:
        if paper.refused:
            return None
        begins = max(begins, paper.not_before)
        ends.append((paper.not_after, Kind.CERTIFICATE_EXPIRES, paper.name, paper.sha256))
        ways = [min((facts.authorities[step] for step in path), key=lambda one: one.not_after) for path in paper.paths]
        weakest = max(ways, key=lambda one: one.not_after)
        ends.append((weakest.not_after, _OVER_BY[weakest.anchor], weakest.name, weakest.sha256))
    cover = _Cover(begins, *min(ends, key=lambda end: end[0]))
    return cover if cover.begins < cover.ends else None


def _authorities(facts: Facts, now: datetime, until: datetime) -> Iterator[Event]:
    for authority in facts.authorities.values():
        if authority.not_after <= until:
            kind = _OVER_BY[authority.anchor]
            under = _under(authority, facts, max(now, authority.not_after))
            yield Event(authority.not_after, kind, authority.name, authority.sha256, under)


def _lists(facts: Facts, now: datetime, until: datetime) -> Iterator[Event]:
    """An authority whose list is out of date makes everything under it wait; one with nothing under it harms nobody."""
    for authority in facts.authorities.values():
        ends = authority.list_until
        if ends is not None and ends > until:
            continue
        under = _under(authority, facts, max(now, ends or now))
        if under:
            why = "" if ends is not None else "there is no list of it"
            yield Event(ends or now, Kind.LIST_ENDS, authority.name, authority.sha256, under, why)


def _under(authority: Authority, facts: Facts, at: datetime) -> tuple[str, ...]:
    """The agencies with a good certificate, bound at `at` or later, that leads to a root only through `authority`."""
    found: dict[str, None] = {}
    for agency in facts.agencies:
        for row in facts.bindings.of_agency(agency.code):
            paper = facts.papers.get(row.certificate)
            if paper is None or paper.refused or paper.not_after < at:
                continue
            if row.ends <= at or row.begins >= row.ends or not agency.active(max(at, row.begins)):
                continue
            if all(authority.sha256 in path for path in paper.paths):
                found.setdefault(agency.code.text)
    return tuple(found)
