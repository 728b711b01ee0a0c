"""Statuses that come before their document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from axis.core.model import AdoptStatus, Decision, Document, EntryKind, Principal, StatusReport
from axis.core.network import ArrivedBy, Network, ReportRule
from axis.core.problems import Problem
from axis.core.routing import RoutingTable
from axis.core.statuses import Report, adopt
from schemas.codes import AgencyCode
from schemas.status import Standing
from tests.unit.core.reports import RECIPIENT_OWNS, decide, document
from tests.unit.core.world import (
    COMMUNE_1,
    COMMUNE_2,
    DISTRICT,
    DMS_10,
    DOCUMENT_ID,
    FAR,
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
    sound,
    stored,
    targets,
)


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
