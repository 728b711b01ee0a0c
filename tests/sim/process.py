"""One process of a simulated node: the real application, flows, store and log. It may end or be stopped at any step."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from contextvars import Context as Variables
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from adapters.http_push import HttpPushSink
from adapters.node import NodeSink
from axis.app import POLICIES
from axis.blobs import Blobs, Spool
from axis.core.breaker import BreakerRules
from axis.core.hands import Consignment, Handover, Sink
from axis.core.model import Decision, EntryKind, LogEntry, Role
from axis.flow.admission import Admission
from axis.flow.context import Context, ReceiptKey
from axis.flow.dispatch import Dispatcher
from axis.flow.expiry import run_expiry
from axis.flow.lease import LogLease
from axis.flow.sequence import Sequencer
from axis.flow.traffic import Traffic
from axis.log.disk import Locked
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from axis.web.api import Api
from axis.web.auth import Doors
from axis.web.routes import Routes
from signing.chain import CertificateCache, Trust
from signing.keys import raw_public, sign_bytes
from signing.note import NoteSigner
from tests.sim.book import write_into_book
from tests.sim.http import Reply, Session, handled
from tests.sim.loop import LIFE, Died, Life, SimLoop, wait
from tests.sim.store import connection_class

if TYPE_CHECKING:
    from tests.sim.node import SimNode

BEGAN: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
BREAKER: Final = BreakerRules(first=timedelta(seconds=1), ceiling=timedelta(seconds=20))
INLINE_MAX: Final = 3000
"""Octets above it are files: so low that many are."""
COMMIT: Final = "COMMIT"
"""What an order calls the database, where it calls a file by a part of its path."""
SENT: ContextVar[Consignment] = ContextVar("sent")
"""What the attempt at hand carries."""


class StorePoisoned(Exception):
    """As `axis.watch.StorePoisoned`: an honest restart reconciles."""


ENDS: Final = (OSError, StorePoisoned, Locked)
"""What may end a process whose disk fails, or whose neighbour was stopped while it had the folder of heads."""


@dataclass
class Order:
    """`do` this before a call that reaches disk or database: `steps` calls after the first `call` at `place`.

    `place` is a part of a path, or `COMMIT`. Empty is any.
    """

    call: str
    place: str
    steps: int
    do: Callable[[], None]
    met: bool = False

    def due(self, call: str, place: str) -> bool:
        """Whether it is time, before this call."""
        if self.met:
            self.steps -= 1
        else:
            self.met = self.call in call and self.place in place
        return self.met and self.steps <= 0


class Carried:
    """An adapter's sink that lets the network know what it carries, for the history."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def deliver(self, consignment: Consignment) -> Handover:
        SENT.set(consignment)
        return await self._sink.deliver(consignment)

    async def close(self) -> None:
        await self._sink.close()


