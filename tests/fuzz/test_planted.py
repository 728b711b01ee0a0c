"""What asks a node everything is itself held to account: a defect is planted, and must be found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.mutations.edit import Mutation, off
from tests.mutations.run import Copy

pytestmark = pytest.mark.fuzz

ASKED: Final = "tests/fuzz/test_api.py::test_a_node_keeps_to_its_description"
PLANTED: Final[dict[Mutation, str]] = {
    off(
        "a number in a query is one",
        "axis/web/api.py",
        (" or not all(map(NUMBER.fullmatch, query.values()))", ""),
    ): r"GET /v1/inbox(?s:.*)Server error",
    off(
        "a refusal is a problem by its type",
        "axis/web/problem_json.py",
        ('"Content-Type": "application/problem+json"', '"Content-Type": "application/json"'),
    ): "Undocumented Content-Type",
}


@pytest.mark.parametrize("mutation", PLANTED, ids=lambda one: one.defence)
def test_a_planted_defect_is_found(mutation: Mutation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZ_SECONDS", "15")
    copy = Copy(tmp_path)
    try:
        with copy.mutated(mutation):
            run = copy.run([ASKED])
    finally:
        copy.close()
    assert run.said[ASKED] != "passed", f"not found without: {mutation.defence}\n{run.output}"
    assert re.search(PLANTED[mutation], run.output), run.output
