"""Two and three real processes of one node on one PostgreSQL: fed at once, killed, stopped past their leases."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from axis.demo.client import bearer
from axis.demo.network import HOST
from axis.flow.lease import LENGTH
from tests.flow.receiver import Receiver
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE, Site, pushed, row, started, until

pytestmark = pytest.mark.slow

HEALTH = "000.00.15.H99"
NAME = "so-y-te"
LEASE = '[delivery]\nlease = "3s"\nfirst_retry = "200ms"\nretry_ceiling = "1s"'
GIVE_UP_S = 5.0


@pytest.fixture
def far() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def site(far: Receiver, postgres_store: str, tmp_path: Path) -> Site:
    """The first process of a node, with one agency that is called: its address counts what it is given."""
    made = Site(tmp_path, LEASE, store=postgres_store, instance="n0")
    made.signers[HEALTH] = made.pki.signer(HEALTH)
    made.registry = row(HEALTH, made.signers[HEALTH])
    made.endpoints = pushed(NAME, HEALTH, far.url)
    made.configure()
    return made


@pytest.fixture
def nodes(site: Site) -> Iterator[list[Site]]:
    """Three processes, running."""
    members = [site, site.beside("n1"), site.beside("n2")]
    with started(*members):
        yield members


def offer(node: Site, package: bytes, by: str) -> bytes | None:
    """Hand one package to one process: its receipt, `None` where the sender has to ask again."""
    context = ssl.create_default_context(cafile=str(node.pki.tls_ca))
    headers = {**bearer(node.key(AGENCIES[by])), "Content-Type": "application/xml"}
    try:
        with closing(http.client.HTTPSConnection(HOST, node.port, timeout=GIVE_UP_S, context=context)) as connection:
            connection.request("POST", "/v1/documents", package, headers)
            answer = connection.getresponse()
            body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    if answer.status >= 500:
        return None
    assert answer.status == 202, body
    return body


def insist(nodes: Sequence[Site], package: bytes, by: str, first: int = 0) -> bytes:
    """Offer it to one process after the other until one takes it."""
    deadline, place = time.monotonic() + 60, first
    while (receipt := offer(nodes[place % len(nodes)], package, by)) is None:
        assert time.monotonic() < deadline, "nobody takes it"
        place += 1
        time.sleep(0.05)
    return receipt


def delivered(far: Receiver) -> dict[str, set[str]]:
    """The delivery ids under which each document came, however often."""
    found: dict[str, set[str]] = {}
    for got in list(far.got):
        if got.headers.get("axis-cargo") == "document":
            found.setdefault(got.headers["axis-document"], set()).add(got.headers["axis-delivery"])
    return found


def settled(site: Site) -> bool:
    open_ones = "SELECT count(*) FROM delivery WHERE endpoint = ? AND state <> 'delivered'"
    (waiting,) = site.rows(open_ones, NAME)[0]
    return not waiting and site.log_has_all()


def ends_well(nodes: Sequence[Site], far: Receiver, receipts: Sequence[bytes]) -> None:
    """Everything that has a receipt was delivered under one id; the log has everything, and the processes end."""
    site = nodes[0]
    until("everything is delivered and logged", lambda: settled(site), 60)
    assert [node.stop() for node in nodes] == [0] * len(nodes)
    taken = {json.loads(receipt)["document"] for receipt in receipts}
    came = delivered(far)
    assert came.keys() >= taken, "a receipt was given, and nothing delivered"
    stored = {ref for (ref,) in site.rows("SELECT ref FROM document")}
    assert came.keys() <= stored
    assert all(len(ids) == 1 for ids in came.values()), "one document under two ids"
    assert len(stored) == site.rows("SELECT count(DISTINCT (sender, document_key)) FROM document")[0][0]
    for node in nodes:
        node.audit()


@pytest.mark.faults
def test_one_package_at_three_doors_at_once_has_one_receipt(nodes: list[Site], far: Receiver) -> None:
    receipts: list[bytes] = []
    with ThreadPoolExecutor(12) as pool:
        for number in range(8):
            size = 300_000 if number == 7 else 500
            package = nodes[0].package(OFFICE, [HEALTH, HOME_AFFAIRS], [bytes([number]) * size])
            answers = list(pool.map(lambda node, what=package: insist([node], what, OFFICE), [*nodes, *nodes]))
            assert len(set(answers)) == 1, "the same receipt, byte for byte, whoever is asked"
            receipts.append(answers[0])
        others = [nodes[0].package(OFFICE, [HEALTH], [bytes([number]) * 500]) for number in range(24)]
        receipts += pool.map(lambda one: insist(nodes, one[1], OFFICE, one[0]), enumerate(others))
    assert len(set(receipts)) == 32
    ends_well(nodes, far, receipts)
    # Whose mailbox it is can ask at any door.
    assert nodes[0].rows("SELECT count(*) FROM delivery WHERE endpoint = ?", "so-noi-vu")[0][0] == 8


@pytest.mark.faults
def test_a_second_process_of_one_name_says_so_and_ends(site: Site) -> None:
    other = site.beside("n0")
    site.configure()
    site.start()
    try:
        other.start(wait=False)
        assert other.process is not None
        assert other.process.wait(120) == 1
        assert b"give each process a [node] instance of its own" in other.log.read_bytes()
    finally:
        site.stop()


class Flow(threading.Thread):
    """Submits documents until told to stop, asking the next process whenever one does not answer."""

    def __init__(self, nodes: Sequence[Site], sender: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.nodes, self.sender, self.stop = nodes, sender, stop
        self.receipts: list[bytes] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            number = 0
            while not self.stop.is_set():
                number += 1
                name = f"{self.sender},2026/11/23,{number}/LUONG"
                size = 200_000 if number % 9 == 0 else 500
                package = self.nodes[0].package(self.sender, [HEALTH], [bytes([number % 251]) * size], document_id=name)
                receipt = insist(self.nodes, package, self.sender, number)
                if number % 4 == 0:
                    assert insist(self.nodes, package, self.sender, number + 1) == receipt
                self.receipts.append(receipt)
        except BaseException as error:
            self.error = error


def flowing(nodes: list[Site], trouble: Callable[[Callable[[int], None]], None]) -> list[bytes]:
    """Let two senders run while `trouble` happens; it may wait for a number of more documents."""
    stop = threading.Event()
    flows = [Flow(nodes, code, stop) for code in (OFFICE, HOME_AFFAIRS)]

    def more(number: int) -> None:
        wanted = sum(len(flow.receipts) for flow in flows) + number

        def enough() -> bool:
            for flow in flows:
                assert flow.error is None, flow.error
            return sum(len(flow.receipts) for flow in flows) >= wanted

        until(f"{number} more documents", enough, 90)

    try:
        for flow in flows:
            flow.start()
        more(4)
        trouble(more)
        more(4)
    finally:
        stop.set()
        for flow in flows:
            flow.join(90)
    for flow in flows:
        assert flow.error is None, flow.error
        assert not flow.is_alive()
    return [receipt for flow in flows for receipt in flow.receipts]


@pytest.mark.faults
def test_processes_that_are_killed_lose_nothing(nodes: list[Site], far: Receiver) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    def trouble(more: Callable[[int], None]) -> None:
        for _ in range(5):
            victim = chance.choice(nodes)  # perhaps one that is just starting
            more(3)
            time.sleep(chance.uniform(0, 0.3))
            victim.kill()
            more(3)
            victim.start(wait=False)

    receipts = flowing(nodes, trouble)
    for node in nodes:
        node.wait_ready()
    ends_well(nodes, far, receipts)


@pytest.mark.faults
def test_a_process_that_is_stopped_past_its_leases_changes_nothing_when_it_goes_on(
    nodes: list[Site], far: Receiver
) -> None:
    """Each in its turn: so one of them is the one that writes the log. Others take over; it finds out and stands by."""

    def trouble(more: Callable[[int], None]) -> None:
        for victim in nodes:
            assert victim.process is not None
            more(3)
            os.kill(victim.process.pid, signal.SIGSTOP)
            grown = nodes[0].rows("SELECT max(log_index) FROM log_intent")[0][0]
            began = time.monotonic()
            more(3)
            until(
                "the log grows without it",
                lambda was=grown: nodes[0].rows("SELECT max(log_index) FROM log_intent")[0][0] > was,
                60,
            )
            time.sleep(max(0.0, LENGTH.total_seconds() + 3 - (time.monotonic() - began)))
            os.kill(victim.process.pid, signal.SIGCONT)

    receipts = flowing(nodes, trouble)
    assert sum(node.said("log_lease_taken") for node in nodes) >= 2, "nobody took the log over"
    ends_well(nodes, far, receipts)
    (token,) = nodes[0].rows("SELECT value FROM meta WHERE name = 'log_lease'")[0]
    assert json.loads(token)["token"] >= 2
