"""Attempts that end together are written together, and none of them is another one's trouble."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from axis.core.hands import Consignment, Handover
from axis.core.inbox import InboxItem
from axis.core.model import Delivery, DocumentRef
from axis.core.problems import Kind, Problem
from axis.core.states import DeliveryState
from axis.flow.messages import carried_by, consign
from axis.flow.settle import Ended, settle
from axis.sql.engine import sqlite_path
from tests.flow.engine import CALLED, HEALTH, SCHOOLS, Engine, engine
from tests.flow.receiver import TAKEN, Answer, Receiver
from tests.site import PATIENCE_S

pytestmark = pytest.mark.slow


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Engine]:
    """An engine that is not started: the test does what the dispatcher does."""
    with Receiver() as one, Receiver() as two:
        rules = '[delivery]\nfirst_retry = "100ms"\nlease = "20s"\n'
        async with engine(folder, {HEALTH: one.url, SCHOOLS: two.url}, rules, {}) as made:
            yield made


async def claimed(at: Engine, count: int, late: int = 0) -> Sequence[Delivery]:
    """So many documents, claimed; `late` leases from now on."""
    for _ in range(count):
        await at.send(HEALTH)
    return await again(at, count, late)


async def again(at: Engine, count: int, late: int = 0) -> Sequence[Delivery]:
    now = at.ctx.now() + late * at.ctx.lease
    return await at.ctx.store.transact(lambda ledger: ledger.claim([CALLED[HEALTH]], now, at.ctx.lease, count))


async def handed(at: Engine, deliveries: Sequence[Delivery]) -> list[Ended]:
    carried = await carried_by(deliveries, at.ctx)
    assert len(carried) == len(deliveries)
    documents = [(await consign(one, at.ctx, carried)).document for one in deliveries]
    now = at.ctx.now()
    return [Ended(one, Handover(), now, document) for one, document in zip(deliveries, documents, strict=True)]


async def states(at: Engine, deliveries: Sequence[Delivery]) -> list[DeliveryState]:
    found = [await at.ctx.store.views.delivery(one.id) for one in deliveries]
    return [one.state for one in found if one is not None]


async def arrivals(at: Engine) -> list[InboxItem]:
    return [item for item in await at.waiting() if item.report is not None and item.report.wire == "01"]


async def test_what_ends_together_is_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as at:
        deliveries = await claimed(at, 4)
        ended = await handed(at, deliveries)
        refused = Problem(Kind.DESTINATION_REFUSED, "no")
        ended[1] = replace(ended[1], outcome=refused)
        bodies = []
        real = at.ctx.store.transact

        async def counted(body, *args, **named):  # type: ignore[no-untyped-def]
            bodies.append(named)
            return await real(body, *args, **named)

        monkeypatch.setattr(at.ctx.store, "transact", counted)
        with capture_logs() as lines:
            await settle(ended, at.ctx)
        assert bodies == [{"brief": 4}]
        made = [one.delivery.id for one in ended if one.outcome is not refused]
        assert [line["deliveries"] for line in lines if line["event"] == "deliveries_made"] == [made]
        assert [line["delivery"] for line in lines if line["event"] == "delivery_failed"] == [ended[1].delivery.id]
        done, failed = DeliveryState.DELIVERED, DeliveryState.FAILED
        assert await states(at, deliveries) == [done, failed, done, done]
        told = await arrivals(at)
        assert len(told) == 3
        assert len([item for item in await at.waiting() if item.notice]) == 1


async def test_a_lost_lease_among_them_is_nobody_else_s_trouble(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        deliveries = await claimed(at, 3)
        ended = await handed(at, deliveries)
        # Another process takes one of them after its lease has run out.
        others = await again(at, 1, late=2)
        lost = next(place for place, one in enumerate(deliveries) if one.id == others[0].id)
        await settle(ended, at.ctx)
        expected = [DeliveryState.DELIVERED] * 3
        expected[lost] = DeliveryState.LEASED
        assert await states(at, deliveries) == expected
        assert len(await arrivals(at)) == 2
        await settle(await handed(at, others), at.ctx)
        assert await states(at, deliveries) == [DeliveryState.DELIVERED] * 3
        assert len(await arrivals(at)) == 3


async def test_a_bug_over_one_of_them_is_raised_and_the_others_are_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        deliveries = await claimed(at, 3)
        ended = await handed(at, deliveries)
        ended[2] = replace(ended[2], outcome="what no attempt ends with")  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            await settle(ended, at.ctx)
        done = DeliveryState.DELIVERED
        assert (await states(at, deliveries))[:2] == [done, done]
        assert (await states(at, deliveries))[2] is DeliveryState.LEASED


async def test_a_damaged_row_among_them_keeps_only_itself_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        sent = [(await at.send(HEALTH))[0] for _ in range(3)]
        change(at, sent[1], "priority + 100")
        at.start()
        for document in (sent[0], sent[2]):
            await at.in_state(document, DeliveryState.DELIVERED)
        async with asyncio.timeout(PATIENCE_S):
            while (await at.delivery(sent[1])).last_problem is None:  # noqa: ASYNC110 - as `in_state`
                await asyncio.sleep(0.01)
        assert (await at.delivery(sent[1])).last_problem == "internal"
        change(at, sent[1], "priority - 100")
        await at.in_state(sent[1], DeliveryState.DELIVERED)


async def test_a_failure_is_written_also_where_its_document_s_row_is_damaged(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        (delivery,) = await claimed(at, 1)
        (ended,) = await handed(at, [delivery])
        assert delivery.document is not None
        change(at, delivery.document, "priority + 100")
        await settle([replace(ended, outcome=Problem(Kind.DESTINATION_REFUSED), document=None)], at.ctx)
        assert await states(at, [delivery]) == [DeliveryState.FAILED]
        assert await at.waiting() == []
        change(at, delivery.document, "priority - 100")


def change(at: Engine, document: DocumentRef, priority: str) -> None:
    with closing(sqlite3.connect(sqlite_path(at.config.store_url))) as beside, beside:
        beside.execute(f"UPDATE document SET priority = {priority} WHERE ref = ?", (document,))


async def test_a_place_is_free_as_soon_as_it_was_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While what ended is written the destination need not wait, and its window is never exceeded."""
    async with opened(tmp_path) as at:
        seen: list[int] = []

        async def watched(ended: Sequence[Ended], ctx: object) -> Sequence[Ended]:
            seen.append(at.ctx.traffic.busy[CALLED[HEALTH]])
            return await settle(ended, at.ctx)

        monkeypatch.setattr("axis.flow.dispatch.settle", watched)
        document, _ = await at.send(HEALTH)
        at.start()
        await at.in_state(document, DeliveryState.DELIVERED)
        assert seen == [0]


