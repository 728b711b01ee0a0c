"""Every verb of the ledger and the views, against a real database."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from functools import partial
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import orjson
import pytest

from axis.blobs import Blobs
from axis.core.entry import leaf
from axis.core.model import (
    AddAttachmentCheck,
    AddDelivery,
    AddDocument,
    AddNotice,
    AddStatus,
    AdoptStatus,
    AttachmentCheck,
    Cargo,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    EntryKind,
    Hop,
    MarkCrossed,
    MoveDelivery,
    MoveDocument,
    Notice,
    NoticeOutcome,
    NoticeRef,
    PayloadRef,
    RetraceDocument,
    StatusRef,
)
from axis.core.outline import Outline
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.core.states import DELIVERY, DeliveryEvent, DeliveryState, IntakeState, advance
from axis.core.times import rfc3339
from axis.sql.address import connect
from axis.sql.driver import NoStore, StoreError
from axis.sql.engine import is_postgres, open_readonly, open_store, sqlite_path
from axis.sql.leases import leased
from axis.sql.ledger import SqlLedger
from axis.sql.store import SqlStore
from axis.sql.verdict import read_now, stored_verdict
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind, Priority
from schemas.multipart import PackageForm
from schemas.status import Standing
from signing.verdict import REASONS, PdfOutcome, SignatureRole
from tests.factories_core import (
    NOW,
    OTHER,
    RECEIVER,
    SENDER,
    decision,
    delivery,
    document,
    entry,
    later,
    not_signed,
    passed,
    report,
    sha256,
)
from tests.stores import ready

T = TypeVar("T")
LEASE = timedelta(seconds=60)
HERE = "so-noi-vu"


def empty_sqlite(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/axis.db"
    ready(made)
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The databases that the suite runs over."""
    if request.param == "sqlite":
        return empty_sqlite(tmp_path)
    made: str = request.getfixturevalue("postgres_store")
    return made


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(url, Blobs(tmp_path / "blobs"))
    yield opened
    asyncio.run(opened.close())


async def add(store: SqlStore, *changes: Any) -> None:
    await store.transact(lambda ledger: ledger.apply(decision(*changes)))


async def ask(store: SqlStore, question: Callable[[Ledger], T]) -> T:
    return await store.transact(question)


async def claim(
    store: SqlStore, *, at: Any = NOW, limit: int = 10, endpoints: tuple[str, ...] = (HERE,)
) -> list[Delivery]:
    return list(await store.transact(lambda ledger: ledger.claim(endpoints, at, LEASE, limit)))


def move(was: Delivery, event: DeliveryEvent, **changes: Any) -> MoveDelivery:
    made = MoveDelivery(was.id, was.state, event, advance(DELIVERY, was.state, event), was.token, later(seconds=1))
    return replace(made, **changes)


async def add_all(store: SqlStore, *deliveries: Delivery) -> list[Delivery]:
    await add(store, *map(AddDelivery, deliveries))
    stored = [await store.views.delivery(one.id) for one in deliveries]
    return [one for one in stored if one is not None]


# --- documents ---------------------------------------------------------------------------------------------------


async def test_a_document_reads_back_equal(store: SqlStore) -> None:
    kept = [
        document(),
        document(verdict=not_signed(), only_for=None, hops=(), attachments=(), issued_on=None, notes=()),
        document(form=PackageForm.PARTS),
    ]
    await add(store, *map(AddDocument, kept))
    for one in kept:
        assert await store.views.document(one.ref) == one
        assert await ask(store, methodcaller("document", one.ref)) == one
    assert await store.views.document(DocumentRef("none")) is None


def test_a_stored_verdict_is_what_the_verdict_says() -> None:
    several = replace(passed(), others=(replace(passed(), role=SignatureRole.COUNTERSIGNATURE), not_signed()))
    for verdict in (passed(), not_signed(), passed(NOW.replace(microsecond=0)), several):
        kept = {name: value for name, value in asdict(verdict).items() if name[0] != "_"}
        told = {**kept, "version": 1, "sentence": asdict(REASONS[verdict.reason])}
        for other in told["others"]:
            del other["_stored"]
        plain = json.loads(json.dumps(told, default=datetime.isoformat))
        assert verdict.to_dict() == json.loads(verdict.stored()) == plain
        assert verdict.stored().decode() == json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def test_a_verdict_is_read_when_it_is_looked_at() -> None:
    """Until then a damaged one is not noticed, except by who reads everything."""
    text = orjson.dumps(passed().to_dict()).decode()
    stored = partial(stored_verdict, text)
    assert stored() == passed()
    assert passed() == stored()
    assert stored() != not_signed()
    assert hash(stored()) == hash(passed())
    assert replace(stored(), quirks=("a",)) == replace(passed(), quirks=("a",))
    assert pickle.loads(pickle.dumps(stored())) == passed()
    assert stored().to_dict() == passed().to_dict()
    assert (stored().passed, stored().place) == (True, "")
    damaged = replace(document(), verdict=stored_verdict('{"version":1}'))
    for look in (lambda: damaged.verdict.passed, lambda: read_now(damaged)):
        with pytest.raises(KeyError):
            look()


async def test_a_repeat_is_found_by_its_key(store: SqlStore) -> None:
    first, second = document(document_id="Đ-1"), document(document_id="Đ-1", kind=MessageKind.RECALL)
    update = document(document_id="Đ-1", kind=MessageKind.UPDATE)
    newer = document(document_id="Đ-1", kind=MessageKind.UPDATE)
    stranger = document(document_id="Đ-1", sender=OTHER)
    await add(store, *map(AddDocument, (first, second, update, newer, stranger)))

    def same(kind: MessageKind, id_: str = "Đ-1") -> Callable[[Ledger], list[Document]]:
        return lambda ledger: list(ledger.same_document(SENDER, kind, id_))

    assert await ask(store, same(MessageKind.NEW)) == [first]
    assert await ask(store, same(MessageKind.UPDATE)) == [update, newer]
    assert await ask(store, same(MessageKind.NEW, unicodedata.normalize("NFD", " Đ-1 "))) == [first]
    assert await ask(store, same(MessageKind.REPLACE)) == []


async def test_one_package_is_stored_once(store: SqlStore) -> None:
    """Sender, kind, id and digest are unique among what was not refused: the second writer has lost a race."""
    first = document()
    await add(store, AddDocument(first))
    again = document(document_id=first.document_id, digest=first.digest)
    with pytest.raises(LostRace):
        await add(store, AddDocument(again))
    assert await store.views.document(again.ref) is None


