"""Looking and backing up beside a real node that works; then the node is lost, and comes back from what there is."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, until

pytestmark = pytest.mark.faults

ROUNDS = 2
LARGE = 200_000


class Sender(threading.Thread):
    """One document after the other, each third of them in a file, with a pause: the machine is not what is tested."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.site, self.stop = site, threading.Event()
        self.receipts: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stop.wait(0.1):
                size = LARGE if len(self.receipts) % 3 == 0 else 500
                octets = bytes([len(self.receipts) % 251]) * size
                receipt = self.site.take(self.site.package(OFFICE, [HOME_AFFAIRS, FINANCE], [octets]), OFFICE)
                self.receipts.append(receipt["document"])
        except BaseException as error:
            self.error = error

    def flows(self) -> None:
        before = len(self.receipts)
        until("documents flow", lambda: self.error or len(self.receipts) > before + 2)
        assert self.error is None, self.error


def axis(*arguments: str | Path) -> tuple[int, Any]:
    command = [sys.executable, "-m", "axis", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    return done.returncode, json.loads(done.stdout)


def test_a_working_node_is_looked_at_backed_up_lost_and_restored(tmp_path: Path) -> None:
    site = Site(tmp_path / "node")
    site.start()
    sender = Sender(site)
    try:
        sender.start()
        for number in range(ROUNDS):
            sender.flows()
            code, looked = axis("fsck", "--deep", "-c", site.config)
            assert (code, looked["ok"]) == (0, True), looked
            code, taken = axis("backup", tmp_path / f"backup-{number}", "-c", site.config)
            assert code == 0, taken
        sender.flows()
        sender.stop.set()
        sender.join(30)
        assert (sender.is_alive(), sender.error) == (False, None)
    finally:
        sender.stop.set()
        site.kill()

    lost = site.folder / "lost"
    (site.folder / "data").rename(lost)
    code, told = axis("restore", tmp_path / "backup-0", "-c", site.config, "--log", lost / "log", "--accept-loss")
    assert code == 0, told
    kept = {ref for (ref,) in site.rows("SELECT ref FROM document")}
    named = {one["ref"] for one in told["lost_documents"]}
    assert kept
    assert named
    # Each receipt is a document again, or is named as lost; but for the last second, which had no place in the log yet.
    assert set(sender.receipts[:-10]) <= kept | named
    assert kept.isdisjoint(named)
    site.start()
    receipt = site.take(site.package(FINANCE, [OFFICE]), FINANCE)
    site.receive(OFFICE, receipt["document"])
    assert site.stop() == 0
    site.audit()
    code, looked = axis("fsck", "--deep", "-c", site.config)
    assert (code, looked["counts"]) == (0, {"entries-lost": told["lost_entries"]})
