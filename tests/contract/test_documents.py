"""Documents in the store: as they were, found again, moved, marked."""

from __future__ import annotations

import json
import pickle
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, datetime
from functools import partial
from operator import methodcaller

import orjson
import pytest

from axis.core.model import (
    AddDelivery,
    AddDocument,
    Cargo,
    Document,
    DocumentRef,
    Hop,
    MarkCrossed,
    MoveDelivery,
    MoveDocument,
    PayloadRef,
    Role,
    SetWays,
    Way,
)
from axis.core.outline import Outline
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Unavailable
from axis.core.states import DeliveryEvent, DeliveryState, IntakeState
from axis.sql.store import SqlStore
from axis.sql.verdict import read_now, stored_verdict
from schemas.envelope import MessageKind
from schemas.multipart import PackageForm
from signing.verdict import REASONS, SignatureRole
from tests.contract.asked import add, ask
from tests.factories_core import NOW, OTHER, RECEIVER, SENDER, delivery, document, not_signed, passed, sha256


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


async def test_a_document_keeps_every_way_by_which_it_came(store: SqlStore) -> None:
    one = document(hops=(Hop("axis-1", NOW), Hop("axis-2", NOW)))
    ways = (
        Way("truc-3", Role.NODE, (Hop("axis-1", NOW), Hop("axis-3", NOW)), (RECEIVER, OTHER), NOW),
        Way("so-noi-vu", Role.AGENCY, (), (OTHER,), NOW),
    )
    await add(store, AddDocument(one))
    assert await store.views.document(one.ref) == one
    await add(store, SetWays(one.ref, one.state, ways))
    assert await store.views.document(one.ref) == replace(one, ways=ways)
    for ref, was in ((DocumentRef("none"), one.state), (one.ref, IntakeState.HELD)):
        with pytest.raises(LostRace):
            await add(store, SetWays(ref, was, ()))


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


async def test_who_a_document_is_addressed_to_already(store: SqlStore) -> None:
    one = document()
    await add(
        store,
        AddDocument(one),
        AddDelivery(delivery(one, recipients=(RECEIVER, OTHER))),
        AddDelivery(delivery(one, recipients=(SENDER,), state=DeliveryState.FAILED, settled_at=NOW)),
        AddDelivery(delivery(one, cargo=Cargo.STATUS, cargo_ref="s", recipients=(SENDER,))),
    )
    assert await ask(store, lambda ledger: ledger.addressed(one.ref)) == {
        RECEIVER: DeliveryState.QUEUED,
        OTHER: DeliveryState.QUEUED,
        SENDER: DeliveryState.FAILED,
    }
    assert await ask(store, lambda ledger: ledger.addressed(DocumentRef("none"))) == {}


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