async def test_what_waits_is_read_by_turns(store: SqlStore) -> None:
    """Behind a document also when it waits no longer."""
    waiting = [document(state=IntakeState.HELD, receipt_state=IntakeState.HELD) for _ in range(4)]
    await add(store, *map(AddDocument, [*waiting, document()]))
    first, second, third, fourth = (one.ref for one in waiting)

    def behind(after: DocumentRef | None) -> Callable[[Ledger], list[DocumentRef]]:
        return lambda ledger: [one.ref for one in ledger.held(2, after)]

    assert await ask(store, behind(None)) == [first, second]
    await add(store, MoveDocument(second, IntakeState.HELD, IntakeState.REFUSED, not_signed()))
    assert await ask(store, behind(second)) == [third, fourth]
    assert await ask(store, behind(fourth)) == []


async def test_what_was_refused_frees_its_key(store: SqlStore) -> None:
    first = document(state=IntakeState.HELD, receipt_state=IntakeState.HELD)
    await add(store, AddDocument(first))
    assert await ask(store, lambda ledger: list(ledger.held(10))) == [first]
    await add(store, MoveDocument(first.ref, IntakeState.HELD, IntakeState.REFUSED, not_signed()))
    moved = await store.views.document(first.ref)
    assert moved == replace(first, state=IntakeState.REFUSED, verdict=not_signed())
    assert await ask(store, lambda ledger: list(ledger.held(10))) == []
    assert await ask(store, lambda ledger: list(ledger.same_document(SENDER, MessageKind.NEW, first.document_id))) == []
    await add(store, AddDocument(document(document_id=first.document_id, digest=first.digest)))


async def test_a_document_moves_once(store: SqlStore) -> None:
    held = document(state=IntakeState.HELD)
    await add(store, AddDocument(held))
    release = MoveDocument(held.ref, IntakeState.HELD, IntakeState.ACCEPTED, passed())
    await add(store, release)
    with pytest.raises(LostRace):
        await add(store, release)


async def test_a_document_that_crossed_is_marked(store: SqlStore) -> None:
    one = document()
    await add(store, AddDocument(one))
    await add(store, MarkCrossed(one.ref))
    assert await store.views.document(one.ref) == replace(one, crossed=True)
    assert await ask(store, methodcaller("crossed", [one.ref, "other"])) == {one.ref}
    with pytest.raises(LostRace):
        await add(store, MarkCrossed(DocumentRef("none")))


async def test_a_document_that_came_by_another_way_has_the_hops_of_both(store: SqlStore) -> None:
    one = document(hops=(Hop("axis-1", NOW), Hop("axis-2", NOW)))
    await add(store, AddDocument(one))
    await add(store, RetraceDocument(one.ref, one.hops[1:]))
    assert await store.views.document(one.ref) == replace(one, hops=one.hops[1:])
    with pytest.raises(LostRace):
        await add(store, RetraceDocument(DocumentRef("none"), ()))


async def test_a_document_is_on_its_way_until_it_is_delivered_or_has_failed(store: SqlStore) -> None:
    one = document()
    waits, failed = (delivery(one, recipients=(code,), endpoint=f"at {code}") for code in (RECEIVER, OTHER))
    told = delivery(one, cargo=Cargo.NOTICE)
    await add(store, AddDocument(one), *map(AddDelivery, (waits, failed, told)))
    age = MoveDelivery(failed.id, DeliveryState.QUEUED, DeliveryEvent.AGE, DeliveryState.FAILED, 0, NOW)
    await add(store, age)
    assert await ask(store, lambda ledger: list(ledger.undone(one.ref))) == [(f"at {RECEIVER}", (RECEIVER,))]
    handed = await ask(store, lambda ledger: sorted(ledger.handed_to(one.ref)))
    assert handed == sorted((f"at {code}", (code,)) for code in (RECEIVER, OTHER))
    waiting = sorted(await store.views.addressees())
    assert waiting == sorted([(f"at {RECEIVER}", (RECEIVER,)), (f"at {OTHER}", (OTHER,)), (told.endpoint, (RECEIVER,))])


async def test_a_status_finds_its_document(store: SqlStore) -> None:
    old = document(document_id="A", number="7/QĐ", issued_on=date(2025, 1, 2))
    new = document(document_id="B", number="7/QĐ", issued_on=date(2026, 1, 2))
    held = document(document_id="C", number="8/QĐ", state=IntakeState.HELD)
    await add(store, *map(AddDocument, (old, new, held)))

    async def match(
        id_: str | None, number: str | None, day: date | None = None, receiver: AgencyCode = RECEIVER
    ) -> Any:
        return await ask(store, lambda ledger: ledger.match_document(SENDER, receiver, id_, number, day))

    assert await match("A", "7/QĐ") == old, "the id goes before the number"
    assert await match(None, "7/QĐ") == new, "the newest of several"
    assert await match(None, unicodedata.normalize("NFD", "7/QĐ"), date(2025, 1, 2)) == old
    assert await match("unknown", "7/QĐ", date(2025, 1, 2)) == old, "an id that nobody has gives way to the number"
    assert await match(None, "7/QĐ", date(2024, 1, 1)) is None
    assert await match("A", None, receiver=OTHER) is None, "not among the recipients"
    assert await match("C", "8/QĐ") is None, "held is not accepted"
    assert await match(None, None) is None


async def test_who_a_document_is_addressed_to_already(store: SqlStore) -> None:
    one = document()
    await add(
        store,
        AddDocument(one),
        AddDelivery(delivery(one, recipients=(RECEIVER, OTHER))),
        AddDelivery(delivery(one, cargo=Cargo.STATUS, cargo_ref="s", recipients=(SENDER,))),
    )
    assert await ask(store, lambda ledger: ledger.addressed(one.ref)) == {RECEIVER, OTHER}
    assert await ask(store, lambda ledger: ledger.addressed(DocumentRef("none"))) == frozenset()


# --- statuses ----------------------------------------------------------------------------------------------------


async def test_an_outline_says_what_its_document_says(store: SqlStore) -> None:
    one = document(recipients=(RECEIVER, OTHER), crossed=True, issued_on=None)
    two = document(issued_on=date(2026, 11, 23))
    await add(store, AddDocument(one), AddDocument(two))
    asked = [two.ref, one.ref, DocumentRef("nobody"), two.ref]
    found = await ask(store, lambda ledger: ledger.outlines(asked))
    said = {name: [getattr(whole, name) for whole in (one, two)] for name in Outline._fields}
    assert {name: [getattr(found[whole.ref], name) for whole in (one, two)] for name in said} == said
    assert len(found) == 2
    for one_alone in asked:
        alone = await ask(store, lambda ledger, ref=one_alone: ledger.outlines(iter([ref])))
        assert alone == {ref: outline for ref, outline in found.items() if ref == one_alone}


