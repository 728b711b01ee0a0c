"""A status that is told again and again: how much of that is kept (ADR 0084)."""

from __future__ import annotations

from typing import Any

import pytest

from axis.core.model import Decision, EntryKind, Principal
from axis.core.problems import Kind
from axis.core.repeats import MOST_TOLD
from axis.core.statuses import Party, Repeat, Report, Reporting
from schemas.status import BY_WIRE, Standing
from tests.unit.core.reports import CODES, LOCAL, RECIPIENT_OWNS, document, say
from tests.unit.core.world import (
    COMMUNE_1,
    DISTRICT,
    DMS_10,
    DMS_20,
    NOW,
    TEN,
    TWENTY,
    ids,
    problem_of,
    report,
    report_of,
    sound,
    targets,
)

ABOUT = {DMS_20: LOCAL, DISTRICT: document(COMMUNE_1)}
SPEAKS = {DMS_20: TWENTY, DISTRICT: COMMUNE_1}


def again(said: Report, kept: int, by: Principal = DMS_20, *before: str) -> Decision[Any]:
    """What is decided of it after `before` (03 where nothing is named), where so many are kept."""
    first = [report(wire, SPEAKS[by], minutes=n - 99) for n, wire in enumerate(before or ("03",))]
    prior = [report_of(one) for one in say(*first, about=ABOUT[by], by=by)]
    reporting = Reporting(Party(by, (), RECIPIENT_OWNS), NOW, ids("again"))
    return sound(reporting.decide(said, ABOUT[by], prior, kept))


def test_a_code_is_told_again_as_long_as_there_is_room() -> None:
    assert report_of(again(report("03"), MOST_TOLD - 1)).standing is Standing.REPEATED


def test_an_agency_hears_that_it_told_a_code_too_often_and_nothing_is_stored() -> None:
    for kept in (MOST_TOLD, MOST_TOLD + 1, 10 * MOST_TOLD):
        decision = again(report("03"), kept)
        assert problem_of(decision).kind is Kind.TOO_MANY_REPEATS
        assert not decision.changes
        assert [entry.kind for entry in decision.entries] == [EntryKind.STATUS_REFUSED]


def test_the_same_report_is_answered_with_the_first_however_much_is_kept() -> None:
    decision = again(report("03", minutes=-99), MOST_TOLD)
    assert isinstance(decision.reply, Repeat)
    assert not decision.entries


@pytest.mark.parametrize("wire", sorted(set(CODES) - {"03", "13"}))
def test_a_code_that_was_not_told_is_stored_and_passed_on_however_much_is_kept(wire: str) -> None:
    decision = again(report(wire), MOST_TOLD * 100)
    assert report_of(decision).wire == wire
    assert targets(decision) == {"dms-10": [(TEN,)]}


def test_what_another_axis_repeats_is_answered_with_the_first_and_blocks_nothing_there() -> None:
    for wire in ("03", "07"):
        decision = again(report(wire, COMMUNE_1), MOST_TOLD, DISTRICT, "03", "07")
        assert isinstance(decision.reply, Repeat)
        assert decision.reply.first.wire == wire
        assert (decision.entries, decision.changes) == ((), ())


def test_what_another_axis_tells_for_the_first_time_or_anew_is_never_lost() -> None:
    told = ("03", "13", "16", "13")
    fresh = again(report("08", COMMUNE_1), MOST_TOLD * 100, DISTRICT, "03")
    assert (report_of(fresh).standing, targets(fresh)) == (Standing.CONFLICT, {"dms-10": [(TEN,)]})
    first = say(report("03", COMMUNE_1, minutes=-99), about=ABOUT[DISTRICT], by=DISTRICT)
    asked = say(report("13", TEN, COMMUNE_1, minutes=-50), about=ABOUT[DISTRICT], by=DMS_10)
    prior = [report_of(one) for one in (*first, *asked)]
    prior.append(prior[0]._replace(wire="16", standing=Standing.APPLIED))
    prior.append(prior[1]._replace(standing=Standing.APPLIED))
    assert tuple(one.wire for one in prior) == told
    reporting = Reporting(Party(DISTRICT, (), RECIPIENT_OWNS), NOW, ids("again"))
    anew = reporting.decide(report("16", COMMUNE_1), ABOUT[DISTRICT], prior, MOST_TOLD)
    assert (report_of(anew).standing, targets(anew)) == (Standing.APPLIED, {"dms-10": [(TEN,)]})


def test_every_code_that_an_agency_may_set_has_room() -> None:
    assert len(BY_WIRE) < MOST_TOLD
