"""One axis node in a simulation: the real application, flows, store and log, whose process may end at any step."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing
from contextvars import Context as Variables
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from adapters.http_push import HttpPushSink
from adapters.node import NodeSink
from axis.app import POLICIES
from axis.blobs import Blobs, Spool
from axis.core.breaker import BreakerRules
from axis.core.model import Decision, EntryKind, LogEntry, Principal, Role
from axis.core.network import Network
from axis.core.ports import Consignment, Handover, Sink
from axis.core.retry import RetryPolicy
from axis.flow.admission import Admission
from axis.flow.context import Context, ReceiptKey
from axis.flow.dispatch import Dispatcher
from axis.flow.expiry import run_expiry
from axis.flow.sequence import Sequencer
from axis.flow.traffic import Traffic
from axis.log.files import LogFolder
from axis.log.heads import CheckpointStore
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from axis.web.api import Api
from axis.web.auth import Doors
from signing.chain import CertificateCache, Trust
from signing.keys import raw_public, sign_bytes
from signing.note import NoteSigner
from tests.faults.disk import Disk, Loss, lay_out, lies_in
from tests.history.event import History
from tests.sim.disk import Disks
from tests.sim.http import Reply, Session, handled
from tests.sim.loop import LIFE, Life
from tests.sim.store import connection_class

BEGAN: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
FOLDERS: Final = ("data", "checkpoints")
TRANSFER_S: Final = 12.0
"""How long an attempt takes at most: less than a lease, as in `axis.app`; short, so that a day is short."""
BREAKER: Final = BreakerRules(first=timedelta(seconds=1), ceiling=timedelta(seconds=20))
INLINE_MAX: Final = 3000
"""Octets above it are files: so low that many are."""
DATABASE: Final = ("axis.db", "axis.db-wal")
SENT: ContextVar[Consignment] = ContextVar("sent")
"""What the attempt at hand carries."""


class Died(BaseException):
    """The process has ended at this very step."""


@dataclass
class Kill:
    """The process ends before its `steps`-th call that reaches disk or database; of what was not synced, `loss` is."""

    steps: int
    loss: Loss


class Carried:
    """An adapter's sink that lets the network know what it carries, for the history."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def deliver(self, consignment: Consignment) -> Handover:
        SENT.set(consignment)
        return await self._sink.deliver(consignment)

    async def close(self) -> None:
        await self._sink.close()


@dataclass
class Plan:
    """What stays over all lives of a node: who it is, whom it knows, its keys."""

    name: str
    network: Network
    principals: Mapping[str, Principal]
    keys: Mapping[str, str]
    """API key → endpoint."""
    receipt_key: Any
    log_key: Any
    template: Path
    """An empty store."""
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(timedelta(seconds=1), timedelta(seconds=8), timedelta(days=2))
    )
    lease: timedelta = timedelta(seconds=20)


CallOut = Callable[["SimNode", str, Consignment, Mapping[str, str], bytes], Any]
"""node, endpoint, what is carried, headers and body → the answer."""


