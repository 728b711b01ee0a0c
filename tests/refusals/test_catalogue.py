"""The refusal table is whole, what it names exists, and the page says the same."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutations.table import MUTATIONS
from tests.refusals.catalogue import ALL, CASES, ROWS
from tests.refusals.page import PAGE, text
from tests.refusals.row import NUMBERS

ROOT = Path(__file__).parents[2]


def test_every_line_of_both_lists_has_its_row_and_no_row_is_there_twice() -> None:
    assert len(NUMBERS) == 63 + 42 + 54 + 32
    assert [row.id for row in ALL if Counter(one.id for one in ALL)[row.id] > 1] == []
    assert tuple(ROWS) == NUMBERS


def test_every_line_is_shown_by_something() -> None:
    """By cases of its own, by tests elsewhere, or by the cases of another line."""
    empty = [row.id for row in ROWS.values() if not row.cases and not row.tests and not row.same]
    assert empty == []
    led = {other for row in ROWS.values() for other in row.same}
    assert [other for other in led if not (ROWS[other].cases or ROWS[other].tests)] == []


def test_no_case_is_named_twice() -> None:
    assert sum(len(row.cases) for row in ROWS.values()) == len(CASES)


def test_every_line_names_its_defences_and_every_defence_can_be_switched_off() -> None:
    named = {defence for row in ROWS.values() for defence in row.defences}
    assert [row.id for row in ROWS.values() if not row.defences] == []
    assert sorted(named - MUTATIONS.keys()) == []
    assert sorted(MUTATIONS.keys() - named) == [], "nothing needs it"


@pytest.mark.faults
def test_the_tests_that_show_a_line_are_collected() -> None:
    wanted = sorted({test for row in ROWS.values() for test in row.tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-n0", "-p", "no:cacheprovider", *wanted]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = [line for line in done.stdout.splitlines() if "::" in line]
    missing = [test for test in wanted if not any(line == test or line.startswith(f"{test}[") for line in found)]
    assert missing == []


def test_the_page_says_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "docs/refusals.md is stale: run `python -m tests.refusals.page`"
