"""What became of a document: the steps in their order, and the one thing that keeps each open delivery."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from axis.core.follow_up import Became, FollowUp
from axis.core.intake import document_facts
from axis.core.journey.advice import NEXT, next_of
from axis.core.journey.dossier import Dossier, Placed, instants, subjects
from axis.core.journey.step import Around, Step, What
from axis.core.journey.told import Journey, journey
from axis.core.journey.turn import ACTS, turn_words
from axis.core.model import (
    Attestation,
    Cargo,
    Delivery,
    Document,
    EntryKind,
    HoldEndpoint,
    LogEntry,
    Notice,
    NoticeOutcome,
    NoticeRef,
    Role,
    StatusReport,
)
from axis.core.problems import TABLE, Kind
from axis.core.states import DeliveryState, IntakeState
from schemas.codes import AgencyCode
from schemas.status import Standing
from signing.verdict import Indication, Reason, SubIndication, Verdict
from tests.factories_core import delivery, document, passed, report
from tests.unit.core.world import NOW, TEN, TWENTY, network

NETWORK = network()
AROUND = Around(
    routes=NETWORK.routes,
    known=frozenset(NETWORK.roles),
    called=frozenset(NETWORK.roles) - {"dms-10"},
    hold=timedelta(hours=72),
    lifetime=timedelta(days=7),
    signed=2,
)
DOCUMENT = document(sender=TEN, recipients=(TWENTY,), accepted_at=NOW)


def after(**parts: float) -> datetime:
    return NOW + timedelta(**parts)


def sent(**changes: Any) -> Delivery:
    made = delivery(DOCUMENT, endpoint="dms-20", recipients=(TWENTY,), created_at=NOW, due_at=NOW)
    return made._replace(**changes)


def routed(document: Document = DOCUMENT) -> LogEntry:
    return LogEntry(EntryKind.ROUTED, NOW, "truc", document.ref, {"routes": [[TWENTY.text, "dms-20", "H99.20"]]})


def told(*deliveries: Delivery, around: Around = AROUND, **more: Any) -> tuple[Step, ...]:
    """What the deliveries wait for."""
    return journey(Dossier(DOCUMENT, deliveries, (), **more), around).present


def test_what_became_of_a_handover_is_told_where_it_is_known() -> None:
    done = sent(state=DeliveryState.DELIVERED, settled_at=after(seconds=9))
    asked = FollowUp(done.id, "dms-20", "theirs", NOW, after(hours=1), asked=1)

    def found(became: Became | None) -> Journey:
        return journey(Dossier(DOCUMENT, (done,), (), follow_ups={done.id: replace(asked, became=became)}), AROUND)

    for became, what in ((Became.WAITING, What.UNFETCHED), (Became.REFUSED, What.UNREADABLE)):
        (step,) = found(became).present
        assert (step.what, step.code, step.about, step.until) == (what, became.value, done.id, after(hours=1))
        assert step.then is not None
    for became in (Became.TAKEN, Became.LOST, None):
        assert found(became).present == (), "it is done, or told as what it is now: due again, or failed"
    told_of = {became: found(became).past[-1].told.en for became in (*Became, None)}
    assert {became for became, words in told_of.items() if "fetched there" in words} == {Became.TAKEN}


def test_how_far_it_has_come_with_each_recipient_is_told_in_one_line() -> None:
    """The last status that counts; without one, what became of the delivery; nothing where there is none."""
    both = replace(DOCUMENT, recipients=(TEN, TWENTY))
    gone = sent(state=DeliveryState.DELIVERED, settled_at=after(seconds=9))
    waits = delivery(both, endpoint="dms-10", recipients=(TEN,))
    said = [
        report(both, receiver=TWENTY, wire="03", at=after(hours=1)),
        report(both, receiver=TWENTY, wire="06", at=after(hours=2), description="đã trả lời"),
        report(both, receiver=TWENTY, wire="04", at=after(hours=3), standing=Standing.LATE),
    ]
    back = delivery(both, cargo=Cargo.STATUS, cargo_ref=said[0].ref, recipients=(TEN,), state=DeliveryState.FAILED)

    def lines(*reports: StatusReport) -> list[tuple[AgencyCode, str, str, datetime | None]]:
        found = journey(Dossier(both, [waits, gone, back], reports), AROUND).reached
        return [(one.recipient, one.code, one.reason, one.at) for one in found]

    assert lines(*said) == [(TEN, "queued", "", None), (TWENTY, "06", "đã trả lời", after(hours=2))]
    assert lines() == [(TEN, "queued", "", None), (TWENTY, "delivered", "", after(seconds=9))]
    first, _ = journey(Dossier(both, [waits, gone], ()), AROUND).reached
    assert first.told.vi == "chờ nơi nhận lấy", "dms-10 is a mailbox"
    assert journey(Dossier(both, (), ()), AROUND).reached == ()


def test_it_is_told_in_order_of_time_down_to_the_status_that_came_back() -> None:
    done = sent(state=DeliveryState.DELIVERED, settled_at=after(seconds=9), attempts=2)
    said = report(DOCUMENT, receiver=TWENTY, wire="02", received_at=after(hours=1), description="sai nơi nhận")
    back = delivery(DOCUMENT, cargo=Cargo.STATUS, cargo_ref=said.ref, endpoint="dms-10", recipients=(TEN,))
    back = back._replace(created_at=after(hours=1), state=DeliveryState.DELIVERED, settled_at=after(hours=2))
    entries = [Placed(1, LogEntry(EntryKind.ACCEPTED, NOW, "x", DOCUMENT.ref)), Placed(2, routed())]
    found = journey(Dossier(DOCUMENT, [back, done], [said], entries=entries), AROUND)
    assert [step.what for step in found.past] == [
        What.TAKEN, What.VERDICT, What.ROUTED, What.DELIVERED, What.STATUS, What.DELIVERED,
    ]  # fmt: skip
    taken, verdict, route, out, reply, handed = found.past
    assert (taken.endpoint, verdict.code) == (DOCUMENT.by, Reason.GOOD.value)
    assert 'tuyến "H99.20"' in route.told.vi and (route.endpoint, route.agencies) == ("dms-20", (TWENTY,))
    assert "lần 2" in out.told.vi and "attempt 2" in out.told.en
    assert reply.code == "02" and "sai nơi nhận" in reply.told.vi and "Từ chối tiếp nhận" in reply.told.vi
    assert handed.told.vi == "trạng thái 02 đã được nơi nhận lấy"
    assert found.present == ()
    assert (found.sealed.entries, found.sealed.signed) == (2, 1)


def test_a_rule_that_is_gone_is_said_to_be_gone_and_one_without_its_entry_to_be_unknown() -> None:
    gone = LogEntry(EntryKind.ROUTED, NOW, "truc", DOCUMENT.ref, {"routes": [[TWENTY.text, "dms-20", "H98"]]})
    past = journey(Dossier(DOCUMENT, [sent()], (), entries=[Placed(0, gone)]), AROUND).past
    assert "nay không còn trong cấu hình" in next(one for one in past if one.what is What.ROUTED).told.vi
    past = journey(Dossier(DOCUMENT, [sent()], ()), AROUND).past
    assert "không tìm thấy trong nhật ký" in next(one for one in past if one.what is What.ROUTED).told.vi


def test_a_rule_names_its_line() -> None:
    rule = next(one for one in NETWORK.routes.rules if one.endpoint == "dms-20")
    routes = type(NETWORK.routes)([replace(rule, origin="axis.toml:52")], NETWORK.registry)
    entry = LogEntry(EntryKind.ROUTED, NOW, "x", DOCUMENT.ref, {"routes": [[TWENTY.text, "dms-20", rule.prefix]]})
    past = journey(Dossier(DOCUMENT, [sent()], (), entries=[Placed(0, entry)]), replace(AROUND, routes=routes)).past
    assert next(one for one in past if one.what is What.ROUTED).told.en == f'rule "{rule.prefix}", axis.toml:52'


def test_what_failed_for_now_says_until_when_after_how_many_attempts_and_when_it_ends() -> None:
    waits = sent(attempts=3, due_at=after(minutes=5), last_problem=Kind.DESTINATION_UNAVAILABLE.value)
    (step,) = told(waits)
    assert (step.what, step.code, step.until) == (What.WAITS, "destination-unavailable", after(minutes=5))
    assert step.ends == after(days=7)
    assert "đã thử 3 lần" in step.told.vi and TABLE[Kind.DESTINATION_UNAVAILABLE].vi in step.told.vi
    assert step.then == NEXT[Kind.DESTINATION_UNAVAILABLE]


def test_behind_an_open_breaker_it_waits_for_the_probe() -> None:
    (step,) = told(sent(), around=replace(AROUND, shut={"dms-20": after(minutes=2)}))
    assert step.until == after(minutes=2) and "đang ngắt mạch" in step.told.vi


def test_what_failed_for_good_says_why_and_how_to_send_it_again() -> None:
    failed = sent(state=DeliveryState.FAILED, settled_at=after(minutes=1), last_problem="destination-refused")
    (step,) = told(failed)
    assert (step.what, step.code, step.at) == (What.FAILED, "destination-refused", after(minutes=1))
    assert step.command == f"axis queue retry {failed.id}" and step.then == NEXT[Kind.DESTINATION_REFUSED]


def test_a_failed_status_may_also_be_given_up_so_that_its_lane_goes_on() -> None:
    (step,) = told(sent()._replace(cargo=Cargo.STATUS, state=DeliveryState.FAILED, last_problem="internal"))
    assert step.then is not None and "axis queue give-up" in step.then.vi


def test_what_is_parked_names_the_one_before_it_and_what_ails_that() -> None:
    first = sent(state=DeliveryState.FAILED, last_problem="destination-refused", settled_at=NOW)
    second = sent()
    parked = told(first, second, ahead={second.id: first})[1]
    assert (parked.what, parked.code) == (What.PARKED, "destination-refused")
    assert f"{first.id} (không chuyển được)" in parked.told.vi and f"{first.id} (failed)" in parked.told.en
    assert parked.command == f"axis queue retry {first.id}"


def test_behind_what_a_mailbox_has_it_is_the_turn_of_its_owner() -> None:
    first, second = (sent(lane="same")._replace(endpoint="dms-10") for _ in range(2))
    assert [step.turn for step in told(first, second, ahead={second.id: first})] == ["recipient", "recipient"]


def test_a_held_endpoint_names_who_holds_it_and_why() -> None:
    (step,) = told(sent(), holds={"dms-20": HoldEndpoint("dms-20", after(minutes=1), "an", "bảo trì")})
    assert (step.what, step.at) == (What.ON_HOLD, after(minutes=1))
    assert "an tạm dừng endpoint: bảo trì" in step.told.vi
    assert step.command == "axis queue release --endpoint dms-20"


def test_a_delivery_that_is_held_by_itself_names_who_holds_it_as_the_log_has_it() -> None:
    kept = sent(state=DeliveryState.ON_HOLD)
    facts = {"action": "hold", "operator": "binh", "reason": "chờ hỏi", "endpoint": "dms-20"}
    entry = LogEntry(EntryKind.OPERATED, after(minutes=3), "truc", kept.id, facts)
    found = journey(Dossier(DOCUMENT, [kept], (), entries=[Placed(0, entry)]), AROUND)
    (step,) = found.present
    assert step.at == after(minutes=3) and "binh giữ lại: chờ hỏi" in step.told.vi
    assert found.past[-1].what is What.OPERATED and step.command == f"axis queue release {kept.id}"
    assert "người quản trị giữ lại" in told(kept)[0].told.vi


def test_a_mailbox_waits_for_its_owner_and_a_lost_endpoint_for_the_administrator() -> None:
    (waits,) = told(sent()._replace(endpoint="dms-10"))
    assert "chờ nơi nhận lấy" in waits.told.vi and waits.until is None
    (lost,) = told(sent()._replace(endpoint="gone"))
    assert "không còn trong cấu hình" in lost.told.vi and lost.then is not None


def unknown() -> Verdict:
    return replace(
        passed(),
        indication=Indication.INDETERMINATE,
        sub_indication=SubIndication.TRY_LATER,
        reason=Reason.REVOCATION_UNKNOWN,
    )


def test_a_held_document_says_for_what_and_until_when() -> None:
    held = replace(DOCUMENT, state=IntakeState.HELD, receipt_state=IntakeState.HELD, verdict=unknown())
    entry = LogEntry(EntryKind.HELD, NOW, held.by, held.ref, document_facts(held))
    found = journey(Dossier(held, (), (), entries=[Placed(0, entry)]), AROUND)
    (step,) = found.present
    assert (step.what, step.code, step.until) == (What.HELD, "cert-revocation-unknown", after(hours=72))
    assert "CN=CA" in step.told.vi and step.command == "axis doctor"
    assert found.past[1].code == "cert-revocation-unknown" and "tạm giữ" in found.past[1].told.vi


def test_what_was_held_and_then_refused_tells_both_and_that_nobody_could_be_told() -> None:
    refused = replace(DOCUMENT, state=IntakeState.REFUSED, receipt_state=IntakeState.HELD, verdict=unknown())
    end = after(hours=72)
    facts = {"event": "expire", **document_facts(refused)}
    entries = [
        Placed(0, LogEntry(EntryKind.HELD, NOW, refused.by, refused.ref, document_facts(refused))),
        Placed(1, LogEntry(EntryKind.RELEASED, end, "truc", refused.ref, facts)),
    ]
    notice = Notice(NoticeRef("n"), refused.ref, NoticeOutcome.REFUSED, b"{}", end)
    found = journey(Dossier(refused, (), (), [notice], entries=entries), AROUND)
    past, (now,) = found.past, found.present
    assert (now.what, now.at, now.code) == (What.REFUSED, end, "cert-revocation-unknown") and now.bad
    assert now.then is not None and "báo họ" in now.then.vi and "gửi lại đúng gói tin" in now.then.vi
    assert now.turn == "operator, sender"
    assert [step.what for step in past] == [What.TAKEN, What.VERDICT, What.RELEASED, What.NOTICE]
    assert past[2].told.vi.startswith("hết thời hạn tạm giữ") and past[2].at == end
    assert "không có đường báo về nơi gửi" in past[3].told.vi


def test_who_was_told_that_it_was_refused_has_the_next_turn() -> None:
    verdict = replace(unknown(), reason=Reason.REVOKED)
    refused = replace(DOCUMENT, state=IntakeState.REFUSED, receipt_state=IntakeState.HELD, verdict=verdict)
    notice = Notice(NoticeRef("n"), refused.ref, NoticeOutcome.REFUSED, b"{}", NOW)
    way = sent(cargo=Cargo.NOTICE, cargo_ref="n", state=DeliveryState.DELIVERED, settled_at=NOW)
    (now,) = journey(Dossier(refused, (way,), (), [notice]), AROUND).present
    assert now.turn == "sender" and now.then is not None
    assert "nơi gửi được báo" in now.then.vi and "ký lại" in now.then.vi


@pytest.mark.parametrize(
    ("changes", "turn"),
    [
        ({}, "axis"),
        ({"attempts": 1, "last_problem": "destination-unavailable"}, "axis"),
        ({"attempts": 1, "last_problem": "stored-damaged"}, "operator"),
        ({"attempts": 1, "last_problem": "of a later version"}, "axis"),
        ({"state": DeliveryState.LEASED, "attempts": 1}, "axis"),
        ({"state": DeliveryState.FAILED, "last_problem": "destination-refused"}, "recipient, operator"),
        ({"state": DeliveryState.FAILED, "last_problem": "given-up"}, "operator"),
        ({"state": DeliveryState.ON_HOLD}, "operator"),
        ({"endpoint": "dms-10"}, "recipient"),
        ({"endpoint": "gone"}, "operator"),
    ],
)
def test_whose_turn_it_is_is_said_of_everything_that_waits(changes: dict[str, Any], turn: str) -> None:
    (step,) = told(sent(**changes))
    assert step.turn == turn
    words = turn_words(step.turn)
    assert words.en == turn and words.vi != turn


def test_every_problem_of_a_delivery_has_its_next_step_in_both_languages() -> None:
    of_deliveries = {kind for kind, row in TABLE.items() if not row.http} - {Kind.NOT_POSSIBLE}
    assert of_deliveries <= NEXT.keys()
    assert all(words.vi and words.en for words in NEXT.values())
    assert next_of(None) is None
    assert next_of("of a later version") is not None


def test_whoever_must_act_after_a_problem_has_a_name_in_both_languages() -> None:
    assert {one for row in TABLE.values() for one in row.acts.split(", ")} <= ACTS.keys()


def test_the_log_is_looked_into_at_the_instants_of_every_record() -> None:
    done = sent(state=DeliveryState.DELIVERED, settled_at=after(seconds=9))
    said = report(DOCUMENT, received_at=after(hours=1), via=Role.NODE, attestation=Attestation.NEIGHBOUR)
    notice = Notice(NoticeRef("n"), DOCUMENT.ref, NoticeOutcome.RELEASED, b"{}", after(hours=3))
    dossier = Dossier(DOCUMENT, [done], [said], [notice])
    assert instants(dossier) == {NOW, after(seconds=9), after(hours=1), after(hours=3)}
    assert subjects(dossier) == {DOCUMENT.ref, done.id, said.ref, "n"}


@pytest.mark.parametrize("state", DeliveryState)
def test_only_what_is_open_is_told_as_being_so_now(state: DeliveryState) -> None:
    over = state in (DeliveryState.DELIVERED, DeliveryState.DROPPED)
    found = told(sent(state=state, settled_at=NOW if over else None))
    assert bool(found) is not over
