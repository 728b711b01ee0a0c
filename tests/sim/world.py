"""Three axis nodes in a row, agencies around them, a network between, and a fate by seed: one run from dawn to rest."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog

from axis.core.network import ArrivedBy
from axis.sql.migrate import upgrade
from tests.history.event import History, Operation, Outcome
from tests.history.package import Package
from tests.sim.agency import Agency, package
from tests.sim.book import open_book
from tests.sim.carry import Carrier
from tests.sim.disk import Disks
from tests.sim.fate import Fate
from tests.sim.loop import SimLoop, Stuck
from tests.sim.net import Net
from tests.sim.node import Plan, SimNode
from tests.sim.plan import AGENCIES, NODES, key_of, network_of
from tests.sim.process import SimProcess
from tests.sim.store import single_threaded
from tests.sim.verdict import wrong

FAULTS_OF_OURS: Final = ("request_broke", "delivery_attempt_broke")
PROCESSES: Final = (("",), ("n0", "n1"), ("n0", "n1"))
"""How many of them a node has: one of them alone has no name."""
LEASES_S: Final = (6, 20)
DAY_S: Final = 60.0
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
                sum(one.deaths for one in world.nodes.values()),
                loop.steps,
                loop.time(),
                world.told(),
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what stood still and then ended had not begun everything
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
    """An empty store with a book of leases; made once in a process."""
    path = Path(tempfile.mkdtemp()) / "axis.db"
    upgrade(f"sqlite:///{path}")
    open_book(path)
    return path


class World:
    def __init__(self, lot: random.Random, loop: SimLoop, disks: Disks, folder: Path) -> None:
        self.lot, self.loop = lot, loop
        self.net = Net(random.Random(lot.random()))
        self.nodes: dict[str, SimNode] = {}
        self.agencies: dict[str, Agency] = {}
        self.wrong: list[str] = []
        self.story: list[str] = []
        self.carrier = Carrier(self.net, self.nodes, self.agencies)
        self.fate = Fate(lot, self.net, self.nodes, AGENCIES, self.story)
        self.settled = True
        self._made = 0
        self._helpers: list[asyncio.Task[None]] = []
        owner = lot.choice(tuple(ArrivedBy))
        lease = timedelta(seconds=lot.choice(LEASES_S))
        for name, agencies in NODES.items():
            network, principals, keys = network_of(name, owner)
            plan = Plan(
                name,
                network,
                principals,
                keys,
                key_of(f"receipt {name}"),
                key_of(f"log {name}"),
                template(),
                lot.choice(PROCESSES),
                lease=lease,
            )
            history = History(loop.time)
            node = SimNode(plan, folder / name, disks, random.Random(lot.random()), history, self.carrier.call_out)
            node.agencies = set(agencies)
            self.story.append(f"{name} has {len(plan.instances)} processes, leases of {lease.total_seconds():.0f} s")
            self.nodes[name] = node
            for code, called in agencies.items():
                self.agencies[code] = Agency(code, node, self.net, random.Random(lot.random()), called)
                self.agencies[code].says_arrived = owner is ArrivedBy.RECIPIENT

    # --- the day

    async def lived(self) -> None:
        lot = self.lot
        for process in self._processes():
            process.start()
            self._helper(self._supervised(process))
        for agency in self.agencies.values():
            self._helper(agency.report_only() if agency.called else agency.look())
        self._helper(self._heads())
        senders = [
            self._helper(agency.send(self._maker(agency.code), lot.randint(0, 5))) for agency in self.agencies.values()
        ]
        faults = self._helper(self.fate.day())
        await asyncio.sleep(DAY_S)
        faults.cancel()
        self.fate.calm()
        for agency in self.agencies.values():
            agency.calm = True
        began = self.loop.time()
        while not (all(one.done() for one in senders) and await self._at_rest()):
            if any(node.wrong for node in self.nodes.values()):
                self.settled = False
                break  # one that cannot start any more would be waited for in vain
            if self.loop.time() - began > PATIENCE_S:
                self.wrong.append(f"SLOW: not at rest after {PATIENCE_S:.0f} s")
                break
            await asyncio.sleep(5)
        for node in self.nodes.values():
            self.carrier.note(node, "harness", Operation.DRAIN, began, {"limit_s": PATIENCE_S}, {}, Outcome.OK)
        await self._remember_heads()
        for process in self._processes():
            process.end()
        for helper in self._helpers:
            helper.cancel()
        for helper in self._helpers:
            with suppress(asyncio.CancelledError):
                await helper

    def _helper(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self.loop.create_task(work)
        self._helpers.append(task)
        return task

    def _processes(self) -> Iterator[SimProcess]:
        return (process for node in self.nodes.values() for process in node.processes)

    async def _supervised(self, process: SimProcess) -> None:
        """Start it again, some time after each of its ends."""
        while True:
            await process.ended.wait()
            await asyncio.sleep(self.lot.uniform(0.1, 3.0))
            process.start()

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
        self.carrier.packages[one.sha256] = one
        return one

    async def _heads(self) -> None:
        while True:
            await asyncio.sleep(self.lot.uniform(1, 20))
            await self._remember_heads()

    async def _remember_heads(self) -> None:
        for code in ("000.00.01.H26", "000.00.01.H99", "000.00.01.G05"):
            await self.agencies[code].remember_head()

    async def _at_rest(self) -> bool:
        """Nothing is under way anywhere, as far as one can see from outside."""
        return not any(node.busy() for node in self.nodes.values()) and not any(
            agency.owes for agency in self.agencies.values()
        )

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

    def told(self) -> tuple[str, ...]:
        """The story, and how processes ended and were stopped, in its time."""
        first = [line for line in self.story if not line.startswith(" ")]
        later = [line for line in self.story if line.startswith(" ")]
        return (*first, *sorted([*later, *(end for node in self.nodes.values() for end in node.ends)]))

    def bury(self) -> None:
        for process in self._processes():
            process.forget()
