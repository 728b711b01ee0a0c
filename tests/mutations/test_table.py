"""The table of mutations fits the source: it cannot rot."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations.edit import Edit
from tests.mutations.table import MUTATIONS
from tests.mutations.table_shortcut import MUTATIONS as SHORTCUT

ROOT = Path(__file__).parents[2]
EVERY = {**MUTATIONS, **SHORTCUT}


@pytest.mark.parametrize("name", EVERY)
def test_the_text_of_a_mutation_stands_once_in_its_file_and_what_comes_of_it_is_python(name: str) -> None:
    sources: dict[str, str] = {}
    for edit in EVERY[name].edits:
        before = sources.get(edit.file) or (ROOT / edit.file).read_text(encoding="utf-8")
        sources[edit.file] = edit.applied(before)
        assert sources[edit.file] != before
    for source in sources.values():
        ast.parse(source)


def test_a_text_that_is_gone_or_stands_twice_is_found_out() -> None:
    edit = Edit("a.py", "x = 1", "x = 2")
    assert edit.applied("x = 1\n") == "x = 2\n"
    for source in ("x = 3\n", "x = 1\nx = 1\n"):
        with pytest.raises(AssertionError, match="times"):
            edit.applied(source)
