"""What answers about a handover lead to, and when is asked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.as_logged import follow_up_differs
from axis.core.canonical import canonical
from axis.core.follow_up import (
    MISSES,
    RESENDS,
    AddFollowUp,
    Became,
    FollowUp,
    FollowUpRules,
    MoveFollowUp,
    PeerState,
    begin,
    concerning,
    heard,
    unheard,
)
from axis.core.model import AddNotice, Cargo, Decision, EntryKind, LogEntry, MoveDelivery
from axis.core.notice import Telling
from axis.core.problems import Kind
from axis.core.reconciliation import Outcome, decide_answer
from axis.core.retry import RetryPolicy
from axis.core.settlement import decide_handover
from axis.core.states import DeliveryEvent, DeliveryState
from axis.core.times import rfc3339
from tests.unit.core.test_settlement import DOCUMENT, LEASED
from tests.unit.core.world import NOW, ids, network, sound

RULES = FollowUpRules(timedelta(minutes=30), timedelta(days=7))
TAKEN = begin("d1", "national", "doc.1", NOW, RULES)
W, T, R = PeerState.WAITING, PeerState.TAKEN, PeerState.REFUSED
GIVEN = LEASED["national"]._replace(state=DeliveryState.DELIVERED, settled_at=NOW)


def after(minutes: float, said: dict[str, PeerState], before: FollowUp = TAKEN) -> FollowUp:
    return heard(before, said, NOW + timedelta(minutes=minutes), RULES)


def test_it_is_asked_for_the_first_time_when_the_rules_say() -> None:
    assert FollowUp("d1", "national", "doc.1", NOW, NOW + RULES.first) == TAKEN


@pytest.mark.parametrize(
    ("said", "became"),
    [
        ({"a": T}, Became.TAKEN),
        ({"a": T, "b": T}, Became.TAKEN),
        ({"a": T, "b": R}, Became.REFUSED),
        ({"a": T, "b": R, "c": W}, Became.WAITING),
        ({"a": W}, Became.WAITING),
    ],
)
def test_who_has_not_fetched_it_yet_counts_most_and_then_who_could_not_read_it(
    said: dict[str, PeerState], became: Became
) -> None:
    answer = after(30, said)
    assert (answer.became, answer.asked, answer.missed) == (became, 1, 0)
    assert (answer.due_at is None) == (became is not Became.WAITING)


def test_only_recipients_of_the_delivery_count_where_any_is_named_so() -> None:
    said = {"a": W, "b": T}
    assert concerning(said, ["b", "c"]) == {"b": T}
    assert concerning(said, ["c"]) == said
    assert concerning({}, ["c"]) == {}


def test_while_it_waits_the_waits_double_up_to_half_a_day() -> None:
    one, waits = TAKEN, []
    while one.due_at is not None:
        at = one.due_at
        one = heard(one, {"a": W}, at, RULES)
        waits += [(one.due_at - at) / timedelta(minutes=1)] if one.due_at else []
    assert waits[:6] == [30, 60, 120, 240, 480, 720]
    assert set(waits[5:]) == {720}
    assert one.became is Became.WAITING
    assert sum(waits) <= RULES.lifetime / timedelta(minutes=1)


def test_of_a_status_only_whether_it_is_there_is_asked() -> None:
    missed = after(40, {})
    known = heard(missed, {"a": W}, NOW + timedelta(hours=1), RULES, until_taken=False)
    assert (known.became, known.due_at, known.missed, known.asked) == (None, None, 0, 2)
    for said, became in (({"a": T}, Became.TAKEN), ({"a": R}, Became.REFUSED)):
        assert heard(missed, said, NOW, RULES, until_taken=False).became is became


def test_three_answers_in_a_row_that_do_not_know_it_and_it_is_lost() -> None:
    one = TAKEN
    for number in range(1, MISSES):
        one = after(30 + 10 * number, {}, one)
        assert (one.became, one.missed) == (None, number)
        assert one.due_at == NOW + timedelta(minutes=40 + 10 * number)
    assert after(90, {"a": W}, one).missed == 0, "one that knows it begins anew"
    lost = after(90, {}, one)
    assert (lost.became, lost.due_at, lost.asked) == (Became.LOST, None, MISSES)


def test_who_will_not_say_is_asked_again_and_nothing_is_concluded() -> None:
    missed = after(40, {}, TAKEN)
    one = unheard(missed, NOW + timedelta(hours=1), RULES)
    assert (one.became, one.missed, one.asked) == (None, 1, 2)
    assert one.due_at == NOW + timedelta(hours=2)


def test_who_has_never_named_anything_does_not_tell_by_silence() -> None:
    one = TAKEN
    for _ in range(MISSES + 1):
        assert one.due_at is not None
        one = heard(one, {}, one.due_at, RULES, believed=False)
    assert (one.became, one.missed, one.asked) == (None, 0, MISSES + 1)


@given(st.lists(st.sampled_from([{}, {"a": W}, {"a": T}, {"a": R}, None]), max_size=60))
def test_it_comes_to_an_end_and_is_lost_only_after_answers_that_did_not_know_it(
    answers: list[dict[str, PeerState] | None],
) -> None:
    one, told = TAKEN, list[dict[str, PeerState] | None]()
    for said in answers:
        if one.due_at is None:
            break
        assert one.due_at - NOW < RULES.lifetime + timedelta(hours=1)
        one = unheard(one, one.due_at, RULES) if said is None else heard(one, said, one.due_at, RULES)
        told.append(said)
    if one.became is Became.LOST:
        assert [said for said in told if said is not None][-MISSES:] == [{}] * MISSES


def test_a_handover_to_who_is_asked_later_is_followed_up() -> None:
    asked = replace(network(), follow_up={"national": RULES})
    for endpoint, ref in product(("national", "district"), ("doc.1", None)):
        leased = LEASED[endpoint]
        decision = sound(
            decide_handover(leased, DeliveryEvent.ACK, DOCUMENT, {}, "national", asked, NOW, ids("made"), ref)
        )
        added = [one.follow_up for one in decision.changes if isinstance(one, AddFollowUp)]
        follows = endpoint == "national" and ref is not None
        assert added == ([begin(leased.id, endpoint, "doc.1", NOW, RULES)] if follows else [])
        assert decision.entries[0].facts.get("peer_ref") == ref


def answered(
    said: dict[str, PeerState], *, overtaken: bool = False, cargo: Cargo = Cargo.DOCUMENT
) -> Decision[Outcome]:
    before = replace(TAKEN, delivery=GIVEN.id, missed=MISSES - 1, asked=4)
    delivery = GIVEN._replace(cargo=cargo)
    at = NOW + timedelta(hours=1)
    telling = Telling(DOCUMENT, None, ids("n"), canonical)
    found = heard(before, said, at, RULES)
    return sound(decide_answer(delivery, before, found, overtaken, RetryPolicy(), network(), at, 0.0, telling))


def test_what_is_lost_is_due_again_and_everybody_can_read_why() -> None:
    decision = answered({})
    moves = [one for one in decision.changes if isinstance(one, MoveDelivery)]
    assert [(one.was, one.event, one.now, one.problem) for one in moves] == [
        (DeliveryState.DELIVERED, DeliveryEvent.RESEND, DeliveryState.QUEUED, Kind.DELIVERY_LOST.value)
    ]
    assert moves[0].due_at == NOW + timedelta(hours=1, seconds=5)
    (entry,) = decision.entries
    assert entry.kind is EntryKind.FOLLOWED
    assert (entry.facts["became"], entry.facts["asked"], entry.facts["resent"]) == ("lost", 5, True)
    assert decision.reply is Outcome.RESENT


@pytest.mark.parametrize("cargo", Cargo)
def test_a_document_does_not_arrive_behind_its_own_recall_but_a_status_may(cargo: Cargo) -> None:
    decision = answered({}, overtaken=True, cargo=cargo)
    (move,) = (one for one in decision.changes if isinstance(one, MoveDelivery))
    if cargo is not Cargo.DOCUMENT:
        assert move.event is DeliveryEvent.RESEND
        return
    assert (move.event, move.now, move.problem) == (DeliveryEvent.LOSE, DeliveryState.FAILED, "delivery-lost")
    assert any(isinstance(one, AddNotice) for one in decision.changes), "its sender is told"
    assert [entry.kind for entry in decision.entries[:2]] == [EntryKind.FOLLOWED, EntryKind.FAILED]
    assert decision.reply is Outcome.FAILED


def test_what_is_stored_of_it_is_what_the_log_says() -> None:
    told = LogEntry(EntryKind.DELIVERED, NOW, "national", GIVEN.id, {"peer_ref": "doc.1"})
    handed = {"at": rfc3339(told.at), "facts": dict(told.facts)}
    entry = answered({"a": W}).entries[0]
    answer = {"at": rfc3339(entry.at), "facts": dict(entry.facts)}
    one = replace(TAKEN, delivery=GIVEN.id, asked=5, became=Became.WAITING)
    assert list(follow_up_differs(one, [handed], [answer])) == []
    assert list(follow_up_differs(replace(TAKEN, delivery=GIVEN.id), [handed], [])) == []
    for changed, names in (
        (replace(one, peer_ref="another"), ["peer_ref"]),
        (replace(one, since=NOW + timedelta(seconds=1)), ["since"]),
        (replace(one, became=Became.TAKEN), ["answers"]),
        (replace(one, asked=4), ["answers"]),
    ):
        assert list(follow_up_differs(changed, [handed], [answer])) == names
    assert list(follow_up_differs(one, [handed], [])) == ["answers"]
    assert list(follow_up_differs(one, [], [answer])) == ["peer_ref"]


def test_what_is_lost_again_and_again_has_failed() -> None:
    for lost in range(RESENDS + 1):
        before = replace(TAKEN, delivery=GIVEN.id, missed=MISSES - 1, lost=lost)
        found = heard(before, {}, NOW + timedelta(hours=1), RULES)
        telling = Telling(DOCUMENT, None, ids("n"), canonical)
        decision = sound(decide_answer(GIVEN, before, found, False, RetryPolicy(), network(), NOW, 0.0, telling))
        assert found.lost == lost + 1
        assert decision.reply is (Outcome.FAILED if lost == RESENDS else Outcome.RESENT)


def test_what_is_past_its_lifetime_is_not_sent_again() -> None:
    before = replace(TAKEN, delivery=GIVEN.id, missed=MISSES - 1)
    at = NOW + RetryPolicy().lifetime
    telling = Telling(DOCUMENT, None, ids("n"), canonical)
    found = heard(before, {}, at, RULES)
    decision = sound(decide_answer(GIVEN, before, found, False, RetryPolicy(), network(), at, 0.0, telling))
    assert decision.reply is Outcome.FAILED


@pytest.mark.parametrize(
    ("said", "outcome"), [({"a": T}, Outcome.NOTED), ({"a": W}, Outcome.NOTED), ({"a": R}, Outcome.UNREADABLE)]
)
def test_an_answer_moves_the_follow_up_alone(said: dict[str, PeerState], outcome: Outcome) -> None:
    decision = answered(said)
    assert [type(change) for change in decision.changes] == [MoveFollowUp]
    assert decision.reply is outcome


def test_what_nobody_fetched_in_all_the_time_is_told_once() -> None:
    before = replace(TAKEN, delivery=GIVEN.id, asked=12)
    at = NOW + RULES.lifetime
    found = heard(before, {"a": W}, at, RULES)
    telling = Telling(DOCUMENT, None, ids("n"), canonical)
    decision = sound(decide_answer(GIVEN, before, found, False, RetryPolicy(), network(), at, 0.0, telling))
    assert (found.due_at, decision.reply) == (None, Outcome.UNFETCHED)
