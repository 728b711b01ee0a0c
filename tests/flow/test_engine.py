"""Slow peers, dead peers, floods and poison: what one destination does is no other one's trouble."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import orjson
import pytest

from axis.core.hands import Consignment, Handover, Sink
from axis.core.model import Cargo, Decision, Delivery, DocumentRef, EntryKind, LogEntry, MarkCrossed, Role
from axis.core.ports import Ledger
from axis.core.queue import Action
from axis.core.states import BreakerState, DeliveryState
from axis.core.statuses import Report
from axis.flow.attempt import deliver_once
from axis.flow.mailbox import acknowledge
from axis.flow.messages import consign
from axis.flow.queue import Chosen, operate
from axis.flow.report import record_status
from axis.flow.settle import Ended, settle
from axis.sql.engine import sqlite_path
from schemas.codes import AgencyCode
from schemas.envelope import Business, MessageKind, Priority
from tests.flow.engine import CALLED, HEALTH, SCHOOLS, Engine, engine
from tests.flow.receiver import TAKEN, Answer, Receiver, raw, status
from tests.site import AGENCIES, OFFICE, PATIENCE_S

pytestmark = pytest.mark.slow

RULES = (
    '[delivery]\nfirst_retry = "100ms"\nretry_ceiling = "400ms"\nlease = "20s"\n'
    'breaker_first = "300ms"\nbreaker_ceiling = "1s"\n'
)
BUSY = status(503)

Open = Callable[..., AbstractAsyncContextManager[tuple[Engine, Receiver, Receiver]]]


class Watched:
    """An answer to everything that can be changed, and that knows how many askers there were at once, and when."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[tuple[int, int]] = []  # answers given before, askers at once
        self.look: Callable[[], BreakerState] | None = None
        self.states: list[BreakerState] = []  # what `look` saw when each of them came
        self._given = self._busy = 0
        self._lock = threading.Lock()
        self._never = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._busy += 1
            self.seen.append((self._given, self._busy))
            if self.look:
                self.states.append(self.look())
        self._never.wait(0.02)  # long enough for others to come beside it
        with self._lock:
            self._busy -= 1
            self._given += 1
        self.answer(handler)

    def change(self, answer: Answer) -> None:
        with self._lock:
            self.answer = answer
            self.seen, self.states, self._given = [], [], 0


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """An engine with two receivers; `more` are further keys of `[delivery]`, `window` is that of the first."""

    @asynccontextmanager
    async def open_(
        health: Answer = TAKEN, more: str = "", window: int | None = None
    ) -> AsyncIterator[tuple[Engine, Receiver, Receiver]]:
        with Receiver(otherwise=health) as one, Receiver() as two:
            own = {HEALTH: window} if window else {}
            async with engine(tmp_path, {HEALTH: one.url, SCHOOLS: two.url}, RULES + more, own) as made:
                yield made, one, two

    return open_


def breaker(at: Engine, code: str = HEALTH) -> BreakerState:
    return next(one.breaker for one in at.ctx.traffic.shown(at.ctx.now()) if one.endpoint == CALLED[code])


async def test_a_slow_peer_takes_its_share_and_delays_nobody_else(opened: Open) -> None:
    released = threading.Event()
    async with opened(raw(hold=released), "in_flight = 4") as (at, _, quick):
        for _ in range(9):
            await at.send(HEALTH)
        at.start()
        await at.eventually("the slow one's share is used up", lambda: at.ctx.traffic.busy[CALLED[HEALTH]] == 3)
        sent = [(await at.send(SCHOOLS))[0] for _ in range(6)]
        for document in sent:
            await at.in_state(document, DeliveryState.DELIVERED)
        assert at.ctx.traffic.busy[CALLED[HEALTH]] == 3, "four together, and the other's first place is never lent"
        assert {one.headers["axis-document"] for one in quick.got} == set(sent)
        released.set()


