"""What breaks in a day: which faults there are is drawn by the seed, then when they come, whom they meet and where."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from tests.faults.disk import Loss
from tests.sim.net import Net, Weather
from tests.sim.node import SimNode
from tests.sim.process import COMMIT, Order, SimProcess

PLACES: Final = (
    ("", ""),
    ("", "/log/round"),
    ("", "/log/tile"),
    ("sync", "heads.jsonl"),
    ("sync", "heads.jsonl"),
    ("sync", "heads.jsonl"),
    ("sync", "heads.jsonl"),
    ("rename", "/log/checkpoint"),
    ("rename", "/blobs/"),
    ("", COMMIT),
    ("", COMMIT),
)
"""Calls at which something may happen, or soon after."""
STEPS: Final = (0, 1, 1, 1, 2, 3, 3, 3, 5)
"""How many calls later, most often just after a head was synced: one is, where it is nobody else's, three where the
process reads it again before (`axis.log.heads`)."""
STOPS_S: Final = (3.0, 14.0, 25.0)
"""How long a process stands still: less than any lease, about as long, and longer."""
EVERY_S: Final = (0.5, 1.0, 3.0)
PATIENT: Final = 0.8
ALONE: Final = 0.8
"""How likely it is that nothing happens to a node one of whose processes stands still."""


@dataclass
class Fate:
    lot: random.Random
    net: Net
    nodes: Mapping[str, SimNode]
    people: tuple[str, ...]
    """Agencies, by their codes."""
    story: list[str]

    async def day(self) -> None:
        """Break things for ever."""
        lot, weather = self.lot, self.net.weather
        for kind in ("lost", "answer_lost", "twice", "slow"):
            if lot.random() < 0.5:
                setattr(weather, kind, lot.choice((0.01, 0.1, 0.3)))
        faults = self._faults()
        kinds = [name for name in faults if lot.random() < (0.75 if name.endswith("steps") else 0.5)]
        every_s = lot.choice(EVERY_S)
        self.story.append(f"weather {weather}, every {every_s} s one of {', '.join(kinds) or 'nothing'}")
        while kinds:
            await asyncio.sleep(lot.expovariate(1 / every_s))
            node = self.nodes[lot.choice(sorted(self.nodes))]
            process, kind = lot.choice(node.processes), lot.choice(kinds)
            # Where one stands still, the others mostly have the time to take over: that is what may go wrong.
            alone = any(one.stands_still for one in node.processes) and lot.random() < ALONE
            if process.life is not None and not alone:
                faults[kind](process)

    def _faults(self) -> dict[str, Callable[[SimProcess], None]]:
        return {
            "parts": self._part,
            "kills": lambda one: one.node.dies(one, "killed"),
            "power cuts": lambda one: one.node.cut(self.lot.choice(tuple(Loss)[1:]), "the power goes"),
            "kills at steps": self._kill_at,
            "stops": lambda one: one.stop(self.lot.choice(STOPS_S)),
            "stops at steps": self._stop_at,
            "clocks": self._skew,
            "disks": self._fail,
        }

    def _part(self, process: SimProcess) -> None:
        pair = frozenset(self.lot.sample([*self.nodes, *self.people], 2))
        self.net.parted.add(pair)
        asyncio.get_running_loop().call_later(self.lot.uniform(1, 20), self.net.parted.discard, pair)

    def _order(self, process: SimProcess, do: Callable[[str], Callable[[], None]]) -> None:
        """Something is to happen at a call. It may take a while until there is one; then it mostly keeps its turn."""
        if process.order is not None and self.lot.random() < PATIENT:
            return
        call, place = self.lot.choice(PLACES)
        steps = self.lot.choice(STEPS) if place else self.lot.randrange(60)
        process.order = Order(call, place, steps, do(f"at {' '.join((call, place)).strip() or 'a call'}+{steps}"))

    def _kill_at(self, process: SimProcess) -> None:
        loss = self.lot.choice(tuple(Loss))
        if loss is Loss.NOTHING:
            self._order(process, lambda where: partial(process.node.dies, process, f"killed {where}"))
        else:
            self._order(process, lambda where: partial(process.node.cut, loss, f"the power goes {where}"))

    def _stop_at(self, process: SimProcess) -> None:
        seconds = self.lot.choice(STOPS_S[1:])
        self._order(process, lambda where: partial(process.stop, seconds, where))

    def _skew(self, process: SimProcess) -> None:
        process.skew += timedelta(seconds=self.lot.uniform(-40, 40))
        now = asyncio.get_running_loop().time()
        self.story.append(f"{now:9.3f} {process.name}'s clock is {process.skew} off")

    def _fail(self, process: SimProcess) -> None:
        process.fail_at = self.lot.randrange(20)

    def calm(self) -> None:
        """Nothing breaks any more, and what stood still goes on."""
        self.story.append(f"{asyncio.get_running_loop().time():9.3f} no more faults")
        self.net.weather.__dict__.update(Weather().__dict__)
        self.net.parted.clear()
        for node in self.nodes.values():
            for process in node.processes:
                process.order = process.fail_at = None
                process.go_on()
