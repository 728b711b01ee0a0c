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
from tests.mutations.edit import Mutation
from tests.sim.broken import HALVES, PLANTED

SEEDS = 24
"""A planted fault must be seen within so many seeds."""
HALF = 6
"""So many seeds are good without one of two defences: among them are those that are red without both."""
RED = "fence"
"""The plant whose red seed is run again."""


def simulated(folder: Path, *arguments: str, planted: Mutation | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m tests.sim` in a process of its own, with another source of the product where a fault is planted."""
    plan = {"places": {}, "edits": edits_of(planted)}
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
    done = simulated(tmp_path, "--first", "1", "--seeds", str(SEEDS), planted=planted.mutation)
    assert done.returncode == 1, done.stdout + done.stderr
    found = wrong(done.stdout)
    assert any(re.search(planted.says, line) for line in found), found
    assert re.search(r"again: make test-sim SEED=\d+", done.stdout)


@pytest.mark.faults
def test_a_red_seed_is_red_in_the_same_way_when_it_is_run_again(tmp_path: Path) -> None:
    """Among processes that stood still past their leases, and threads that were stopped at a call."""
    mutation = PLANTED[RED].mutation
    found = simulated(tmp_path, "--first", "1", "--seeds", str(SEEDS), planted=mutation).stdout
    seed = re.findall(r"again: make test-sim SEED=(\d+)", found)[0]
    again = simulated(tmp_path, "--seed", seed, planted=mutation).stdout
    assert "stands still for" in again
    assert wrong(again)
    assert again in found, "the same story, the same faults, the same digest"


@pytest.mark.faults
@pytest.mark.parametrize("name", HALVES)
def test_without_one_of_two_defences_no_seed_is_red(name: str, tmp_path: Path) -> None:
    half = HALVES[name]
    done = simulated(tmp_path, "--first", "1", "--seeds", str(HALF), planted=half.mutation)
    assert done.returncode == 0, f"{half.other} did not hold: {done.stdout}{done.stderr}"
    both = simulated(tmp_path, "--first", "1", "--seeds", str(HALF), planted=PLANTED[half.whole].mutation)
    assert wrong(both.stdout)


def wrong(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("WRONG")]


@pytest.mark.parametrize(
    "mutation", [one.mutation for one in (*PLANTED.values(), *HALVES.values())], ids=[*PLANTED, *HALVES]
)
def test_a_planted_fault_stands_where_the_table_says(mutation: Mutation) -> None:
    for edit in mutation.edits:
        assert edit.applied((ROOT / edit.file).read_text(encoding="utf-8"))
