"""SIGKILL while documents flow: what got a receipt arrives exactly once, and the log verifies."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from axis.blobs import Blobs
from axis.core.house import check_house
from axis.demo.client import Client
from axis.log.verify import verify_log
from axis.sql.audit import open_books
from signing.keys import load_ed25519
from signing.note import NoteSigner
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE, Site

pytestmark = pytest.mark.faults

KILLS = 10
LARGE = 200_000


class Sender(threading.Thread):
    """Submits documents one after another, repeating each until it has its answer; remembers the receipts."""

    def __init__(self, site: Site, sender: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.site, self.sender, self.stop = site, sender, stop
        self.receipts: dict[str, list[str]] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        others = [code for code in AGENCIES if code != self.sender]
        client = self.site.client(AGENCIES[self.sender], patience_s=60)
        try:
            count = 0
            while not self.stop.is_set():
                count += 1
                document_id = f"{self.sender},2026/11/23,{count}/GOC"
                size = LARGE if count % 7 == 0 else 500
                package = self.site.package(self.sender, others, [bytes([count % 251]) * size], document_id=document_id)
                first = client.post_xml("/v1/documents", package)
                assert first.status == 202, first.body
                self.receipts[document_id] = others
                if count % 5 == 0:
                    again = client.post_xml("/v1/documents", package)
                    assert again.body == first.body, "a repeat must give the first receipt byte for byte"
        except BaseException as error:
            self.error = error


class Receiver(threading.Thread):
    """Empties one mailbox, counting each delivery id once, as a careful receiver does."""

    def __init__(self, site: Site, agency: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.site, self.agency, self.stop = site, agency, stop
        self.deliveries: dict[str, str] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        client = self.site.client(AGENCIES[self.agency], patience_s=60)
        try:
            while True:
                last = self.stop.is_set()
                if not self.empty(client) and last:
                    return
                time.sleep(0.02)
        except BaseException as error:
            self.error = error

    def empty(self, client: Client) -> int:
        items = client.get("/v1/inbox?limit=50").json()["items"]
        for item in items:
            got = client.get(f"/v1/deliveries/{item['delivery']}/package")
            assert got.ok
            if item["cargo"] == "document":
                self.deliveries[item["delivery"]] = item["document_id"]
            assert client.post_json(f"/v1/deliveries/{item['delivery']}/ack", {}).ok
        return len(items)


def test_ten_kills_lose_nothing_and_deliver_nothing_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    site = Site(tmp_path)
    site.start()
    sending, receiving = threading.Event(), threading.Event()
    senders = [Sender(site, code, sending) for code in (OFFICE, HOME_AFFAIRS)]
    receivers = [Receiver(site, code, receiving) for code in AGENCIES]
    try:
        for thread in (*senders, *receivers):
            thread.start()
        taken: list[int] = []
        for _ in range(KILLS):
            before = sum(len(sender.receipts) for sender in senders)
            _wait_for_more(senders, before + 2)
            time.sleep(chance.uniform(0.0, 0.3))
            site.kill()
            taken.append(sum(len(sender.receipts) for sender in senders))
            site.start()
        assert taken == sorted(taken) and len(set(taken)) == KILLS, "documents flowed between the kills"
        sending.set()
        for sender in senders:
            sender.join(90)
        receiving.set()
        for receiver in receivers:
            receiver.join(90)
        for thread in (*senders, *receivers):
            assert not thread.is_alive()
            assert thread.error is None, thread.error
        assert site.stop() == 0
    finally:
        sending.set()
        receiving.set()
        if site.process is not None and site.process.poll() is None:
            site.kill()

    for receiver in receivers:
        expected = Counter(document for s in senders for document, to in s.receipts.items() if receiver.agency in to)
        assert Counter(receiver.deliveries.values()) == expected
    blobs = Blobs(site.folder / "data" / "blobs")
    with open_books(site.database, lambda ref: blobs.path(ref).read_bytes()) as books:
        assert check_house(books) == ()
    signer = NoteSigner("truc-thu", load_ed25519((tmp_path / "keys" / "log.pem").read_bytes()))
    report = verify_log(tmp_path / "data" / "log", str(signer.verifier), heads=tmp_path / "checkpoints")
    assert report.ok, report.findings
    assert report.entries >= len(senders[0].receipts) * 3
    print(json.dumps({"receipts": [len(s.receipts) for s in senders], "log": report.entries}))


def _wait_for_more(senders: list[Sender], wanted: int) -> None:
    deadline = time.monotonic() + 60
    while sum(len(sender.receipts) for sender in senders) < wanted:
        for sender in senders:
            assert sender.error is None, sender.error
        assert time.monotonic() < deadline, "no documents flow"
        time.sleep(0.005)