async def test_statuses_read_back_in_the_order_of_storing(store: SqlStore) -> None:
    one = document(recipients=(RECEIVER, OTHER))
    first, second = report(one), report(one, wire="03", staff=None, hops=(), description=None)
    other = report(one, receiver=OTHER, reporter=OTHER)
    await add(store, AddDocument(one), AddStatus(first), AddStatus(other), AddStatus(second))
    assert await ask(store, lambda ledger: list(ledger.statuses(one.ref, RECEIVER))) == [first, second]
    assert await store.views.statuses(one.ref) == [first, other, second]
    pairs = [(one.ref, RECEIVER.text), (one.ref, SENDER.text), (DocumentRef("nobody"), RECEIVER.text)]
    for some, whole in ((pairs, [first, second]), (pairs[:1], [first, second]), (pairs[1:2], [])):
        said = await ask(store, lambda ledger, some=some: ledger.said_of(some, ()))
        assert [(one.ref, one.document, one.receiver, one.wire, one.at, one.status) for one in said] == [
            (one.ref, one.document, one.receiver.text, one.wire, one.at, one.status) for one in whole
        ]
    assert await store.views.status(second.ref) == second
    assert await ask(store, lambda ledger: ledger.status(second.ref)) == second
    assert await store.views.status(StatusRef("none")) is None


async def test_of_what_was_repeated_only_the_same_is_read_again(store: SqlStore) -> None:
    one = document(recipients=(RECEIVER, OTHER))
    first = report(one, wire="05")
    again = [
        report(one, wire="05", at=first.at + timedelta(minutes=minute), standing=Standing.REPEATED)
        for minute in range(1, 6)
    ]
    late = report(one, wire="03", at=later(minutes=3), standing=Standing.LATE)
    other = report(one, receiver=OTHER, reporter=OTHER, standing=Standing.REPEATED)
    await add(store, AddDocument(one), *map(AddStatus, (first, *again[:3], late, *again[3:], other)))
    mine, theirs = (one.ref, RECEIVER.text), (one.ref, OTHER.text)
    for pairs, same, wanted in (
        ([mine], [("05", rfc3339(first.at))], [first, late]),
        ([mine], [("05", rfc3339(again[1].at))], [first, again[1], late]),
        ([mine], [("04", rfc3339(again[1].at))], [first, late]),
        ([mine], [("05", rfc3339(again[0].at)), ("05", rfc3339(again[4].at))], [first, again[0], late, again[4]]),
        ([mine, theirs], [("05", rfc3339(again[3].at))], [first, late, again[3]]),
        ([mine, theirs], [(other.wire, rfc3339(other.at))], [first, late, other]),
    ):
        said = await ask(store, lambda ledger, pairs=pairs, same=same: ledger.said_of(pairs, same))
        assert [found.ref for found in said] == [status.ref for status in wanted]


async def test_an_orphan_waits_and_is_adopted_once(store: SqlStore) -> None:
    one = document(document_id="Đ-7", number="7/QĐ")
    by_id = report(document_id=unicodedata.normalize("NFD", "Đ-7"), number=None)
    by_number = report(document_id=None, number="7/QĐ", wire="03")
    stranger = report(document_id="Đ-7", sender=OTHER, addressee=OTHER)
    passed_on = delivery(cargo_ref=by_id.ref)
    await add(store, AddStatus(by_id), AddStatus(by_number), AddStatus(stranger), AddDelivery(passed_on))
    assert await ask(store, lambda ledger: list(ledger.orphans(SENDER, "Đ-7", "7/QĐ"))) == [by_id, by_number]
    assert await ask(store, lambda ledger: ledger.same_orphan(by_number._replace(ref=StatusRef("x"))))
    assert not await ask(store, lambda ledger: ledger.same_orphan(by_number._replace(wire="04")))
    assert not await ask(store, lambda ledger: ledger.same_orphan(by_number._replace(at=later(minutes=1))))
    assert await ask(store, lambda ledger: ledger.passed_on(by_id.ref)) == {passed_on.endpoint}
    assert await ask(store, lambda ledger: ledger.passed_on(by_number.ref)) == frozenset()

    await add(store, AddDocument(one), AdoptStatus(by_id.ref, one.ref, Standing.APPLIED))
    assert await ask(store, lambda ledger: list(ledger.orphans(SENDER, "Đ-7", "7/QĐ"))) == [by_number]
    assert not await ask(store, lambda ledger: ledger.same_orphan(by_id)), "no orphan any more"
    assert await store.views.statuses(one.ref) == [by_id._replace(document=one.ref)]
    assert [found.id for found in await store.views.deliveries(one.ref)] == [passed_on.id]
    with pytest.raises(LostRace):
        await add(store, AdoptStatus(by_id.ref, one.ref, Standing.APPLIED))


# --- deliveries --------------------------------------------------------------------------------------------------


async def test_a_delivery_reads_back_with_its_place_in_the_order(store: SqlStore) -> None:
    one = document()
    kept = [delivery(one), delivery(priority=Priority.EXPRESS, last_problem="x", settled_at=NOW, attempts=3, token=4)]
    await add(store, AddDocument(one))
    found = await add_all(store, *kept)
    assert [stored._replace(seq=0) for stored in found] == kept
    assert 0 < found[0].seq < found[1].seq
    assert await ask(store, lambda ledger: ledger.delivery(kept[0].id)) == found[0]
    assert await store.views.delivery(DeliveryId("none")) is None


async def test_seq_never_comes_twice(store: SqlStore) -> None:
    """Also not after the newest row is gone or a transaction was rolled back."""
    seqs = [one.seq for one in await add_all(store, *(delivery() for _ in range(5)))]

    def fail(ledger: Ledger) -> None:
        ledger.apply(decision(AddDelivery(delivery())))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.transact(fail)
    (last,) = await add_all(store, delivery())
    assert seqs == sorted(set(seqs))
    assert last.seq > seqs[-1]


