"""A process that stands still just where it keeps the others of its node out of the store of heads."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.test_processes import insist
from tests.faults.trace import following
from tests.site import HOME_AFFAIRS, OFFICE, Site, started, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

TURN, HISTORY, SHOWN = "checkpoints/turn", "checkpoints/heads.jsonl", "data/log/checkpoint"


@pytest.fixture
def nodes(postgres_store: str, tmp_path: Path) -> Iterator[list[Site]]:
    first = Site(tmp_path, store=postgres_store, instance="n0")
    members = [first, first.beside("n1")]
    with started(*members):
        yield members


def writes_the_log(nodes: list[Site]) -> Site:
    (text,) = nodes[0].rows("SELECT value FROM meta WHERE name = 'log_lease'")[0]
    return next(node for node in nodes if node.instance == json.loads(text)["holder"])


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def size(nodes: list[Site]) -> int:
    return int(nodes[0].rows("SELECT coalesce(max(log_index), -1) + 1 FROM log_intent")[0][0])


@pytest.mark.parametrize(
    ("call", "file"),
    [
        pytest.param("flock", TURN, id="before it looks whether it is fenced off"),
        pytest.param("lseek", HISTORY, id="before it appends a head"),
        pytest.param("write", HISTORY, id="when it has appended a head that is on no disk"),
        pytest.param("rename", f"{SHOWN}.{{}}.new", id="when it has shown a head"),  # strace looks at the first path
    ],
)
def test_who_stands_still_in_its_turn_is_passed_over_and_changes_nothing_when_it_goes_on(
    nodes: list[Site], tmp_path: Path, call: str, file: str
) -> None:
    """F38. Stopped by the kernel at a call on a file; `tests/unit/log/test_turn.py` stops at each line."""
    packages = iter([nodes[0].package(OFFICE, [HOME_AFFAIRS], [os.urandom(100)]) for _ in range(4)])
    insist(nodes, next(packages), OFFICE)
    until("the log has begun", nodes[0].log_has_all)
    victim = writes_the_log(nodes)
    other = next(node for node in nodes if node is not victim)
    assert victim.process is not None
    pid = victim.process.pid
    what = ("-P", str(tmp_path / file.format(victim.instance)), "-e", f"inject={call}:signal=SIGSTOP:when=1")
    with following(pid, tmp_path / "trace", call, *what) as record:
        insist([other], next(packages), OFFICE)
        until("it is stopped", lambda: "stopped by SIGSTOP" in record.read_text(errors="replace"))
    until("it stands still, followed by nobody", lambda: stands_still(pid))
    there = size(nodes)
    insist([other], next(packages), OFFICE)
    until("the log grows without it", lambda: size(nodes) > there)
    until("and shows it", nodes[0].log_has_all)
    shown = (tmp_path / SHOWN).read_bytes()
    os.kill(pid, signal.SIGCONT)
    until("it sees that the log is another's", lambda: victim.said("log_lease_lost"))
    assert (tmp_path / SHOWN).read_bytes() == shown
    insist([victim], next(packages), OFFICE)
    until("everything is in the log", nodes[0].log_has_all)
    assert [node.stop() for node in nodes] == [0, 0]
    for node in nodes:
        node.audit()
