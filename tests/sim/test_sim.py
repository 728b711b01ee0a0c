"""A seed is good, and the same each time; with a fault planted into the product some seed is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.field import INSIDE, ROOT, edits_of
from tests.sim.broken import PLANTED, Planted

SEEDS = 24
"""A planted fault must be seen within so many seeds."""


def simulated(folder: Path, *arguments: str, planted: Planted | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m tests.sim` in a process of its own, with another source of the product where a fault is planted."""
    plan = {"places": {}, "edits": edits_of(planted.mutation if planted else None)}
    (folder / "plan.json").write_text(json.dumps(plan))
    inside = {"PYTHONPATH": os.pathsep.join((str(INSIDE), str(ROOT))), "AXIS_TEST_INSIDE": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "tests.sim", "--jobs", "1", *arguments],
        cwd=ROOT,
        env={**os.environ, **inside, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.faults
def test_a_seed_comes_out_the_same_each_time(tmp_path: Path) -> None:
    """Within one process, and in another one."""
    first, second = (simulated(tmp_path, "--seed", "7") for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout == second.stdout
    told = json.loads(first.stdout.splitlines()[-1])
    assert told["ends"] > 0, "no process ended"
    assert told["digest"] != json.loads(simulated(tmp_path, "--seed", "8").stdout.splitlines()[-1])["digest"]


@pytest.mark.faults
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_turns_a_seed_red(name: str, tmp_path: Path) -> None:
    planted = PLANTED[name]
    done = simulated(tmp_path, "--first", "1", "--seeds", str(SEEDS), planted=planted)
    assert done.returncode == 1, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert any(re.search(planted.says, line) for line in found), found
    assert re.search(r"again: make test-sim SEED=\d+", done.stdout)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_stands_where_the_table_says(name: str) -> None:
    for edit in PLANTED[name].mutation.edits:
        assert edit.applied((ROOT / edit.file).read_text(encoding="utf-8"))
