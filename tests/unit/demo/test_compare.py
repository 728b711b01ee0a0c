"""The comparison finds what differs, and only calls good what is good."""

from dataclasses import replace
from datetime import date

import pytest

from axis.demo.compare import Answer, Collected, Comparison, Fact, Receipt, Told, compare
from axis.demo.plan import NATIONAL, REFUSED_FOR, Plan, make_plan

AT = "2026-11-23T01:02:03Z"
PLAN = make_plan(date(2026, 11, 23), 12)
CROSSED = next(row for row in PLAN.rows if row[0].compared_at(row[1]) == NATIONAL)
INSIDE = next(row for row in PLAN.rows if row[0].compared_at(row[1]) != NATIONAL)


def perfect(plan: Plan = PLAN) -> Collected:
    """What a network without any fault would give."""
    told, national, nodes, receipts = [], set(), {}, []
    for document, receiver in plan.rows:
        receipts.append(Receipt(document.document_id, receiver, ("aa",)))
        for code in document.expected_codes(receiver):
            fact = Fact(document.document_id, receiver, code, AT)
            told.append(Told(fact, by_axis=code == "01"))
            where = document.compared_at(receiver)
            (national if where == NATIONAL else nodes.setdefault(where, set())).add(fact)
    answers = [Answer(document.document_id, document="ref") for document in plan.good]
    answers += [
        Answer(document.document_id, problem="signature-failed", reason=REFUSED_FOR[document.flaw])
        for document in plan.bad
        if document.flaw
    ]
    return Collected(
        told=tuple(told),
        heard=frozenset(one.fact for one in told),
        answers=tuple(answers),
        sent_attachments={document.document_id: ("aa",) for document in plan.good},
        receipts=tuple(receipts),
        national=frozenset(national),
        nodes={name: frozenset(facts) for name, facts in nodes.items()},
    )


def judge(collected: Collected) -> Comparison:
    return compare(PLAN, collected)


def test_a_network_without_fault_is_good() -> None:
    comparison = judge(perfect())
    assert comparison.good
    assert comparison.told == comparison.matching == PLAN.expected_statuses


def test_nothing_at_all_is_not_equal() -> None:
    nothing = Collected((), frozenset(), (), {}, (), frozenset(), {})
    comparison = judge(nothing)
    assert not comparison.equal
    assert not comparison.complete
    assert not comparison.refused


def test_a_status_that_the_national_axis_lacks_is_found() -> None:
    whole = perfect()
    lost = next(f for f in whole.national if (f.document_id, f.receiver) == (CROSSED[0].document_id, CROSSED[1]))
    comparison = judge(replace(whole, national=whole.national - {lost}))
    assert not comparison.equal
    assert comparison.matching == comparison.told - 1
    assert [row.receiver for row in comparison.rows if not row.equal] == [lost.receiver]


def test_another_second_is_another_status() -> None:
    whole = perfect()
    moved = next(iter(whole.national))
    later = replace(moved, at="2026-11-23T01:02:04Z")
    assert not judge(replace(whole, national=whole.national - {moved} | {later})).equal


def test_a_status_that_the_senders_node_lacks_is_found() -> None:
    whole = perfect()
    where = INSIDE[0].compared_at(INSIDE[1])
    assert not judge(replace(whole, nodes={**whole.nodes, where: frozenset()})).equal


def test_a_status_that_nobody_told_is_found() -> None:
    whole = perfect()
    stranger = Fact(INSIDE[0].document_id, INSIDE[1], "03", AT)
    comparison = judge(replace(whole, national=whole.national | {stranger}))
    assert comparison.strangers == (stranger,)
    assert not comparison.equal


def test_a_receiver_that_did_not_finish_is_found() -> None:
    whole = perfect()
    told = whole.told[:4] + whole.told[5:]
    left = whole.told[4].fact
    comparison = judge(replace(whole, told=told, national=whole.national - {left}))
    assert comparison.equal
    assert not comparison.complete


def test_a_sender_that_did_not_hear_is_found() -> None:
    whole = perfect()
    comparison = judge(replace(whole, heard=whole.heard - {whole.told[0].fact}))
    assert comparison.equal
    assert not comparison.complete


def test_an_attachment_that_arrived_differently_is_found() -> None:
    whole = perfect()
    receipts = (replace(whole.receipts[0], attachments=("bb",)), *whole.receipts[1:])
    assert not judge(replace(whole, receipts=receipts)).complete


def test_a_good_document_that_was_refused_is_found() -> None:
    whole = perfect()
    refused = Answer(PLAN.good[0].document_id, problem="no-route")
    comparison = judge(replace(whole, answers=(*whole.answers, refused)))
    assert comparison.failed == (refused,)
    assert not comparison.good


@pytest.mark.parametrize("place", range(4))
def test_a_bad_package_refused_for_another_reason_is_found(place: int) -> None:
    whole = perfect()
    wrong = Answer(PLAN.bad[place].document_id, problem="signature-failed", reason="sig-structure")
    assert not judge(replace(whole, answers=(*whole.answers, wrong))).refused


def test_a_bad_package_that_was_delivered_is_found() -> None:
    whole = perfect()
    bad = PLAN.bad[0]
    leaked = Receipt(bad.document_id, bad.recipients[0], ())
    comparison = judge(replace(whole, receipts=(*whole.receipts, leaked)))
    assert comparison.refusals[0].delivered_to == (bad.recipients[0],)
    assert not comparison.refused
