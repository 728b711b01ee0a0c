"""How far documents of a list have come, in one question for all of them, on both databases."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from axis.core.journey.reached import reached, together
from axis.core.journey.step import Around
from axis.core.model import AddDelivery, AddDocument, AddStatus, Cargo, DocumentRef
from axis.core.registry import Registry
from axis.core.routing import RoutingTable
from axis.core.states import DeliveryState
from axis.sql.store import SqlStore
from axis.sql.views import Questions
from schemas.status import Standing
from tests.contract.asked import add
from tests.factories_core import OTHER, RECEIVER, SENDER, delivery, document, later, report

CALLED = frozenset({"http"})
AROUND = Around(RoutingTable((), Registry(())), frozenset(), CALLED, timedelta(), timedelta(), 0)


async def test_a_list_tells_of_each_document_what_its_own_page_tells(store: SqlStore) -> None:
    """Recipients of one delivery and of several, statuses in their order, one that does not count, an unknown code."""
    shared, single, failed, held = (document(recipients=(RECEIVER, OTHER)) for _ in range(4))
    changes = [
        AddDelivery(delivery(shared, endpoint="http", recipients=(RECEIVER, OTHER), state=DeliveryState.DELIVERED)),
        AddStatus(report(shared, receiver=RECEIVER, wire="03", at=later(hours=2))),
        AddStatus(report(shared, receiver=RECEIVER, wire="05", at=later(hours=1))),
        AddStatus(report(shared, receiver=RECEIVER, wire="01", standing=Standing.LATE)),
        AddStatus(report(shared, receiver=OTHER, wire="99")),
        AddStatus(report(shared, receiver=SENDER, wire="13")),
        AddDelivery(delivery(single, endpoint="mailbox")),
        AddDelivery(delivery(single, recipients=(SENDER,), cargo_ref="a status")._replace(cargo=Cargo.STATUS)),
        AddDelivery(delivery(failed, endpoint="http", state=DeliveryState.FAILED, recipients=(OTHER,))),
        AddDelivery(delivery(failed, endpoint="http")),
    ]
    await add(store, *map(AddDocument, (shared, single, failed, held)), *changes)
    documents = (shared, single, failed, held)
    found = await store.views.reached([one.ref for one in documents])
    told = {one.ref: together(one.recipients, *found[one.ref], CALLED) for one in documents}
    assert [[(each.told.vi, each.number) for each in told[one.ref]] for one in documents] == [
        [("đã chuyển, nơi nhận chưa báo", 1), ("05 Đang xử lý", 1)],
        [("chờ nơi nhận lấy", 1)],
        [("không chuyển được", 1), ("chờ chuyển", 1)],
        [],
    ]
    for one in documents:
        dossier = await store.views.dossier(one.ref)
        assert dossier is not None
        alone = Counter((each.told, each.code) for each in reached(dossier, AROUND))
        assert alone == {(each.told, each.code): each.number for each in told[one.ref]}


async def test_it_is_one_question_however_many_there_are(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document() for _ in range(50)]
    await add(store, *map(AddDocument, documents), *(AddDelivery(delivery(one)) for one in documents))
    asked: list[str] = []

    def counted(questions: Questions) -> None:
        run = questions.session.run
        monkeypatch.setattr(
            type(questions.session), "run", lambda _, sql, **values: (asked.append(sql), run(sql, **values))[1]
        )
        refs = [one.ref for one in documents]
        assert len(questions.reached(refs)) == 50 and questions.attachment_checks(refs) == {}
        assert questions.reached([]) == {} and questions.attachment_checks([DocumentRef("none")]) == {}
        monkeypatch.undo()

    await store.views._aside(counted)
    assert len(asked) == 4