class SimProcess:
    """`instance` is its name among those of its node, empty where it is the only one. `skew` is how far its machine's
    clock is off."""

    def __init__(self, node: SimNode, instance: str, lot: random.Random) -> None:
        self.node, self.instance, self._lot = node, instance, lot
        self.name = f"{node.plan.name}/{instance}" if instance else node.plan.name
        self.skew = timedelta()
        self.lives = 0
        self.life: Life | None = None
        self.routes: Routes | None = None
        self.order: Order | None = None
        self.fail_at: int | None = None
        """The call that syncs which fails with EIO, from here on."""
        self.ended = asyncio.Event()
        self._connections: list[sqlite3.Connection] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._ids = 0

    # --- what the product asks of its surroundings

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=asyncio.get_running_loop().time()) + self.skew

    def new_id(self) -> str:
        self._ids += 1
        return hashlib.sha256(f"{self.name} {self._ids} {self._lot.random()}".encode()).hexdigest()[:26]

    def nonce(self) -> str:
        return self._lot.randbytes(32).hex()

    # --- faults

    def reached(self, call: str, path: str) -> None:
        """Before one of its calls reaches the disk."""
        self._step(call, path)
        if self.fail_at is not None and call == "sync":
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail_at = None
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _commits(self, life: Life, done: bool) -> None:
        if life.over:
            raise Died
        self._step("", COMMIT)

    def _step(self, call: str, place: str) -> None:
        life, order = self.life, self.order
        if order is None or not order.due(call, place):
            return
        self.order = None
        order.do()
        if life is None or life.over:
            raise Died
        if life.stopped and place != COMMIT:  # in a transaction it goes on to the end of that
            wait(0)

    def end(self) -> None:
        """It is gone, now. What becomes of its disk is another question (`SimNode`)."""
        life = self.life
        if life is None:
            return
        self._tasks += life.tasks
        self.life, self.routes, self.order, self.fail_at = None, None, None, None
        life.end()
        self.node.disks.let_go(life)
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self.ended.set()

    def stop(self, seconds: float, where: str = "") -> None:
        """Let it stand still from its next step on, as SIGSTOP does, a machine that swaps or one that is moved."""
        life, loop = self.life, asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        if life is None or life.stopped:
            return
        life.stopped = True
        loop.call_later(seconds, self.go_on, life, context=Variables())
        self.node.ends.append(f"{loop.time():9.3f} {self.name} stands still for {seconds:.0f} s {where}".rstrip())

    @property
    def stands_still(self) -> bool:
        return self.life is not None and self.life.stopped

    def go_on(self, life: Life | None = None) -> None:
        life = life or self.life
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        if life is not None and life.stopped and not life.over:
            loop.go_on(life)

    def forget(self) -> None:
        """Let go of what its lives have left."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.clear()

    # --- a life

    def start(self) -> None:
        assert self.life is None
        self.life = Life(f"{self.name}/{self.lives}")
        self.lives += 1
        self.ended.clear()
        self._variables = Variables()
        self._variables.run(LIFE.set, self.life)
        self._variables.run(asyncio.get_running_loop().create_task, self._lived(self.life))

    async def _lived(self, life: Life) -> None:
        try:
            await self._serve(life)
        except Exception as error:  # the process ends; whoever supervises it starts it again
            group = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
            self.node.wrong += [f"{self.name} ended: {one!r}" for one in group if not isinstance(one, ENDS)]
            self.node.dies(self, f"ended by {', '.join(type(one).__name__ for one in group)}")

    def _opened(self, life: Life, connection: sqlite3.Connection) -> None:
        """The book of leases (`tests.sim.book`) asks who writes, and when."""
        self._connections.append(connection)
        connection.create_function("sim_who", 0, lambda: life.name)
        connection.create_function("sim_at", 0, asyncio.get_running_loop().time)
        write_into_book(connection)

    async def _serve(self, life: Life) -> None:
        """As `axis.app.serve`, without listeners, files of trust and judges of PDFs."""
        plan, loop, place, name = self.node.plan, asyncio.get_running_loop(), self.node.place, self.instance
        async with AsyncExitStack() as stack:
            blobs = Blobs(place / "data" / "blobs", INLINE_MAX, f"spool-{name}" if name else "spool")
            watched = connection_class(partial(self._commits, life), partial(self._opened, life))
            store = open_store(f"sqlite:///{place / 'data' / 'axis.db'}", blobs, connection_class=watched)
            stack.push_async_callback(store.close)
            blobs.sweep()
            sinks = {one: self._sink(one, who.role) for one, who in plan.principals.items() if _called(one)}
            public = raw_public(plan.receipt_key).hex()
            ctx = Context(
                store=store,
                network=plan.network,
                trust=Trust(),
                policies=POLICIES,
                certificates=CertificateCache(),
                sinks=sinks,
                receipt_key=ReceiptKey(public, partial(sign_bytes, plan.receipt_key)),
                retry=plan.retry,
                now=self.now,
                new_id=self.new_id,
                nonce=self.nonce,
                jitter=self._lot.random,
                admission=Admission(clock=loop.time),
                lease=plan.lease,
                traffic=Traffic.of(dict.fromkeys(sinks), rules=BREAKER),
            )
            folder, heads = LogFolder(place / "data" / "log", name), CheckpointStore(place / "checkpoints", name)
            signer = NoteSigner(plan.name, plan.log_key)
            sequencer = await stack.enter_async_context(
                Sequencer(
                    store,
                    folder,
                    heads,
                    signer,
                    plan.name,
                    self.now,
                    batch=self._lot.choice((3, 64, 2048)),
                    lease=LogLease(store, name, loop.time) if name else None,
                )
            )
            ctx.log_behind = lambda: sequencer.lag(self.now())
            ctx.log_written = sequencer.wake
            entry = LogEntry(EntryKind.STARTED, self.now(), plan.name, "")
            await store.transact(lambda ledger: ledger.apply(Decision((entry,), (), None)))

            def open_spool(inline_max: int | None = None) -> Spool:
                return blobs.spool(10_000_000, inline_max)

            doors = Doors(
                {}, {hashlib.sha256(k.encode()).hexdigest(): plan.principals[e] for k, e in plan.keys.items()}
            )
            self.routes = Api(ctx, lambda: doors, open_spool, place / "data" / "log").routes()
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as services:
                services.create_task(sequencer.run(stop))
                services.create_task(Dispatcher(ctx).run(stop))
                services.create_task(run_expiry(ctx, stop))
                services.create_task(_watched(store))

    def _sink(self, endpoint: str, role: Role) -> Sink:
        async def call(headers: Mapping[str, str], body: bytes) -> Reply:
            reply: Reply = await self.node.call_out(self.node, endpoint, SENT.get(), headers, body)
            return reply

        session: Any = Session(call, self.node.plan.transfer_s)
        adapter = NodeSink if role is Role.NODE else HttpPushSink
        return Carried(adapter("https://there", session))

    async def asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request from outside. `ConnectionError` when there is no process, or it ends meanwhile."""
        life, routes = self.life, self.routes
        if life is None or routes is None:
            raise ConnectionRefusedError("nobody listens")
        loop = asyncio.get_running_loop()
        handling = self._variables.run(loop.create_task, handled(routes, method, path, headers, body))
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({handling, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if life.over or not handling.done():
            raise ConnectionResetError("the process has ended")
        return handling.result()


def _called(endpoint: str) -> bool:
    return not endpoint.startswith("mailbox-")


async def _watched(store: SqlStore) -> None:
    """As `axis.app` does: a store that is past helping itself ends the process."""
    while not store.poisoned:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(1)
    raise StorePoisoned
