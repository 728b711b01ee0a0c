"""What the store keeps of handovers that are asked about, against a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from axis.core.follow_up import AddFollowUp, Became, FollowUp, FollowUpRules, MoveFollowUp, PeerState, begin, heard
from axis.core.model import AddDelivery, AddDocument, Delivery
from axis.core.ports import LostRace
from axis.core.states import DeliveryState
from axis.sql.engine import open_readonly
from axis.sql.store import SqlStore
from tests.factories_core import NOW, decision, delivery, document, later
from tests.stores import ready

RULES = FollowUpRules(timedelta(minutes=30), timedelta(days=7))


async def handed_over(store: SqlStore, endpoint: str = "quoc-gia", **changes: object) -> tuple[Delivery, FollowUp]:
    about = document()
    one = delivery(about, endpoint=endpoint, state=DeliveryState.DELIVERED, settled_at=NOW, **changes)
    follow_up = begin(one.id, endpoint, f"doc {one.id}", NOW, RULES)
    change = decision(AddDocument(about), AddDelivery(one), AddFollowUp(follow_up))
    await store.transact(lambda ledger: ledger.apply(change))
    return one, follow_up


async def test_what_is_due_comes_longest_due_first_and_of_the_endpoint_that_is_asked(store: SqlStore) -> None:
    _, first = await handed_over(store)
    _, second = await handed_over(store)
    await handed_over(store, "elsewhere")
    answered = heard(first, {"a": PeerState.WAITING}, later(minutes=30), RULES)
    await store.transact(lambda ledger: ledger.apply(decision(MoveFollowUp(answered, 0))))
    views = store.views
    assert await views.follow_ups_due("quoc-gia", later(minutes=29), 9) == []
    assert await views.follow_ups_due("quoc-gia", later(hours=1), 9) == [second, answered]
    assert await views.follow_ups_due("quoc-gia", later(hours=1), 1) == [second]


async def test_an_answer_is_written_once(store: SqlStore) -> None:
    _, before = await handed_over(store)
    after = heard(before, {"a": PeerState.TAKEN}, later(minutes=30), RULES)
    await store.transact(lambda ledger: ledger.apply(decision(MoveFollowUp(after, before.asked))))
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.apply(decision(MoveFollowUp(after, before.asked))))
    assert await store.transact(lambda ledger: ledger.follow_up(before.delivery)) == after  # type: ignore[arg-type]


async def test_the_next_handover_is_followed_anew_and_how_often_it_was_lost_stays(store: SqlStore) -> None:
    one, before = await handed_over(store)
    lost = replace(before, asked=3, missed=3, became=Became.LOST, due_at=None, lost=1)
    await store.transact(lambda ledger: ledger.apply(decision(MoveFollowUp(lost, 0))))
    again = begin(one.id, one.endpoint, "another id", later(hours=2), RULES)
    await store.transact(lambda ledger: ledger.apply(decision(AddFollowUp(again))))
    assert one.document is not None
    assert await store.views.follow_ups_of(one.document) == [replace(again, lost=1)]


async def test_people_see_what_is_not_taken_and_how_much_of_it(store: SqlStore, url: str) -> None:
    kept = {}
    for became in Became:
        one, before = await handed_over(store)
        after = replace(before, asked=1, became=became)
        await store.transact(lambda ledger, after=after: ledger.apply(decision(MoveFollowUp(after, 0))))  # type: ignore[misc]
        kept[became] = (after, one.id)
    counts = await store.views.counts()
    assert counts.became == {"quoc-gia": {"waiting": 1, "refused": 1, "lost": 1}}
    with open_readonly(url) as ask:
        told = [(after, one.id) for after, one in ask.told_of(None, 9)]
        assert told == [kept[became] for became in (Became.WAITING, Became.REFUSED, Became.LOST)]
        assert [(after, one.id) for after, one in ask.told_of(Became.LOST, 9)] == [kept[Became.LOST]]


async def test_a_delivery_is_overtaken_by_what_its_lane_delivered_later(store: SqlStore) -> None:
    first, _ = await handed_over(store, lane="one lane")

    async def overtaken() -> bool:
        def body(ledger: object) -> bool:
            found = ledger.delivery(first.id)  # type: ignore[attr-defined]
            return bool(ledger.overtaken(found))  # type: ignore[attr-defined]

        return await store.transact(body)

    assert not await overtaken()
    await handed_over(store, lane="another")
    await store.transact(lambda ledger: ledger.apply(decision(AddDelivery(delivery(lane="one lane")))))
    assert not await overtaken(), "what waits has not arrived"
    await handed_over(store, lane="one lane")
    assert await overtaken()


@pytest.mark.parametrize(
    ("text", "index"),
    [("due", "ix_follow_up_due"), ("told_of_these", "ix_follow_up_told"), ("counts", "ix_follow_up_told")],
)
def test_a_question_is_answered_from_its_partial_index(tmp_path: Path, text: str, index: str) -> None:
    found = f"sqlite:///{tmp_path}/axis.db"
    ready(found)
    with open_readonly(found) as ask:
        sql = getattr(ask.sql.follow_ups, text)
        given = {"endpoint": "x", "now": "2026", "limit": 5, "became": "lost"}
        plan = ask.session.run(f"EXPLAIN QUERY PLAN {sql}", **given).fetchall()
    assert any(index in str(row) for row in plan), plan
