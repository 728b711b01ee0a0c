"""Three axis nodes in a row, agencies around them, a network between, and a fate by seed: one run from dawn to rest."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog

from axis.core.model import Cargo
from axis.core.network import ArrivedBy
from axis.core.ports import Consignment
from axis.sql.migrate import upgrade
from tests.faults.disk import Loss
from tests.history.event import Event, History, Operation, Outcome
from tests.sim.agency import Agency, Package, package
from tests.sim.disk import Disks
from tests.sim.http import Reply
from tests.sim.loop import SimLoop, Stuck
from tests.sim.net import Net, Weather
from tests.sim.node import Kill, Plan, SimNode
from tests.sim.plan import AGENCIES, NODES, key_of, network_of
from tests.sim.store import single_threaded
from tests.sim.verdict import wrong

FAULTS_OF_OURS: Final = ("request_broke", "delivery_attempt_broke")
DAY_S: Final = 40.0
"""How long faults last."""
PATIENCE_S: Final = 300.0
"""How long everything may take to settle afterwards, in simulated time."""


@dataclass(frozen=True)
class Run:
    """What came of one seed. `digest` is over everything that anybody did and heard, and when."""

    seed: int
    digest: str
    wrong: tuple[str, ...]
    events: int
    ends: int
    steps: int
    simulated_s: float
    story: tuple[str, ...] = ()


def run(seed: int) -> Run:
    """One run, from nothing but its seed."""
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=base) as folder, single_threaded(), overheard() as said:
        lot = random.Random(seed)
        loop, disks = SimLoop(random.Random(lot.random())), Disks()
        with disks.mounted():
            world = World(lot, loop, disks, Path(folder))
            try:
                loop.run_until_complete(world.lived())
            except Stuck:
                world.wrong.append("STUCK: everybody waits")
            found = [*world.wrong, *said, *wrong(world)]
            done = Run(
                seed,
                world.digest(),
                tuple(found),
                sum(len(one.history) for one in world.nodes.values()),
                sum(len(one.ends) for one in world.nodes.values()),
                loop.steps,
                loop.time(),
                tuple(world.story),
            )
            with buried():
                world.bury()
                loop.close()
                del world
        return done


@contextmanager
def buried() -> Iterator[None]:
    """What killed processes have left unfinished is thrown away, and nobody is told."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = hook


