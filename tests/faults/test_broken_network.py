"""Each row of `rows_network` that is shown by tests turns red without what holds in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.faults.broken_network import BY_FAULT, FOUND
from tests.faults.row import Broken
from tests.faults.rows_network import ROWS
from tests.mutations.run import Copy


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


def test_every_row_with_tests_has_a_defence_that_can_be_taken_away() -> None:
    assert BY_FAULT.keys() == {row.id for row in ROWS if row.tests}


@pytest.mark.mutations
@pytest.mark.parametrize("broken", FOUND, ids=lambda broken: f"{broken.point}: {broken.mutation.defence}")
def test_without_its_defence_the_row_is_red(broken: Broken, copy: Copy) -> None:
    (row,) = [row for row in ROWS if row.id == broken.point]
    with copy.mutated(broken.mutation):
        run = copy.run(row.tests)
    assert set(run.said.values()) - {"passed"}, f"green without: {broken.mutation.defence}\n{run.output}"
    assert re.search(broken.says, run.output), run.output
