"""Content goes when it is old enough, and what was promised about its document holds without it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from axis.app import utc_now
from axis.care.retention import survey
from axis.care.sweep import Where, sweep
from axis.core.house import check_house
from axis.core.model import Cargo, DeliveryId, DocumentRef
from axis.core.problems import Kind, Problem, Refused
from axis.core.queue import Action
from axis.core.retention import Stays
from axis.core.states import DeliveryState
from axis.flow import retention
from axis.flow.body import package_here
from axis.flow.mailbox import acknowledge, fetch, set_aside
from axis.flow.queue import Chosen, operate
from axis.flow.receive import issue_receipt, receive
from axis.flow.retention import Times, collect, remove_old
from axis.shelf import holding_of
from axis.sql.audit import open_books
from axis.sql.engine import sqlite_path
from tests.flow.engine import HEALTH, SCHOOLS, Engine, engine
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE

KEEP, GRACE = timedelta(days=30), timedelta(days=7)
FIXED = timedelta(hours=1)


@asynccontextmanager
async def node(folder: Path) -> AsyncIterator[Engine]:
    nowhere = "http://127.0.0.1:9"
    async with engine(folder, {HEALTH: nowhere, SCHOOLS: nowhere}, "", {}) as made:
        yield made


async def sent(made: Engine, package: bytes) -> DocumentRef:
    async with made.blobs.spool(10_000_000) as spool:
        await spool.write(package)
        taken = await receive(await spool.finish(), made.config.principals[AGENCIES[OFFICE]], made.ctx)
    assert taken.receipt is not None
    return taken.receipt.document.ref


async def fetched(made: Engine, ref: DocumentRef, agency: str = HOME_AFFAIRS) -> DeliveryId:
    """The recipient takes what came for it."""
    found = next(one for one in await made.ctx.store.views.deliveries(ref) if one.recipients[0].text == agency)
    await acknowledge(found.id, made.config.principals[AGENCIES[agency]], made.ctx)
    return found.id


def at(made: Engine, later: timedelta) -> None:
    made.ctx.now = lambda: utc_now() + later


async def run(made: Engine, later: timedelta) -> None:
    """Runs of removal that follow each other for a day, up to then."""
    stop = asyncio.Event()
    for hours in range(-30, 1, 5):
        at(made, later + timedelta(hours=hours))
        await remove_old(KEEP, made.ctx, stop)


async def test_content_goes_and_receipt_and_answers_stay(tmp_path: Path) -> None:
    async with node(tmp_path) as made:
        package = made.site.package(OFFICE, [HOME_AFFAIRS], [b"%PDF" * 100])
        ref = await sent(made, package)
        delivery = await fetched(made, ref)
        before = await made.ctx.store.views.document(ref)
        assert before is not None
        receipt = issue_receipt(before, made.ctx).octets
        await run(made, KEEP - FIXED)
        assert await made.ctx.store.views.document(ref) == before, "not yet"
        await run(made, KEEP + FIXED)
        after = await made.ctx.store.views.document(ref)
        assert after is not None
        assert after.removed_at is not None
        assert after.subject == ""
        assert [one.name for one in after.attachments] == [""]
        assert issue_receipt(after, made.ctx).octets == receipt
        assert await sent(made, package) == ref, "the same package gets the same receipt, and brings nothing back"
        with pytest.raises(Refused) as refused:
            await fetch(delivery, made.config.principals[AGENCIES[HOME_AFFAIRS]], made.ctx)
        assert refused.value.problem.kind is Kind.CONTENT_REMOVED
        async with AsyncExitStack() as until:
            with pytest.raises(Refused):
                await package_here(after, made.ctx.store.views, until)
        at(made, KEEP + GRACE + 2 * FIXED)
        assert await collect(GRACE, made.ctx, asyncio.Event()) == 1
        assert await collect(GRACE, made.ctx, asyncio.Event()) == 0


async def test_what_is_not_delivered_keeps_its_content(tmp_path: Path) -> None:
    """One recipient has it, the other one does not yet."""
    async with node(tmp_path) as made:
        ref = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS, FINANCE], [b"%PDF"]))
        await fetched(made, ref)
        await run(made, KEEP + FIXED)
        surveyed = survey(made.config.store_url, KEEP, made.ctx.now(), lambda done: None)
        assert (surveyed.kept, surveyed.ripe, surveyed.stay) == (1, 0, {Stays.UNDELIVERED: 1})
        await fetched(made, ref, FINANCE)
        await run(made, KEEP + FIXED)
        assert (await made.ctx.store.views.document(ref)).removed_at is None, "its time begins now"  # type: ignore[union-attr]
        await run(made, 2 * KEEP + 3 * FIXED)
        assert (await made.ctx.store.views.document(ref)).removed_at is not None  # type: ignore[union-attr]
        surveyed = survey(made.config.store_url, KEEP, made.ctx.now(), lambda done: None)
        assert (surveyed.kept, surveyed.removed) == (0, 1)


async def test_a_document_that_failed_keeps_its_content_until_it_is_given_up(tmp_path: Path) -> None:
    """By name and with a reason; so long, and for the whole time after it, it can be sent again."""
    async with node(tmp_path) as made:
        ref = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS], [b"%PDF"]))
        chosen = Chosen(document=str(ref))

        async def stay() -> dict[Stays, int]:
            return survey(made.config.store_url, KEEP, made.ctx.now(), lambda done: None).stay

        async def acted(action: Action) -> tuple[DeliveryState | None, Kind | None]:
            (done,) = (await operate(action, chosen, "an", "nơi nhận đã giải thể", made.ctx)).done
            return done.now, done.problem

        (delivery,) = await made.ctx.store.views.deliveries(ref)
        await set_aside(delivery.id, Problem(Kind.STORED_DAMAGED), made.ctx)
        await run(made, 40 * KEEP)
        assert await stay() == {Stays.FAILED: 1}
        assert (await made.ctx.store.views.document(ref)).removed_at is None  # type: ignore[union-attr]

        assert await acted(Action.GIVE_UP) == (DeliveryState.FAILED, None)
        assert await acted(Action.GIVE_UP) == (None, Kind.NOT_POSSIBLE)
        await run(made, 41 * KEEP - FIXED)
        assert await stay() == {Stays.YOUNG: 1}
        assert await acted(Action.RETRY) == (DeliveryState.QUEUED, None)
        assert await acted(Action.GIVE_UP) == (DeliveryState.FAILED, None)
        await run(made, 42 * KEEP + FIXED)
        assert await stay() == {Stays.UNTOLD: 1}
        for one in await made.ctx.store.views.deliveries(ref):
            if one.cargo is Cargo.NOTICE:
                await acknowledge(one.id, made.config.principals[AGENCIES[OFFICE]], made.ctx)
        await run(made, 43 * KEEP + 2 * FIXED)
        assert (await made.ctx.store.views.document(ref)).removed_at is not None  # type: ignore[union-attr]
        assert await acted(Action.RETRY) == (None, Kind.CONTENT_REMOVED)


async def test_a_large_package_is_a_file_for_a_while_and_then_none(tmp_path: Path) -> None:
    async with node(tmp_path) as made:
        ref = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS], [bytes(200_000)]))
        await fetched(made, ref)
        document = await made.ctx.store.views.document(ref)
        assert document is not None
        path = made.blobs.path(document.payload)
        assert path.exists()
        await run(made, KEEP + FIXED)
        kept = made.config
        where = Where(kept.store_url, holding_of(kept), kept.node.log, kept.keys.checkpoints)
        assert sweep(where, GRACE, utc_now() + KEEP + GRACE).removed == 0
        assert path.exists()
        assert sweep(where, GRACE, utc_now() + KEEP + GRACE + 2 * FIXED).removed == 1
        assert not path.exists()
        at(made, KEEP + GRACE + 2 * FIXED)
        await collect(GRACE, made.ctx, asyncio.Event())
        assert await made.ctx.store.views.leftovers(made.ctx.now(), 10) == ()


async def test_nothing_goes_for_a_day_after_the_clock_has_leapt(tmp_path: Path) -> None:
    async with node(tmp_path) as made:
        ref = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS], [b"%PDF"]))
        await fetched(made, ref)
        stop = asyncio.Event()
        for hours in (0, 5, 10, 15, 20):
            at(made, timedelta(days=3650, hours=hours))
            assert not await remove_old(KEEP, made.ctx, stop)
        for hours in (0, 5, 10, 15, 20):  # it is put right, and wrong again
            at(made, timedelta(hours=hours))
            assert not await remove_old(KEEP, made.ctx, stop)
        at(made, timedelta(days=3650, hours=25))
        assert not await remove_old(KEEP, made.ctx, stop)
        for hours in (30, 35, 40, 45):
            at(made, timedelta(days=3650, hours=hours))
            assert not await remove_old(KEEP, made.ctx, stop)
        at(made, timedelta(days=3650, hours=50))
        assert (await remove_old(KEEP, made.ctx, stop))[None] == 1
        assert (await made.ctx.store.views.document(ref)).removed_at is not None  # type: ignore[union-attr]


async def test_a_running_node_does_it_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only while it leads, and while its clock goes as it should."""
    monkeypatch.setattr(retention, "EVERY", timedelta(milliseconds=20))
    monkeypatch.setattr(retention, "COLLECTED", timedelta(0))
    async with node(tmp_path) as made:
        ref = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS], [b"%PDF"]))
        await fetched(made, ref)
        document = await made.ctx.store.views.document(ref)
        assert document is not None
        await run(made, KEEP - FIXED)
        at(made, KEEP + FIXED)
        stop, leading = asyncio.Event(), [False]
        made.ctx.clock_off = lambda: timedelta(hours=1)
        task = asyncio.create_task(retention.run_retention(Times(KEEP, GRACE), made.ctx, stop, lambda: leading[0]))
        await asyncio.sleep(0.2)
        leading[0] = True
        await asyncio.sleep(0.2)
        assert (await made.ctx.store.views.document(ref)) == document, "the clock has leapt"
        made.ctx.clock_off = lambda: timedelta(0)
        async with asyncio.timeout(10):
            while (await made.ctx.store.views.document(ref)) == document:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.02)
            at(made, KEEP + GRACE + 2 * FIXED)
            while await made.ctx.store.views.leftovers(made.ctx.now(), 10):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
        stop.set()
        await task