class SimNode:
    def __init__(
        self, plan: Plan, folder: Path, disks: Disks, lot: random.Random, history: History, call_out: CallOut
    ) -> None:
        self.plan, self._folder, self._disks, self._lot = plan, folder, disks, lot
        self.agencies: set[str] = set()
        self.history = history
        self._call_out = call_out
        self.skew = timedelta()
        self.lives = 0
        self.life: Life | None = None
        self.app: web.Application | None = None
        self.kill_at: Kill | None = None
        self.fail_at: int | None = None
        """The call that reaches the disk which fails with EIO, from here on."""
        self.ended = asyncio.Event()
        self.wrong: list[str] = []
        self.ends: list[str] = []
        self._connections: list[sqlite3.Connection] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._ids = 0
        self.place = folder / "0"
        lay_out({"data": None}, self.place, FOLDERS)
        shutil.copy(plan.template, self.place / "data" / "axis.db")
        self.disk = Disk(self.place, FOLDERS, {})

    # --- what the product asks of its surroundings

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=asyncio.get_running_loop().time()) + self.skew

    def new_id(self) -> str:
        self._ids += 1
        return hashlib.sha256(f"{self.plan.name} {self._ids} {self._lot.random()}".encode()).hexdigest()[:26]

    def nonce(self) -> str:
        return self._lot.randbytes(32).hex()

    # --- faults

    def _reached(self, disk: Disk, call: str) -> None:
        life = self.life
        if life is None or disk is not self.disk:
            raise Died
        self._step()
        if self.fail_at is not None and call == "sync":
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail_at = None
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _commits(self, place: Path, done: bool) -> None:
        if place != self.place or self.life is None:
            raise Died
        self._step()

    def _step(self) -> None:
        kill = self.kill_at
        if kill is None:
            return
        kill.steps -= 1
        if kill.steps < 0:
            self.end(kill.loss, f"killed at a step, loses {kill.loss}")
            raise Died

    def end(self, loss: Loss, why: str) -> None:
        """The process is gone, now; the next finds what its disk has kept. What SQLite has committed is kept: that it
        is, power cuts of real processes show (`tests/faults/test_power_moments.py`)."""
        life = self.life
        if life is None:
            return
        self._tasks += life.tasks
        life.over, self.life, self.app, self.kill_at, self.fail_at = True, None, None, None, None
        self.ends.append(why)
        found = self.disk.after(loss, self._lot.randrange(1 << 32))
        data = self.place / "data"
        for name in list(found):
            if name.startswith("data/axis.db"):
                del found[name]
        for name in DATABASE:
            if (data / name).exists():
                found[f"data/{name}"] = (data / name).read_bytes()
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self.lives += 1
        self.place = self._folder / str(self.lives)
        found.setdefault("data", None)
        lay_out({name: found[name] for name in sorted(found)}, self.place, FOLDERS)
        self.ended.set()

    # --- looked at from outside

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask its database."""
        with closing(sqlite3.connect(f"file:{self.place / 'data' / 'axis.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def busy(self) -> bool:
        """Whether anything waits that will be done without being asked for. What waits behind a failure does not."""
        ((deliveries,),) = self.rows(
            "SELECT count(*) FROM delivery AS one WHERE state IN ('queued', 'leased') AND NOT EXISTS "
            "(SELECT 1 FROM delivery AS older WHERE older.lane = one.lane AND older.seq < one.seq "
            "AND older.state = 'failed')"
        )
        ((entries,),) = self.rows("SELECT count(*) FROM log_intent WHERE log_index IS NULL")
        shown = self.place / "data" / "log" / "checkpoint"
        heads = self.place / "checkpoints" / "heads.jsonl"
        if deliveries or entries or not shown.exists() or not heads.exists():
            return True
        newest = heads.read_text(encoding="utf-8").splitlines()[-1]
        return bool(json.loads(newest)["note"] != shown.read_text(encoding="utf-8"))

    def forget(self) -> None:
        """Let go of what the processes have left."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.clear()

    # --- a life

    def start(self) -> None:
        assert self.life is None
        self.life = Life(f"{self.plan.name}/{self.lives}")
        self.disk = Disk(self.place, FOLDERS, lies_in(self.place, FOLDERS))
        self._disks.mount(self.disk, self._reached)
        self.ended.clear()
        self._variables = Variables()
        self._variables.run(LIFE.set, self.life)
        self._variables.run(asyncio.get_running_loop().create_task, self._lived())

    async def _lived(self) -> None:
        try:
            await self._serve()
        except Exception as error:  # the process ends; whoever supervises it starts it again
            group = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
            for one in group:
                if not isinstance(one, OSError | StorePoisoned):
                    self.wrong.append(f"{self.plan.name} ended: {one!r}")
            self.end(Loss.NOTHING, f"ended by {', '.join(type(one).__name__ for one in group)}")

    async def _serve(self) -> None:
        """As `axis.app.serve`, without listeners, files of trust and judges of PDFs."""
        plan, loop, place = self.plan, asyncio.get_running_loop(), self.place
        async with AsyncExitStack() as stack:
            blobs = Blobs(place / "data" / "blobs", INLINE_MAX)
            watched = connection_class(partial(self._commits, place), self._connections.append)
            store = open_store(f"sqlite:///{place / 'data' / 'axis.db'}", blobs, connection_class=watched)
            stack.push_async_callback(store.close)
            blobs.sweep()
            sinks = {name: self._sink(name, who.role) for name, who in plan.principals.items() if self._called(name)}
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
            folder, heads = LogFolder(place / "data" / "log"), CheckpointStore(place / "checkpoints")
            signer = NoteSigner(plan.name, plan.log_key)
            sequencer = await stack.enter_async_context(
                Sequencer(store, folder, heads, signer, plan.name, self.now, batch=self._lot.choice((3, 64, 2048)))
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
            app = Api(ctx, lambda: doors, open_spool, place / "data" / "log").app()
            app.freeze()
            self.app = app
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as services:
                services.create_task(sequencer.run(stop))
                services.create_task(Dispatcher(ctx).run(stop))
                services.create_task(run_expiry(ctx, stop))
                services.create_task(_watched(store))

    def _called(self, endpoint: str) -> bool:
        return not endpoint.startswith("mailbox-")

    def _sink(self, endpoint: str, role: Role) -> Sink:
        async def call(headers: Mapping[str, str], body: bytes) -> Reply:
            reply: Reply = await self._call_out(self, endpoint, SENT.get(), headers, body)
            return reply

        session: Any = Session(call, TRANSFER_S)
        adapter = NodeSink if role is Role.NODE else HttpPushSink
        return Carried(adapter("https://there", session))

    async def asked(self, method: str, path: str, key: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request from outside. `ConnectionError` when there is no process, or it ends meanwhile."""
        life, app = self.life, self.app
        if life is None or app is None:
            raise ConnectionRefusedError("nobody listens")
        told = {**headers, "Authorization": f"Bearer {key}"}
        loop = asyncio.get_running_loop()
        handling = self._variables.run(loop.create_task, handled(app, method, path, told, body))
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({handling, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if life.over or not handling.done():
            raise ConnectionResetError("the process has ended")
        return handling.result()


async def _watched(store: SqlStore) -> None:
    """As `axis.app` does: a store that is past helping itself ends the process."""
    while not store.poisoned:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(1)
    raise StorePoisoned


class StorePoisoned(Exception):
    """As `axis.app.StorePoisoned`: an honest restart reconciles."""