async def test_urgent_goes_first_then_what_was_due_first(store: SqlStore) -> None:
    slow = delivery(due_at=later(seconds=-1), lane="1")
    old = delivery(due_at=later(seconds=-60), lane="2")
    express = delivery(priority=Priority.EXPRESS, lane="3", endpoint="b")
    early, elsewhere = delivery(due_at=later(seconds=1)), delivery(endpoint="c")
    await add(store, *map(AddDelivery, (slow, old, express, early, elsewhere)))
    got = await claim(store, limit=2, endpoints=(HERE, "b"))
    assert [one.id for one in got] == [express.id, old.id]
    assert [one.id for one in await claim(store, endpoints=(HERE, "b"))] == [slow.id]
    assert await claim(store, endpoints=(HERE, "b")) == []
    assert await claim(store, endpoints=()) == []


async def test_a_claim_is_one_attempt_with_a_new_token(store: SqlStore) -> None:
    await add_all(store, delivery())
    (got,) = await claim(store)
    assert (got.state, got.attempts, got.token, got.due_at) == (DeliveryState.LEASED, 1, 1, NOW + LEASE)
    assert await store.views.delivery(got.id) == got


def test_a_claim_changes_nothing_else() -> None:
    """Field by field, none of them left as it is by default."""
    kept = {"priority": Priority.EXPRESS, "seq": 7, "last_problem": "internal", "settled_at": NOW, "renewed_at": NOW}
    one = delivery(document())._replace(attempts=3, token=4, breaks=1, **kept)
    until = later(hours=1)
    counted = {"due_at": until, "attempts": 4, "token": 5, "state": DeliveryState.LEASED}
    assert leased(one, until) == one._replace(**counted, breaks=1)
    assert leased(one._replace(state=DeliveryState.LEASED), until) == one._replace(**counted, breaks=2)
    assert all(getattr(one, name) != value for name, value in one._field_defaults.items() if name != "state")


async def test_what_another_has_claimed_meanwhile_is_not_leased(store: SqlStore) -> None:
    """Several are leased by one statement: one of them seen under an old token, and none is."""
    one = document()
    await add(store, AddDocument(one), *(AddDelivery(delivery(one)) for _ in range(3)))

    def body(ledger: Ledger) -> object:
        assert isinstance(ledger, SqlLedger)
        seen = ledger._due(HERE, int(Priority.ORDINARY), rfc3339(NOW), 9, suspects=True)
        assert len(seen) == 3
        return ledger._lease([*seen[:2], seen[2]._replace(token=seen[2].token + 1)], later(minutes=1))

    with pytest.raises(LostRace):
        await store.transact(body)
    assert {one.state for one in await store.views.deliveries(one.ref)} == {DeliveryState.QUEUED}


async def test_what_waits_longer_than_anything_may_is_made_due_and_nothing_else(store: SqlStore) -> None:
    """Queued or leased, of the endpoint that is asked about; and no more than so many."""
    ahead = [delivery(due_at=later(days=3), priority=one) for one in (Priority.ORDINARY, Priority.EXPRESS)]
    leased, in_time = delivery(), delivery(due_at=later(hours=1))
    elsewhere = delivery(endpoint="elsewhere", due_at=later(days=3))
    await add(store, AddDelivery(leased))
    (taken,) = await store.transact(lambda ledger: ledger.claim([HERE], NOW, timedelta(days=3), 1))
    await add(store, *map(AddDelivery, (*ahead, in_time, elsewhere)))
    moved = [
        await store.transact(lambda ledger: ledger.hasten(HERE, later(minutes=1), later(hours=2), 2)) for _ in range(3)
    ]
    assert moved == [2, 1, 0]
    due = await claim(store, at=later(minutes=1))
    assert {one.id for one in due} == {one.id for one in (*ahead, leased)}
    assert next(one.token for one in due if one.id == leased.id) == taken.token + 1


async def test_all_that_waits_at_an_endpoint_begins_anew_page_after_page(store: SqlStore) -> None:
    """What is first in its lane and what stands behind it; not what is under way, nor at another endpoint."""
    leased = delivery()
    await add(store, AddDelivery(leased))
    await claim(store)
    waiting = await add_all(store, delivery(lane="1"), delivery(), delivery(lane="1"), delivery(lane="1"), delivery())
    elsewhere = delivery(endpoint="elsewhere")
    await add(store, AddDelivery(elsewhere))
    after: int | None = 0
    pages = []
    while after is not None:
        after = await store.transact(lambda ledger, after=after: ledger.begin_anew(HERE, later(days=9), after, 2))  # type: ignore[misc]
        pages.append(after)
    assert pages == [waiting[1].seq, waiting[3].seq, waiting[4].seq, None]
    renewed = [await store.views.delivery(one.id) for one in (*waiting, leased, elsewhere)]
    assert [one and one.renewed_at for one in renewed] == [later(days=9)] * 5 + [None] * 2


async def test_a_lease_is_prolonged_by_who_has_it_and_by_nobody_else(store: SqlStore) -> None:
    await add_all(store, delivery())
    (first,) = await claim(store)
    end = NOW + 2 * LEASE
    await store.transact(lambda ledger: ledger.prolong(first, end))
    assert await claim(store, at=end - timedelta(microseconds=1)) == []
    (second,) = await claim(store, at=end)
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.prolong(first, later(days=1)))
    await add(store, move(second, DeliveryEvent.ACK))
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.prolong(second, later(days=1)))


async def test_a_lease_that_ran_out_is_due_again(store: SqlStore) -> None:
    await add_all(store, delivery())
    (first,) = await claim(store)
    assert await claim(store, at=NOW + LEASE - timedelta(microseconds=1)) == []
    (second,) = await claim(store, at=NOW + LEASE)
    assert (second.id, second.attempts, second.token) == (first.id, 2, 2)


async def test_only_the_holder_of_the_token_settles(store: SqlStore) -> None:
    """The first worker was away for longer than its lease; its answer comes too late, whatever it says (E7)."""
    await add_all(store, delivery())
    (stale,) = await claim(store)
    (holder,) = await claim(store, at=NOW + LEASE)
    for event in (DeliveryEvent.ACK, DeliveryEvent.DEFER, DeliveryEvent.REFUSE, DeliveryEvent.EXPIRE):
        with pytest.raises(LostRace):
            await add(store, move(stale, event))
    assert await store.views.delivery(holder.id) == holder
    await add(store, move(holder, DeliveryEvent.ACK))
    settled = await store.views.delivery(holder.id)
    assert settled == holder._replace(state=DeliveryState.DELIVERED, settled_at=later(seconds=1))
    with pytest.raises(LostRace):
        await add(store, move(holder, DeliveryEvent.ACK))