@pytest.mark.parametrize("window", [1, 3])
async def test_no_more_than_its_window_is_under_way_at_a_destination(window: int, opened: Open) -> None:
    watched = Watched(TAKEN)
    async with opened(watched, window=window) as (at, far, _):
        sent = [(await at.send(HEALTH))[0] for _ in range(10)]
        at.start()
        for document in sent:
            await at.in_state(document, DeliveryState.DELIVERED)
        assert max(busy for _, busy in watched.seen) == window
        assert len(far.got) == 10


async def test_a_dead_peer_costs_few_attempts_and_is_met_again_slowly(opened: Open) -> None:
    watched = Watched(BUSY)
    async with opened(watched) as (at, far, quick):
        sent = [(await at.send(HEALTH))[0] for _ in range(30)]
        watched.look = lambda: breaker(at)
        at.start()
        probe, rests = BreakerState.HALF_OPEN, lambda: not at.ctx.traffic.busy[CALLED[HEALTH]]
        looks: list[bool] = []

        def back() -> bool:  # looked at several times: what was claimed before the last answer begins a moment later
            looks.append(breaker(at) is not BreakerState.CLOSED and rests())
            return len(looks) >= 5 and all(looks[-5:])

        await at.eventually("the burst is back", back)
        # On a busy machine one of the burst gets there when the wait is over already, and looks like a probe.
        came = len(watched.states)
        await at.eventually("three probes", lambda: watched.states[came:].count(probe) >= 3)
        await at.eventually("the third is back", rests)
        burst = sum(state is not probe for state in watched.states)
        assert burst <= 4 + 8 and came >= 5, "four failures are borne, and at the fifth eight may be under way"
        assert {busy for _, busy in watched.seen[came:]} == {1}, "a probe goes alone"
        waiting = [await at.delivery(document) for document in sent]
        assert sum(one.attempts for one in waiting) == len(far.got)
        assert sum(one.attempts == 0 for one in waiting) >= 30 - len(far.got), "no attempt is spent on the others"
        (beside, _) = await at.send(SCHOOLS)
        await at.in_state(beside, DeliveryState.DELIVERED)
        watched.change(TAKEN)
        for document in sent:
            await at.in_state(document, DeliveryState.DELIVERED)
        assert breaker(at) is BreakerState.CLOSED
        assert all(busy <= given + 1 for given, busy in watched.seen), watched.seen
        assert max(busy for _, busy in watched.seen) > 2, "and then it is drained in parallel"
        assert len(quick.got) == 1


@pytest.mark.parametrize("wait", ["\u00c2\u00b2", "Mon, 23 Nov 2026 08:00:10 +99999999999999999999"])
async def test_a_wait_that_nobody_can_read_is_no_bug_of_ours(wait: str, opened: Open) -> None:
    """A digit that is no number, a zone that does not exist: so many such answers, and the delivery was poison."""
    async with opened(status(503, Retry_After=wait), "breaker_after = 1") as (at, _, _):
        document, _ = await at.send(HEALTH)
        at.start()
        async with asyncio.timeout(PATIENCE_S):
            while (await at.delivery(document)).last_problem is None:  # noqa: ASYNC110 - as `in_state`
                await asyncio.sleep(0.01)
        await at.stop()
        setback = await at.delivery(document)
        assert (setback.last_problem, setback.breaks) == ("destination-unavailable", 0)


async def test_a_peer_that_refuses_is_there(opened: Open) -> None:
    async with opened(status(422)) as (at, far, _):
        sent = [(await at.send(HEALTH))[0] for _ in range(12)]
        at.start()
        for document in sent:
            await at.in_state(document, DeliveryState.FAILED)
        assert breaker(at) is BreakerState.CLOSED
        assert len(far.got) == 12
        assert [item.cargo for item in await at.waiting()] == [Cargo.NOTICE] * 12


async def test_the_urgent_overtake_and_the_oldest_is_not_starved(opened: Open) -> None:
    async with opened(window=1) as (at, far, _):
        ordinary = [(await at.send(HEALTH))[0] for _ in range(2)]
        express = [(await at.send(HEALTH, Priority.EXPRESS))[0] for _ in range(5)]
        urgent = [(await at.send(HEALTH, Priority.URGENT))[0] for _ in range(2)]
        at.start()
        for document in (*ordinary, *express, *urgent):
            await at.in_state(document, DeliveryState.DELIVERED)
        expected = [*express[:3], ordinary[0], *express[3:], urgent[0], ordinary[1], urgent[1]]
        assert [one.headers["axis-document"] for one in far.got] == expected


