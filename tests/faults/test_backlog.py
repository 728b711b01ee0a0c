"""A million deliveries wait, most of them for somebody who is not there; and one document goes to as many as may be."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from axis.demo.network import free_ports
from tests.flow.receiver import Receiver
from tests.site import HOME_AFFAIRS, OFFICE, PROVINCE, Site, problem, pushed, row, until

pytestmark = pytest.mark.faults

AWAY, HERE = "000.00.15.H99", "000.00.16.H99"
NAMES = {AWAY: "so-y-te", HERE: "so-giao-duc"}
BACKLOG = 1_000_000
START_S = 30.0
ROOM_KB = 150_000
SAMPLE = 20
DELIVERY = '[delivery]\nlease = "5s"\nfirst_retry = "200ms"\nretry_ceiling = "1s"\nbreaker_first = "300ms"'
MOST = 1_000


@dataclass
class Scene:
    site: Site
    far: Receiver

    def takes_s(self) -> float:
        """How long one document is on its way to whom is there, from the sender's request on."""
        began, mark = time.monotonic(), f"{OFFICE},2026/11/23,{self.site.made}/NHANH"
        self.site.take(self.site.package(OFFICE, [HERE], document_id=mark), OFFICE)
        until("it is handed over", lambda: self.far.about(f"{mark}<".encode()))
        return time.monotonic() - began

    def holds_kb(self) -> int:
        """What the node holds in memory (proc(5))."""
        assert self.site.process is not None
        status = Path(f"/proc/{self.site.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def tried(self) -> int:
        """Attempts at whom nobody reaches."""
        return int(self.site.rows("SELECT sum(attempts) FROM delivery WHERE endpoint = ?", NAMES[AWAY])[0][0])


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """A node with two agencies that are called. At the address of one of them nobody listens."""
    (nobody,) = free_ports(1)
    with Receiver() as far:
        site = Site(folder, DELIVERY)
        for code, url in ((AWAY, f"http://127.0.0.1:{nobody}/inbox"), (HERE, far.url)):
            site.registry += row(code)
            site.endpoints += pushed(NAMES[code], code, url)
        site.configure()
        site.start()
        try:
            yield Scene(site, far)
        finally:
            if site.running:
                site.kill()


def multiply(database: Path, endpoint: str, count: int) -> None:
    """Put `count` more deliveries like the one that waits there into the store, each in a lane of its own, all due."""
    with closing(sqlite3.connect(database)) as beside, beside:
        beside.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
            " INSERT INTO delivery (id, cargo, cargo_ref, document, endpoint, recipients, lane, head, created_at,"
            " due_at, priority, state, attempts, token, breaks)"
            " SELECT printf('z%025d', n), cargo, cargo_ref, document, endpoint, recipients, lane || n, 1, created_at,"
            " created_at, priority, 'queued', 0, 0, 0 FROM numbers,"
            " (SELECT * FROM delivery WHERE endpoint = ? LIMIT 1)",
            (count, endpoint),
        )


def test_a_million_deliveries_for_nobody_delay_neither_a_start_nor_anybody_else(tmp_path: Path) -> None:
    """F89, F90."""
    with scene(tmp_path) as at:
        at.site.take(at.site.package(OFFICE, [AWAY]), OFFICE)
        usual_s = statistics.median(at.takes_s() for _ in range(SAMPLE))
        usual_kb = at.holds_kb()
        until("nobody answers there", at.tried)
        assert at.site.stop() == 0
        multiply(tmp_path / "data" / "axis.db", NAMES[AWAY], BACKLOG)
        before = at.tried()
        began = time.monotonic()
        at.site.start()
        assert time.monotonic() - began < START_S
        until("some of them are tried", lambda: at.tried() > before)
        times_s = [at.takes_s() for _ in range(SAMPLE)]
        assert statistics.median(times_s) < 3 * usual_s + 0.1, "the others are delayed"
        assert max(times_s) < 5.0
        assert at.holds_kb() - usual_kb < ROOM_KB, "what waits is held in memory"
        waiting = "SELECT count(*) FROM delivery WHERE endpoint = ? AND state IN ('queued', 'leased')"
        assert at.site.rows(waiting, NAMES[AWAY]) == [(BACKLOG + 1,)]
        assert at.site.stop() == 0


def test_a_document_goes_to_as_many_as_may_be_or_to_nobody(tmp_path: Path) -> None:
    """F91."""
    codes = [f"H99.45.{place:04}" for place in range(MOST)]
    site = Site(tmp_path, f"[limits]\nmax_recipients = {MOST}")
    site.registry = "".join(map(row, (*codes, "H99.46", "H99.47")))
    site.endpoints = (
        f'[[endpoint]]\nname = "xa-phuong"\nadapter = "mailbox"\nagencies = ["{PROVINCE}"]\n'
        f'api_keys = ["sha256:{"ab" * 32}"]\n'
        '[[route]]\nprefix = "H99.45"\nendpoint = "xa-phuong"\n'
        '[[route]]\nprefix = "H99.46"\nendpoint = "xa-phuong"\n'
    )
    site.configure()
    site.start()
    try:
        before = site.state()
        for recipients, told in (
            ([*codes, "H99.46"], (413, "too-large")),
            ([*codes[1:], "H99.47"], (422, "no-route")),
            ([*codes[1:], "H99.48"], (422, "unknown-agency")),
        ):
            reply = site.send(site.package(OFFICE, recipients), OFFICE)
            assert (reply.status, problem(reply.body)) == told
            assert site.state() == before, "a part of it is there"
        began = time.monotonic()
        document = site.take(site.package(OFFICE, codes), OFFICE)["document"]
        assert time.monotonic() - began < 10
        made = site.rows("SELECT count(*), count(DISTINCT recipients) FROM delivery WHERE document = ?", document)
        assert made == [(MOST, MOST)]
        site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        assert site.stop() == 0
        site.audit()
    finally:
        if site.running:
            site.kill()
