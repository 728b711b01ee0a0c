"""Business statuses: who may say what, what it means, and who hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axis.core.intake import decide_intake
from axis.core.model import (
    AddStatus,
    AdoptStatus,
    Attestation,
    Cargo,
    Decision,
    Document,
    EntryKind,
    Hop,
    Principal,
    StatusReport,
)
from axis.core.network import ALL_CODES, ArrivedBy, Network, ReportRule, lane
from axis.core.problems import Kind, Problem
from axis.core.routing import RoutingTable
from axis.core.states import IntakeState
from axis.core.statuses import Party, Report, Reporting, adopt, arrived
from schemas.codes import AgencyCode
from schemas.status import BY_WIRE, FIVE, REASON_REQUIRED, RENEWABLE, WIRE, Standing, Status, effective
from tests.unit.core.world import (
    COMMUNE_1,
    COMMUNE_2,
    DISTRICT,
    DMS_10,
    DMS_20,
    DOCUMENT_ID,
    FAR,
    MINISTRY,
    NATIONAL,
    NEIGHBOUR,
    NONCE,
    NOW,
    PROVINCE_97,
    TEN,
    TWENTY,
    code,
    content,
    decide_status,
    deliveries,
    document_of,
    ids,
    network,
    passed,
    problem_of,
    report,
    report_of,
    routing,
    sound,
    stored,
    submission,
    targets,
)

CODES = sorted(WIRE.values())
THIRD = Principal("dms-30", DMS_10.role, (("H99", "30"),))
RECIPIENT_OWNS = network(arrived_by=ArrivedBy.RECIPIENT)


def document(*to: AgencyCode, sender: AgencyCode = TEN, by: Principal = DMS_10) -> Document:
    taken = decide_intake(
        submission(by), content(*to, sender=sender), passed(), (), (), network(), NOW, ids("doc"), NONCE
    )
    return document_of(taken)


LOCAL = document(TWENTY)


def decide(
    said: Report,
    about: Document | None = LOCAL,
    prior: Sequence[StatusReport] = (),
    by: Principal = DMS_20,
    hops: tuple[Hop, ...] = (),
    at: Network | None = None,
) -> Decision[StatusReport | Problem]:
    return sound(decide_status(said, about, prior, by, hops, at or RECIPIENT_OWNS, NOW, ids("status")))


# --- who may say what --------------------------------------------------------------------------------------

PARTIES: list[tuple[str, Principal, AgencyCode, AgencyCode, set[str]]] = [
    # who speaks, about the document from TEN to TWENTY, to whom; and the codes that it may set
    ("the recipient", DMS_20, TWENTY, TEN, set(CODES) - {"13"}),
    ("the sender", DMS_10, TEN, TWENTY, {"13"}),
    ("a third agency to the sender", THIRD, code("H99.30"), TEN, set()),
    ("a third agency to the recipient", THIRD, code("H99.30"), TWENTY, set()),
    ("the recipient to a third agency", DMS_20, TWENTY, code("H99.30"), set()),
    ("the sender to a third agency", DMS_10, TEN, code("H99.30"), set()),
]


@pytest.mark.parametrize(
    ("party", "wire"), list(product(PARTIES, CODES)), ids=lambda value: value[0] if isinstance(value, tuple) else value
)
def test_a_status_is_set_only_by_the_party_it_belongs_to(
    party: tuple[str, Principal, AgencyCode, AgencyCode, set[str]], wire: str
) -> None:
    _, by, reporter, addressee, allowed = party
    decision = decide(report(wire, reporter, addressee), by=by)
    if wire in allowed:
        assert report_of(decision).receiver == TWENTY
        assert report_of(decision).sender == TEN
        assert report_of(decision).reporter == reporter
        assert report_of(decision).attestation is Attestation.CONNECTION
    else:
        assert problem_of(decision).kind is Kind.ILLEGAL_STATUS
        assert not decision.changes
        assert [entry.kind for entry in decision.entries] == [EntryKind.STATUS_REFUSED]
        assert decision.entries[0].facts == {"problem": "illegal-status", "code": wire, "reporter": reporter.text}


@pytest.mark.parametrize(
    ("said", "by", "told"),
    [
        (report("13", TWENTY, TEN), DMS_20, "only the sender of the document may set this status"),
        (report("03", TEN, TWENTY), DMS_10, "only a receiver of the document may set this status"),
        (report("13", TEN, code("H99.30")), DMS_10, "the agency that this status is told to is no receiver"),
        (report("03", TWENTY, code("H99.30")), DMS_20, "this status is told to the sender of the document"),
    ],
)
def test_the_refusal_says_which_party_is_the_wrong_one(said: Report, by: Principal, told: str) -> None:
    assert problem_of(decide(said, by=by)).detail.startswith(told)


@pytest.mark.parametrize("wire", CODES)
def test_nobody_speaks_for_an_agency_outside_its_connection(wire: str) -> None:
    for by in (DMS_10, THIRD, DISTRICT, PROVINCE_97):
        assert problem_of(decide(report(wire), by=by)).kind is Kind.NOT_YOUR_AGENCY


@pytest.mark.parametrize("by", [DISTRICT, NATIONAL])
def test_a_neighbour_passes_on_what_its_agencies_say_on_its_own_word(by: Principal) -> None:
    about = document(COMMUNE_1)
    said = report_of(decide(report("03", COMMUNE_1), about, by=by))
    assert (said.attestation, said.by, said.via) == (Attestation.NEIGHBOUR, by.name, by.role)


@pytest.mark.parametrize("by", [DISTRICT, NATIONAL])
def test_not_even_a_neighbour_sets_what_its_agency_may_not(by: Principal) -> None:
    assert problem_of(decide(report("03", COMMUNE_1), LOCAL, by=by)).kind is Kind.ILLEGAL_STATUS


@pytest.mark.parametrize("wire", CODES)
@pytest.mark.parametrize(
    "by", [NATIONAL, replace(DISTRICT, authority=((),)), replace(PROVINCE_97, authority=(("H99",),))]
)
def test_another_axis_does_not_report_for_an_agency_that_is_connected_here(by: Principal, wire: str) -> None:
    """To be the axis for everything else, or for the province, is not to speak for TWENTY, which is connected here."""
    said = report(wire, TEN, TWENTY) if wire == "13" else report(wire)
    for about in (LOCAL, None):
        decision = decide(said, about, by=by)
        assert problem_of(decision).kind is Kind.NOT_YOUR_AGENCY
        assert [entry.kind for entry in decision.entries] == [EntryKind.STATUS_REFUSED]


def test_another_axis_reports_for_such_an_agency_where_it_is_named_as_closely_or_the_agency_signed() -> None:
    named = replace(PROVINCE_97, authority=(("H97",), ("H99", "20")))
    assert report_of(decide(report("03"), by=named)).attestation is Attestation.NEIGHBOUR
    signed = report("03")._replace(signed=True)
    assert report_of(decide(signed, by=NATIONAL)).attestation is Attestation.NEIGHBOUR


REFUSED_FROM_AGENCIES: list[tuple[str, Report, Document | None, Kind]] = [
    ("tells of no document", report("03"), None, Kind.NOT_FOUND),
    ("has a code that nobody knows", report("07"), LOCAL, Kind.SCHEMA_VIOLATION),
    ("lies in the future", report("03", minutes=6), LOCAL, Kind.SCHEMA_VIOLATION),
    ("refuses without a reason", report("02", description=None), LOCAL, Kind.SCHEMA_VIOLATION),
    ("refuses with an empty reason", report("16", description=" \n"), LOCAL, Kind.SCHEMA_VIOLATION),
]


@pytest.mark.parametrize(
    ("said", "about", "kind"), [case[1:] for case in REFUSED_FROM_AGENCIES], ids=[c[0] for c in REFUSED_FROM_AGENCIES]
)
def test_a_status_of_an_agency_is_refused_when_it(said: Report, about: Document | None, kind: Kind) -> None:
    assert problem_of(decide(said, about)).kind is kind


@pytest.mark.parametrize("said", [case[1] for case in REFUSED_FROM_AGENCIES], ids=[c[0] for c in REFUSED_FROM_AGENCIES])
def test_the_same_status_is_carried_on_when_a_neighbour_brings_it(said: Report) -> None:
    about = document(COMMUNE_1)
    brought = decide(said._replace(reporter=COMMUNE_1), about, by=DISTRICT)
    assert targets(brought) == {"dms-10": [(TEN,)]}


def test_a_clock_may_run_five_minutes_ahead_and_an_old_status_is_no_fault() -> None:
    assert report_of(decide(report("03", minutes=5)))
    assert report_of(decide(report("03", minutes=-60 * 24 * 365)))


def test_codes_that_need_a_reason_are_the_two_refusals() -> None:
    assert {status.wire for status in REASON_REQUIRED} == {"02", "16"}
    for wire in set(CODES) - {"02", "16", "13"}:
        assert report_of(decide(report(wire, description=None)))


@pytest.mark.parametrize(
    ("hops", "taken"), [(9, True), (10, False)], ids=["nine hops are taken", "the tenth is one too many"]
)
def test_a_status_travels_a_bounded_way(hops: int, taken: bool) -> None:
    way = tuple(Hop(f"node-{n}", NOW) for n in range(hops))
    decision = decide(report("03", COMMUNE_1), document(COMMUNE_1), by=DISTRICT, hops=way)
    assert isinstance(decision.reply, StatusReport) is taken


def test_a_status_that_was_here_before_is_refused() -> None:
    way = (Hop("province-99", NOW), Hop("district", NOW))
    decision = decide(report("03", COMMUNE_1), document(COMMUNE_1), by=DISTRICT, hops=way)
    assert problem_of(decision).kind is Kind.ROUTING_LOOP


ASKED_ONCE = [
    (report(wire, reporter, addressee)._replace(signed=signed), replace(about, crossed=crossed) if about else None)
    for wire, (reporter, addressee), about, crossed, signed in product(
        (*CODES, "99"),
        ((TWENTY, TEN), (TEN, TWENTY), (COMMUNE_1, TEN), (COMMUNE_1, FAR), (FAR, COMMUNE_1), (NEIGHBOUR, TEN)),
        (LOCAL, document(COMMUNE_1), None),
        (False, True),
        (False, True),
    )
]


@pytest.mark.parametrize("by", [DMS_10, DMS_20, DISTRICT, PROVINCE_97, NATIONAL], ids=lambda by: by.name)
def test_of_many_reports_each_is_decided_as_if_it_were_alone(by: Principal) -> None:
    """What is the same for many is asked once, and only what is the same."""
    number, decided = ids("status"), []
    together = Reporting(Party(by, (), network()), NOW, ids("status"))
    for said, about in ASKED_ONCE:
        decided.append(together.decide(said, about, ()))
        assert decided[-1] == decide_status(said, about, (), by, (), network(), NOW, number)
    assert {isinstance(one.reply, Problem) for one in decided} == {True, False}


def test_what_a_party_is_to_many_documents_is_what_it_is_to_each() -> None:
    """Recipients that are the same object under several senders, and equal ones that are another."""
    to = [(TWENTY,), (TEN, TWENTY), (COMMUNE_1, FAR), (TWENTY,)]
    about = [
        replace(LOCAL, sender=sender, recipients=recipients, state=state, by=by)
        for sender, recipients, state, by in product(
            (TEN, TWENTY, FAR, COMMUNE_1), to, (IntakeState.ACCEPTED, IntakeState.HELD), ("dms-20", "district")
        )
    ]
    for by in (DMS_10, DMS_20, DISTRICT, NATIONAL):
        party = Party(by, (), network())
        for one in about:
            alone = Party(by, (), network())
            assert party.part_in(one) == alone.part_in(one)
            assert party.may_see(one) is alone.may_see(one)


# --- what it means -----------------------------------------------------------------------------------------


def say(*reports: Report, about: Document = LOCAL, by: Principal = DMS_20, at: Network | None = None) -> list[Any]:
    """One report after the other, each with what was stored before it."""
    decisions: list[Decision[StatusReport | Problem]] = []
    number = ids("status")
    for one in reports:
        prior = stored(decisions)
        decisions.append(sound(decide_status(one, about, prior, by, (), at or RECIPIENT_OWNS, NOW, number)))
    return decisions


def standings(decisions: Sequence[Decision[Any]]) -> list[str]:
    return [decision.reply.standing.value for decision in decisions]


def test_the_five_in_order_all_apply() -> None:
    decisions = say(*(report(status.wire, minutes=n - 9) for n, status in enumerate(FIVE)))
    assert standings(decisions) == ["applied"] * 5
    assert all(targets(decision) == {"dms-10": [(TEN,)]} for decision in decisions)


STORIES = [
    (["06", "01", "03"], ["applied", "late", "late"]),
    (["03", "03"], ["applied", "repeated"]),
    (["03", "02"], ["applied", "conflict"]),
    (["02", "03"], ["applied", "conflict"]),
    (["01", "02"], ["applied", "applied"]),
    (["02"], ["applied"]),
    (["01", "15"], ["applied", "conflict"]),
    (["01"] * 9 + ["06", "03"], ["applied", *["repeated"] * 8, "applied", "late"]),
]


@pytest.mark.parametrize(("wires", "expected"), STORIES)
def test_what_a_status_means_depends_on_what_was_said_before(wires: list[str], expected: list[str]) -> None:
    assert standings(say(*(report(wire, minutes=n - 9) for n, wire in enumerate(wires)))) == expected


def test_late_and_contradicting_statuses_are_stored_and_passed_on() -> None:
    for decision in say(report("06", minutes=-9), report("03", minutes=-8), report("02", minutes=-7))[1:]:
        assert isinstance(decision.changes[0], AddStatus)
        assert targets(decision) == {"dms-10": [(TEN,)]}


def test_the_same_status_of_the_same_time_is_answered_with_the_first_and_not_written_again() -> None:
    first, again = say(report("03"), report("03"))
    assert again.reply == first.reply._replace(standing=Standing.REPEATED)
    assert not again.changes
    assert not again.entries


def test_the_same_status_of_another_time_is_history_that_nobody_else_hears() -> None:
    decision = say(report("03", minutes=-2), report("03", minutes=-1))[1]
    assert [type(change) for change in decision.changes] == [AddStatus]
    assert decision.reply.standing is Standing.REPEATED


def test_an_unknown_code_is_kept_shown_and_passed_on_once() -> None:
    about = document(COMMUNE_1)
    first, second = say(
        report("07", COMMUNE_1, minutes=-2), report("07", COMMUNE_1, minutes=-1), about=about, by=DISTRICT
    )
    assert (first.reply.status, first.reply.standing) == (None, Standing.CONFLICT)
    assert targets(first) == {"dms-10": [(TEN,)]}
    assert second.reply.standing is Standing.REPEATED
    assert not deliveries(second)


def test_a_recall_is_asked_by_the_sender_and_answered_by_the_recipient() -> None:
    asked = decide(report("13", TEN, TWENTY), by=DMS_10)
    assert targets(asked) == {"dms-20": [(TWENTY,)]}
    answered = decide(report("15"), prior=stored([asked]))
    assert targets(answered) == {"dms-10": [(TEN,)]}
    assert report_of(answered).standing is Standing.APPLIED


def test_a_second_recall_after_a_refused_one_reaches_the_recipient() -> None:
    first = decide(report("13", TEN, TWENTY, minutes=-9), by=DMS_10)
    no = decide(report("16", minutes=-8), prior=stored([first]))
    second = decide(report("13", TEN, TWENTY, minutes=-7), prior=stored([first, no]), by=DMS_10)
    assert targets(second) == {"dms-20": [(TWENTY,)]}


orders = st.lists(st.sampled_from(FIVE), max_size=4).flatmap(lambda more: st.permutations([*FIVE, *more]))


@settings(deadline=None)
@given(orders, st.data())
def test_in_whatever_order_the_five_come_the_end_is_the_same_and_each_is_passed_on_once(
    order: list[Status], data: st.DataObject
) -> None:
    """Repeats of the same time and of another time are mixed in; the document crossed, so two axes hear of it."""
    about = document(TWENTY, sender=FAR, by=NATIONAL)
    at = network(report=ReportRule.ALL, arrived_by=ArrivedBy.RECIPIENT)
    said = [report(one.wire, addressee=FAR, minutes=-data.draw(st.integers(0, 2))) for one in order]
    decisions = say(*said, about=about, at=at)
    reports = stored(decisions)
    assert effective([one.status for one in reports if one.status]) is Status.COMPLETED
    by_ref = {one.ref: one.wire for one in reports}
    sent = [(by_ref[delivery.cargo_ref], delivery.endpoint) for one in decisions for delivery in deliveries(one)]
    assert sorted(sent) == [(status.wire, "national") for status in FIVE]


@given(st.lists(st.tuples(st.sampled_from([*CODES, "07"]), st.integers(-30, 0)), max_size=40))
def test_what_was_repeated_has_no_part_in_what_comes_next_but_for_its_own_time(told: list[tuple[str, int]]) -> None:
    """So a store need not give all of it to whoever decides (`Ledger.said_of`)."""
    prior: list[StatusReport] = []
    number = ids("status")
    for wire, minutes in told:
        said = report(wire, *((TEN, TWENTY) if wire == "13" else (TWENTY, TEN)), minutes=minutes)
        few = [one for one in prior if one.standing is not Standing.REPEATED or (one.wire, one.at) == (wire, said.at)]
        reporting = Reporting(Party(NATIONAL, (), RECIPIENT_OWNS), NOW, lambda: "one")
        assert reporting.decide(said, LOCAL, few) == reporting.decide(said, LOCAL, prior)
        prior += stored([decide_status(said, LOCAL, prior, NATIONAL, (), RECIPIENT_OWNS, NOW, number)])


@given(st.lists(st.sampled_from([*CODES, "07"]), min_size=1, max_size=8), st.sampled_from([DMS_10, DMS_20, NATIONAL]))
def test_a_code_is_passed_on_once_or_when_it_applies_again_and_nothing_that_is_allowed_is_dropped(
    wires: list[str], by: Principal
) -> None:
    about, prior, sent, due = LOCAL, list[StatusReport](), list[str](), list[str]()
    number = ids("status")
    for minute, wire in enumerate(wires):
        sides = (TEN, TWENTY) if wire == "13" else (TWENTY, TEN)
        said = report(wire, *sides, minutes=minute - 60)
        decision = sound(decide_status(said, about, prior, by, (), RECIPIENT_OWNS, NOW, number))
        if isinstance(decision.reply, Problem):
            assert decision.reply.kind in {Kind.NOT_YOUR_AGENCY, Kind.SCHEMA_VIOLATION}
            continue
        new = stored([decision])
        assert [one.wire for one in new] == [wire]
        first = wire not in {one.wire for one in prior}
        renewed = BY_WIRE.get(wire) in RENEWABLE and new[0].standing is Standing.APPLIED
        due += [wire] if first or renewed else []
        prior += new
        sent += [wire for _ in deliveries(decision)]
    assert sent == due


# --- who hears of it ---------------------------------------------------------------------------------------

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
    (
        "out of the national axis",
        document(FAR),
        NATIONAL,
        report("03", FAR),
        ReportRule.CROSSED,
        {"dms-10": [(TEN,)]},
    ),
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
    about: Document,
    by: Principal,
    said: Report,
    rule: ReportRule,
    expected: dict[str, list[tuple[AgencyCode, ...]]],
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


# --- 01, which has one owner -------------------------------------------------------------------------------


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
        report("01", COMMUNE_1, minutes=-2),
        report("01", COMMUNE_1, minutes=-1),
        about=about,
        by=DISTRICT,
        at=network(),
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


# --- orphans -----------------------------------------------------------------------------------------------


def orphan(said: Report, by: Principal = DISTRICT, at: Network | None = None) -> Decision[StatusReport | Problem]:
    return decide(said, None, by=by, at=at)


def test_a_status_before_its_document_is_kept() -> None:
    decision = orphan(report("03", COMMUNE_1, document_id=f" {DOCUMENT_ID}\n"))
    made = report_of(decision)
    assert (made.document, made.document_id, made.standing) == (None, DOCUMENT_ID, Standing.APPLIED)
    assert not deliveries(decision)


def test_an_orphan_for_an_agency_behind_another_axis_is_passed_on() -> None:
    decision = orphan(report("03", COMMUNE_1, FAR))
    assert targets(decision) == {"national": [(FAR,)]}
    assert deliveries(decision)[0].document is None


def test_an_orphan_never_goes_back_where_it_came_from() -> None:
    assert not deliveries(orphan(report("03", COMMUNE_1, COMMUNE_2)))


def adopted(
    came: Decision[StatusReport | Problem],
    about: Document,
    prior: Sequence[StatusReport] = (),
    at: Network | None = None,
) -> Decision[StatusReport]:
    """The orphan that came so finds its document."""
    reached = {one.endpoint for one in deliveries(came)}
    return sound(adopt(report_of(came), about, prior, reached, at or RECIPIENT_OWNS, NOW, ids("late")))


def test_an_orphan_finds_its_document_and_is_told_to_the_sender_here() -> None:
    came = orphan(report("03", COMMUNE_1))
    made, about = report_of(came), document(COMMUNE_1)
    decision = adopted(came, about)
    assert decision.changes[0] == AdoptStatus(made.ref, about.ref, Standing.APPLIED)
    assert targets(decision) == {"dms-10": [(TEN,)]}
    assert [entry.kind for entry in decision.entries] == [EntryKind.ORPHAN_MATCHED]
    assert decision.reply == made._replace(document=about.ref)


def test_an_orphan_that_was_passed_on_is_not_passed_on_again() -> None:
    decision = adopted(orphan(report("03", COMMUNE_1, FAR)), document(COMMUNE_1, sender=FAR, by=NATIONAL))
    assert not deliveries(decision)
    assert decision.changes


def test_an_orphan_is_passed_on_where_the_routes_lead_when_its_document_comes() -> None:
    """When it came no route led to whom it is for: who is reached now was not reached then."""
    nowhere = network(arrived_by=ArrivedBy.RECIPIENT)
    known = [rule for rule in nowhere.routes.rules if rule.endpoint != "national"]
    nowhere = replace(nowhere, routes=RoutingTable(known, nowhere.registry))
    came = orphan(report("03", COMMUNE_1, FAR), at=nowhere)
    assert not deliveries(came)
    assert targets(adopted(came, document(COMMUNE_1, sender=FAR, by=NATIONAL))) == {"national": [(FAR,)]}


@pytest.mark.parametrize(
    ("rule", "sender", "by", "expected"),
    [
        (ReportRule.ALL, TEN, DMS_10, {"dms-10", "national"}),
        (ReportRule.CROSSED, TEN, DMS_10, {"dms-10"}),
        (ReportRule.ALL, NEIGHBOUR, PROVINCE_97, {"national"}),  # the neighbour has it from the orphan's first day
        (ReportRule.CROSSED, NEIGHBOUR, PROVINCE_97, set()),
        (ReportRule.ALL, FAR, NATIONAL, set()),
    ],
)
def test_an_adopted_status_reaches_whom_the_rule_names_and_whom_it_did_not_reach_before(
    rule: ReportRule, sender: AgencyCode, by: Principal, expected: set[str]
) -> None:
    at = network(report=rule, arrived_by=ArrivedBy.RECIPIENT)
    came = orphan(report("03", COMMUNE_1, sender), at=at)
    assert set(targets(adopted(came, document(COMMUNE_1, sender=sender, by=by), at=at))) == expected


def test_an_orphan_that_was_overtaken_by_its_repeat_is_not_told_twice() -> None:
    about = document(COMMUNE_1)
    told = decide(report("03", COMMUNE_1, minutes=1), about, by=DISTRICT)
    came = orphan(report("03", COMMUNE_1))
    made, decision = report_of(came), adopted(came, about, stored([told]))
    assert decision.reply.standing is Standing.REPEATED
    assert decision.changes == (AdoptStatus(made.ref, about.ref, Standing.REPEATED),)


def test_a_status_of_somebody_the_document_does_not_name_stays_an_orphan() -> None:
    """It would have been refused had it come after the document; coming before must not make it good."""
    came = orphan(report("03", COMMUNE_1))
    decision = adopted(came, document(TWENTY))
    assert decision.reply == report_of(came)
    assert not decision.changes


def test_an_orphan_that_contradicts_is_kept_and_shown() -> None:
    about = document(COMMUNE_1)
    told = decide(report("03", COMMUNE_1), about, by=DISTRICT)
    came = orphan(report("02", COMMUNE_1))
    assert adopted(came, about, stored([told])).reply.standing is Standing.CONFLICT


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
