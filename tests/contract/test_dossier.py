"""Everything about one document in one question, and finding one by whatever people know of it, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from axis.core.journey.dossier import Placed
from axis.core.model import (
    AddDelivery,
    AddDocument,
    AddNotice,
    AddStatus,
    Decision,
    EntryKind,
    HoldEndpoint,
    LogEntry,
    MoveDelivery,
    MoveDocument,
    Notice,
    NoticeOutcome,
    NoticeRef,
)
from axis.core.states import DeliveryEvent, DeliveryState, IntakeState
from axis.sql.engine import open_readonly
from axis.sql.instants import SLACK
from axis.sql.store import SqlStore
from tests.contract.asked import add
from tests.factories_core import NOW, delivery, document, entry, later, not_signed, report
from tests.stores import ready


async def log(store: SqlStore, *entries: LogEntry) -> None:
    await store.transact(lambda ledger: ledger.apply(Decision(entries, (), None)))


def noise(at: datetime, number: int = 1) -> list[LogEntry]:
    """Entries of others, at that instant and a little around it."""
    return [entry(subject=f"other {place}")._replace(at=at + timedelta(seconds=place % 3)) for place in range(number)]


async def test_everything_about_one_document_is_read_and_nothing_of_another(store: SqlStore) -> None:
    one, other = document(), document()
    first = delivery(one, lane="lane", state=DeliveryState.FAILED, last_problem="destination-refused")
    second, alone = delivery(one, lane="lane"), delivery(one, lane="of its own")
    said = report(one)
    notice = Notice(NoticeRef("n"), one.ref, NoticeOutcome.UNDELIVERED, b"{}", later(hours=1))
    held = HoldEndpoint("so-noi-vu", later(seconds=5), "an", "bảo trì")
    await add(store, AddDocument(one), AddDocument(other), *map(AddDelivery, (first, second, alone)), AddStatus(said))
    await add(store, AddDelivery(delivery(other)), AddStatus(report(other)), AddNotice(notice), held)
    found = await store.views.dossier(one.ref)
    assert found is not None
    assert (found.document, list(found.statuses), list(found.notices)) == (one, [said], [notice])
    assert [each.id for each in found.deliveries] == [first.id, second.id, alone.id]
    assert {id: before.id for id, before in found.ahead.items()} == {second.id: first.id}
    assert dict(found.holds) == {"so-noi-vu": held}
    assert await store.views.dossier(other.ref) != found
    assert await store.views.dossier(type(one.ref)("none")) is None


async def test_its_log_entries_are_found_by_their_instants_among_many_others(store: SqlStore) -> None:
    one = document()
    done = delivery(one)
    settled = later(days=3)
    ours = [
        LogEntry(EntryKind.ACCEPTED, NOW, "x", one.ref, {"n": 1}),
        LogEntry(EntryKind.DELIVERED, settled, "x", done.id, {"n": 2}),
    ]
    await add(store, AddDocument(one), AddDelivery(done))
    move = MoveDelivery(done.id, done.state, DeliveryEvent.COLLECT, DeliveryState.DELIVERED, done.token, settled)
    await log(store, *noise(later(days=-2), 40), *noise(NOW, 30), ours[0], *noise(NOW, 30))
    await log(store, *noise(later(days=1), 1_500))
    # Committed late, by a process whose clock is behind: rows stand nearly in the order of their instants.
    await log(store, *noise(settled + SLACK / 2, 5), ours[1], *noise(later(days=5), 40))
    await add(store, move)
    await log(store, LogEntry(EntryKind.ACCEPTED, later(seconds=1), "x", one.ref, {"n": 3}))
    found = await store.views.dossier(one.ref)
    assert found is not None
    assert list(found.entries) == [Placed(None, each) for each in ours]


async def test_who_holds_a_delivery_is_found_whenever_that_was(store: SqlStore) -> None:
    one = document()
    kept, free = delivery(one, state=DeliveryState.ON_HOLD), delivery(one)
    await add(store, AddDocument(one), AddDelivery(kept), AddDelivery(free))
    facts = {"action": "hold", "operator": "an", "reason": "", "endpoint": "so-noi-vu"}
    acts = [LogEntry(EntryKind.OPERATED, later(days=9), "x", id, facts) for id in (free.id, kept.id)]
    await log(store, *noise(later(days=8), 10), *acts, *noise(later(days=10), 10))
    found = await store.views.dossier(one.ref)
    assert found is not None
    assert [placed.entry for placed in found.entries] == [acts[1]]


async def test_what_was_refused_is_told_newest_first_as_far_as_the_newest_entries_go(store: SqlStore) -> None:
    kinds = EntryKind.REFUSED, EntryKind.STATUS_REFUSED, EntryKind.REFUSED
    refused = [LogEntry(kind, later(hours=at), "dms", "", {"problem": "no-route"}) for at, kind in enumerate(kinds)]
    for one in refused:
        await log(store, one, *noise(later(hours=1), 10))
    assert await store.views.refusals(9, 1_000) == refused[::-1]
    assert await store.views.refusals(2, 1_000) == refused[:0:-1]
    assert await store.views.refusals(9, 12) == refused[2:]


async def test_a_document_is_found_by_whatever_people_know_of_it(store: SqlStore, url: str) -> None:
    one, same, other = document(number="7/QĐ"), document(number="7/qđ"), document(number="7/QĐ")
    capital, zero = document(number="8/QĐ-X"), document(number="05/KH")
    refused = document(number="7/QĐ", state=IntakeState.HELD)
    sent = delivery(one)
    await add(store, *map(AddDocument, (one, same, other, refused, capital, zero)), AddDelivery(sent))
    await add(store, MoveDocument(refused.ref, IntakeState.HELD, IntakeState.REFUSED, not_signed()))

    async def refs(text: str) -> set[str]:
        return {each.ref for each in await store.views.find(text)}

    for name in (one.ref, one.document_id, f" {one.document_id} ", sent.id):
        assert await refs(name) == {one.ref}
    assert await refs("7/QĐ") == {one.ref, other.ref, refused.ref}
    assert await refs("nothing") == set()
    for name in ("8/qđ-x", "Số 8/QĐ-X", "08/QĐ-X", "số: 8 / qđ–x"):
        assert await refs(name) == {capital.ref}
    assert await refs("5/kh") == {zero.ref}
    for name in ("9/QĐ-X", "80/QĐ-X", "8/QĐ"):
        assert await refs(name) == set()
    with open_readonly(url) as books:
        assert {each.ref for each in books.find("7/QĐ")} == await refs("7/QĐ")


async def test_documents_are_listed_from_an_instant_back(store: SqlStore) -> None:
    came = [document(accepted_at=later(days=day)) for day in range(5)]
    for one in came:
        await add(store, AddDocument(one))

    async def refs(**until: float) -> list[str]:
        return [each.ref for each in await store.views.recent(2, until=later(**until))]

    newest = [one.ref for one in came[::-1]]
    assert await refs(days=9) == newest[:2]
    assert await refs(days=2, seconds=1) == newest[2:4]
    assert await refs(days=2) == newest[3:5], "what came at that instant is not before it"
    assert await refs(days=-1) == []


def test_looking_for_a_number_reads_the_index_of_numbers_and_not_the_documents(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/axis.db"
    ready(url)
    with open_readonly(url) as books:
        plan = books.session.run(f"EXPLAIN QUERY PLAN {books.sql.queues.numbered}", number_key="7", limit=9).fetchall()
    steps = [row[3] for row in plan]
    assert not any(step == "SCAN document" for step in steps), steps
    assert any("USING INDEX ix_document_number" in step for step in steps), steps


async def test_the_entry_that_a_receipt_promised_is_found_among_those_of_its_instant(store: SqlStore) -> None:
    one = document()
    promised = LogEntry(EntryKind.ACCEPTED, NOW, "x", one.ref, {"n": 1})
    beside = [promised._replace(kind=EntryKind.ROUTED), promised._replace(at=later(seconds=1))]
    await add(store, AddDocument(one))
    assert await store.views.promised(one) is None
    await log(store, *noise(NOW, 1_200), *beside, *noise(later(seconds=90), 5), promised, *noise(later(days=2), 5))
    assert await store.views.promised(one) == Placed(None, promised)
    assert await store.views.promised(document()) is None
