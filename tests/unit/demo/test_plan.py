"""The plan of the demo has everything that the demo promises to show."""

from datetime import date

import pytest

from axis.demo.plan import BY_CODE, MB, NATIONAL, PARTIES, Flaw, Plan, make_plan

DAY = date(2026, 11, 23)


@pytest.fixture
def plan() -> Plan:
    return make_plan(DAY)


def test_the_same_arguments_give_the_same_plan(plan: Plan) -> None:
    assert make_plan(DAY) == plan


def test_the_default_plan_has_the_promised_size(plan: Plan) -> None:
    assert len(plan.good) == 24
    assert len(plan.rows) == 60
    assert len(plan.bad) == 4
    sizes = [size for document in plan.documents for size in document.attachments]
    assert min(sizes) == 1024
    assert sizes.count(20 * MB) == 1
    assert sum(MB <= size <= 5 * MB for size in sizes) == 3


def test_documents_travel_up_down_and_sideways(plan: Plan) -> None:
    journeys = {(BY_CODE[d.sender].name, BY_CODE[code].name) for d, code in plan.rows}
    assert {("xa-20", "bo"), ("bo", "xa-20"), ("xa-20", "xa-21"), ("so", "xa-20"), ("xa-21", "so")} <= journeys


def test_every_agency_sends_receives_and_refuses_or_is_asked_to(plan: Plan) -> None:
    everyone = {party.code for party in PARTIES}
    assert {document.sender for document in plan.good} == everyone
    assert {code for _, code in plan.rows} == everyone
    refusers = {code for document in plan.good for code in document.refusers}
    assert len(refusers) > 2
    assert any(BY_CODE[code].home == NATIONAL for code in refusers)


def test_document_ids_are_unique(plan: Plan) -> None:
    ids = [document.document_id for document in plan.documents]
    assert len(set(ids)) == len(ids)


def test_nobody_sends_to_itself(plan: Plan) -> None:
    assert all(document.sender not in document.recipients for document in plan.documents)


@pytest.mark.parametrize("documents", [1, 2, 3, 5, 24, 40, 150])
def test_each_flaw_occurs_once_in_a_plan_of_any_size(documents: int) -> None:
    plan = make_plan(DAY, documents)
    assert len(plan.good) == documents
    assert sorted(document.flaw or "" for document in plan.bad) == sorted(Flaw)


def test_a_longer_plan_is_not_a_heavier_one() -> None:
    weight = {n: sum(sum(d.attachments) for d in make_plan(DAY, n).good) for n in (24, 120)}
    assert weight[120] - weight[24] < 20 * MB


def test_an_empty_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        make_plan(DAY, 0)


def test_a_copy_that_stays_in_the_district_is_looked_up_at_the_senders_node(plan: Plan) -> None:
    """Even when the same document went up to the ministry: the national axis never hears of that copy."""
    both = next(d for d in plan.good if d.crosses and len({BY_CODE[c].home for c in (d.sender, *d.recipients)}) == 3)
    where = {BY_CODE[code].name: both.compared_at(code) for code in both.recipients}
    assert where["bo"] == NATIONAL
    assert where["so"] == NATIONAL
    assert where["van-phong-huyen"] == "huyen"
