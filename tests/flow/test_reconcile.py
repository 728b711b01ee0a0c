"""Destinations that are asked what became of what they took: a real store, a far end that says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from axis.core.follow_up import MISSES, Became, FollowUp, FollowUpRules, PeerState
from axis.core.hands import Consignment, Handover
from axis.core.model import Cargo, Delivery, DocumentRef
from axis.core.problems import Kind, Problem, Refused, Unavailable
from axis.core.reconciliation import Outcome
from axis.core.states import DeliveryState
from axis.flow.reconcile import ask, run_reconciliation
from schemas.envelope import Business, MessageKind
from tests.flow.engine import CALLED, HEALTH, SCHOOLS, Engine, engine

RULES = FollowUpRules(timedelta(milliseconds=20), timedelta(days=7))
NAMED = {HEALTH: PeerState.WAITING}


@dataclass
class FarEnd:
    """Takes everything, and answers questions with what stands in `says`; an exception is raised."""

    taken: list[str] = field(default_factory=list)
    asked: list[tuple[Cargo, str]] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)
    says: Mapping[str, PeerState] | Exception = field(default_factory=lambda: dict(NAMED))
    slow: asyncio.Event | None = None
    """Set: what comes waits for it, and is not taken where it is never set."""
    thinks: asyncio.Event | None = None
    """Set: questions wait for it."""

    async def deliver(self, consignment: Consignment) -> Handover:
        if self.slow is not None:
            await self.slow.wait()
        self.taken.append(consignment.delivery.id)
        return Handover(f"theirs-{len(self.taken)}")

    async def close(self) -> None: ...

    async def became(self, cargo: Cargo, peer_ref: str) -> Mapping[str, PeerState]:
        self.asked.append((cargo, peer_ref))
        if self.thinks is not None:
            await self.thinks.wait()
        if peer_ref in self.broken:
            raise self.broken[peer_ref]
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@asynccontextmanager
async def followed(folder: Path) -> AsyncIterator[tuple[Engine, FarEnd]]:
    """A node at work whose department of health is asked later what became of what it took."""
    nowhere, far = dict.fromkeys(CALLED, "https://127.0.0.1:1/"), FarEnd()
    async with engine(folder, nowhere, "", {}) as made:
        made.ctx.sinks = {CALLED[HEALTH]: far}
        made.ctx.network = replace(made.ctx.network, follow_up={CALLED[HEALTH]: RULES})
        made.start()
        yield made, far


async def handed_over(at: Engine, to: str = HEALTH) -> tuple[DocumentRef, FollowUp]:
    ref, _ = await at.send(to)
    await at.in_state(ref, DeliveryState.DELIVERED)
    (one,) = await at.ctx.store.views.follow_ups_of(ref)
    return ref, one


async def recalled(at: Engine, ref: DocumentRef) -> Delivery:
    """Its recall is under way."""
    document = await at.ctx.store.views.document(ref)
    assert document is not None
    recall = Business(kind=MessageKind.RECALL, document_id=document.document_id, reason="gửi nhầm")
    second, _ = await at.send(HEALTH, business=recall)
    return await at.in_state(second, DeliveryState.LEASED)


async def settled(at: Engine, delivery: Delivery, state: DeliveryState) -> None:
    async with asyncio.timeout(10):
        while (found := await at.ctx.store.views.delivery(delivery.id)) is None or found.state is not state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def asked(at: Engine, ref: DocumentRef, far: FarEnd, answers: int = MISSES) -> list[Outcome | None]:
    return [await ask(await now(at, ref), far, at.ctx) for _ in range(answers)]


async def now(at: Engine, ref: DocumentRef) -> FollowUp:
    (one,) = await at.ctx.store.views.follow_ups_of(ref)
    return one


async def test_what_is_lost_is_sent_again_once_the_other_side_has_named_anything(tmp_path: Path) -> None:
    async with followed(tmp_path) as (at, far):
        ref, one = await handed_over(at)
        far.says = {}
        for _ in range(MISSES + 1):
            assert await ask(await now(at, ref), far, at.ctx) is Outcome.NOTED, "it has never named anything"
        other, second = await handed_over(at)
        far.says = NAMED
        assert await ask(second, far, at.ctx) is Outcome.NOTED
        far.says = {}
        outcomes = [await ask(await now(at, ref), far, at.ctx) for _ in range(MISSES)]
        assert outcomes == [Outcome.NOTED] * (MISSES - 1) + [Outcome.RESENT]
        await at.eventually("it is sent again", lambda: len(far.taken) == 3)
        delivery = await at.in_state(ref, DeliveryState.DELIVERED)
        assert far.taken == [delivery.id, far.taken[1], delivery.id], "under the same id"
        again = await now(at, ref)
        assert (again.peer_ref, again.became, again.lost, again.asked) == ("theirs-3", None, 1, 0)
        assert (await now(at, other)).became is Became.WAITING
        assert one.peer_ref == "theirs-1"


@pytest.mark.parametrize("kind", [Kind.DESTINATION_UNAVAILABLE, Kind.DESTINATION_REFUSED])
async def test_who_does_not_answer_has_lost_nothing(tmp_path: Path, kind: Kind) -> None:
    async with followed(tmp_path) as (at, far):
        ref, one = await handed_over(at)
        assert await ask(one, far, at.ctx) is Outcome.NOTED
        waits = await now(at, ref)
        for _ in range(MISSES + 1):
            before = await now(at, ref)
            if kind is Kind.DESTINATION_UNAVAILABLE:
                far.says = Unavailable(Problem(kind))
                with pytest.raises(Unavailable):
                    await ask(before, far, at.ctx)
                assert await now(at, ref) == waits, "it stays due"
            else:
                far.says = Refused(Problem(kind))
                await ask(before, far, at.ctx)
        after = await now(at, ref)
        assert (after.became, after.missed) == (Became.WAITING, 0)
        assert len(far.taken) == 1


async def test_an_answer_that_comes_late_changes_nothing(tmp_path: Path) -> None:
    """Two processes asked at once; or it was asked about a handover that is no longer the last."""
    async with followed(tmp_path) as (at, far):
        ref, one = await handed_over(at)
        assert await ask(one, far, at.ctx) is Outcome.NOTED
        after = await now(at, ref)
        far.says = {}
        assert await ask(one, far, at.ctx) is None
        assert await now(at, ref) == after


async def test_it_is_asked_in_time_and_until_it_is_taken(tmp_path: Path) -> None:
    async with followed(tmp_path) as (at, far):
        ref, _ = await handed_over(at)
        stop, mine = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(run_reconciliation({CALLED[HEALTH]: far}, at.ctx, stop, mine.is_set))
        await asyncio.sleep(0.1)
        assert far.asked == [], "another process asks"
        mine.set()
        await at.eventually("it is asked", lambda: len(far.asked) >= 2)
        far.says = {HEALTH: PeerState.TAKEN}
        async with asyncio.timeout(5):
            while (await now(at, ref)).due_at is not None:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.02)
        asked = len(far.asked)
        await asyncio.sleep(0.1)
        assert len(far.asked) == asked
        assert set(far.asked) == {(Cargo.DOCUMENT, "theirs-1")}
        stop.set()
        await running


async def test_who_answers_slowly_keeps_no_other_from_being_asked(tmp_path: Path) -> None:
    """One question at a time over all of them: the others waited for as long as it took."""
    async with followed(tmp_path) as (at, slow):
        quick, released = FarEnd(says={SCHOOLS: PeerState.TAKEN}), asyncio.Event()
        slow.thinks = released
        at.ctx.sinks = {CALLED[HEALTH]: slow, CALLED[SCHOOLS]: quick}
        at.ctx.network = replace(at.ctx.network, follow_up=dict.fromkeys(at.ctx.sinks, RULES))
        await handed_over(at)
        await handed_over(at)
        other, _ = await handed_over(at, SCHOOLS)
        stop = asyncio.Event()
        running = asyncio.create_task(run_reconciliation({CALLED[HEALTH]: slow, CALLED[SCHOOLS]: quick}, at.ctx, stop))
        await at.eventually("the slow one is asked", lambda: slow.asked)
        async with asyncio.timeout(10):
            while (await now(at, other)).became is not Became.TAKEN:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.02)
        assert len(slow.asked) == 1, "itself one question at a time"
        stop.set()
        released.set()
        await running


@pytest.mark.parametrize("error", [Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE)), RuntimeError("a surprise")])
async def test_one_that_nobody_can_tell_of_does_not_stand_before_the_others(tmp_path: Path, error: Exception) -> None:
    async with followed(tmp_path) as (at, far):
        stuck, _ = await handed_over(at)
        others = [(await handed_over(at))[0] for _ in range(2)]
        far.broken, far.says = {"theirs-1": error}, {HEALTH: PeerState.TAKEN}
        stop = asyncio.Event()
        running = asyncio.create_task(run_reconciliation({CALLED[HEALTH]: far}, at.ctx, stop))
        async with asyncio.timeout(30):
            for ref in others:
                while (await now(at, ref)).became is not Became.TAKEN:  # noqa: ASYNC110 - the store tells nobody
                    await asyncio.sleep(0.02)
        assert (await now(at, stuck)).asked == 0, "nothing was concluded"
        far.broken = {}
        async with asyncio.timeout(30):
            while (await now(at, stuck)).became is not Became.TAKEN:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
        stop.set()
        await running


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_its_recall_is_just_overtaking_is_not_sent_again(tmp_path: Path, arrives: bool) -> None:
    """The recall is under way while the document turns out to be lost. Whatever is heard of that attempt, it may have
    arrived: the document would come behind it."""
    async with followed(tmp_path) as (at, far):
        ref, one = await handed_over(at)
        assert await ask(one, far, at.ctx) is Outcome.NOTED
        far.slow, far.says = asyncio.Event(), {}
        if not arrives:
            at.ctx.lease = timedelta(seconds=0.5)
        recall = await recalled(at, ref)
        assert await asked(at, ref, far) == [Outcome.NOTED] * (MISSES - 1) + [None], "nothing is decided yet"
        assert (await at.delivery(ref)).state is DeliveryState.DELIVERED
        if arrives:
            far.slow.set()
        await settled(at, recall, DeliveryState.DELIVERED if arrives else DeliveryState.QUEUED)
        assert await asked(at, ref, far, 1) == [Outcome.FAILED]
        assert (await at.delivery(ref)).state is DeliveryState.FAILED
        assert far.taken == [one.delivery] + [recall.id] * arrives
        far.slow.set()
