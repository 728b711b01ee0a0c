"""Notices: the sender of a held document is told, in a form that it can show to others."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.canonical import canonical
from axis.core.intake import decide_intake
from axis.core.model import (
    AddNotice,
    Cargo,
    Decision,
    Delivery,
    DeliveryId,
    Document,
    EntryKind,
    Notice,
    NoticeOutcome,
    NoticeRef,
    Principal,
    Role,
    StatusReport,
    Way,
)
from axis.core.network import Network, lane
from axis.core.notice import Telling, decide_notice, decide_undelivered, pass_on
from axis.core.problems import Kind, Problem
from axis.core.receipt import seal
from axis.core.statuses import Report
from schemas.codes import AgencyCode
from tests.unit.core.world import (
    COMMUNE_1,
    COMMUNE_2,
    DISTRICT,
    DMS_10,
    DMS_20,
    FAR,
    NONCE,
    NOW,
    TEN,
    TWENTY,
    content,
    decide_status,
    deliveries,
    document_of,
    ids,
    network,
    passed,
    problem_of,
    routing,
    sound,
    submission,
    waiting,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def held(by: Principal = DMS_10) -> Document:
    sub = submission(by)
    return document_of(decide_intake(sub, content(TWENTY), waiting(), (), {}, network(), NOW, ids("doc"), NONCE))


def of(sender: str | None = None) -> Document:
    document = held()
    return replace(document, sender=type(document.sender).parse(sender)) if sender else document


def tell(document: Document, outcome: NoticeOutcome = NoticeOutcome.REFUSED) -> Decision[Notice]:
    return sound(
        decide_notice(
            document, outcome, "cert-revoked", network(), NOW, ids("n"), lambda body: seal(body, "key", KEY.sign)
        )
    )


def test_a_local_sender_finds_the_notice_in_its_mailbox() -> None:
    decision = tell(held())
    (delivery,) = deliveries(decision)
    assert (delivery.endpoint, delivery.cargo, delivery.recipients) == ("dms-10", Cargo.NOTICE, (TEN,))
    assert decision.entries[0].kind is EntryKind.NOTICE


def test_a_notice_names_the_document_and_its_fate_and_is_signed() -> None:
    document = held()
    facts = json.loads(tell(document).reply.octets)
    assert facts["outcome"] == "refused"
    assert facts["reason"] == "cert-revoked"
    assert facts["package_sha256"] == document.digest
    signature = base64.b64decode(facts.pop("signature"))
    KEY.public_key().verify(signature, canonical(facts))


def test_a_notice_goes_back_along_the_way_the_document_came() -> None:
    (delivery,) = deliveries(tell(of(COMMUNE_1.text)))
    assert delivery.endpoint == "district"


def test_a_notice_goes_to_the_axis_that_brought_the_document_wherever_its_sender_is_routed() -> None:
    """Who did not hand it over would not believe it; in a circle of axes the route leads to whoever refused it."""
    (delivery,) = deliveries(tell(replace(of(COMMUNE_1.text), by="province-97", via=Role.NODE)))
    assert delivery.endpoint == "province-97"


def test_where_the_axis_that_brought_it_is_no_more_or_the_sender_is_connected_here_the_route_says() -> None:
    (delivery,) = deliveries(tell(replace(of(COMMUNE_1.text), by="gone", via=Role.NODE)))
    assert delivery.endpoint == "district"
    (delivery,) = deliveries(tell(replace(held(), by="province-97", via=Role.NODE)))
    assert delivery.endpoint == "dms-10"


def test_a_notice_never_stands_behind_what_it_tells_of() -> None:
    """The route of the sender leads on in the circle: to where the document was refused."""
    document = replace(of(COMMUNE_1.text), by="province-97", via=Role.NODE)
    sent = Delivery(
        DeliveryId("d"),
        Cargo.DOCUMENT,
        document.ref,
        document.ref,
        "district",
        (TWENTY,),
        lane("district", (), document.sender, document.concerns),
        NOW,
        NOW,
    )
    telling = Telling(document, None, ids("n"), lambda body: seal(body, "key", KEY.sign))
    told = decide_undelivered(sent, Problem(Kind.DESTINATION_REFUSED), telling, network(), NOW)
    assert told is not None
    (delivery,) = deliveries(told)
    assert delivery.lane != sent.lane


def test_the_national_axis_has_no_message_for_a_notice() -> None:
    decision = tell(of(FAR.text))
    assert deliveries(decision) == []
    assert decision.entries[0].facts["sent"] is False
    assert [type(change) for change in decision.changes] == [AddNotice]


def test_a_neighbours_notice_is_passed_on_as_it_came_and_never_back() -> None:
    octets = tell(held()).reply.octets
    decision = pass_on(octets, NoticeOutcome.REFUSED, (), held(), "province-97", network(), NOW, ids("n"))
    assert decision.reply.octets == octets
    assert [delivery.endpoint for delivery in deliveries(decision)] == ["dms-10"]
    back = pass_on(octets, NoticeOutcome.REFUSED, (), of(COMMUNE_1.text), DISTRICT.name, network(), NOW, ids("n"))
    assert deliveries(back) == []


@pytest.mark.parametrize(("waiting_now", "kind"), [(2, None), (3, Kind.REVOCATION_UNKNOWN)])
def test_past_the_budget_of_held_documents_intake_says_so_and_keeps_nothing(
    waiting_now: int, kind: Kind | None
) -> None:
    at = network(hold_count=3)
    decision = decide_intake(submission(), content(TWENTY), waiting(), (), {}, at, NOW, ids(), NONCE, held=waiting_now)
    if kind is None:
        assert not isinstance(decision.reply, Problem)
    else:
        problem = problem_of(decision)
        assert (problem.kind, problem.temporary, decision.changes) == (kind, True, ())


def test_a_good_signature_is_not_held_up_by_a_spent_budget() -> None:
    decision = decide_intake(
        submission(),
        content(TWENTY),
        passed(),
        (),
        {},
        network(hold_count=0),
        NOW,
        ids(),
        NONCE,
        held=9,
    )
    assert isinstance(decision.reply, Document)


# --- what stays undelivered -----------------------------------------------------------------------------------


def undelivered(
    delivery: Delivery, document: Document | None, report: StatusReport | None = None, at: Network | None = None
) -> Decision[Notice] | None:
    telling = Telling(document, report, ids("n"), lambda body: seal(body, "key", KEY.sign))
    made = decide_undelivered(delivery, Problem(Kind.DELIVERY_EXPIRED), telling, at or network(), NOW)
    return None if made is None else sound(made)


def taken() -> tuple[Document, dict[str, Delivery]]:
    sent = decide_intake(
        submission(), content(TWENTY, COMMUNE_1, FAR), passed(), (), {}, network(), NOW, ids("doc"), NONCE
    )
    return document_of(sent), {one.endpoint: one for one in deliveries(sent)}


@pytest.mark.parametrize("endpoint", ["dms-20", "district", "national"])
def test_the_sender_is_told_whom_its_document_does_not_reach(endpoint: str) -> None:
    document, made = taken()
    decision = undelivered(made[endpoint], document)
    assert decision is not None
    facts = json.loads(decision.reply.octets)
    assert (facts["outcome"], facts["reason"], facts["cargo"]) == ("undelivered", "delivery-expired", "document")
    assert facts["recipients"] == [code.text for code in made[endpoint].recipients]
    assert endpoint not in decision.reply.octets.decode(), "where it went is the node's own business"
    (delivery,) = deliveries(decision)
    assert (delivery.endpoint, delivery.cargo) == ("dms-10", Cargo.NOTICE)


def test_a_notice_that_cannot_be_delivered_makes_no_further_notice() -> None:
    document, made = taken()
    first = undelivered(made["dms-20"], document)
    assert first is not None
    (notice,) = deliveries(first)
    assert undelivered(notice, document) is None


def status_of(reporter: AgencyCode, by: Principal) -> tuple[Document, StatusReport, dict[str, Delivery]]:
    document, _ = taken()
    said = Report("03", reporter, TEN, NOW.replace(microsecond=0), document.document_id, document.number)
    decision = decide_status(said, document, (), by, (), network(), NOW, ids("status"))
    assert isinstance(decision.reply, StatusReport)
    return document, decision.reply, {one.endpoint: one for one in deliveries(decision)}


def test_of_a_status_its_reporter_is_told_where_it_is_connected_here() -> None:
    document, report, made = status_of(TWENTY, DMS_20)
    decision = undelivered(made["dms-10"], document, report)
    assert decision is not None
    (delivery,) = deliveries(decision)
    assert (delivery.endpoint, delivery.recipients) == ("dms-20", (TWENTY,))
    facts = json.loads(decision.reply.octets)
    assert (facts["cargo"], facts["code"], facts["recipients"]) == ("status", "03", [TEN.text])


def test_of_a_status_that_waits_where_its_addressee_was_before_the_reporter_is_told() -> None:
    """It was told to nobody: the route leads elsewhere by now."""
    document, report, made = status_of(TWENTY, DMS_20)
    for moved in ({"H99.10": "district"}, {"H99.10": None, "*": None}):
        decision = undelivered(made["dms-10"], document, report, network(routing(**moved)))
        assert decision is not None
        assert [one.endpoint for one in deliveries(decision)] == ["dms-20"]
    gone = {name: role for name, role in network().roles.items() if name != "national"}
    without = network(routing(**{"*": "district"}), roles=gone)
    assert undelivered(made["national"], document, report, without) is None, "it was never for its addressee"


def test_nobody_is_told_of_a_status_that_only_the_national_axis_misses_or_that_a_neighbour_brought() -> None:
    document, report, made = status_of(TWENTY, DMS_20)
    assert undelivered(made["national"], document, report) is None
    document, report, made = status_of(COMMUNE_1, DISTRICT)
    assert undelivered(made["dms-10"], document, report) is None
    assert undelivered(made["dms-10"], None, report) is None, "an orphan's document is not known here"


# --- by more than one way -------------------------------------------------------------------------------------


def brought_twice(by: str = "district", *, for_it: tuple[AgencyCode, ...] = (COMMUNE_2,)) -> tuple[Document, Delivery]:
    """Of a sender behind the national axis: brought by one neighbour for two recipients, by `by` for others."""
    way = Way(by, Role.NODE, (), for_it, NOW)
    first = replace(of(FAR.text), by="province-97", via=Role.NODE, only_for=(TWENTY, COMMUNE_1), ways=(way,))
    _, made = taken()
    return replace(first, recipients=(TWENTY, COMMUNE_1, COMMUNE_2, TEN)), made["dms-20"]


def told_of(document: Document, delivery: Delivery, *codes: AgencyCode) -> dict[str, list[str]]:
    """Which endpoint is told of whom."""
    decision = undelivered(delivery._replace(recipients=codes), document)
    assert decision is not None
    notices = [change.notice for change in decision.changes if isinstance(change, AddNotice)]
    assert notices[0] == decision.reply
    said = {notice.ref: json.loads(notice.octets)["recipients"] for notice in notices}
    return {one.endpoint: said[NoticeRef(one.cargo_ref)] for one in deliveries(decision)}


def test_each_axis_is_told_of_those_that_it_brought_the_document_for() -> None:
    document, sent = brought_twice()
    assert told_of(document, sent, TWENTY) == {"province-97": [TWENTY.text]}
    assert told_of(document, sent, COMMUNE_2) == {"district": [COMMUNE_2.text]}


def test_all_are_told_of_what_several_brought() -> None:
    document, sent = brought_twice(for_it=(COMMUNE_2, TWENTY))
    assert told_of(document, sent, TWENTY) == {"province-97": [TWENTY.text], "district": [TWENTY.text]}
    assert told_of(document, sent, TWENTY, COMMUNE_1) == {
        "province-97": [TWENTY.text, COMMUNE_1.text],
        "district": [TWENTY.text],
    }, "nobody is told of whom it did not bring it for: it would not believe it"


def test_who_was_made_out_before_ways_were_kept_is_told_of_as_the_document_came() -> None:
    document, sent = brought_twice()
    assert told_of(document, sent, TEN) == {"province-97": [TEN.text]}


def test_what_became_of_a_held_document_is_told_along_all_ways() -> None:
    document, _ = brought_twice()
    assert [one.endpoint for one in deliveries(tell(document))] == ["province-97", "district"]


@pytest.mark.parametrize(
    ("about", "told"),
    [((TWENTY,), ["province-97"]), ((COMMUNE_2,), ["district"]), ((), ["province-97", "district"])],
    ids=["the first way", "the second way", "all of it"],
)
def test_a_neighbours_notice_is_passed_on_along_the_way_that_it_is_about(
    about: tuple[AgencyCode, ...], told: list[str]
) -> None:
    document, _ = brought_twice()
    decision = pass_on(b"{}", NoticeOutcome.UNDELIVERED, about, document, "national", network(), NOW, ids("n"))
    assert [one.endpoint for one in deliveries(decision)] == told
