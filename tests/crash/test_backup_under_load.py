"""Backups while 64 senders and as many deliveries work, files are collected, and other backups run or are killed: each
one that gets its name is one moment of the node, and has in it every receipt that was given before it began."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from axis.care.files import Files
from axis.care.fsck import Place, check_node
from axis.care.manifest import BLOBS, DATABASE, LOG, read_manifest
from signing.keys import load_ed25519, raw_public
from tests.buckets import Server as BucketServer
from tests.faults.field import Field, again, field_of
from tests.history.event import Event, Operation, Outcome
from tests.history.logbook import read_logbook
from tests.history.package import Package
from tests.history.rules import World, check
from tests.site import AGENCIES, until

pytestmark = pytest.mark.faults

SENDERS = 64
LARGE = 120_000
ROUNDS = 3
MORE = "\nwindow = 64\nin_flight = 200\n[limits]\nat_once = 256"


@dataclass
class Load:
    """Senders that repeat until they have a receipt, and mailboxes that are emptied."""

    field: Field
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def _package(self) -> Package:
        with self._making:
            return self.field.package(size=LARGE if self.field.numbers % 4 == 0 else 500)

    def _sends(self) -> None:
        while not self.stop.is_set():
            package = self._package()
            while not self.stop.is_set() and self.field.submit(package) is None:
                self.stop.wait(0.05)

    def _takes(self, agency: str) -> None:
        while not self.stop.wait(0.2):
            self.field.empty(agency)

    def _guarded(self, work: object, *arguments: str) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as error:
            self.errors.append(error)

    @contextmanager
    def working(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._guarded, args=(self._sends,), daemon=True) for _ in range(SENDERS)]
        threads += [threading.Thread(target=self._guarded, args=(self._takes, one), daemon=True) for one in AGENCIES]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            self.stop.set()
            until("all have their answer", lambda: not any(one.is_alive() for one in threads), 90)
        assert not self.errors, self.errors

    @property
    def receipts(self) -> int:
        return sum(one.operation is Operation.SUBMIT and one.outcome is Outcome.OK for one in self.field.history)


@dataclass(frozen=True)
class Made:
    """A backup that has its name, and the seconds of the history's clock between which it was made."""

    folder: Path
    began: float
    ended: float


def axis(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "axis", *map(str, arguments), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    said, wrong = process.communicate(timeout=300)
    assert process.returncode == 0, said + wrong
    return said


def backups(field: Field, load: Load, folder: Path, chance: random.Random) -> list[Made]:
    """Two beside each other, a third that is killed at any moment, and a sweep, again and again."""
    made = []
    for number in range(ROUNDS):
        before = load.receipts
        until("documents flow", lambda before=before: load.errors or load.receipts > before + 20, 120)
        assert not load.errors, load.errors
        began = field.history.clock()
        names = [folder / f"{number}-{name}" for name in ("a", "b", "killed")]
        options: Sequence[tuple[str, ...]] = ((), ("--copy",), ())
        running = [
            axis("backup", name, "-c", field.site.config, *more) for name, more in zip(names, options, strict=True)
        ]
        sweep = axis("store", "sweep", "-c", field.site.config)
        time.sleep(chance.uniform(1.0, 6.0))
        running[2].kill()
        running[2].communicate()
        ended(sweep)
        for one in running[:2]:
            ended(one)
        made += [Made(name, began, field.history.clock()) for name in names if name.exists()]
        shutil.rmtree(folder / f"{number}-killed.unfinished", ignore_errors=True)
    return made


def as_of(events: Sequence[Event], made: Made) -> Iterator[Event]:
    """What the backup must know is done; of what went on while it was made, nobody can say."""
    for event in events:
        if event.completed <= made.began:
            yield event
        elif event.invoked <= made.ended:
            yield replace(event, outcome=Outcome.INFO, result={}, completed=made.began)


def wrong(field: Field, made: Made, events: Sequence[Event]) -> list[str]:
    """What is wrong with one backup: by fsck, by the checker that shares no code with the product, and by its rows."""
    copy = made.folder
    manifest, _ = read_manifest(copy)
    place = Place(f"sqlite:///{copy / DATABASE}", Files(copy / BLOBS), copy / LOG, manifest.log_key, None)
    report = check_node(place, datetime.now(UTC), deep=True)
    found = [str(one) for one in report.findings if one.fault]
    heads = copy.with_name(copy.name + "-heads")
    heads.mkdir(exist_ok=True)
    lines = (field.site.folder / "checkpoints" / "heads.jsonl").read_text().splitlines(keepends=True)
    kept = [one for one in lines if int(json.loads(one)["note"].split("\n")[1]) <= manifest.log_size]
    (heads / "heads.jsonl").write_text("".join(kept))
    book = read_logbook(copy / LOG, heads, manifest.log_key)
    with closing(sqlite3.connect(copy / DATABASE)) as rows:
        openings = dict(rows.execute("SELECT ref, nonce FROM document"))
        delivered = {ref for (ref,) in rows.execute("SELECT id FROM delivery WHERE state = 'delivered'")}
        entries = {
            subject
            for (leaf,) in rows.execute("SELECT leaf FROM log_intent")
            for subject in [json.loads(leaf)["subject"]]
        }
    receipts = load_ed25519((field.site.folder / "keys" / "receipt.pem").read_bytes())
    known = list(as_of(events, made))
    world = World(settled=False, openings=openings, receipt_key=raw_public(receipts))
    # What has no place in the log yet is no lie: that it is among the entries that wait is asked below.
    found += [str(one) for one in check(known, book, world) if one.rule.name != "NO_LEAF"]
    for event in known:
        if event.outcome is not Outcome.OK:
            continue
        if event.operation is Operation.SUBMIT:
            ref = json.loads(event.result["receipt"])["document"]
            if ref not in openings or ref not in entries:
                found.append(f"FORGOTTEN: the receipt of {ref}")
        if event.operation is Operation.ACK and event.arguments["delivery"] not in delivered:
            found.append(f"FORGOTTEN: {event.process} acknowledged {event.arguments['delivery']}")
    return found


@pytest.mark.parametrize("on", ["sqlite", "postgres", "bucket"])
def test_every_backup_of_a_node_under_load_is_one_moment_of_it(
    tmp_path: Path, on: str, request: pytest.FixtureRequest
) -> None:
    seed = int(os.environ.get("AXIS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}")
    store = request.getfixturevalue("postgres_store") if on == "postgres" else ""
    with field_of(tmp_path / "node", {}, start=False, store=store, more=MORE) as field:
        if on == "bucket":
            server: BucketServer = request.getfixturevalue("buckets")
            field.site.bucket = server.rent()
            field.site.inline_max = "40KB"
            again(field)
        config = field.site.config
        config.write_text(config.read_text().replace('lease = "3s"', 'lease = "20s"'))
        field.site.start()
        (tmp_path / "backups").mkdir()
        load = Load(field)
        with load.working():
            made = backups(field, load, tmp_path / "backups", random.Random(seed))
        print(f"{load.receipts} receipts, {len(made)} backups")
        assert len(made) >= 2 * ROUNDS
        events = tuple(field.history)
        for one in made:
            assert not (found := wrong(field, one, events)), f"{one.folder.name}: {found[:5]}"
        if on != "bucket":
            assert not field.house()
