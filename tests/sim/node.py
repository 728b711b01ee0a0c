"""One axis node in a simulation: a place on a disk, and the processes that share it."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from axis.core.hands import Consignment
from axis.core.model import Principal
from axis.core.network import Network
from axis.core.retry import RetryPolicy
from tests.faults.disk import Disk, Found, Loss, lay_out
from tests.history.event import History
from tests.sim.disk import Disks
from tests.sim.http import Reply
from tests.sim.loop import LIFE, Died
from tests.sim.process import SimProcess

FOLDERS: Final = ("data", "checkpoints")
DATABASE: Final = ("axis.db", "axis.db-wal")


@dataclass
class Plan:
    """What stays over all lives of a node: who it is, whom it knows, its keys, and how long things may take."""

    name: str
    network: Network
    principals: Mapping[str, Principal]
    keys: Mapping[str, str]
    """API key → endpoint."""
    receipt_key: Any
    log_key: Any
    template: Path
    """An empty store."""
    instances: Sequence[str] = ("",)
    """Its processes: several have names, and share database, blobs, log and heads."""
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(timedelta(seconds=1), timedelta(seconds=8), timedelta(days=2), breaks=1000)
    )
    """Processes end so often here that a delivery which was taken would be called poison, and its sender told so."""
    lease: timedelta = timedelta(seconds=20)

    @property
    def transfer_s(self) -> float:
        """How long an attempt takes at most: less than a lease, as in `axis.app`."""
        return self.lease.total_seconds() * 0.6


CallOut = Callable[["SimNode", str, Consignment, Mapping[str, str], bytes], Any]
"""node, endpoint, what is carried, headers and body → the answer."""


class SimNode:
    def __init__(
        self, plan: Plan, folder: Path, disks: Disks, lot: random.Random, history: History, call_out: CallOut
    ) -> None:
        self.plan, self._folder, self.disks, self._lot = plan, folder, disks, lot
        self.agencies: set[str] = set()
        self.history = history
        self.call_out = call_out
        self.wrong: list[str] = []
        self.ends: list[str] = []
        """How its processes ended and were stopped, and when."""
        self.deaths = 0
        self._places = 0
        self.place = folder / "0"
        lay_out({"data": None}, self.place, FOLDERS)
        shutil.copy(plan.template, self.place / "data" / "axis.db")
        self._mount(Disk(self.place, FOLDERS, {"data": None}))
        self.processes = [SimProcess(self, name, random.Random(lot.random())) for name in plan.instances]

    # --- faults

    def _mount(self, disk: Disk) -> None:
        self.disk = disk
        self.disks.mount(disk, self._reached)

    def _reached(self, disk: Disk, call: str, path: str) -> None:
        life = LIFE.get()
        by = next((one for one in self.processes if one.life is life), None)
        if life is None or by is None or disk is not self.disk:
            raise Died
        by.reached(call, path)

    def dies(self, process: SimProcess, why: str) -> None:
        """One process is gone, now; the machine lives, so nothing is lost. Where it was the only one, its successor
        gets a place of its own, with no file open and no lock held; where it was not, the others go on in theirs."""
        if process.life is None:
            return
        self._ended(process.name, why)
        if len(self.processes) > 1:
            process.end()
        else:
            self._move(self.disk.after(Loss.NOTHING, 0))
            self.disk.moved(self.place)
            process.end()

    def cut(self, loss: Loss, why: str) -> None:
        """The power goes: all processes are gone, and what was not synced is `loss`. What SQLite has committed is kept:
        that it is, power cuts of real processes show (`tests/faults/test_power_moments.py`)."""
        self._ended(self.plan.name, f"{why}, loses {loss}")
        found = self.disk.after(loss, self._lot.randrange(1 << 32))
        self._move(found)
        self._mount(Disk(self.place, FOLDERS, found))
        for process in self.processes:
            process.end()

    def _ended(self, who: str, why: str) -> None:
        self.ends.append(f"{asyncio.get_running_loop().time():9.3f} {who} {why}")
        self.deaths += 1

    def _move(self, found: Found) -> None:
        """What was found, and the database as it is, lie in a place of their own from here on."""
        before = self.place
        found.setdefault("data", None)
        self._places += 1
        self.place = self._folder / str(self._places)
        lay_out({name: found[name] for name in sorted(found)}, self.place, FOLDERS)
        for name in DATABASE:
            if (before / "data" / name).exists():
                shutil.copy(before / "data" / name, self.place / "data" / name)

    # --- looked at from outside

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask its database."""
        with closing(sqlite3.connect(f"file:{self.place / 'data' / 'axis.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def busy(self) -> bool:
        """Whether anything waits that will be done without being asked for. What waits behind a failure does not."""
        if any(one.life is None for one in self.processes):
            return True
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
        try:
            return bool(json.loads(newest)["note"] != shown.read_text(encoding="utf-8"))
        except ValueError:  # damaged: what the node makes of it will be seen
            return True

    async def asked(self, method: str, path: str, key: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request from outside, to one of those that listen. `ConnectionError` when nobody does."""
        listening = [one for one in self.processes if one.routes is not None]
        if not listening:
            raise ConnectionRefusedError("nobody listens")
        told = {**headers, "Authorization": f"Bearer {key}"}
        return await self._lot.choice(listening).asked(method, path, told, body)
