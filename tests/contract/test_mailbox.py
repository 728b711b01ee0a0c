"""What a mailbox is shown."""

from __future__ import annotations

import orjson

from axis.core.model import (
    AddAttachmentCheck,
    AddDelivery,
    AddDocument,
    AddNotice,
    AddStatus,
    AttachmentCheck,
    Cargo,
    Notice,
    NoticeOutcome,
    NoticeRef,
)
from axis.core.states import DeliveryEvent
from axis.core.times import rfc3339
from axis.sql.store import SqlStore
from schemas.envelope import Priority
from signing.verdict import PdfOutcome
from tests.contract.asked import HERE, add, add_all, claim, move
from tests.factories_core import NOW, delivery, document, later, report


async def test_a_mailbox_collects_without_a_claim(store: SqlStore) -> None:
    (waiting,) = await add_all(store, delivery())
    await add(store, move(waiting, DeliveryEvent.COLLECT))
    assert await claim(store) == []


async def test_a_mailbox_lists_the_heads_that_wait_by_seq(store: SqlStore) -> None:
    one, told = document(), report()
    cargo = delivery(one, lane="1")
    parked = delivery(one, lane="1")
    status = delivery(cargo_ref=told.ref, priority=Priority.EXPRESS, due_at=later(hours=1))
    leased, elsewhere = delivery(one, due_at=later(seconds=-1)), delivery(one, endpoint="b")
    await add(store, AddDocument(one), AddStatus(told), AddDelivery(leased))
    await claim(store, limit=1)
    cargo, parked, status, _ = await add_all(store, cargo, parked, status, elsewhere)
    listed = await store.views.inbox(HERE, 0, 10)
    assert [(item.delivery, item.document, item.report and item.report.status) for item in listed] == [
        (cargo.id, one.ref, None),
        (status.id, None, told.ref),
    ]
    assert [item.delivery for item in await store.views.inbox(HERE, 0, 1)] == [cargo.id]
    assert [item.delivery for item in await store.views.inbox(HERE, cargo.seq, 10)] == [status.id]
    await add(store, move(cargo, DeliveryEvent.COLLECT))
    assert [item.delivery for item in await store.views.inbox(HERE, 0, 10)] == [parked.id, status.id]


async def test_a_mailbox_is_told_of_each_cargo_what_is_stored_of_it(store: SqlStore) -> None:
    """A document with a check, one without, a status about one of them, an orphan, a notice."""
    one, other = document(), document()
    check = AttachmentCheck(one.ref, NOW, later(hours=1), 2, PdfOutcome.INVALID)
    told = report(other)
    orphan = report()
    notice = Notice(NoticeRef("n" * 26), one.ref, NoticeOutcome.UNDELIVERED, b'{"a":1}', NOW)
    await add(store, AddDocument(one), AddDocument(other), AddAttachmentCheck(check), AddNotice(notice))
    await add(store, AddStatus(told), AddStatus(orphan))
    waiting = await add_all(
        store,
        delivery(one),
        delivery(other),
        delivery(cargo_ref=told.ref, document=other.ref),
        delivery(cargo_ref=orphan.ref),
        delivery(cargo_ref=notice.ref, document=one.ref)._replace(cargo=Cargo.NOTICE),
    )
    items = await store.views.inbox(HERE, 0, 10)
    assert [(item.delivery, item.seq, item.cargo, item.priority) for item in items] == [
        (of.id, of.seq, of.cargo.value, int(of.priority)) for of in waiting
    ]
    assert [orjson.loads(item.recipients) for item in items] == [
        [code.text for code in of.recipients] for of in waiting
    ]
    facts = [
        (about.ref, about.sender.text, about.subject, about.form.value, about.payload.size, about.payload.sha256)
        if about
        else (None,) * 6
        for about in (one, other, other, None, one)
    ]
    assert [tuple(item[place] for place in (5, 6, 9, 10, 11, 12)) for item in items] == facts
    names = [(about.document_id, about.number) for about in (one, other, other, orphan, one)]
    assert [(item.document_id, item.number) for item in items] == names
    assert [item[13:16] for item in items] == [(2, "invalid", rfc3339(later(hours=1)))] + [(None,) * 3] * 4
    statuses = [
        (at.ref, at.wire, at.receiver.text, at.reporter.text, rfc3339(at.at), rfc3339(at.received_at))
        for at in (told, orphan)
    ]
    assert [item.report and item.report[:6] for item in items] == [None, None, *statuses, None]
    words = [(at.description, at.standing.value, at.attestation.value) for at in (told, orphan)]
    assert [item.report and item.report[6:9] for item in items] == [None, None, *words, None]
    assert [item.notice for item in items] == [None] * 4 + [notice.octets]
