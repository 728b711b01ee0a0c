"""Business statuses: who may say what."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest

from axis.core.model import Attestation, Document, EntryKind, Hop, Principal, StatusReport
from axis.core.problems import Kind, Problem
from axis.core.states import IntakeState
from axis.core.statuses import Party, Report, Reporting
from schemas.codes import AgencyCode
from schemas.status import REASON_REQUIRED
from tests.unit.core.reports import CODES, LOCAL, THIRD, decide, document
from tests.unit.core.world import (
    COMMUNE_1,
    DISTRICT,
    DMS_10,
    DMS_20,
    FAR,
    NATIONAL,
    NEIGHBOUR,
    NOW,
    PROVINCE_97,
    TEN,
    TWENTY,
    code,
    decide_status,
    ids,
    network,
    problem_of,
    report,
    report_of,
    targets,
)

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
    old = replace(LOCAL, issued_on=NOW.date() - timedelta(days=365))
    assert report_of(decide(report("03", minutes=-60 * 24 * 365), old))


ISSUED = NOW.date()


@pytest.mark.parametrize(
    ("issued_on", "days", "taken"),
    [
        (ISSUED - timedelta(days=400), -401, True),
        (ISSUED - timedelta(days=400), -402, False),
        (ISSUED, -1, True),
        (ISSUED, -2, False),
        (ISSUED + timedelta(days=30), 0, True),
        (ISSUED + timedelta(days=30), -1, True),
        (ISSUED + timedelta(days=30), -2, False),
        (None, -4000, True),
    ],
)
def test_no_agency_reports_of_a_time_before_the_document_was_issued(issued_on: date, days: int, taken: bool) -> None:
    """But for a day, as clocks and zones differ; a document may be dated ahead. Of a neighbour it is carried on."""
    about = replace(LOCAL, issued_on=issued_on)
    said = report("03", minutes=days * 24 * 60)
    reply = decide(said, about).reply
    assert isinstance(reply, StatusReport) is taken
    if not taken:
        assert problem_of(decide(said, about)).kind is Kind.SCHEMA_VIOLATION
        there = replace(document(COMMUNE_1), issued_on=issued_on)
        assert report_of(decide(said._replace(reporter=COMMUNE_1), there, by=DISTRICT))


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
