"""What this node knows of itself and its neighbours, as the decisions need it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from axis.core.follow_up import FollowUpRules
from axis.core.model import Principal, Role
from axis.core.problems import Kind, Problem, Refused
from axis.core.registry import Registry
from axis.core.routing import RoutingTable
from schemas.codes import AgencyCode
from schemas.status import WIRE

ALL_CODES: Final = frozenset(WIRE.values())

Ways = tuple[tuple[str, bool], ...]
"""Endpoints that something goes on to, and whether each is another axis."""


class ReportRule(StrEnum):
    """Which documents' statuses the national axis gets from the node that is connected to it."""

    CROSSED = "crossed"  # of documents that passed the national axis
    ALL = "all"


class ArrivedBy(StrEnum):
    """Who owns status 01 (Đã đến): one side, so that it is never reported twice."""

    AXIS = "axis"  # this node, when a recipient has taken the document
    RECIPIENT = "recipient"


class PdfRule(StrEnum):
    """What the signatures inside PDF attachments are worth on the way."""

    INFORM = "inform"  # judged after acceptance: they mark
    GATE = "gate"  # judged before: they also refuse and hold
    OFF = "off"  # not judged


@dataclass(frozen=True, slots=True)
class Network:
    """Routes, the role of each endpoint, and the rules of this node. Immutable; a reload makes a new one, so that who
    decides asks for it once (`axis.flow.context`) and decides by one configuration.

    `hold` and `hold_count` are the budget of held documents under one trust anchor: how long each, how many at once.
    """

    node: str
    routes: RoutingTable
    roles: Mapping[str, Role]
    report: ReportRule = ReportRule.CROSSED
    arrived_by: ArrivedBy = ArrivedBy.AXIS
    reported: frozenset[str] = ALL_CODES
    max_recipients: int = 500
    hold: timedelta = timedelta(hours=72)
    hold_count: int = 1_000
    pdf: PdfRule = PdfRule.INFORM
    future: timedelta = field(default=timedelta(minutes=5))
    follow_up: Mapping[str, FollowUpRules] = field(default_factory=dict)
    """The endpoints that are asked what became of what they took, and when."""
    principals: Mapping[str, Principal] = field(default_factory=lambda: MappingProxyType({}))
    """Every connection by the name of its endpoint."""
    former: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    """What endpoints were that a reload took away: an attempt that began before it ends after it."""
    national: str | None = field(init=False)
    """The endpoint that is the national axis, `None` when this node has none."""
    serves_listed: Callable[[str, str], bool] = field(init=False, compare=False, repr=False)
    """`serves`, of recipients as they are stored (JSON): what is fetched and listed is mostly for the same few."""
    onward: Callable[[AgencyCode, str, bool | None], Ways] = field(init=False, compare=False, repr=False)
    """Where a status goes on to: by its addressee, its code, and whether its document crossed the national axis, `None`
    where that is not here. To the addressee, and to the national axis when the rule says so; once each."""

    def __post_init__(self) -> None:
        national = next((name for name, role in self.roles.items() if role is Role.NATIONAL), None)
        object.__setattr__(self, "national", national)
        object.__setattr__(self, "serves_listed", lru_cache(maxsize=4096)(self._serves_listed))
        object.__setattr__(self, "onward", lru_cache(maxsize=4096)(self._onward))

    @property
    def registry(self) -> Registry:
        return self.routes.registry

    def leads_away(self, endpoint: str) -> bool:
        """Say whether `endpoint` is another axis, so that one delivery serves all recipients behind it."""
        role = self.roles.get(endpoint) or self.former[endpoint]
        return role is Role.NODE or role is Role.NATIONAL

    def current(self, by: Principal) -> Principal:
        """The connection of who came before the configuration changed, as it is now. `Refused(UNAUTHENTICATED)` where
        there is none of that name any more."""
        found = self.principals.get(by.name)
        if found is None or found.role is not by.role:
            raise Refused(Problem(Kind.UNAUTHENTICATED))
        return found

    def serves(self, endpoint: str, recipients: Iterable[AgencyCode]) -> bool:
        """Say whether what is queued at `endpoint` for `recipients` is still that endpoint's.

        An agency's system gets nothing more for an agency that is neither routed to it nor among those it acts for:
        after a merger or a move somebody else sits there. Another axis passes on as ever. Nothing is served by an
        endpoint that the configuration does not name.
        """
        role = self.roles.get(endpoint)
        if role is not Role.AGENCY:
            return role is not None
        for code in recipients:  # noqa: SIM110 - asked at each attempt: half the time of `any`
            if self._reached(endpoint, code):
                return True
        return False

    def _serves_listed(self, endpoint: str, recipients: str) -> bool:
        return self.serves(endpoint, map(AgencyCode, json.loads(recipients)))

    def _onward(self, addressee: AgencyCode, wire: str, crossed: bool | None) -> Ways:
        endpoints: list[str] = []
        route = self.routes.route(addressee)
        if route is not None and (crossed is not None or self.leads_away(route.endpoint)):
            endpoints.append(route.endpoint)
        reportable = crossed is not None and (self.report is ReportRule.ALL or crossed)
        if self.national and reportable and wire in self.reported and self.national not in endpoints:
            endpoints.append(self.national)
        return tuple([(endpoint, self.leads_away(endpoint)) for endpoint in endpoints])

    def _reached(self, endpoint: str, code: AgencyCode) -> bool:
        route = self.routes.route(code)
        if route is not None and route.endpoint == endpoint:
            return True
        principal = self.principals.get(endpoint)
        return principal is not None and self.registry.within(code, principal.authority)

    def may_vouch(self, by: Principal, agency: AgencyCode, *, package: bool = False) -> bool:
        """Say whether the bare word of `by` stands for what `agency` says: a status, or a `package` nobody verified.

        An agency that is connected here speaks for itself. Another axis speaks for it only where its connection names
        it as closely as the route does; to be the axis for everything else is not enough. Such a package is not taken
        of an agency behind a third axis either; a status may come back by another way than the route.
        """
        if by.role is Role.AGENCY:
            return True
        route = self.routes.route(agency)
        if route is None or route.endpoint == by.name or (self.leads_away(route.endpoint) and not package):
            return True
        return self.registry.closeness(agency, by.authority) >= len(route.rule.path)


def lane(endpoint: str, recipients: Iterable[AgencyCode], sender: AgencyCode, concerns: str) -> str:
    """The lane of a delivery: what concerns one document, towards one destination, keeps its order.

    `recipients` is empty for another axis: there the whole document is one lane. Hashed, so that a lane has one length
    and shows nothing.
    """
    key = "\x00".join((endpoint, *sorted([code.text for code in recipients]), sender.text, concerns))
    return hashlib.sha256(key.encode()).hexdigest()[:32]