async def test_a_lost_race_leaves_nothing_of_its_decision(store: SqlStore) -> None:
    await add_all(store, delivery())
    (got,) = await claim(store)
    one = document()
    with pytest.raises(LostRace):
        await add(store, AddDocument(one), move(got._replace(token=7), DeliveryEvent.ACK))
    assert await store.views.document(one.ref) is None
    assert (await store.views.backlog())[0] == 1


async def test_a_deferred_delivery_waits_for_its_time(store: SqlStore) -> None:
    await add_all(store, delivery())
    (got,) = await claim(store)
    due = later(minutes=5)
    await add(store, move(got, DeliveryEvent.DEFER, due_at=due, problem="destination-unavailable"))
    assert await claim(store, at=due - timedelta(seconds=1)) == []
    (again,) = await claim(store, at=due)
    assert (again.last_problem, again.attempts) == ("destination-unavailable", 2)


async def test_a_mailbox_collects_without_a_claim(store: SqlStore) -> None:
    (waiting,) = await add_all(store, delivery())
    await add(store, move(waiting, DeliveryEvent.COLLECT))
    assert await claim(store) == []


@pytest.mark.parametrize("state", ["queued", "leased", "failed"])
async def test_what_is_open_parks_its_successors(store: SqlStore, state: str) -> None:
    first, second = delivery(lane="l"), delivery(lane="l", priority=Priority.EXPRESS)
    if state == "queued":
        first = first._replace(due_at=later(hours=1))
    first, second = await add_all(store, first, second)
    if state != "queued":
        (first,) = await claim(store)
    if state == "failed":
        await add(store, move(first, DeliveryEvent.REFUSE, problem="destination-refused"))
    assert await claim(store) == []
    assert await ask(store, lambda ledger: ledger.is_head(first))
    assert not await ask(store, lambda ledger: ledger.is_head(second))


async def test_the_next_of_a_lane_goes_when_its_predecessor_is_delivered(store: SqlStore) -> None:
    first, second, third = await add_all(store, *(delivery(lane="l") for _ in range(3)))
    for expected in (first, second, third):
        (got,) = await claim(store)
        assert got.id == expected.id
        await add(store, move(got, DeliveryEvent.ACK))
    assert await claim(store) == []


async def test_several_that_were_handed_over_end_as_each_of_them_would(store: SqlStore) -> None:
    """By two statements for all of them, at the time and under the token of each; what stands behind them moves up."""
    stored = await add_all(store, *(delivery(lane=lane) for lane in ("one", "two", "three", "one", "two")))
    claimed = await claim(store)
    assert [one.id for one in claimed] == [one.id for one in stored[:3]]
    at = {one.id: later(seconds=place) for place, one in enumerate(claimed)}
    ended = [move(one, DeliveryEvent.ACK, at=at[one.id]) for one in claimed[:2]]
    deferred = move(claimed[2], DeliveryEvent.DEFER, due_at=later(hours=1), problem="internal", breaks=1)
    await add(store, *ended, deferred)
    for one in claimed[:2]:
        delivered = one._replace(state=DeliveryState.DELIVERED, settled_at=at[one.id])
        assert await store.views.delivery(one.id) == delivered
    waits = claimed[2]._replace(state=DeliveryState.QUEUED, due_at=later(hours=1), last_problem="internal", breaks=1)
    assert await store.views.delivery(waits.id) == waits
    assert [one.id for one in await claim(store)] == [one.id for one in stored[3:]]


@pytest.mark.parametrize("trouble", ["claimed-by-another", "handed-over-already", "never-claimed"])
async def test_of_several_that_were_handed_over_none_ends_where_one_was_lost(store: SqlStore, trouble: str) -> None:
    await add_all(store, *(delivery() for _ in range(3)))
    claimed = await claim(store, limit=2 if trouble == "never-claimed" else 3)
    last = claimed[-1]
    if trouble == "claimed-by-another":
        last = (await claim(store, at=NOW + LEASE, limit=1))[0]
        claimed = [*(one for one in claimed if one.id != last.id), last._replace(token=last.token - 1)]
    if trouble == "handed-over-already":
        await add(store, move(last, DeliveryEvent.ACK))
    if trouble == "never-claimed":
        claimed.append(last._replace(id=DeliveryId("another"), token=0))
    before = [await store.views.delivery(one.id) for one in claimed]
    with pytest.raises(LostRace):
        await add(store, *(move(one, DeliveryEvent.ACK) for one in claimed))
    assert [await store.views.delivery(one.id) for one in claimed] == before


async def test_the_mark_of_a_head_is_only_a_hint(store: SqlStore, url: str) -> None:
    """Two that are added at once on PostgreSQL may both be marked: who goes first is asked of the lane."""
    first, _ = await add_all(store, delivery(lane="l"), delivery(lane="l", priority=Priority.EXPRESS))
    await asyncio.to_thread(everybody_is_head, url)
    assert [item.delivery for item in await store.views.inbox(HERE, 0, 10)] == [first.id]
    assert [one.id for one in await claim(store)] == [first.id]


def everybody_is_head(url: str) -> None:
    everybody = "UPDATE delivery SET head = 1"
    if is_postgres(url):
        with connect(url, "test") as beside:
            beside.execute(everybody)
        return
    connection = sqlite3.connect(sqlite_path(url))
    connection.execute(everybody)
    connection.commit()
    connection.close()


async def test_a_failed_delivery_goes_on_when_a_person_asks(store: SqlStore) -> None:
    first, second = await add_all(store, delivery(lane="l"), delivery(lane="l"))
    (got,) = await claim(store)
    await add(store, move(got, DeliveryEvent.REFUSE))
    failed = await store.views.delivery(first.id)
    assert failed is not None
    assert failed.settled_at == later(seconds=1)
    await add(store, move(failed, DeliveryEvent.REQUEUE, due_at=later(seconds=2)))
    (again,) = await claim(store, at=later(seconds=2))
    assert (again.id, again.settled_at) == (first.id, None)
    await add(store, move(again, DeliveryEvent.ACK))
    assert [one.id for one in await claim(store)] == [second.id]