async def test_an_express_recall_does_not_overtake_its_document(opened: Open) -> None:
    async with opened(BUSY) as (at, far, _):
        known = f"{OFFICE},2026/11/23,thu-hoi/MAY"
        first, _ = await at.send(HEALTH, document_id=known)
        recall = Business(kind=MessageKind.RECALL, document_id=known, reason="gửi nhầm")
        second, _ = await at.send(HEALTH, Priority.EXPRESS, recall, f"{known}2")
        other, _ = await at.send(HEALTH)
        answers = iter([status(503), status(503)])

        def at_first(handler: BaseHTTPRequestHandler) -> None:
            next(answers, TAKEN)(handler)

        far._otherwise = at_first
        at.start()
        for document in (first, second, other):
            await at.in_state(document, DeliveryState.DELIVERED)
        came = [one.headers["axis-document"] for one in far.got]
        assert came.index(second) > max(place for place, one in enumerate(came) if one == first)
        assert came.count(second) == 1


class Sick:
    """A hand that breaks over some documents, as a bug in it would."""

    def __init__(self, hand: Sink) -> None:
        self.hand, self.broke, self.over = hand, 0, set[DocumentRef]()

    async def deliver(self, consignment: Consignment) -> Handover:
        if consignment.delivery.document in self.over:
            self.broke += 1
            raise RuntimeError("no adapter should do this")
        return await self.hand.deliver(consignment)

    async def close(self) -> None:
        await self.hand.close()


@pytest.mark.faults
async def test_poison_is_set_aside_its_sender_is_told_and_the_other_lanes_go_on(opened: Open) -> None:
    async with opened(more="poison_after = 3") as (at, far, _):
        sick = Sick(at.ctx.sinks[CALLED[HEALTH]])
        at.ctx.sinks = {**at.ctx.sinks, CALLED[HEALTH]: sick}
        poison, mark = await at.send(HEALTH)
        sick.over.add(poison)
        at.start()
        others = [(await at.send(HEALTH))[0] for _ in range(5)]
        for document in others:
            await at.in_state(document, DeliveryState.DELIVERED)
        failed = await at.in_state(poison, DeliveryState.FAILED)
        assert (failed.last_problem, failed.attempts, sick.broke) == ("delivery-poison", 3, 3)
        assert far.about(mark) == []
        (item,) = [item for item in await at.waiting() if item.notice]
        assert item.notice is not None
        told = orjson.loads(item.notice)
        assert (told["outcome"], told["reason"], told["recipients"]) == ("undelivered", "delivery-poison", [HEALTH])
        assert breaker(at) is BreakerState.CLOSED, "the trouble was ours"


async def test_what_killed_its_worker_again_and_again_is_set_aside_without_another_attempt(opened: Open) -> None:
    async with opened(more="poison_after = 3") as (at, far, _):
        document, mark = await at.send(HEALTH)
        began = at.ctx.now()
        for death in range(3):  # a worker leases it and is never heard of again
            at_ = began + death * at.ctx.lease

            def lease(ledger: Ledger, at_: datetime = at_) -> Sequence[Delivery]:
                return ledger.claim([CALLED[HEALTH]], at_, at.ctx.lease, 9)

            claimed = await at.ctx.store.transact(lease)
            assert [one.document for one in claimed] == [document]
        at.ctx.now = lambda: began + timedelta(minutes=2)
        other, _ = await at.send(HEALTH)
        at.start()
        failed = await at.in_state(document, DeliveryState.FAILED)
        assert (failed.last_problem, failed.breaks) == ("delivery-poison", 3)
        await at.in_state(other, DeliveryState.DELIVERED)
        assert far.about(mark) == []


