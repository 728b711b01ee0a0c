"""Defences whose faults are shown by tests that stand elsewhere: without the defence, that test is red."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.faults.broken_process import SHOWN
from tests.faults.row import Broken
from tests.mutations.run import Copy

pytestmark = pytest.mark.mutations


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("shown"))
    yield made
    made.close()


@pytest.mark.parametrize(("test", "broken"), SHOWN, ids=lambda one: one.point if isinstance(one, Broken) else "")
def test_without_its_defence_it_shows(test: str, broken: Broken, copy: Copy) -> None:
    with copy.mutated(broken.mutation):
        run = copy.run([test])
    assert set(run.said.values()) - {"passed"}, f"green without: {broken.mutation.defence}\n{run.output}"
    assert re.search(broken.says, run.output), run.output
