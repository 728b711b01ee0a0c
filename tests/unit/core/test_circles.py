"""Networks with any routes, decided step by step in any order: whoever a document does not reach, its sender hears of.

No node runs here; axes are what was decided of one document, and what they hand over is what a node would. (Running
ones: `tests/flow/test_circle.py`.)
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from axis.core.acceptance import Acceptance
from axis.core.canonical import canonical
from axis.core.intake import decide_intake, decide_recheck
from axis.core.model import (
    AddDelivery,
    AddDocument,
    AddNotice,
    Cargo,
    Change,
    Delivery,
    Document,
    Hop,
    MoveDelivery,
    MoveDocument,
    Notice,
    NoticeOutcome,
    Principal,
    Role,
    SetWays,
)
from axis.core.network import Network
from axis.core.notice import Telling, decide_notice, handed_to, pass_on
from axis.core.problems import Kind, Problem
from axis.core.registry import Agency, Registry
from axis.core.retry import RetryPolicy
from axis.core.routing import RoutingTable, Rule
from axis.core.settlement import decide_setback
from axis.core.states import DeliveryState, IntakeState
from axis.core.way import hops_behind
from schemas.codes import AgencyCode, Level
from tests.unit.core.world import NONCE, NOW, code, content, ids, passed, sound, submission, waiting

SENDER = code("H99.10")
RECIPIENTS = tuple(code(f"H99.2{at}") for at in range(3))
REGISTRY = Registry(Agency(one, one.text, Level.PROVINCE) for one in (SENDER, *RECIPIENTS))
SEEDS = 400


@dataclass
class Axis:
    """What one axis knows of the document. `holds`: it is in doubt there when it comes."""

    network: Network
    holds: bool
    document: Document | None = None
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match change:
                case AddDocument(document):
                    self.document = document
                case SetWays(_, was, ways):
                    assert self.document is not None and self.document.state is was
                    self.document = replace(self.document, ways=ways)
                case MoveDocument(_, _, now, _):
                    assert self.document is not None
                    self.document = replace(self.document, state=now)
                case AddDelivery(delivery):
                    self.deliveries[delivery.id] = delivery
                case AddNotice(notice):
                    self.notices[notice.ref] = notice
                case MoveDelivery(id, _, _, now):
                    self.deliveries[id] = self.deliveries[id]._replace(state=now)
                case _:
                    raise AssertionError(change)


class Net:
    """Axes with routes by lot. `reached` and `told` are recipients: who has the document, of whom the sender heard."""

    def __init__(self, lot: random.Random) -> None:
        self.lot, self.new_id = lot, ids()
        count = lot.randint(2, 6)
        self.axes = [self._axis(at, count) for at in range(count)]
        self.reached: set[AgencyCode] = set()
        self.told: set[AgencyCode] = set()

    def _axis(self, at: int, count: int) -> Axis:
        roles = {f"to-{to}": Role.NODE for to in range(count) if to != at} | {"own": Role.AGENCY}
        rules = [Rule(SENDER.text, "own" if at == 0 else f"to-{self.lot.choice([n for n in range(count) if n != at])}")]
        # Each recipient is connected to one axis, or to none.
        rules += [
            Rule(one.text, self.lot.choice([*roles, *roles, "own"]))
            for one in RECIPIENTS
            if at == 0 or self.lot.random() < 0.95
        ]
        return Axis(Network(f"axis-{at}", RoutingTable(rules, REGISTRY), roles), self.lot.random() < 0.1)

    def lived(self) -> None:
        """From the sender's hand until nothing is left to do."""
        if self.take(0, Principal("own", Role.AGENCY, ((),)), (), None) is not None:
            self.told.update(RECIPIENTS)  # refused: it knows
        for _ in range(1_000):
            ready = [(at, one) for at, axis in enumerate(self.axes) for one in axis.deliveries.values() if is_open(one)]
            held = [axis for axis in self.axes if axis.document and axis.document.state is IntakeState.HELD]
            if held and (not ready or self.lot.random() < 0.2):
                self.judge(self.lot.choice(held), last=not ready)
            elif ready:
                self.hand_over(*self.lot.choice(ready))
            else:
                return
        raise AssertionError("it goes on without end")

    def take(
        self, at: int, by: Principal, hops: tuple[Hop, ...], only_for: tuple[AgencyCode, ...] | None
    ) -> Problem | None:
        axis = self.axes[at]
        sub = submission(by, only_for=only_for, hops=hops)
        seen = [] if axis.document is None or axis.document.state is IntakeState.REFUSED else [axis.document]
        addressed = {
            code: one.state
            for one in axis.deliveries.values()
            if one.cargo is Cargo.DOCUMENT
            for code in one.recipients
        }
        verdict = waiting() if axis.holds else passed()
        said = content(*RECIPIENTS, sender=SENDER)
        decision = sound(
            decide_intake(sub, said, verdict, seen, addressed, axis.network, NOW, self.new_id, NONCE, held=0)
        )
        axis.apply(decision.changes)
        return decision.reply if isinstance(decision.reply, Problem) else None

    def hand_over(self, at: int, delivery: Delivery) -> None:
        axis, document = self.axes[at], self.axes[at].document
        assert document is not None
        delivery = axis.deliveries[delivery.id] = delivery._replace(state=DeliveryState.LEASED, attempts=1, token=1)
        problem: Problem | None = None
        if delivery.endpoint == "own":
            if delivery.cargo is Cargo.NOTICE:
                self.told.update(about(axis.notices[delivery.cargo_ref]) or RECIPIENTS)
            elif self.lot.random() < 0.2:
                problem = Problem(Kind.DESTINATION_REFUSED)
            else:
                self.reached.update(delivery.recipients)
        else:
            there, by = int(delivery.endpoint.removeprefix("to-")), Principal(f"to-{at}", Role.NODE, ((),))
            if delivery.cargo is Cargo.NOTICE:
                self.hear(there, by, axis.notices[delivery.cargo_ref])
            else:
                hops = (*hops_behind(document, delivery.recipients), Hop(axis.network.node, NOW))
                if self.take(there, by, hops, delivery.recipients) is not None:
                    problem = Problem(Kind.DESTINATION_REFUSED)
        if problem is None:
            axis.deliveries[delivery.id] = delivery._replace(state=DeliveryState.DELIVERED)
            return
        telling = Telling(document, None, self.new_id, canonical)
        axis.apply(
            sound(decide_setback(delivery, problem, RetryPolicy(), axis.network, NOW, 0.0, telling=telling)).changes
        )

    def hear(self, at: int, by: Principal, notice: Notice) -> None:
        """As `axis.flow.notices` has it."""
        axis = self.axes[at]
        assert axis.document is not None, "a notice of what was not here"
        sent = [(one.endpoint, one.recipients) for one in axis.deliveries.values() if one.cargo is Cargo.DOCUMENT]
        handed, of = handed_to(by.name, sent, axis.network), about(notice)
        assert handed and of <= handed, f"axis-{at} does not believe {by.name}"
        if any(one.octets == notice.octets for one in axis.notices.values()):
            return
        decision = pass_on(notice.octets, notice.outcome, of, axis.document, by.name, axis.network, NOW, self.new_id)
        axis.apply(decision.changes)

    def judge(self, axis: Axis, last: bool) -> None:
        assert axis.document is not None
        later = NOW + axis.network.hold if last else NOW
        decision = sound(decide_recheck(axis.document, Acceptance.ACCEPT, passed(), axis.network, later, self.new_id))
        axis.apply(decision.changes)
        if decision.changes:
            outcome = NoticeOutcome.RELEASED if decision.reply.state is IntakeState.ACCEPTED else NoticeOutcome.REFUSED
            if outcome is NoticeOutcome.REFUSED:
                made = decide_notice(axis.document, outcome, "no-route", axis.network, NOW, self.new_id, canonical)
                axis.apply(made.changes)


def is_open(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.QUEUED


def about(notice: Notice) -> frozenset[AgencyCode]:
    facts: dict[str, Any] = json.loads(notice.octets)
    return frozenset(map(AgencyCode.parse, facts.get("recipients", ())))


@pytest.mark.parametrize("part", range(4))
def test_whoever_a_document_does_not_reach_its_sender_hears_of(part: int) -> None:
    branched = 0
    for seed in range(part, SEEDS, 4):
        net = Net(random.Random(seed))
        net.lived()
        assert {*RECIPIENTS} <= net.reached | net.told, f"seed {seed}: nobody hears of a recipient"
        branched += any(axis.document is not None and axis.document.ways for axis in net.axes)
    assert branched, "by two ways it came nowhere: the routes are too plain"
