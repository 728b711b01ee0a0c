"""Groups of bodies: together, apart, cancelled, closed; what others see of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from operator import methodcaller
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.entry import leaf
from axis.core.model import AddDelivery, AddDocument, AddStatus, EntryKind
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.core.states import IntakeState
from axis.sql.engine import open_readonly, open_store
from axis.sql.store import SqlStore
from tests.contract.asked import HERE, add, ask, claim
from tests.factories_core import NOW, decision, delivery, document, entry, report


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


async def test_counts(store: SqlStore) -> None:
    one = document()
    await add(store, AddDocument(one), AddDocument(document(state=IntakeState.HELD)), AddStatus(report(one)))
    await add(store, AddDelivery(delivery(one)), AddDelivery(delivery(one)), AddDelivery(delivery(one, endpoint="b")))
    await claim(store, limit=1)
    counts = await store.views.counts()
    assert counts.documents == {"accepted": 1, "held": 1}
    assert counts.deliveries == {HERE: {"queued": 1, "leased": 1}, "b": {"queued": 1}}
    assert counts.statuses == {"01": 1}