async def test_what_is_spent_behind_an_open_breaker_fails_without_an_attempt_and_is_told(opened: Open) -> None:
    async with opened(BUSY, 'lifetime = "2s"\nbreaker_after = 1') as (at, _, _):
        sent = [(await at.send(HEALTH))[0] for _ in range(15)]
        at.start()
        ended = [await at.in_state(document, DeliveryState.FAILED) for document in sent]
        assert {one.last_problem for one in ended} == {"delivery-expired"}
        assert sum(one.attempts == 0 for one in ended) > 0, "the breaker kept some from ever being tried"
        notices = [orjson.loads(item.notice) for item in await at.waiting() if item.notice]
        assert sorted(one["document"] for one in notices) == sorted(sent)


async def test_who_stood_still_since_its_claim_does_not_begin_when_the_lease_is_over(opened: Open) -> None:
    """The claim was committed late, or the process was stopped behind it. An attempt had its whole time from when it
    began: another process had the delivery meanwhile, and perhaps a recall had followed it."""
    async with opened() as (at, far, _):
        document, mark = await at.send(HEALTH)
        began = at.ctx.now()
        (claimed,) = await at.ctx.store.transact(lambda ledger: ledger.claim([CALLED[HEALTH]], began, at.ctx.lease, 1))
        at.ctx.now = lambda: began + 0.91 * at.ctx.lease
        ended = await deliver_once(claimed, at.ctx, {})
        assert far.about(mark) == []
        await settle([ended], at.ctx)
        waits = await at.delivery(document)
        assert (waits.state, waits.breaks) == (DeliveryState.QUEUED, 0), "nobody had it meanwhile: it waits again"
        at.ctx.now = lambda: began + 2 * at.ctx.lease
        at.start()
        await at.in_state(document, DeliveryState.DELIVERED)