async def test_eight_workers_keep_the_order_of_every_lane(store: SqlStore) -> None:
    """Each delivery once, never two of a lane at once, in order."""
    lanes, length = 20, 6
    await add(store, *(AddDelivery(delivery(lane=f"l{n % lanes}")) for n in range(lanes * length)))
    done: dict[str, list[int]] = {}
    busy: set[str] = set()

    async def worker() -> None:
        while sum(map(len, done.values())) < lanes * length:
            for got in await claim(store, limit=3):
                assert got.lane not in busy
                busy.add(got.lane)
                await asyncio.sleep(0)
                done.setdefault(got.lane, []).append(got.seq)
                busy.remove(got.lane)
                await add(store, move(got, DeliveryEvent.ACK))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(worker())
    assert len(done) == lanes
    for seqs in done.values():
        assert seqs == sorted(set(seqs))
        assert len(seqs) == length


# --- the log -----------------------------------------------------------------------------------------------------


async def test_entries_become_intents_in_order_and_get_their_indexes(store: SqlStore) -> None:
    first, second, third = entry(EntryKind.ACCEPTED), entry(EntryKind.ROUTED), entry(EntryKind.STATUS)
    for entries in ((first, second), (third,)):
        await store.transact(methodcaller("apply", replace(decision(), entries=entries)))
    intents = await ask(store, lambda ledger: list(ledger.intents(10)))
    assert [one.leaf for one in intents] == [leaf(first), leaf(second), leaf(third)]
    ids = [one.id for one in intents]
    assert ids == sorted(set(ids))
    assert await store.views.backlog() == (3, NOW)
    assert await ask(store, lambda ledger: ledger.log_size()) == 0

    await store.transact(lambda ledger: ledger.indexed(0, ids[:2]))
    assert await ask(store, lambda ledger: (ledger.log_size(), [one.id for one in ledger.intents(10)])) == (2, ids[2:])
    await store.transact(lambda ledger: ledger.indexed(0, ids[:2]))  # the same again is harmless
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.indexed(5, ids[:1]))
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.indexed(1, ids[2:]))
    await store.transact(lambda ledger: ledger.indexed(2, ids[2:]))
    assert await store.views.backlog() == (0, None)


# --- transactions ------------------------------------------------------------------------------------------------


async def test_a_body_that_raises_takes_nothing_else_of_its_group_with_it(store: SqlStore) -> None:
    """All of them in one group: the first body holds the writer until the others are queued."""
    gate = threading.Event()
    kept = [document() for _ in range(6)]

    def body(number: int) -> Callable[[Ledger], int]:
        def run(ledger: Ledger) -> int:
            ledger.apply(decision(AddDocument(kept[number])))
            if number % 2:
                raise Refused(Problem(Kind.BAD_REQUEST, str(number)))
            return number

        return run

    holding = asyncio.ensure_future(store.transact(lambda ledger: gate.wait(10)))
    tasks = [asyncio.ensure_future(store.transact(body(number))) for number in range(6)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert await holding
    for number, result in enumerate(results):
        assert (await store.views.document(kept[number].ref) is None) == bool(number % 2)
        assert isinstance(result, Refused) if number % 2 else result == number
    assert (await store.views.backlog())[0] == 3


async def test_cancelling_the_caller_does_not_undo_the_commit(store: SqlStore) -> None:
    """`CancelledError` comes after the commit, however often the caller is cancelled."""
    gate, one = threading.Event(), document()

    def body(ledger: Ledger) -> None:
        assert gate.wait(10)
        ledger.apply(decision(AddDocument(one)))

    task = asyncio.ensure_future(store.transact(body))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.views.document(one.ref) == one


async def test_the_queue_is_bounded(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axis.sql.group.MAX_WAITING", 3)
    gate, inside = threading.Event(), threading.Event()

    def hold(ledger: Ledger) -> None:
        inside.set()
        assert gate.wait(10)

    tasks = [asyncio.ensure_future(store.transact(hold))]
    await asyncio.sleep(0)
    assert await asyncio.to_thread(inside.wait, 10)
    tasks += [asyncio.ensure_future(store.transact(lambda ledger: None)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await store.transact(lambda ledger: None)
    assert refused.value.retry_after_s
    assert refused.value.problem.extra == {"outcome": "not-stored"}
    gate.set()
    await asyncio.gather(*tasks)


async def test_closing_finishes_what_is_queued(url: str, tmp_path: Path) -> None:
    store = open_store(url, Blobs(tmp_path / "blobs"))
    kept = [document() for _ in range(20)]
    tasks = [asyncio.ensure_future(add(store, AddDocument(one))) for one in kept]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*tasks)
    for refused in (add(store), store.views.document(kept[0].ref)):
        with pytest.raises(Unavailable):
            await refused
    await store.close()
    again = open_store(url, Blobs(tmp_path / "blobs"))
    assert (await again.views.counts()).documents == {"accepted": 20}
    await again.close()


# --- views -------------------------------------------------------------------------------------------------------


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


async def test_lists_of_documents(store: SqlStore) -> None:
    kept = [document(document_id="same" if n < 3 else f"id{n}") for n in range(7)]
    for one in kept:
        await add(store, AddDocument(one))
    newest = kept[::-1]
    assert await store.views.recent(3) == newest[:3]
    assert await store.views.recent(3, before=newest[2].ref) == newest[3:6]
    assert await store.views.recent(3, before=DocumentRef("none")) == []
    assert await store.views.search(" same ") == newest[4:]
    assert await store.views.search(kept[5].ref) == [kept[5]]


async def test_counts(store: SqlStore) -> None:
    one = document()
    await add(store, AddDocument(one), AddDocument(document(state=IntakeState.HELD)), AddStatus(report(one)))
    await add(store, AddDelivery(delivery(one)), AddDelivery(delivery(one)), AddDelivery(delivery(one, endpoint="b")))
    await claim(store, limit=1)
    counts = await store.views.counts()
    assert counts.documents == {"accepted": 1, "held": 1}
    assert counts.deliveries == {HERE: {"queued": 1, "leased": 1}, "b": {"queued": 1}}
    assert counts.statuses == {"01": 1}


async def test_small_octets_share_the_database(store: SqlStore) -> None:
    octets = b"edXML" * 100
    ref = PayloadRef(sha256(octets), len(octets))
    for _ in range(2):
        await store.transact(lambda ledger: ledger.put_payload(ref, octets))
    payload = await store.views.payload(ref)
    assert payload.ref == ref
    assert await payload.read() == octets
    assert b"".join([piece async for piece in payload.chunks()]) == octets
    with pytest.raises(ValueError, match="octets"):
        await store.transact(lambda ledger: ledger.put_payload(ref, b"other"))


async def test_octets_that_are_nowhere_are_said_to_be_missing(store: SqlStore) -> None:
    payload = await store.views.payload(PayloadRef(sha256("none"), 4))
    with pytest.raises(Unavailable) as missing:
        await payload.read()
    assert missing.value.problem.context["sha256"] == sha256("none")


async def test_views_do_not_show_what_is_not_committed(store: SqlStore) -> None:
    gate, inside, one = threading.Event(), threading.Event(), document()

    def body(ledger: Ledger) -> None:
        ledger.apply(decision(AddDocument(one)))
        inside.set()
        assert gate.wait(10)

    task = asyncio.ensure_future(store.transact(body))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(inside.wait, 10)
    assert await store.views.document(one.ref) is None
    gate.set()
    await task
    assert await store.views.document(one.ref) == one


async def test_a_command_can_ask_beside_the_daemon(store: SqlStore, url: str) -> None:
    one = document()
    await add(store, AddDocument(one))
    with open_readonly(url) as questions:
        assert questions.document(one.ref) == one
        assert questions.backlog() == (1, NOW)
        assert questions.meta("store_id") == store.id


# --- when things break (SQLite) ----------------------------------------------------------------------------------


class FailsToCommit(sqlite3.Connection):
    """Commits under a file-size limit at the log's present size: the write of the commit fails in the kernel."""

    failures: ClassVar[int] = 0
    fired: ClassVar[int] = 0

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        if sql != "COMMIT" or not self.failures:
            return super().execute(sql, *params)
        type(self).failures -= 1
        (_, _, path) = super().execute("PRAGMA database_list").fetchone()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path + "-wal").stat().st_size, hard))
        try:
            return super().execute(sql)
        except sqlite3.OperationalError:
            type(self).fired += 1
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class CommitsAndSaysNo(FailsToCommit):
    """The error comes after the commit has landed: what a sender sees when only the answer was lost (E1)."""

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        done = sqlite3.Connection.execute(self, sql, *params)
        if sql == "COMMIT" and self.failures:
            type(self).failures -= 1
            type(self).fired += 1
            raise sqlite3.OperationalError("disk I/O error")
        return done


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return empty_sqlite(tmp_path)


