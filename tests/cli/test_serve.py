"""What `axis serve` says when it cannot start: one line and a hint, never a traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.config import load_file
from axis.demo.network import free_ports
from axis.log.files import LogFolder
from axis.process import files_needed
from axis.sql.engine import InstanceLock
from signing.keys import generate_ed25519, generate_p256, private_pem, public_pem
from tests.site import HOME_AFFAIRS, OFFICE, Site, until


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "node"
    assert CliRunner().invoke(main, ["init", str(folder)]).exit_code == 0
    config = folder / "axis.toml"
    text = config.read_text()
    port, operator = free_ports(2)
    config.write_text(text.replace(":8443", f":{port}").replace(":9443", f":{operator}"))
    return folder


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "node"))


def serve(node: Path, *under: str) -> subprocess.CompletedProcess[str]:
    command = [*under, sys.executable, "-m", "axis", "serve", "-c", str(node / "axis.toml")]
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def test_who_asks_for_files_to_be_read_again_does_not_end_a_node_that_starts(tmp_path: Path) -> None:
    """A service manager takes death by SIGHUP for an orderly stop, and starts nothing anew."""
    config = tmp_path / "axis.toml"
    os.mkfifo(config)
    with subprocess.Popen(
        [sys.executable, "-m", "axis", "serve", "-c", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as starting:
        with config.open("wb") as asked:  # it waits for its configuration
            starting.send_signal(signal.SIGHUP)
            time.sleep(0.1)
            asked.write(b"junk\n")
        told, _ = starting.communicate(timeout=60)
    assert starting.returncode == 2, told


JUNK: dict[str, bytes] = {
    "no key": b"junk\n",
    "a key of another kind": private_pem(generate_p256()),
    "a key under a password": private_pem(generate_ed25519(), b"secret"),
    "its public half": public_pem(generate_ed25519().public_key()),
    "a key that is cut off": private_pem(generate_ed25519())[:60] + b"\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize(("key", "name"), [("receipts", "receipt"), ("log", "log")])
def test_a_signing_key_that_is_none_is_a_fault_with_its_place(key: str, name: str, junk: str, node: Path) -> None:
    (node / "keys" / f"{name}.pem").write_bytes(JUNK[junk])
    result = CliRunner().invoke(main, ["check", "-c", str(node / "axis.toml"), "--json"])
    assert result.exit_code == 1
    (fault,) = json.loads(result.stdout)["faults"]
    line = (node / "axis.toml").read_text().splitlines()[fault["line"] - 1]
    assert (fault["key"], line) == (f"keys.{key}", f'{key} = "keys/{name}.pem"')
    assert fault["reason"] == "is not an Ed25519 private key in PEM, without a password"
    assert fault["hint"]


def test_a_key_in_a_token_is_not_looked_for_among_the_files(node: Path) -> None:
    config = node / "axis.toml"
    config.write_text(config.read_text().replace('"keys/receipt.pem"', '"hsm:axis-receipts"'))
    told: Any = json.loads(CliRunner().invoke(main, ["check", "-c", str(config), "--json"]).stdout)
    assert not any("Ed25519" in fault["reason"] for fault in told["faults"])


@pytest.mark.slow
def test_serve_says_in_a_line_that_a_key_cannot_be_used(node: Path) -> None:
    (node / "keys" / "receipt.pem").write_text("junk\n")
    done = serve(node)
    assert done.returncode == 2
    assert "keys.receipts: is not an Ed25519 private key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("held", ["store", "log"])
def test_serve_beside_a_running_daemon_says_that_there_is_one(held: str, node: Path) -> None:
    if held == "store":
        lock = InstanceLock(node / "data" / "axis.db")
        release = lock.release
    else:
        folder = LogFolder(node / "data" / "log")
        folder.lock()
        release = folder.unlock
    try:
        done = serve(node)
    finally:
        release()
    assert done.returncode == 1
    assert f"hint: a daemon is already running on this store ({node / 'data'})" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_default_node_needs_no_more_files_than_older_systems_allow(made: Path) -> None:
    assert files_needed(load_file(made / "axis.toml")) < 4_096


def limited(files: int) -> list[str]:
    """What a command is run under, so that it may have so many files open and no more."""
    return ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]


@pytest.mark.slow
@pytest.mark.faults
def test_serve_does_not_start_where_too_few_files_may_be_open(node: Path) -> None:
    """And says what to do; so does `axis doctor` from there."""
    done = serve(node, *limited(1_000))
    assert done.returncode == 1
    assert re.search(r"limits.connections = 2000 needs \d+ open files, and this process may have 1000", done.stderr)
    assert re.search(r"hint: LimitNOFILE=\d+ in the unit .*, or a smaller limits.connections", done.stderr)
    assert "Traceback" not in done.stderr
    command = [*limited(1_000), sys.executable, "-m", "axis", "doctor", "-c", str(node / "axis.toml"), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout)
    (line,) = [one for one in told["lines"] if one["what"] == "open files"]
    assert line["state"] == "warn"
    assert "LimitNOFILE=" in line["remedy"]


@pytest.mark.slow
@pytest.mark.faults
def test_what_a_running_node_ends_of_is_said_in_lines(tmp_path: Path) -> None:
    """The history of heads was put away under it: one event has all of it, and the last word is that of any command."""
    site = Site(tmp_path)
    site.start()
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    until("the log has it", site.log_has_all)
    (tmp_path / "checkpoints" / "heads.jsonl").rename(tmp_path / "aside")
    site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    assert site.process is not None
    assert site.process.wait(30) == 1
    lines, _, last = site.log.read_text().partition("\n{\n")
    broke = next(one for one in map(json.loads, lines.splitlines()) if one["event"] == "node_broke")
    assert "moved or removed" in broke["exception"]
    assert "moved or removed" in json.loads("{" + last)["error"]
    (tmp_path / "aside").rename(tmp_path / "checkpoints" / "heads.jsonl")
    site.start()
    until("the log has all", site.log_has_all)
    assert site.stop() == 0
    site.audit()
