"""Brief bodies of a group run on the event loop where the database is at hand, and keep every promise of the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from axis.core.model import AddDocument, Document
from axis.core.ports import Ledger
from axis.sql.errand import Errand
from axis.sql.store import SqlStore
from tests.factories_core import decision, document


def at_hand(store: SqlStore) -> bool:
    return not store._database.reads_aside


def adding(one: Document, seen: list[int]) -> Callable[[Ledger], None]:
    def body(ledger: Ledger) -> None:
        seen.append(threading.get_ident())
        ledger.apply(decision(AddDocument(one)))

    return body


async def held_up(store: SqlStore) -> tuple[threading.Event, asyncio.Task[bool]]:
    """The writer in a body that waits for the event: what comes meanwhile is one group."""
    go, begun = threading.Event(), threading.Event()

    def body(_: Ledger) -> bool:
        begun.set()
        return go.wait(30)

    task = asyncio.create_task(store.transact(body))
    await asyncio.to_thread(begun.wait, 30)
    return go, task


async def test_several_brief_bodies_run_on_the_loop(store: SqlStore) -> None:
    seen: list[int] = []
    kept = [document() for _ in range(3)]
    go, first = await held_up(store)
    async with asyncio.TaskGroup() as group:
        for one in kept:
            group.create_task(store.transact(adding(one, seen), brief=True))
        await asyncio.sleep(0)
        go.set()
    assert await first
    assert [one == threading.get_ident() for one in seen] == [at_hand(store)] * 3
    for one in kept:
        assert await store.views.document(one.ref) == one


async def test_one_alone_that_is_worth_several_does_too(store: SqlStore) -> None:
    seen: list[int] = []
    await store.transact(adding(document(), seen), brief=2)
    assert [one == threading.get_ident() for one in seen] == [at_hand(store)]


async def test_one_alone_and_those_that_take_longer_do_not(store: SqlStore) -> None:
    seen: list[int] = []
    await store.transact(adding(document(), seen), brief=True)
    go, first = await held_up(store)
    async with asyncio.TaskGroup() as group:
        for brief in (True, False, False):
            group.create_task(store.transact(adding(document(), seen), brief=brief))
        await asyncio.sleep(0)
        go.set()
    assert await first
    assert len(seen) == 4
    assert threading.get_ident() not in seen


async def test_a_brief_body_that_fails_undoes_only_its_own(store: SqlStore) -> None:
    good, bad, seen = document(), document(), list[int]()

    def failing(ledger: Ledger) -> None:
        adding(bad, seen)(ledger)
        raise ValueError("of its own")

    go, first = await held_up(store)
    tasks = [asyncio.create_task(store.transact(body, brief=True)) for body in (failing, adding(good, seen))]
    await asyncio.sleep(0)
    go.set()
    assert await first
    with pytest.raises(ValueError, match="of its own"):
        await tasks[0]
    await tasks[1]
    assert await store.views.document(good.ref) == good
    assert await store.views.document(bad.ref) is None


async def test_a_loop_that_is_busy_holds_nobody_up(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axis.sql.errand.PATIENCE_S", 0.02)
    seen: list[int] = []
    both = threading.Event()

    def last(ledger: Ledger) -> None:
        adding(document(), seen)(ledger)
        both.set()

    go, first = await held_up(store)
    bodies = adding(document(), seen), last
    tasks = [asyncio.create_task(store.transact(body, brief=True)) for body in bodies]
    await asyncio.sleep(0)
    go.set()
    assert both.wait(30)  # the loop stands still here
    assert len(seen) == 2
    assert threading.get_ident() not in seen
    await asyncio.gather(first, *tasks)
    assert len(seen) == 2  # once, though the loop has come to it by now


def test_what_goes_wrong_on_the_loop_is_the_thread_s() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(Errand(lambda: 1 // 0).run_on, loop)  # type: ignore[arg-type,return-value]

    asyncio.run(main())


def test_a_loop_that_is_closed_does_nothing_any_more() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    seen: list[int] = []
    Errand(lambda: seen.append(1)).run_on(loop)
    assert seen == [1]


async def test_on_the_thread_of_the_loop_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axis.sql.errand.PATIENCE_S", -1)  # for ever
    seen: list[int] = []
    Errand(lambda: seen.append(1)).run_on(asyncio.get_running_loop())
    assert seen == [1]