@pytest.fixture
def failing(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> Iterator[tuple[SqlStore, type[FailsToCommit]]]:
    connection: type[FailsToCommit] = type("Connection", (request.param,), {})
    opened = open_store(sqlite_url, Blobs(tmp_path / "blobs"), connection_class=connection)
    yield opened, connection
    asyncio.run(opened.close())


@pytest.mark.faults
@pytest.mark.parametrize("failing", [FailsToCommit, CommitsAndSaysNo], indirect=True)
async def test_a_failed_commit_is_unknown_and_a_repeat_settles_it(
    failing: tuple[SqlStore, type[FailsToCommit]],
) -> None:
    """The whole group hears `unknown`, also the body that raised. The store recovers once; the repeat stores once."""
    store, connection = failing
    before, kept, gate = document(), [document() for _ in range(3)], threading.Event()
    await add(store, AddDocument(before))

    def accept(one: Document) -> Callable[[Ledger], str]:
        def body(ledger: Ledger) -> str:
            assert gate.wait(10)
            if not ledger.same_document(one.sender, one.kind, one.document_id):
                ledger.apply(decision(AddDocument(one)))
            return one.ref

        return body

    def refuse(ledger: Ledger) -> None:
        raise Refused(Problem(Kind.DUPLICATE_CONFLICT))

    connection.failures = 1
    tasks = [asyncio.ensure_future(store.transact(body)) for body in (*map(accept, kept), refuse)]
    await asyncio.sleep(0)
    gate.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert connection.fired == 1
    lost = [one for one in told if isinstance(one, Unavailable) and one.problem.extra == {"outcome": "unknown"}]
    assert lost, "the first group's commit failed"
    for body in map(accept, kept):
        await store.transact(body)
    assert not store.poisoned
    assert await store.views.recent(10) == [*kept[::-1], before]
    assert (await store.views.backlog())[0] == 4


@pytest.mark.faults
@pytest.mark.parametrize("failing", [FailsToCommit], indirect=True)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_second_failed_commit_ends_the_store(
    failing: tuple[SqlStore, type[FailsToCommit]], sqlite_url: str, tmp_path: Path, at_once: bool
) -> None:
    """Whether it comes while the store recovers from the first, or long after."""
    store, connection = failing
    one = document()
    connection.failures = 2 if at_once else 1
    with pytest.raises(Unavailable) as told:
        await add(store, AddDocument(one))
    assert told.value.problem.extra == {"outcome": "unknown"}
    if not at_once:
        await add(store, AddDocument(document()))
        connection.failures = 1
        with pytest.raises(Unavailable) as told:
            await add(store, AddDocument(one))
        assert told.value.problem.extra == {"outcome": "unknown"}
    with pytest.raises(Unavailable) as told:
        await add(store, AddDocument(one))
    assert told.value.problem.extra == {"outcome": "not-stored"}
    assert connection.fired == 2
    assert store.poisoned
    await store.close()
    again = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    await add(again, AddDocument(one))
    await again.close()


@pytest.mark.faults
async def test_when_the_database_gives_up_a_transaction_its_whole_group_hears_of_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A trigger makes SQLite roll back everything: no body that had returned may be told that it is kept."""
    store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))  # before: it does not start on a trigger
    connection = sqlite3.connect(sqlite_path(sqlite_url))
    connection.execute(
        "CREATE TRIGGER abort BEFORE INSERT ON document WHEN NEW.subject = 'abort' "
        "BEGIN SELECT RAISE(ROLLBACK, 'given up'); END"
    )
    connection.close()
    gate, before, bad, after = threading.Event(), document(), document(subject="abort"), document()
    holding = asyncio.ensure_future(store.transact(lambda ledger: gate.wait(10)))
    await asyncio.sleep(0)
    tasks = [asyncio.ensure_future(add(store, AddDocument(one))) for one in (before, bad, after)]
    await asyncio.sleep(0)
    gate.set()
    told = await asyncio.gather(holding, *tasks, return_exceptions=True)
    assert [isinstance(one, Unavailable) for one in told[1:]] == [True, True, True]
    assert await store.views.recent(10) == []
    assert not store.poisoned
    await add(store, AddDocument(before))
    await store.close()


CHILD = """
import asyncio, os, sys
from pathlib import Path
from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument
from axis.sql.engine import open_store
from tests import factories_core as make

async def main(url, number):
    store = open_store(url, Blobs(Path("blobs")))
    async def send(worker):
        for n in range(100_000):
            one = make.document(ref=f"{number}-{worker}-{n}", document_id=f"{number}-{worker}-{n}")
            sent = make.delivery(one, id=f"d-{one.ref}")
            await store.transact(lambda ledger: ledger.apply(make.decision(AddDocument(one), AddDelivery(sent))))
            print(one.ref, flush=True)
    await asyncio.gather(*(send(worker) for worker in range(8)))

for number in range(int(sys.argv[2])):
    pid = os.fork()  # imported once; nothing runs in this process but this loop
    if not pid:
        print("pid", os.getpid(), flush=True)
        asyncio.run(main(sys.argv[1], number))
    assert os.waitpid(pid, 0)[1] == 9
"""


@pytest.mark.faults
def test_what_was_acknowledged_survives_sigkill(sqlite_url: str, tmp_path: Path) -> None:
    """Five rounds on one store; nothing is there by half."""
    acknowledged: set[str] = set()
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, sqlite_url, "5"], stdout=subprocess.PIPE, text=True, cwd=root
    ) as child:
        assert child.stdout is not None
        pid, rounds, heard = 0, 0, 0
        for line in child.stdout:
            if line.startswith("pid"):
                pid, rounds, heard = int(line.split()[1]), rounds + 1, 0
                continue
            acknowledged.add(line.strip())
            heard += 1
            if heard == 20 + 30 * rounds:
                os.kill(pid, signal.SIGKILL)
    assert child.returncode == 0
    assert rounds == 5
    assert len(acknowledged) >= 550

    async def check() -> None:
        store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
        stored = await store.views.recent(1_000_000)
        assert acknowledged <= {one.ref for one in stored}
        assert (await store.views.counts()).deliveries == {HERE: {"queued": len(stored)}}
        assert (await store.views.backlog())[0] == len(stored)
        await store.close()

    asyncio.run(check())


def test_a_second_process_cannot_open_the_store(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    with pytest.raises(StoreError, match="another process"):
        open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    asyncio.run(store.close())


def test_a_missing_store_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="there is no store"):
        open_store(f"sqlite:///{tmp_path}/axis.db", Blobs(tmp_path / "blobs"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pragma", ["journal_mode", "synchronous", "foreign_keys"])
def test_a_store_that_is_not_durable_does_not_open(sqlite_url: str, tmp_path: Path, pragma: str) -> None:
    """SQLite ignores a pragma that it cannot follow, without an error: what counts is what it answers."""

    class Deaf(sqlite3.Connection):
        def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
            weaker = {"journal_mode": "DELETE", "synchronous": "NORMAL", "foreign_keys": "OFF"}[pragma]
            return super().execute(
                f"PRAGMA {pragma} = {weaker}" if sql.startswith(f"PRAGMA {pragma} =") else sql, *params
            )

    with pytest.raises(StoreError, match=pragma):
        open_store(sqlite_url, Blobs(tmp_path / "blobs"), connection_class=Deaf)
    open_store_again = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    asyncio.run(open_store_again.close())


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("due_priorities", "ix_delivery_due"),
        ("due", "ix_delivery_due"),
        ("due", "ix_delivery_lane"),
        ("waits.beyond", "ix_delivery_due (endpoint=? AND priority=? AND due_at>?)"),
        ("waits.parked", "ix_delivery_parked"),
        ("waits.first", "ix_delivery_lane"),
        ("waits.head_anew", "ix_delivery_inbox (endpoint=? AND seq>? AND seq<?)"),
        ("waits.rest_anew", "ix_delivery_parked (endpoint=? AND seq>? AND seq<?)"),
        ("inbox", "ix_delivery_inbox"),
        ("outgoing.listed", "ix_delivery_inbox"),
        ("hold_lane", "ix_delivery_lane"),
        ("older_open", "ix_delivery_lane"),
        ("promote", "ix_delivery_lane"),
        ("addressed", "ix_delivery_document"),
        ("deliveries", "ix_delivery_document"),
        ("adopt_deliveries", "ix_delivery_orphan"),
        ("same_document", "ix_document_search"),
        ("match_by_id", "ix_document_search"),
        ("match_by_number", "ix_document_number"),
        ("held", "ix_document_held"),
        ("statuses_of", "ix_status_report_document"),
        ("reports.said", "ix_status_report_document"),
        ("reports.said_of_pairs", "ix_status_report_document"),
        ("reports.outline", "sqlite_autoindex_document_1"),
        ("reports.outlines", "sqlite_autoindex_document_1"),
        ("reports.crossed", "sqlite_autoindex_document_1"),
        ("outgoing.carried", "sqlite_autoindex_document_1"),
        ("outgoing.carried", "sqlite_autoindex_payload_1"),
        ("leases.take", "SEARCH delivery USING INTEGER PRIMARY KEY"),
        ("leases.end", "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1"),
        ("leases.promote", "SEARCH done USING INDEX sqlite_autoindex_delivery_1"),
        ("leases.promote", "SEARCH other USING INDEX ix_delivery_lane"),
        ("leases.promote", "SEARCH delivery USING INTEGER PRIMARY KEY"),
        ("orphans", "ix_status_report_orphan_id (sender=? AND document_key=?)"),
        ("orphans", "ix_status_report_orphan_number (sender=? AND number_key=?)"),
        ("same_orphan", "ix_status_report_orphan_"),
        ("intents", "sqlite_autoindex_log_intent_1 (log_index=?)"),
        ("log_size", "sqlite_autoindex_log_intent_1"),
        ("place_intents", "SEARCH log_intent USING INTEGER PRIMARY KEY"),
    ],
)
def test_what_is_done_often_uses_its_index(sqlite_url: str, statement: str, index: str) -> None:
    """So that nothing slows down with what is done already."""
    with open_readonly(sqlite_url) as questions:
        sql = attrgetter(statement)(questions.sql)
        names = set(re.findall(r":(\w+)", sql))
        plan = questions.session.run(f"EXPLAIN QUERY PLAN {sql}", **dict.fromkeys(names, 1)).fetchall()
    text = "\n".join(row[3] for row in plan)
    assert index in text, text
    for small in (
        "document USING INDEX ix_document_held",
        "CONSTANT ROW",
        "json_each VIRTUAL TABLE",
        "asked VIRTUAL TABLE",
    ):
        text = text.replace(f"SCAN {small}", "")
    assert "SCAN" not in text, text
    few = ("orphans", "match_by_id", "match_by_number", "reports.said_of_pairs")
    assert statement in few or "TEMP B-TREE" not in text
