"""`axis demo` as a person runs it: the whole network, small, from the command line to the exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

DEMO = [sys.executable, "-m", "axis", "demo"]
pytestmark = pytest.mark.slow


def _environment(temporary: Path) -> dict[str, str]:
    """A temporary folder of our own, so that what is left behind can be seen."""
    return {**os.environ, "TMPDIR": str(temporary)}


def _processes(mark: Path) -> list[str]:
    """Command lines of running processes that mention the demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(mark) in line and "axis" in line:
            found.append(line)
    return found


@pytest.mark.faults
def test_the_whole_network_small(tmp_path: Path) -> None:
    """One run for all the promises, because a network takes a while to come up: six documents, thirteen deliveries."""
    done = subprocess.run(
        [*DEMO, "--json", "--documents", "6"],
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert result["differences"] == []
    assert result["ok"]
    assert done.returncode == 0
    _the_axes_have_exactly_what_the_receivers_told(result)
    _four_bad_packages_were_refused_for_four_reasons(result)
    _both_signature_logs_verify_and_tell_of_the_refusals(result)
    assert list(tmp_path.iterdir()) == [], "a folder is left behind"
    assert _processes(tmp_path) == [], "a process is left behind"


def _the_axes_have_exactly_what_the_receivers_told(result: dict[str, Any]) -> None:
    """Compared here again from the data, so that a comparison which always says yes would not pass."""
    assert result["equal"]
    assert len(result["rows"]) == 13
    assert {row["compared_at"] for row in result["rows"]} == {"quoc-gia", "tinh", "huyen"}
    for row in result["rows"]:
        told = {(fact["code"], fact["at"]) for fact in row["told"]}
        assert told == {(fact["code"], fact["at"]) for fact in row["seen"]}
        assert {code for code, _ in told} in ({"01", "02"}, {"01", "03", "04", "05", "06"})
        assert row["intact"]
    assert sum(len(row["told"]) for row in result["rows"]) == result["statuses"]["expected"]


def _four_bad_packages_were_refused_for_four_reasons(result: dict[str, Any]) -> None:
    assert {refusal["flaw"]: refusal["reason"] for refusal in result["refusals"]} == {
        "changed": "sig-digest",
        "revoked": "cert-revoked",
        "impostor": "cert-agency-mismatch",
        "wrapped": "sig-coverage",
    }
    assert all(refusal["delivered_to"] == [] for refusal in result["refusals"])


def _both_signature_logs_verify_and_tell_of_the_refusals(result: dict[str, Any]) -> None:
    logs = result["logs"]
    assert set(logs) == {"tinh", "huyen"}
    assert all(log["ok"] for log in logs.values())
    assert sum(log["kinds"]["refused"] for log in logs.values()) == 4


@pytest.mark.faults
def test_a_demo_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM while the network is up: exit code 3, no process, no folder."""
    demo = subprocess.Popen(
        [*DEMO, "--documents", "3"],
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "Khởi động" in line:
            break
    demo.send_signal(signal.SIGTERM)
    rest = demo.communicate(timeout=30)[0]
    assert demo.returncode == 3, rest
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 5
    while _processes(tmp_path) and time.monotonic() < deadline:
        os.sched_yield()
    assert _processes(tmp_path) == []


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = subprocess.run([*DEMO, "--keep", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