@contextmanager
def overheard() -> Iterator[list[str]]:
    """What the nodes log is not shown; what they call a fault of their own is kept."""
    heard: list[str] = []

    def listen(logger: Any, name: str, event: Any) -> Any:
        if event["event"] in FAULTS_OF_OURS:
            heard.append(f"{event['event']}: {sys.exc_info()[1]!r}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[listen])
    try:
        yield heard
    finally:
        structlog.configure(**before)


@cache
def template() -> Path:
    """An empty store; made once in a process."""
    path = Path(tempfile.mkdtemp()) / "axis.db"
    upgrade(f"sqlite:///{path}")
    return path


class World:
    def __init__(self, lot: random.Random, loop: SimLoop, disks: Disks, folder: Path) -> None:
        self.lot, self.loop = lot, loop
        self.net = Net(random.Random(lot.random()))
        self.nodes: dict[str, SimNode] = {}
        self.agencies: dict[str, Agency] = {}
        self.wrong: list[str] = []
        self.story: list[str] = []
        self.packages: dict[str, Package] = {}
        self._made = 0
        self._helpers: list[asyncio.Task[None]] = []
        owner = lot.choice(tuple(ArrivedBy))
        for name, agencies in NODES.items():
            network, principals, keys = network_of(name, owner)
            plan = Plan(name, network, principals, keys, key_of(f"receipt {name}"), key_of(f"log {name}"), template())
            history = History(loop.time)
            node = SimNode(plan, folder / name, disks, random.Random(lot.random()), history, self._call_out)
            node.agencies = set(agencies)
            self.nodes[name] = node
            for code, called in agencies.items():
                self.agencies[code] = Agency(code, node, self.net, random.Random(lot.random()), called)
                self.agencies[code].says_arrived = owner is ArrivedBy.RECIPIENT

    # --- the network's side of a delivery

    async def _call_out(
        self, node: SimNode, endpoint: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Carry what an adapter sends, and write it into the histories of both ends whoever dies meanwhile."""
        work = self._carried(node, endpoint, carried, headers, body)
        return await asyncio.shield(self.net.aside(work))

    async def _carried(
        self, node: SimNode, endpoint: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        status = carried.status
        said = {
            "delivery": carried.delivery.id,
            "cargo": carried.delivery.cargo.value,
            "document": carried.delivery.document or "",
            "code": status.wire if status else "",
            "receiver": status.receiver.text if status else "",
        }
        if carried.delivery.cargo is Cargo.DOCUMENT:
            for_whom = [code.text for code in carried.delivery.recipients]
        else:
            for_whom = [endpoint.removeprefix("push-")]
            if endpoint in self.nodes:  # whom it is for is the next node's to know
                said |= {"document": "", "code": "", "receiver": ""}
        began = self.loop.time()
        outcome = Outcome.INFO
        try:
            if endpoint in self.nodes:
                reply = await self.net.carry(
                    node.plan.name,
                    endpoint,
                    lambda: self._relayed(self.nodes[endpoint], node.plan.name, carried, headers, body),
                )
            else:
                agency = self.agencies[endpoint.removeprefix("push-")]
                reply = await self.net.carry(node.plan.name, agency.code, lambda: agency.pushed(headers, body))
            if 200 <= reply.status < 300:
                outcome = Outcome.OK
            return reply
        finally:
            for code in for_whom:
                self._note(
                    node, code, Operation.PUSH, began, said, {"sha256": hashlib.sha256(body).hexdigest()}, outcome
                )

    async def _relayed(
        self, node: SimNode, by: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        began, outcome = self.loop.time(), Outcome.INFO
        result: dict[str, str] = {}
        try:
            reply = await node.asked("POST", "/v1/relay", f"axk_{by}", headers, body)
            if reply.status == 202:
                outcome, result = Outcome.OK, {"receipt": reply.body.decode()}
            elif reply.status < 500 and reply.status != 429:
                outcome = Outcome.FAIL
            return reply
        finally:
            if carried.delivery.cargo is Cargo.DOCUMENT:
                made = self.packages[hashlib.sha256(body).hexdigest()]
                said = {**made.said(), "recipients": [code.text for code in carried.delivery.recipients]}
                self._note(node, made.sender, Operation.SUBMIT, began, said, result, outcome)

    def _note(
        self,
        node: SimNode,
        who: str,
        what: Operation,
        began: float,
        said: Mapping[str, Any],
        result: Mapping[str, Any],
        outcome: Outcome,
    ) -> None:
        node.history.add(
            Event(who, what, said, outcome, result if outcome is Outcome.OK else {}, began, self.loop.time())
        )

    # --- the day

    async def lived(self) -> None:
        lot = self.lot
        for node in self.nodes.values():
            node.start()
            self._helper(self._supervised(node))
        for agency in self.agencies.values():
            self._helper(agency.report_only() if agency.called else agency.look())
        self._helper(self._heads())
        senders = [
            self._helper(agency.send(self._maker(agency.code), lot.randint(0, 5))) for agency in self.agencies.values()
        ]
        faults = self._helper(self._fate())
        await asyncio.sleep(DAY_S)
        faults.cancel()
        self._calm()
        began = self.loop.time()
        await asyncio.gather(*senders)
        while not await self._at_rest():
            if self.loop.time() - began > PATIENCE_S:
                self.wrong.append(f"SLOW: not at rest after {PATIENCE_S:.0f} s")
                break
            await asyncio.sleep(5)
        for node in self.nodes.values():
            self._note(node, "harness", Operation.DRAIN, began, {"limit_s": PATIENCE_S}, {}, Outcome.OK)
        await self._remember_heads()
        for node in self.nodes.values():
            if node.life is not None:
                node.end(Loss.NOTHING, "the end")
                node.ends.pop()
        for helper in self._helpers:
            helper.cancel()
        for helper in self._helpers:
            with suppress(asyncio.CancelledError):
                await helper

    def _helper(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self.loop.create_task(work)
        self._helpers.append(task)
        return task

    async def _supervised(self, node: SimNode) -> None:
        """Start it again, some time after each of its ends."""
        while True:
            await node.ended.wait()
            self.story.append(f"{self.loop.time():9.3f} {node.plan.name} {node.ends[-1]}")
            await asyncio.sleep(self.lot.uniform(0.1, 3.0))
            node.start()

    def _maker(self, sender: str) -> Any:
        sent: list[Package] = []

        def make(_: int) -> Package:
            self._made += 1
            lot = self.lot
            if sent and lot.random() < 0.2:
                of = lot.choice(sent)
                return self._known(package(sender, of.recipients, self._made, b"x", recalls=of.document_id))
            others = [code for code in AGENCIES if code != sender]
            to = tuple(sorted(lot.sample(others, lot.randint(1, 4))))
            one = package(sender, to, self._made, lot.randbytes(lot.choice((10, 100, 6000))))
            sent.append(one)
            return self._known(one)

        return make

    def _known(self, one: Package) -> Package:
        self.packages[one.sha256] = one
        return one

    async def _fate(self) -> None:
        """Which faults there are is drawn for the whole day; when they come, again and again."""
        lot, weather = self.lot, self.net.weather
        kinds = [kind for kind in ("lost", "answer_lost", "twice", "slow") if lot.random() < 0.5]
        for kind in kinds:
            setattr(weather, kind, lot.choice((0.01, 0.1, 0.3)))
        cuts, kills, steps, clocks, disks = (lot.random() < 0.5 for _ in range(5))
        self.story.append(
            f"weather {weather}, parts {cuts}, kills {kills}, at steps {steps}, clocks {clocks}, disks {disks}"
        )
        while True:
            await asyncio.sleep(lot.expovariate(1 / 2))
            node = self.nodes[lot.choice(sorted(self.nodes))]
            what = lot.randrange(5)
            if what == 0 and cuts:
                pair = frozenset(lot.sample([*self.nodes, *AGENCIES], 2))
                self.net.parted.add(pair)
                self.loop.call_later(lot.uniform(1, 20), self.net.parted.discard, pair)
            elif what == 1 and kills and node.life is not None:
                loss = lot.choice(tuple(Loss))
                node.end(loss, f"killed, loses {loss}")
            elif what == 2 and steps:
                node.kill_at = Kill(lot.randrange(60), lot.choice(tuple(Loss)))
            elif what == 3 and clocks:
                node.skew += timedelta(seconds=lot.uniform(-40, 40))
                self.story.append(f"{self.loop.time():9.3f} {node.plan.name}'s clock is {node.skew} off")
            elif what == 4 and disks:
                node.fail_at = lot.randrange(20)

    def _calm(self) -> None:
        self.story.append(f"{self.loop.time():9.3f} no more faults")
        self.net.weather.__dict__.update(Weather().__dict__)
        self.net.parted.clear()
        for agency in self.agencies.values():
            agency.calm = True
        for node in self.nodes.values():
            node.kill_at = node.fail_at = None

    async def _heads(self) -> None:
        while True:
            await asyncio.sleep(self.lot.uniform(1, 20))
            await self._remember_heads()

    async def _remember_heads(self) -> None:
        for code in ("000.00.01.H26", "000.00.01.H99", "000.00.01.G05"):
            await self.agencies[code].remember_head()

    async def _at_rest(self) -> bool:
        """Nothing is under way anywhere, as far as one can see from outside."""
        for node in self.nodes.values():
            if node.life is None or node.busy():
                return False
        return not any(agency.owes for agency in self.agencies.values())

    def digest(self) -> str:
        told = hashlib.sha256()
        for node in self.nodes.values():
            for event in node.history:
                told.update(
                    json.dumps(
                        [
                            event.process,
                            event.operation,
                            dict(event.arguments),
                            event.outcome,
                            dict(event.result),
                            event.invoked,
                            event.completed,
                        ],
                        sort_keys=True,
                    ).encode()
                )
            told.update(repr(node.ends).encode())
        told.update(repr((self.loop.steps, self.loop.time())).encode())
        return told.hexdigest()

    def bury(self) -> None:
        for node in self.nodes.values():
            node.forget()