CHANGED = {
    "the mark is gone": ("removed_at = NULL", {"document-differs removed_at"}),
    "the mark is of another time": ("removed_at = '2020-01-01T00:00:00.000000Z'", {"document-differs removed_at"}),
    "the subject is back": ("subject = 'V/v'", {"document-differs content"}),
    "a name is back": (
        'attachments = replace(attachments, \'"name":""\', \'"name":"x"\')',
        {"document-differs content"},
    ),
}


async def test_mark_and_entry_are_held_against_each_other(tmp_path: Path) -> None:
    """And a document without content has nothing to be missing; one that claims to have it has."""
    async with node(tmp_path) as made:
        young = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS], [b"%PDF other"]))
        ref = await sent(made, made.site.package(OFFICE, [HOME_AFFAIRS], [b"%PDF"]))
        await fetched(made, ref)
        await run(made, KEEP + FIXED)
        at(made, KEEP + GRACE + 2 * FIXED)
        await collect(GRACE, made.ctx, asyncio.Event())
        assert found(made) == set()
        for name, (change, expected) in CHANGED.items():
            missing = {"payload-missing"} if "NULL" in change else set()
            with changed(made, ref, change):
                assert found(made) == expected | missing, name
        with changed(made, young, "removed_at = accepted_at"):
            assert found(made) == {"document-differs removed_at"}


def found(made: Engine) -> set[str]:
    """What `check_house` finds, by code and what differs."""
    with open_books(made.config.store_url, lambda ref: None) as books:
        told = check_house(books)
    return {f"{one.code} {one.detail}" if one.code == "document-differs" else one.code for one in told}


@contextmanager
def changed(made: Engine, ref: DocumentRef, change: str) -> Iterator[None]:
    """One row as somebody left it who went past the axis, and afterwards as it was."""
    with closing(sqlite3.connect(sqlite_path(made.config.store_url))) as books:
        asked = "SELECT removed_at, subject, attachments FROM document WHERE ref = ?"
        was = books.execute(asked, (ref,)).fetchone()
        books.execute(f"UPDATE document SET {change} WHERE ref = ?", (ref,))
        books.commit()
        yield
        books.execute("UPDATE document SET removed_at = ?, subject = ?, attachments = ? WHERE ref = ?", (*was, ref))
        books.commit()
