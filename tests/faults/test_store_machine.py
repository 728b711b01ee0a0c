"""The store against a model of plain dictionaries: whatever is asked in whatever order, both say the same.

Hypothesis draws the story and makes it short where it breaks. Each step may meet a commit whose outcome nobody knows;
then the store is asked what became of it, once, and must stay with that answer.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument, AddStatus, Change, Delivery, Document, MoveDelivery
from axis.core.ports import Ledger, LostRace
from axis.core.problems import Unavailable
from axis.core.states import DELIVERY, OPEN, DeliveryEvent, DeliveryState, advance
from axis.sql.driver import StoreError
from axis.sql.engine import open_store
from axis.sql.migrate import upgrade
from axis.sql.store import SqlStore
from schemas.envelope import Priority
from tests import factories_core as make
from tests.contract.failing import CommitsAndSaysNo, FailsToCommit
from tests.postgres import Server
from tests.site import until

pytestmark = pytest.mark.faults

T = TypeVar("T")
LEASE = timedelta(seconds=60)
ENDPOINTS = ("a", "b")
LANES = ("1", "2", "3")
EXAMPLES = {"sqlite": 30, "postgres": 12}
ANSWERS = st.sampled_from([DeliveryEvent.ACK, DeliveryEvent.DEFER, DeliveryEvent.REFUSE])


class Trouble:
    """How a commit of one database is made to fail: its outcome is unknown, or surely not stored."""

    def __init__(self, url: str, server: Server | None) -> None:
        self.url, self._server = url, server
        self.fired = 0
        self.classes: tuple[type[FailsToCommit], ...] = ()
        if server is None:
            self.classes = tuple(type(one.__name__, (one,), {}) for one in (FailsToCommit, CommitsAndSaysNo))

    def cut(self, instance: str) -> None:
        """PostgreSQL: end the connection that writes, from inside the transaction."""
        assert self._server is not None
        name = f"axis {instance}: writes"
        self._server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'")
        self.fired += 1


class StoreMachine(RuleBasedStateMachine):
    """`folder` is empty, `trouble` names an empty store of its own."""

    documents = Bundle("documents")
    claims = Bundle("claims")
    numbers = itertools.count()

    def __init__(self, folder: Path, trouble: Trouble) -> None:
        super().__init__()
        self.folder, self.trouble = folder, trouble
        self.instance = f"m{next(self.numbers)}"
        self.loop = asyncio.Runner()
        self.stored: dict[str, Document] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.statuses: dict[str, list[Any]] = {}
        self.intents = self.indexed = self.seq = 0
        self.now = make.NOW
        self.open(None)

    # --- the store

    def open(self, connection: type[FailsToCommit] | None) -> None:
        more: dict[str, Any] = {"connection_class": connection} if connection else {}

        def opened() -> SqlStore | None:
            try:
                return open_store(self.trouble.url, Blobs(self.folder / "blobs"), instance=self.instance, **more)
            except StoreError as error:
                # The server needs a moment to notice that the connection before this one is closed.
                if "another process" not in str(error):
                    raise
                return None

        self.store = until("the store opens", opened)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def ask(self, question: Callable[[Ledger], T]) -> T:
        return self.run(self.store.transact(question))

    def apply(self, *changes: Change) -> None:
        """Apply what must succeed, and count its log entry."""
        self.ask(lambda ledger: ledger.apply(make.decision(*changes)))
        self.intents += 1

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()

    # --- the model

    def heads(self, endpoint: str, states: tuple[DeliveryState, ...]) -> list[Delivery]:
        """What nothing older parks, in the order of storing."""
        oldest: dict[str, Delivery] = {}
        for one in self.deliveries.values():
            if one.state in OPEN:
                oldest.setdefault(one.lane, one)
        return [one for one in oldest.values() if one.endpoint == endpoint and one.state in states]

    def keep(self, document: Document, deliveries: list[Delivery]) -> None:
        self.stored[document.ref] = document
        for one in deliveries:
            found = self.ask(lambda ledger, id=one.id: ledger.delivery(id))
            assert found is not None and found == one._replace(seq=found.seq)
            assert found.seq > self.seq
            self.seq = found.seq
            self.deliveries[one.id] = found

    # --- what can happen

    places = st.lists(
        st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(LANES), st.sampled_from(list(Priority))),
        min_size=1,
        max_size=3,
    )

    def made(self, places: list[tuple[str, str, Priority]]) -> tuple[Document, list[Delivery]]:
        document = make.document()
        return document, [
            make.delivery(document, endpoint=endpoint, lane=f"{endpoint}{lane}", priority=priority, due_at=self.now)
            for endpoint, lane, priority in places
        ]

    @rule(target=documents, places=places)
    def submit(self, places: list[tuple[str, str, Priority]]) -> str:
        return self.submitted(places)

    def submitted(self, places: list[tuple[str, str, Priority]]) -> str:
        document, deliveries = self.made(places)
        self.apply(AddDocument(document), *map(AddDelivery, deliveries))
        self.keep(document, deliveries)
        return document.ref

    @rule(target=documents, places=places, which=st.integers(0, 1))
    def submit_into_trouble(self, places: list[tuple[str, str, Priority]], which: int) -> Any:
        document, deliveries = self.made(places)
        changes = (AddDocument(document), *map(AddDelivery, deliveries))
        fired = self.trouble.fired
        if self.trouble.classes:
            connection = self.trouble.classes[which]
            self.run(self.store.close())
            self.open(connection)
            connection.failures, connection.fired = 1, 0
            outcome = self._fails(lambda ledger: ledger.apply(make.decision(*changes)))
            assert connection.fired == 1 and outcome == "unknown"
        else:

            def cut(ledger: Ledger) -> None:
                ledger.apply(make.decision(*changes))
                ledger.document(document.ref)
                self.trouble.cut(self.instance)
                ledger.document(document.ref)

            outcome = self._fails(cut)
            assert self.trouble.fired == fired + 1 and outcome == "not-stored"
        self.run(self.store.close())
        self.open(None)
        found = self.ask(lambda ledger: ledger.document(document.ref))
        assert found in (None, document)
        if found is None:
            assert all(self.ask(lambda ledger, id=one.id: ledger.delivery(id)) is None for one in deliveries)
            return multiple()
        assert outcome == "unknown"
        self.intents += 1
        self.keep(document, deliveries)
        return document.ref

    def _fails(self, body: Callable[[Ledger], None]) -> str:
        with pytest.raises(Unavailable) as told:
            self.ask(body)
        return str(told.value.problem.extra["outcome"])

    @rule(ref=documents)
    def submit_again(self, ref: str) -> None:
        """The same package is known by its key, and cannot be stored a second time under another reference."""
        known = self.stored[ref]
        seen = self.ask(lambda ledger: ledger.same_document(known.sender, known.kind, known.document_id))
        assert list(seen) == [known]
        twin = replace(make.document(), document_id=known.document_id, digest=known.digest)
        with pytest.raises(LostRace):
            self.ask(lambda ledger: ledger.apply(make.decision(AddDocument(twin))))

    @rule(target=claims, endpoint=st.sampled_from(ENDPOINTS), limit=st.integers(1, 3))
    def claim(self, endpoint: str, limit: int) -> Any:
        return multiple(*self.claimed(endpoint, limit))

    @rule(target=claims)
    def leases_run_out(self) -> Any:
        """Whoever held one was away for too long; another one takes it."""
        self.now += LEASE
        return multiple(*[one for endpoint in ENDPOINTS for one in self.claimed(endpoint, 3)])

    def claimed(self, endpoint: str, limit: int) -> list[Delivery]:
        due = [
            one for one in self.heads(endpoint, (DeliveryState.QUEUED, DeliveryState.LEASED)) if one.due_at <= self.now
        ]
        got = self.ask(lambda ledger: ledger.claim([endpoint], self.now, LEASE, limit))
        assert {one.id for one in got} <= {one.id for one in due}
        # Of those that were often not heard of again, one at a time is taken.
        steady = [one for one in due if one.breaks + (one.state is DeliveryState.LEASED) < 2]
        assert len(got) >= min(limit, len(steady)) and len(got) <= limit
        for one in got:
            was = self.deliveries[one.id]
            expected = was._replace(
                state=DeliveryState.LEASED,
                due_at=self.now + LEASE,
                attempts=was.attempts + 1,
                token=was.token + 1,
                breaks=was.breaks + (was.state is DeliveryState.LEASED),
            )
            assert one == expected
            self.deliveries[one.id] = one
        return list(got)

    @rule(
        held=claims,
        event=ANSWERS,
        wait=st.integers(0, 120),
    )
    def settle(self, held: Delivery, event: DeliveryEvent, wait: int) -> None:
        self.answered(held, event, wait)

    @rule(endpoint=st.sampled_from(ENDPOINTS), event=ANSWERS)
    def settle_too_late(self, endpoint: str, event: DeliveryEvent) -> None:
        """The lease has run out, and another one holds the delivery."""
        held = self.claimed(endpoint, 1)
        self.now += LEASE
        self.claimed(endpoint, 3)
        for one in held:
            self.answered(one, event, 1)

    def answered(self, held: Delivery, event: DeliveryEvent, wait: int) -> None:
        """Only who holds the newest token changes anything, and only once (I13)."""
        due = self.now + timedelta(seconds=wait) if event is DeliveryEvent.DEFER else None
        now_state = advance(DELIVERY, held.state, event)
        step = MoveDelivery(held.id, held.state, event, now_state, held.token, self.now, due)
        was = self.deliveries[held.id]
        if (was.token, was.state) != (held.token, DeliveryState.LEASED):
            with pytest.raises(LostRace):
                self.ask(lambda ledger: ledger.apply(make.decision(step)))
            return
        self.apply(step)
        self.moved(step)

    def moved(self, step: MoveDelivery) -> None:
        was = self.deliveries[step.id]
        ended = step.at if step.now in (DeliveryState.DELIVERED, DeliveryState.FAILED) else None
        self.deliveries[step.id] = was._replace(state=step.now, due_at=step.due_at or was.due_at, settled_at=ended)

    @rule(endpoint=st.sampled_from(ENDPOINTS))
    def collect(self, endpoint: str) -> None:
        for one in self.heads(endpoint, (DeliveryState.QUEUED,))[:1]:
            step = MoveDelivery(one.id, one.state, DeliveryEvent.COLLECT, DeliveryState.DELIVERED, one.token, self.now)
            self.apply(step)
            self.moved(step)

    @rule()
    def ask_again_for_what_failed(self) -> None:
        for one in [each for each in self.deliveries.values() if each.state is DeliveryState.FAILED][:1]:
            step = MoveDelivery(
                one.id, one.state, DeliveryEvent.REQUEUE, DeliveryState.QUEUED, one.token, self.now, self.now
            )
            self.apply(step)
            self.moved(step)
            self.deliveries[one.id] = self.deliveries[one.id]._replace(attempts=0, breaks=0)
            for behind in self.deliveries.values():
                if (behind.lane, behind.state) == (one.lane, DeliveryState.QUEUED) and behind.seq >= one.seq:
                    self.deliveries[behind.id] = behind._replace(renewed_at=self.now)

    @rule(ref=documents, wire=st.sampled_from(["01", "03", "06"]))
    def report(self, ref: str, wire: str) -> None:
        told = make.report(self.stored[ref], wire=wire)
        self.apply(AddStatus(told))
        self.statuses.setdefault(ref, []).append(told)

    @precondition(lambda self: self.intents > self.indexed)
    @rule(limit=st.integers(1, 4))
    def sequence(self, limit: int) -> None:
        """Entries get dense indexes in the order of storing."""

        def body(ledger: Ledger) -> int:
            assert ledger.log_size() == self.indexed
            waiting = ledger.intents(limit)
            ledger.indexed(self.indexed, [one.id for one in waiting])
            return len(waiting)

        taken = self.ask(body)
        assert taken == min(limit, self.intents - self.indexed)
        self.indexed += taken

    @rule(seconds=st.sampled_from([1, 59, 60, 200]))
    def wait(self, seconds: int) -> None:
        self.now = moved_on(self.now, seconds)

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.open(None)

    @rule()
    def raise_in_a_body(self) -> None:
        def body(ledger: Ledger) -> None:
            ledger.apply(make.decision(AddDocument(make.document())))
            raise ValueError("thought better of it")

        with pytest.raises(ValueError, match="better"):
            self.ask(body)

    # --- what is always so

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        def body(ledger: Ledger) -> None:
            for id_, delivery in self.deliveries.items():
                assert ledger.delivery(delivery.id) == delivery, id_
            for ref, document in self.stored.items():
                assert ledger.document(document.ref) == document, ref
                told = [one.wire for one in ledger.statuses(document.ref, make.RECEIVER)]
                assert told == [one.wire for one in self.statuses.get(ref, [])]
            for endpoint in ENDPOINTS:
                expected = [one.id for one in self.heads(endpoint, (DeliveryState.QUEUED,))]
                assert [one.id for one in ledger.waiting(endpoint, 0, 100)] == sorted(
                    expected, key=lambda id: self.deliveries[id].seq
                )
            assert ledger.log_size() == self.indexed

        self.ask(body)
        waiting, _ = self.run(self.store.views.backlog())
        assert waiting == self.intents - self.indexed
        recent = self.run(self.store.views.recent(100))
        assert {one.ref for one in recent} == set(self.stored)


def moved_on(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_store_does_what_the_model_does(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: Server | None = None
    if database == "postgres":
        server = request.getfixturevalue("postgres")
        template: str = request.getfixturevalue("template")
    else:
        upgrade(f"sqlite:///{tmp_path}/empty.db")
    numbers = itertools.count()

    def machine() -> StoreMachine:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        if server is not None:
            return StoreMachine(folder, Trouble(server.database(template), server))
        shutil.copy(tmp_path / "empty.db", folder / "axis.db")
        return StoreMachine(folder, Trouble(f"sqlite:///{folder}/axis.db", None))

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[database],
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    assert next(numbers) >= EXAMPLES[database]
