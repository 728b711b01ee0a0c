"""Business statuses: who hears of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from axis.core.model import Attestation, Cargo, Document, Hop, Principal
from axis.core.network import ALL_CODES, ArrivedBy, ReportRule, lane
from axis.core.statuses import Report, arrived
from schemas.codes import AgencyCode
from schemas.status import BY_WIRE, FIVE, Standing, Status
from tests.unit.core.reports import CODES, LOCAL, RECIPIENT_OWNS, decide, document, say
from tests.unit.core.world import (
    COMMUNE_1,
    COMMUNE_2,
    DISTRICT,
    DMS_10,
    DMS_20,
    FAR,
    MINISTRY,
    NATIONAL,
    NEIGHBOUR,
    NOW,
    PROVINCE_97,
    TEN,
    TWENTY,
    deliveries,
    ids,
    network,
    report,
    report_of,
    routing,
    sound,
    stored,
    targets,
)

FORWARDS: list[tuple[str, Document, Principal, Report, ReportRule, dict[str, list[tuple[AgencyCode, ...]]]]] = [
    ("inside", LOCAL, DMS_20, report("03"), ReportRule.CROSSED, {"dms-10": [(TEN,)]}),
    (
        "inside, all are reported",
        LOCAL,
        DMS_20,
        report("03"),
        ReportRule.ALL,
        {"dms-10": [(TEN,)], "national": [(TEN,)]},
    ),
    (
        "from the district, to the sender here",
        document(COMMUNE_1),
        DISTRICT,
        report("03", COMMUNE_1),
        ReportRule.CROSSED,
        {"dms-10": [(TEN,)]},
    ),
    (
        "a document that came through the national axis",
        document(TWENTY, sender=FAR, by=NATIONAL),
        DMS_20,
        report("03", addressee=FAR),
        ReportRule.CROSSED,
        {"national": [(FAR,)]},
    ),
    (
        "a document that also crossed the national axis, to a sender here",
        document(TWENTY, FAR),
        DMS_20,
        report("03"),
        ReportRule.CROSSED,
        {"dms-10": [(TEN,)], "national": [(TEN,)]},
    ),
    ("out of the national axis", document(FAR), NATIONAL, report("03", FAR), ReportRule.CROSSED, {"dms-10": [(TEN,)]}),
    (
        "out of the national axis, all are reported",
        document(FAR),
        NATIONAL,
        report("03", FAR),
        ReportRule.ALL,
        {"dms-10": [(TEN,)]},
    ),
    (
        "to a neighbour's agency",
        document(TWENTY, sender=NEIGHBOUR, by=PROVINCE_97),
        DMS_20,
        report("03", addressee=NEIGHBOUR),
        ReportRule.CROSSED,
        {"province-97": [(NEIGHBOUR,)]},
    ),
    (
        "a recall down to the district",
        document(COMMUNE_1),
        DMS_10,
        report("13", TEN, COMMUNE_1),
        ReportRule.CROSSED,
        {"district": [(COMMUNE_1,)]},
    ),
    (
        "between two agencies of the district, through us",
        document(COMMUNE_1, sender=NEIGHBOUR, by=PROVINCE_97),
        DISTRICT,
        report("03", COMMUNE_1, NEIGHBOUR),
        ReportRule.ALL,
        {"national": [(NEIGHBOUR,)], "province-97": [(NEIGHBOUR,)]},
    ),
]


@pytest.mark.parametrize(
    ("about", "by", "said", "rule", "expected"), [case[1:] for case in FORWARDS], ids=[case[0] for case in FORWARDS]
)
def test_a_status_goes_to_its_addressee_and_by_the_rule_to_the_national_axis(
    about: Document, by: Principal, said: Report, rule: ReportRule, expected: dict[str, list[tuple[AgencyCode, ...]]]
) -> None:
    decision = decide(said, about, by=by, at=network(report=rule, arrived_by=ArrivedBy.RECIPIENT))
    assert targets(decision) == expected
    ref = report_of(decision).ref
    for delivery in deliveries(decision):
        assert (delivery.cargo, delivery.cargo_ref, delivery.document) == (Cargo.STATUS, ref, about.ref)


def test_a_status_never_goes_back_to_the_axis_it_came_from() -> None:
    between = replace(document(COMMUNE_1), sender=COMMUNE_2)
    assert not targets(decide(report("03", COMMUNE_1, COMMUNE_2), between, by=DISTRICT))


def test_a_status_goes_back_to_a_system_that_serves_both_parties() -> None:
    shared = network(routing(**{"H99.20": "dms-10"}), arrived_by=ArrivedBy.RECIPIENT)
    both = replace(DMS_10, authority=(("H99", "10"), ("H99", "20")))
    assert targets(decide(report("03"), by=both, at=shared)) == {"dms-10": [(TEN,)]}


@pytest.mark.parametrize("wire", CODES)
def test_only_the_configured_codes_are_reported_to_the_national_axis(wire: str) -> None:
    five = frozenset(status.wire for status in FIVE)
    at = network(report=ReportRule.ALL, reported=five, arrived_by=ArrivedBy.RECIPIENT)
    sides = (TEN, TWENTY) if wire == "13" else (TWENTY, TEN)
    by = DMS_10 if wire == "13" else DMS_20
    heard = "national" in targets(decide(report(wire, *sides), by=by, at=at))
    assert heard is (wire in five)
    assert frozenset(CODES) == ALL_CODES == network().reported


def test_a_node_without_a_national_connection_reports_to_nobody_else() -> None:
    alone = network(report=ReportRule.ALL, roles={"dms-10": DMS_10.role, "dms-20": DMS_20.role})
    assert targets(decide(report("03"), at=alone)) == {"dms-10": [(TEN,)]}


def test_an_addressee_without_a_route_gets_nothing_and_the_status_is_kept() -> None:
    about = document(TWENTY, sender=FAR, by=NATIONAL)
    decision = decide(report("03", addressee=FAR), about, at=network(routing(**{"*": None})))
    assert stored([decision])


def test_a_status_for_a_recipient_waits_in_the_lane_of_its_document() -> None:
    (recall,) = deliveries(decide(report("13", TEN, TWENTY), by=DMS_10))
    assert recall.lane == lane("dms-20", [TWENTY], TEN, LOCAL.concerns)
    (up,) = deliveries(decide(report("03", addressee=FAR), document(TWENTY, sender=FAR, by=NATIONAL)))
    assert up.lane == lane("national", [], FAR, LOCAL.concerns)


def test_the_axis_sets_01_when_it_owns_it_and_only_once() -> None:
    decision = sound(arrived(LOCAL, TWENTY, (), network(), NOW, ids("status")))
    made = decision.reply
    assert made is not None
    assert (made.wire, made.attestation, made.reporter, made.addressee, made.by) == (
        "01",
        Attestation.AXIS,
        TWENTY,
        TEN,
        "province-99",
    )
    assert made.at == NOW.replace(microsecond=0)
    assert targets(decision) == {"dms-10": [(TEN,)]}
    again = arrived(LOCAL, TWENTY, [made], network(), NOW, ids("status"))
    assert (again.reply, again.changes, again.entries) == (None, (), ())


def test_the_axis_is_silent_when_the_recipient_owns_01() -> None:
    assert arrived(LOCAL, TWENTY, (), RECIPIENT_OWNS, NOW, ids()).reply is None


def test_a_recipients_own_01_is_acknowledged_with_that_of_the_axis() -> None:
    made = sound(arrived(LOCAL, TWENTY, (), network(), NOW, ids("status"))).reply
    assert made is not None
    decision = decide(report("01", minutes=-3), prior=[made], at=network())
    assert report_of(decision) == made._replace(standing=Standing.REPEATED)
    assert not decision.changes
    assert not decision.entries


def test_a_recipients_01_before_the_hand_over_counts_and_the_axis_adds_none() -> None:
    early = decide(report("01", minutes=-3), at=network())
    assert report_of(early).standing is Standing.APPLIED
    assert arrived(LOCAL, TWENTY, stored([early]), network(), NOW, ids()).reply is None


def test_a_neighbours_second_01_is_history() -> None:
    about = document(COMMUNE_1)
    first, second = say(
        report("01", COMMUNE_1, minutes=-2), report("01", COMMUNE_1, minutes=-1), about=about, by=DISTRICT, at=network()
    )
    assert targets(first) == {"dms-10": [(TEN,)]}
    assert second.reply.standing is Standing.REPEATED
    assert not deliveries(second)


def test_01_after_03_is_late_and_still_told() -> None:
    third = decide(report("03", minutes=-5), at=network())
    decision = sound(arrived(LOCAL, TWENTY, stored([third]), network(), NOW, ids("axis")))
    assert decision.reply is not None
    assert decision.reply.standing is Standing.LATE
    assert targets(decision) == {"dms-10": [(TEN,)]}


def test_what_is_recorded_is_what_was_said() -> None:
    said = report("02", description="Thiếu phụ lục", issued_on=LOCAL.issued_on)
    way = (Hop("district", NOW),)
    made = report_of(decide(said, hops=way))
    assert (made.wire, made.status, made.at, made.received_at) == ("02", Status.REJECTED, said.at, NOW)
    assert (made.description, made.issued_on, made.number, made.hops) == (
        "Thiếu phụ lục",
        LOCAL.issued_on,
        "12/UBND-VP",
        way,
    )
    assert BY_WIRE[made.wire] is Status.REJECTED
    assert said.at + timedelta(microseconds=NOW.microsecond) == NOW


def test_the_ministry_is_told_by_the_national_axis_alone() -> None:
    about = document(TWENTY, sender=MINISTRY, by=NATIONAL)
    for rule in ReportRule:
        at = network(report=rule, arrived_by=ArrivedBy.RECIPIENT)
        decision = decide(report("06", addressee=MINISTRY), about, at=at)
        assert targets(decision) == {"national": [(MINISTRY,)]}
