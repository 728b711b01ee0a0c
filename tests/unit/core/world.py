"""A small country to decide in: one province with a district, a neighbour, the national axis; and what passes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any, TypeVar

from axis.core.entry import leaf
from axis.core.intake import Content
from axis.core.model import (
    AddDelivery,
    AddStatus,
    Decision,
    Delivery,
    Document,
    Hop,
    PayloadRef,
    Principal,
    Role,
    StatusReport,
    Submission,
)
from axis.core.network import Network
from axis.core.outline import Concerned
from axis.core.problems import Problem
from axis.core.registry import Agency, Registry
from axis.core.routing import RoutingTable, Rule
from axis.core.statuses import Party, Repeat, Report, Reporting
from schemas.codes import AgencyCode, Level
from schemas.envelope import Business, DocumentNumber, Envelope, MessageKind, Organization
from schemas.status import Standing
from signing.verdict import Indication, Reason, SubIndication, Verdict, indication_of

NOW = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)
NONCE = "5a" * 32
DIGEST = "d1" * 32
OTHER_DIGEST = "d2" * 32
PAYLOAD = PayloadRef("b1" * 32, 4_321)

SUBJECT = "Về việc tổ chức hội nghị"
DOCUMENT_ID = "H99.10,2026/11/23,12/UBND-VP"


def code(text: str) -> AgencyCode:
    return AgencyCode.parse(text)


TEN, TWENTY = code("H99.10"), code("H99.20")  # two agencies of ours, each with its own system
COMMUNE_1, COMMUNE_2 = code("H99.31.01"), code("H99.31.02")  # behind the district's axis
MINISTRY, FAR = code("G09"), code("H98.05")  # behind the national axis
NEIGHBOUR = code("H97.02")  # behind a neighbouring province's axis, by a shortcut
CLOSED = code("H99.66")  # closed, succeeded by TWENTY
STRANGER = code("H99.77")  # below us by its code, but not registered

REGISTERED = (TEN, TWENTY, COMMUNE_1, COMMUNE_2, MINISTRY, FAR, NEIGHBOUR)
ROUTES = MappingProxyType(
    {
        "H99.10": "dms-10",
        "H99.20": "dms-20",
        "H99.66": "dms-20",
        "H99.31": "district",
        "H97": "province-97",
        "*": "national",
    }
)
ROLES = MappingProxyType(
    {
        "dms-10": Role.AGENCY,
        "dms-20": Role.AGENCY,
        "district": Role.NODE,
        "province-97": Role.NODE,
        "national": Role.NATIONAL,
    }
)

DMS_10 = Principal("dms-10", Role.AGENCY, (("H99", "10"),))
DMS_20 = Principal("dms-20", Role.AGENCY, (("H99", "20"),))
DISTRICT = Principal("district", Role.NODE, (("H99", "31"),))
PROVINCE_97 = Principal("province-97", Role.NODE, (("H97",),))
NATIONAL = Principal("national", Role.NATIONAL, ((),))


def registry() -> Registry:
    agencies = [Agency(one, one.text, Level.PROVINCE) for one in REGISTERED]
    closed = Agency(CLOSED, "closed", Level.DISTRICT, valid_to=NOW - timedelta(days=1), successors=(TWENTY,))
    return Registry([*agencies, closed])


def routing(**changed: str | None) -> RoutingTable:
    """The routes of this country; `without` a prefix when its endpoint is `None`."""
    routes = {**ROUTES, **changed}
    return RoutingTable([Rule(prefix, endpoint) for prefix, endpoint in routes.items() if endpoint], registry())


def network(routes: RoutingTable | None = None, **settings: Any) -> Network:
    return Network(**{"node": "province-99", "routes": routes or routing(), "roles": ROLES, **settings})


def ids(prefix: str = "id") -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{prefix}-{next(numbers)}"


def passed() -> Verdict:
    return Verdict(
        Indication.TOTAL_PASSED,
        None,
        Reason.GOOD,
        NOW,
        policy="required",
        policy_sha256="aa" * 32,
        profile="parts",
        signature_algorithm="ecdsa-sha256",
    )


def verdict_of(sub: SubIndication | None, reason: Reason = Reason.PROCESSING) -> Verdict:
    good = passed()
    return good if sub is None else replace(good, indication=indication_of(sub), sub_indication=sub, reason=reason)


TRY_LATER = SubIndication.TRY_LATER


def waiting() -> Verdict:
    return verdict_of(TRY_LATER, Reason.REVOCATION_UNKNOWN)


def envelope(
    to: Sequence[AgencyCode] = (TWENTY,), sender: AgencyCode = TEN, kind: MessageKind = MessageKind.NEW, **facts: Any
) -> Envelope:
    return Envelope(
        **{
            "sender": Organization(sender),
            "recipients": tuple(map(Organization, to)),
            "number": DocumentNumber("12", "UBND-VP"),
            "subject": SUBJECT,
            "document_id": DOCUMENT_ID,
            "issued_on": date(2026, 11, 23),
            "business": Business(kind),
            **facts,
        }
    )


def content(*to: AgencyCode, **facts: Any) -> Content:
    return Content(envelope(to or (TWENTY,), **facts), DOCUMENT_ID)


def submission(by: Principal = DMS_10, digest: str = DIGEST, **facts: Any) -> Submission:
    return Submission(**{"payload": PAYLOAD, "digest": digest, "by": by, "at": NOW, **facts})


def report(
    wire: str,
    reporter: AgencyCode = TWENTY,
    addressee: AgencyCode = TEN,
    minutes: int = 0,
    **facts: Any,
) -> Report:
    at = NOW.replace(microsecond=0) + timedelta(minutes=minutes)
    facts = {"document_id": DOCUMENT_ID, "number": "12/UBND-VP", "description": "Văn thư: đã nhận", **facts}
    return Report(wire, reporter, addressee, at, **facts)


T = TypeVar("T")

SECRET = (SUBJECT, DOCUMENT_ID, "12/UBND-VP", "Văn thư", PAYLOAD.sha256, DIGEST, NONCE)


def sound(decision: Decision[T]) -> Decision[T]:
    """What holds for every decision: changes have entries, entries are leaves, and no leaf tells content."""
    assert decision.entries or not decision.changes
    for entry in decision.entries:
        octets = leaf(entry).decode()
        assert not [secret for secret in SECRET if secret in octets]
    return decision


def document_of(decision: Decision[Document | Problem]) -> Document:
    assert isinstance(decision.reply, Document), decision.reply
    return decision.reply


def problem_of(decision: Decision[Any]) -> Problem:
    assert isinstance(decision.reply, Problem), decision.reply
    return decision.reply


def report_of(decision: Decision[Any]) -> StatusReport:
    assert isinstance(decision.reply, StatusReport), decision.reply
    return decision.reply


def deliveries(decision: Decision[Any]) -> list[Delivery]:
    return [change.delivery for change in decision.changes if isinstance(change, AddDelivery)]


def targets(decision: Decision[Any]) -> dict[str, list[tuple[AgencyCode, ...]]]:
    """Endpoint → the recipients of each of its deliveries."""
    found: dict[str, list[tuple[AgencyCode, ...]]] = {}
    for delivery in deliveries(decision):
        found.setdefault(delivery.endpoint, []).append(delivery.recipients)
    return found


def stored(decisions: Iterable[Decision[Any]]) -> list[StatusReport]:
    """The statuses that these decisions wrote, in their order."""
    return [change.report for one in decisions for change in one.changes if isinstance(change, AddStatus)]


def decide_status(
    report: Report,
    document: Concerned | None,
    prior: Sequence[StatusReport],
    by: Principal,
    hops: tuple[Hop, ...],
    network: Network,
    now: datetime,
    new_id: Callable[[], str],
) -> Decision[StatusReport | Problem]:
    """One report decided alone. All that was said before is at hand here: a repeat is answered as it is sent."""
    decision = Reporting(Party(by, hops, network), now, new_id).decide(report, document, prior)
    reply = decision.reply
    if isinstance(reply, Repeat):
        return Decision((), (), reply.first._replace(standing=Standing.REPEATED))
    return Decision(decision.entries, decision.changes, reply)