async def test_an_attempt_that_a_stop_cuts_off_is_due_again_at_once(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axis.flow.dispatch.GRACE_S", 0.05)
    released = threading.Event()
    async with opened(raw(hold=released)) as (at, far, _):
        document, _ = await at.send(HEALTH)
        at.start()
        await at.eventually("an attempt", lambda: far.got)
        await at.stop()
        cut = await at.delivery(document)
        assert (cut.state, cut.breaks, cut.attempts) == (DeliveryState.QUEUED, 0, 1)
        released.set()


async def test_a_document_that_crosses_during_an_attempt_is_told_of_where_it_crossed(opened: Open) -> None:
    """What an attempt read of the document is not read again when it is settled, except this."""
    async with opened() as (at, _, _):
        document, _ = await at.send(HEALTH)
        at.ctx.network = replace(at.ctx.network, roles={**at.ctx.network.roles, "quoc-gia": Role.NATIONAL})
        claimed = await at.ctx.store.transact(
            lambda ledger: ledger.claim([CALLED[HEALTH]], at.ctx.now(), at.ctx.lease, 1)
        )
        read = (await consign(claimed[0], at.ctx, {})).document
        assert read is not None
        assert not read.crossed
        entry = LogEntry(EntryKind.ROUTED, at.ctx.now(), "thu", document, {"routes": []})
        await at.ctx.store.transact(lambda ledger: ledger.apply(Decision((entry,), (MarkCrossed(document),), None)))
        await settle([Ended(claimed[0], Handover(), at.ctx.now(), read)], at.ctx)
        told = {one.endpoint for one in await at.ctx.store.views.deliveries(document) if one.cargo is Cargo.STATUS}
        assert told == {AGENCIES[OFFICE], "quoc-gia"}


async def test_a_package_that_cannot_be_read_is_no_fault_of_its_destination(opened: Open) -> None:
    async with opened(more="breaker_after = 1") as (at, far, _):
        document, mark = await at.send(HEALTH)
        with closing(sqlite3.connect(sqlite_path(at.config.store_url))) as beside:
            (whole,) = beside.execute("SELECT octets FROM payload").fetchone()

            def put(octets: bytes) -> None:
                with beside:
                    beside.execute("UPDATE payload SET octets = ?", (octets,))

            put(whole[:-1] + b"?")
            at.start()
            async with asyncio.timeout(PATIENCE_S):
                while (await at.delivery(document)).last_problem is None:  # noqa: ASYNC110 - as `in_state`
                    await asyncio.sleep(0.01)
            assert (await at.delivery(document)).last_problem == "stored-damaged"
            assert (far.about(mark), breaker(at)) == ([], BreakerState.CLOSED)
            put(whole)
        await at.in_state(document, DeliveryState.FAILED)


@pytest.mark.parametrize("days", [3, -3])
async def test_what_another_clock_made_due_is_due(opened: Open, days: int) -> None:
    """A clock that was set right, or wrong, between two starts: what waits did so for as long as the clocks differ."""
    answer = Watched(BUSY)
    async with opened(answer) as (at, health, _):
        right = at.ctx.now
        at.ctx.now = lambda: right() + timedelta(days=max(days, 0))
        at.start()
        tried, _ = await at.send(HEALTH)
        await at.eventually("an attempt", lambda: health.got)
        await at.stop()
        waits, _ = await at.send(HEALTH)
        at.ctx.traffic = replace(at.ctx.traffic, _breakers={})
        answer.change(TAKEN)
        at.ctx.now = lambda: right() + timedelta(days=min(days, 0))
        at.start()
        waited = (at.in_state(ref, DeliveryState.DELIVERED, 15) for ref in (tried, waits))
        late = [one for one in await asyncio.gather(*waited, return_exceptions=True) if isinstance(one, BaseException)]
        assert not late, "what waits goes out"


@pytest.mark.faults
async def test_a_recall_behind_a_status_that_failed_is_told_of(opened: Open) -> None:
    """Its sender has a receipt for it, and knows nothing of that status: it waited for ever."""

    def no_statuses(handler: BaseHTTPRequestHandler) -> None:
        (status(422) if handler.headers["Axis-Cargo"] == Cargo.STATUS else TAKEN)(handler)

    async with opened(no_statuses, 'lifetime = "3s"\n') as (at, far, _):
        at.start()
        ref, _ = await at.send(HEALTH)
        await at.in_state(ref, DeliveryState.DELIVERED)
        document = await at.ctx.store.views.document(ref)
        assert document is not None
        office, health = AgencyCode.parse(OFFICE), AgencyCode.parse(HEALTH)
        asks = Report("13", office, health, at.ctx.now().replace(microsecond=0), document.document_id)
        await record_status(asks, at.config.principals[AGENCIES[OFFICE]], (), at.ctx)
        await at.eventually("the status came", lambda: len(far.got) == 2)
        recall = Business(kind=MessageKind.RECALL, document_id=document.document_id, reason="gửi nhầm")
        second, _ = await at.send(HEALTH, business=recall)
        ended = await at.in_state(second, DeliveryState.FAILED)
        assert (ended.last_problem, ended.attempts) == ("delivery-expired", 0)
        told: list[str] = []
        while items := await at.waiting():
            told += [orjson.loads(item.notice)["document"] for item in items if item.notice]
            for item in items:
                await acknowledge(item.delivery, at.config.principals[AGENCIES[OFFICE]], at.ctx)
        assert second in told
        assert len(far.got) == 2, "it came before the status"


@pytest.mark.faults
@pytest.mark.parametrize("whole", [True, False])
async def test_what_an_operator_kept_back_has_its_lifetime_afterwards(opened: Open, whole: bool) -> None:
    """It does not age meanwhile: let go after longer than its lifetime, it ended at once."""
    answer = Watched(BUSY)
    async with opened(answer, 'lifetime = "3s"\n') as (at, _, _):
        kept = [(await at.send(HEALTH))[0]]
        chosen = Chosen(endpoint=CALLED[HEALTH]) if whole else Chosen((str((await at.delivery(kept[0])).id),))
        await operate(Action.HOLD, chosen, "an", "bảo trì", at.ctx)
        at.start()
        await asyncio.sleep(3.5)
        await operate(Action.RELEASE, chosen, "an", "bảo trì", at.ctx)
        await at.eventually("it is tried more than once", lambda: len(answer.seen) > 1)
        answer.change(TAKEN)
        await at.in_state(kept[0], DeliveryState.DELIVERED)
