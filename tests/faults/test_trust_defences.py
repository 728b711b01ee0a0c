"""Without its defence each of F64 to F77 turns red: the product is copied, and its tests run on the copy."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.faults.broken_trust import BY_FAULT, Off
from tests.mutations.run import Copy

pytestmark = pytest.mark.mutations

EVERY = [pytest.param(one, id=f"{fault}: {one.mutation.defence}") for fault, found in BY_FAULT.items() for one in found]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("trust"))
    yield made
    made.close()


def test_with_every_defence_in_place_they_are_green(copy: Copy) -> None:
    """Else what follows would prove nothing."""
    wanted = {test for found in BY_FAULT.values() for one in found for test in one.tests}
    run = copy.run(wanted)
    assert {node: said for node, said in run.said.items() if said != "passed"} == {}, run.output
    assert run.collected >= len(wanted)


@pytest.mark.parametrize("one", EVERY)
def test_without_its_defence_it_shows(one: Off, copy: Copy) -> None:
    with copy.mutated(one.mutation):
        run = copy.run(one.tests)
    assert "asserted" in run.said.values(), f"green without: {one.mutation.defence}\n{run.output}"
    assert re.search(one.says, run.output), run.output
