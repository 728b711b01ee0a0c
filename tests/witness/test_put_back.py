"""A node and its witnesses as processes: what an attacker with all the node's disks cannot hide (F99, F102)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.demo.network import HOST, free_ports
from signing.cosignature import WitnessKey, cosignatures_of
from tests.site import HOME_AFFAIRS, OFFICE, Site, until

pytestmark = pytest.mark.faults

NAMES = ("kiemtra.example.vn/1", "thanhtra.example.vn/1")


@dataclass
class Beside:
    """A witness as its operator runs it."""

    folder: Path
    name: str
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        (self.port,) = free_ports(1)
        made = CliRunner().invoke(main, ["witness", "init", str(self.folder), "--name", self.name])
        assert made.exit_code == 0, made.output
        self.key = made.output.strip()
        assert CliRunner().invoke(main, ["witness", "init", str(self.folder), "--name", self.name]).exit_code == 2

    def start(self, log_key: Path) -> None:
        command = ["-m", "axis", "witness", "serve", str(self.folder), "--log-key", str(log_key)]
        with (self.folder / "log").open("ab") as told:
            self.process = subprocess.Popen(
                [sys.executable, *command, "--listen", f"{HOST}:{self.port}", "--json"], stdout=told, stderr=told
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def block(self) -> str:
        return f'[[witness]]\nurl = "http://{HOST}:{self.port}"\nkey = "{self.key}"\n'


@contextmanager
def witnessed(tmp_path: Path) -> Iterator[tuple[Site, list[Beside]]]:
    witnesses = [Beside(tmp_path / f"w{place}", name) for place, name in enumerate(NAMES)]
    site = Site(tmp_path / "site", endpoints="".join(one.block for one in witnesses))
    key = CliRunner().invoke(main, ["log", "key", "-c", str(site.config)])
    (tmp_path / "log.key").write_text(key.output)
    try:
        for one in witnesses:
            one.start(tmp_path / "log.key")
        yield site, witnesses
    finally:
        for process in (site.process, *(one.process for one in witnesses)):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


def cosigned(site: Site, *witnesses: Beside) -> int:
    """The size of the shown checkpoint, once all of them have cosigned it; 0 until then."""
    note = site.get("/v1/log/checkpoint", OFFICE).body.decode()
    good, bad = cosignatures_of(note, [WitnessKey.parse(one.key) for one in witnesses])
    assert not bad
    return int(note.split("\n")[1]) if len(good) == len(witnesses) else 0


def metrics(site: Site) -> str:
    with urllib.request.urlopen(f"{site.pages}/metrics") as answer:
        return str(answer.read().decode())


def page(site: Site) -> str:
    with urllib.request.urlopen(site.pages) as answer:
        return str(answer.read().decode())


def send(site: Site) -> None:
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    until("the log has it", site.log_has_all)


def doctor(site: Site) -> list[tuple[str, str]]:
    told = CliRunner().invoke(main, ["doctor", "-c", str(site.config), "--json"])
    return [(one["state"], one["told"]) for one in json.loads(told.output)["lines"] if one["what"] == "witness"]


def test_all_put_back_together_is_told_and_a_witness_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    with witnessed(tmp_path) as (site, (one, other)):
        site.start()
        send(site)
        until("both cosign", lambda: cosigned(site, one, other))
        assert f'axis_witness_trouble{{witness="{one.name}"}} 0.0' in metrics(site)
        assert site.stop() == 0
        shutil.copytree(site.folder / "data", tmp_path / "yesterday/data")
        shutil.copytree(site.folder / "checkpoints", tmp_path / "yesterday/checkpoints")

        # F102: one is killed, and the node goes on; that one comes back and goes on from what it knew.
        other.kill()
        site.start()
        send(site)
        until("one cosigns", lambda: cosigned(site, one))
        until("the other is missed", lambda: f'axis_witness_trouble{{witness="{other.name}"}} 1.0' in metrics(site))
        assert other.name in page(site)
        assert site.said("witness_lost") == 1
        other.start(tmp_path / "log.key")
        seen = until("both cosign again", lambda: cosigned(site, one, other))
        site.kill()
        assert [state for state, _ in doctor(site)] == ["ok", "ok"]
        assert site.verified().ok

        # F99: somebody puts all of it back to yesterday.
        for name in ("data", "checkpoints"):
            shutil.rmtree(site.folder / name)
            shutil.copytree(tmp_path / "yesterday" / name, site.folder / name)
        assert site.verified().ok, "nothing here says that there was more"
        assert [state for state, _ in doctor(site)] == ["fail", "fail"]
        before = (site.folder / "checkpoints/heads.jsonl").read_bytes()
        site.start(wait=False)
        assert site.process is not None
        assert site.process.wait(60) == 1
        # What the killed node had begun is still ending, and has its own last words in the same file.
        told, _ = json.JSONDecoder().raw_decode("{\n" + site.log.read_text().rpartition("\n{\n")[2])
        assert told["error"].startswith("witness-ahead: ")
        assert f"of {seen} entries" in told["error"]
        assert told["hint_vi"]
        assert (site.folder / "checkpoints/heads.jsonl").read_bytes() == before, "something was signed"

        # Somebody decides to go on: it does, and never gets another cosignature.
        command = [sys.executable, "-m", "axis", "serve", "-c", str(site.config), "--json", "--accept-rollback"]
        with site.log.open("ab") as log:
            site.process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
        site.wait_ready()
        send(site)
        assert 'axis_witness_disagrees{witness="' + one.name + '"} 1.0' in metrics(site)
        assert 'role="alert"' in page(site)
        assert cosigned(site, one) == 0


def test_a_witness_that_was_away_ends_a_running_node(tmp_path: Path) -> None:
    """It was unreachable when the node began: what it has seen is found when it is there again."""
    with witnessed(tmp_path) as (site, (one, other)):
        shutil.copytree(site.folder / "data", tmp_path / "yesterday/data")
        site.start()
        send(site)
        until("both cosign", lambda: cosigned(site, one, other))
        site.kill()
        one.kill()
        other.kill()
        shutil.rmtree(site.folder / "data")
        shutil.rmtree(site.folder / "checkpoints")
        shutil.copytree(tmp_path / "yesterday/data", site.folder / "data")
        site.start()
        one.start(tmp_path / "log.key")
        assert site.process is not None
        assert site.process.wait(60) == 1
        assert "witness-ahead" in site.log.read_text() or "witness-differs" in site.log.read_text()
