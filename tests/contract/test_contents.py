"""Content is removed, and octets go when nothing names them: never those that another document has come to name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from operator import methodcaller
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument, AttachmentRecord, Document, PayloadRef, RemoveContent
from axis.core.ports import Ledger, LostRace
from axis.core.retention import Leftover
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from schemas.multipart import PackageForm
from tests.contract.asked import add, ask
from tests.factories_core import NOW, decision, delivery, document, later, sha256

OCTETS = b"a package"
REF = PayloadRef(sha256(OCTETS), len(OCTETS))
ATTACHED = b"an annex that many documents have"
ANNEX = AttachmentRecord("a1", "Phụ lục.pdf", "application/pdf", len(ATTACHED), sha256(ATTACHED))


def removal(one: Document, at: datetime = NOW) -> RemoveContent:
    nameless = tuple(replace(attached, name="") for attached in one.attachments)
    octets = {one.payload.sha256, *(attached.sha256 for attached in one.attachments)}
    return RemoveContent(one.ref, at, nameless, tuple(sorted(octets)))


async def take(store: SqlStore, one: Document, *octets: bytes) -> Document:
    def body(ledger: Ledger) -> None:
        for piece in octets:
            ledger.put_payload(PayloadRef(sha256(piece), len(piece)), piece)
        ledger.apply(decision(AddDocument(one)))

    await store.transact(body)
    return one


async def there(store: SqlStore, octets: bytes) -> bool:
    kept = await store.views.payload(PayloadRef(sha256(octets), len(octets)))
    try:
        return await kept.read() == octets
    except Exception:
        return False


async def collected(store: SqlStore, before: datetime = NOW) -> list[bool]:
    found = await store.views.leftovers(before, 100)
    return [await store.transact(methodcaller("collect", one)) for one in found]


async def test_names_go_and_all_else_stays(store: SqlStore) -> None:
    one = await take(store, document(attachments=(ANNEX,)))
    await add(store, removal(one))
    nameless = (replace(ANNEX, name=""),)
    gone = replace(one, subject="", attachments=nameless, removed_at=NOW)
    assert await store.views.document(one.ref) == gone
    assert await store.views.with_content(0, 10) == []
    with pytest.raises(LostRace):
        await add(store, removal(one))


async def test_documents_with_content_come_by_their_numbers(store: SqlStore) -> None:
    kept = [await take(store, document(accepted_at=later(seconds=n))) for n in range(3)]
    await add(store, removal(kept[1]))
    found = await store.views.with_content(0, 10)
    assert [(ref, at) for _, ref, at in found] == [(one.ref, one.accepted_at) for one in (kept[0], kept[2])]
    assert await store.views.with_content(found[0][0], 10) == [found[1]]


async def test_deliveries_are_told_whatever_became_of_them(store: SqlStore) -> None:
    one = await take(store, document())
    made = delivery(one)
    await add(store, AddDelivery(made))
    found = await ask(store, methodcaller("deliveries_about", one.ref))
    assert [each.id for each in found] == [made.id]
    assert await ask(store, methodcaller("follow_ups_about", one.ref)) == []


async def test_octets_go_when_nothing_names_them(store: SqlStore) -> None:
    one = await take(store, document(payload=REF), OCTETS)
    await add(store, removal(one))
    assert await there(store, OCTETS), "they have time"
    assert await store.views.leftovers(NOW - timedelta(seconds=1), 10) == ()
    assert await collected(store) == [True, True]
    assert not await there(store, OCTETS)
    assert await store.views.leftovers(NOW, 10) == ()


async def test_what_went_is_not_left_in_sqlite_s_file(sqlite_url: str, tmp_path: Path) -> None:
    """Neither octets in pages of their own, nor a subject and names in a row that was written anew."""
    octets = b"".join(b"noi dung mat %06d\n" % number for number in range(5_000))
    secrets = (b"noi dung mat 000000", b"noi dung mat 004999", b"trich yeu mat", b"phu-luc-mat.pdf")
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    annex = replace(ANNEX, name="phu-luc-mat.pdf")
    ref = PayloadRef(sha256(octets), len(octets))
    one = await take(store, document(payload=ref, subject="trich yeu mat", attachments=(annex,)), octets)
    await store.close()
    assert told_in(file, secrets) == [*secrets]
    store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    await add(store, removal(one))
    assert all(await collected(store))
    await store.close()
    assert told_in(file, secrets) == []


def told_in(file: Path, secrets: tuple[bytes, ...]) -> list[bytes]:
    """Those that stand in the database file, or in what SQLite keeps beside it."""
    octets = b"".join(beside.read_bytes() for beside in file.parent.glob(f"{file.name}*"))
    return [secret for secret in secrets if secret in octets]


@pytest.mark.parametrize("form", [PackageForm.INLINE, PackageForm.PARTS])
async def test_octets_that_another_document_names_stay(store: SqlStore, form: PackageForm) -> None:
    """As its package, or as an attachment beside its envelope."""
    shared = {"payload": REF} if form is PackageForm.INLINE else {"attachments": (ANNEX,), "form": form}
    octets = OCTETS if form is PackageForm.INLINE else ATTACHED
    old = await take(store, document(**shared), octets)
    new = await take(store, document(**shared), octets)
    await add(store, removal(old))
    assert all(await collected(store))
    assert await there(store, octets)
    assert await store.views.leftovers(NOW, 10) == (), "it is left anew when the other one goes"
    await add(store, removal(new))
    assert all(await collected(store))
    assert not await there(store, octets)


async def test_octets_that_were_put_again_since_it_was_asked_stay(store: SqlStore) -> None:
    old = await take(store, document(payload=REF), OCTETS)
    await add(store, removal(old))
    (seen,) = [one for one in await store.views.leftovers(NOW, 10) if one.sha256 == REF.sha256]
    assert seen == Leftover(REF.sha256, NOW, 0, wanted=False)
    await take(store, document(payload=REF), OCTETS)
    assert not await store.transact(methodcaller("collect", seen))
    assert await there(store, OCTETS)
    assert await collected(store)
    assert await there(store, OCTETS)


async def test_one_group_may_name_the_same_octets_twice(store: SqlStore) -> None:
    """On PostgreSQL one statement may not meet a row twice."""
    several = [document(payload=REF) for _ in range(5)]
    await asyncio.gather(*(take(store, one, OCTETS, ATTACHED) for one in several))
    assert await there(store, OCTETS)
    for one in several[1:]:
        await add(store, removal(one))
    assert all(await collected(store))
    assert await there(store, OCTETS)


@pytest.fixture
def two(postgres_store: str, tmp_path: Path) -> Iterator[list[SqlStore]]:
    opened = [open_store(postgres_store, Blobs(tmp_path / "blobs"), instance=f"axis-{n}") for n in range(2)]
    yield opened
    for one in opened:
        asyncio.run(one.close())


@pytest.mark.parametrize("first", ["intake", "removal"])
async def test_of_two_processes_the_one_that_takes_in_keeps_its_octets(two: list[SqlStore], first: str) -> None:
    """Whichever has begun when the other comes to the row."""
    here, there_ = two
    old = await take(here, document(payload=REF), OCTETS)
    await add(here, removal(old))
    (seen,) = [one for one in await here.views.leftovers(NOW, 10) if one.sha256 == REF.sha256]
    begun, go_on = threading.Event(), threading.Event()
    new = document(payload=REF)

    def intake(ledger: Ledger) -> bool:
        ledger.put_payload(REF, OCTETS)
        ledger.fact("store_id")  # what was collected is told before a question
        if first == "intake":
            begun.set()
            assert go_on.wait(10)
        ledger.apply(decision(AddDocument(new)))
        return True

    def remove(ledger: Ledger) -> bool:
        done = ledger.collect(seen)
        if first == "removal":
            begun.set()
            assert go_on.wait(10)
        return done

    bodies = {"intake": (there_, intake), "removal": (here, remove)}
    leads, body = bodies.pop(first)
    leading = asyncio.create_task(leads.transact(body))
    assert await asyncio.to_thread(begun.wait, 10)
    ((follows, other),) = bodies.values()
    following = asyncio.create_task(follows.transact(other))
    await asyncio.sleep(0.2)
    assert not following.done(), "it waits for the row"
    go_on.set()
    assert await leading
    assert await following is (first == "removal")
    assert await there(here, OCTETS)


async def test_a_delivery_that_another_process_is_at_keeps_the_content(two: list[SqlStore]) -> None:
    here, there_ = two
    one = await take(here, document(), OCTETS)
    made = delivery(one)
    await add(here, AddDelivery(made))
    begun, go_on = threading.Event(), threading.Event()

    def settles(ledger: Ledger) -> bool:
        assert ledger.delivery(made.id) is not None
        begun.set()
        return go_on.wait(10)

    settling = asyncio.create_task(there_.transact(settles))
    assert await asyncio.to_thread(begun.wait, 10)
    removing = asyncio.create_task(here.transact(methodcaller("deliveries_about", one.ref)))
    await asyncio.sleep(0.3)
    assert not removing.done(), "it is asked again until nobody is at it"
    go_on.set()
    assert await settling
    assert [each.id for each in await removing] == [made.id]