class Slower:
    """A far end that takes longer for each."""

    took = 0

    async def deliver(self, consignment: Consignment) -> Handover:
        self.took += 1
        await asyncio.sleep(0.02 * self.took)
        return Handover()

    async def close(self) -> None:
        """Nothing is open."""


async def test_what_is_about_to_end_is_waited_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits where nothing is under way any more."""
    async with opened(tmp_path) as at:
        seen: list[int] = []

        async def watched(ended: Sequence[Ended], ctx: object) -> Sequence[Ended]:
            seen.append(len(ended))
            return await settle(ended, at.ctx)

        monkeypatch.setattr("axis.flow.dispatch.settle", watched)
        monkeypatch.setattr("axis.flow.dispatch.GATHER_S", 0.3)
        monkeypatch.setattr(at.ctx, "sinks", {**at.ctx.sinks, CALLED[HEALTH]: Slower()})
        sent = [(await at.send(HEALTH))[0] for _ in range(3)]
        at.start()
        for document in sent:
            await at.in_state(document, DeliveryState.DELIVERED)
        monkeypatch.setattr("axis.flow.dispatch.GATHER_S", 2 * PATIENCE_S)
        alone, _ = await at.send(HEALTH)
        await at.in_state(alone, DeliveryState.DELIVERED)
        assert seen == [3, 1]


async def test_what_ends_while_the_daemon_waits_for_others_to_end_is_written_at_once(tmp_path: Path) -> None:
    first, second = threading.Event(), threading.Event()

    def held(until: threading.Event) -> Answer:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            until.wait(60)
            TAKEN(handler)

        return answer

    with Receiver(otherwise=held(first)) as one, Receiver(otherwise=held(second)) as two:
        async with engine(tmp_path, {HEALTH: one.url, SCHOOLS: two.url}, "", {}) as at:
            slow, _ = await at.send(HEALTH)
            quick, _ = await at.send(SCHOOLS)
            at.start()
            await at.eventually("both are under way", lambda: one.got and two.got)
            stopping = asyncio.create_task(at.stop())
            await asyncio.sleep(0)
            second.set()
            await at.in_state(quick, DeliveryState.DELIVERED, patience_s=4)
            assert not stopping.done()
            assert (await at.delivery(slow)).state is DeliveryState.LEASED
            first.set()
            await stopping
