"""Business statuses: what each means after those before it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axis.core.model import AddStatus, Principal, StatusReport
from axis.core.network import ArrivedBy, ReportRule
from axis.core.problems import Kind, Problem
from axis.core.statuses import Party, Reporting
from schemas.status import BY_WIRE, FIVE, RENEWABLE, Standing, Status, effective
from tests.unit.core.reports import CODES, LOCAL, RECIPIENT_OWNS, decide, document, say, standings
from tests.unit.core.world import (
    COMMUNE_1,
    DISTRICT,
    DMS_10,
    DMS_20,
    FAR,
    NATIONAL,
    NOW,
    TEN,
    TWENTY,
    decide_status,
    deliveries,
    ids,
    network,
    report,
    report_of,
    sound,
    stored,
    targets,
)


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
