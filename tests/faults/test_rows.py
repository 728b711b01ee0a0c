"""The table of faults names tests that exist, and the page is what the table says."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.faults.broken import BY_FAULT, MUTATIONS, ONLY_MUTATED, Broken
from tests.faults.broken_process import SHOWN
from tests.faults.field import edits_of
from tests.faults.page import COMMAND, PAGE, text
from tests.faults.points import POINTS
from tests.faults.rows import ROWS, SWEEP, Row
from tests.faults.test_durable import BROKEN
from tests.mutations.edit import Mutation

ROOT = Path(__file__).parents[2]


@cache
def functions_of(file: str) -> frozenset[str]:
    found = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    return frozenset(one.name for one in found if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_shown_by_tests_or_says_why_not(row: Row) -> None:
    assert row.tests or row.note
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in functions_of(file)


def test_the_sweep_exists() -> None:
    file, _, name = SWEEP.partition("::")
    assert name in functions_of(file)


@pytest.mark.faults
def test_what_shows_that_a_defence_is_missing_is_there() -> None:
    """With its parameters: such a test is run on a copy of the tree alone, and seldom."""
    wanted = {test for test, _ in SHOWN}
    files = sorted({test.partition("::")[0] for test in wanted})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-n0", "-p", "no:cacheprovider", *files]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = set(told.splitlines())
    assert {one for one in wanted if not any(name == one or name.startswith(f"{one}[") for name in found)} == set()


def test_the_page_is_what_the_table_says() -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert written == text(), f"docs/faults.md is stale: run `{COMMAND}` and read the diff"


def test_every_point_stands_once() -> None:
    names = [(point.id, point.only) for point in POINTS]
    assert len(set(names)) == len(names)
    assert {broken.point for broken in MUTATIONS} <= {point.id for point in (*POINTS, *ONLY_MUTATED)}


def test_every_fault_with_a_mutation_has_a_row() -> None:
    assert BY_FAULT.keys() <= {row.id for row in ROWS}
    assert all(broken.point == fault for fault, found in BY_FAULT.items() for broken in found)


ALL = (*MUTATIONS, *(broken for found in BY_FAULT.values() for broken in found))


@pytest.mark.parametrize("broken", ALL, ids=lambda broken: f"{broken.point}: {broken.mutation.defence}")
def test_a_defence_stands_where_the_table_says(broken: Broken) -> None:
    stands(broken.mutation)


@pytest.mark.parametrize("mutation", BROKEN.values(), ids=BROKEN)
def test_a_sync_stands_where_the_table_says(mutation: Mutation) -> None:
    stands(mutation)


def stands(mutation: Mutation) -> None:
    for edit in mutation.edits:
        assert edit.applied((ROOT / edit.file).read_text(encoding="utf-8"))
    assert edits_of(mutation)
