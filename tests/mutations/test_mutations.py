"""Each defence, switched off, turns red every line of the refusal table that names it; of a shortcut, some test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mutations import table_shortcut
from tests.mutations.run import Copy, cases_of, red
from tests.mutations.table import MUTATIONS
from tests.refusals.catalogue import ROWS

pytestmark = pytest.mark.mutations


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("mutations"))
    yield made
    made.close()


def test_with_every_defence_in_place_every_line_is_green(copy: Copy) -> None:
    """Else what follows would prove nothing."""
    wanted = {test for row in ROWS.values() for test in (*cases_of(row), *row.tests)}
    run = copy.run(wanted.union(table_shortcut.TESTS))
    assert {node: said for node, said in run.said.items() if said != "passed"} == {}, run.output
    assert run.collected >= len(wanted)


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_its_defence_the_line_is_red(name: str, copy: Copy) -> None:
    rows = [row for row in ROWS.values() if name in row.defences and (row.cases or row.tests)]
    assert rows, "no line shows this defence by itself"
    with copy.mutated(MUTATIONS[name]):
        run = copy.run(case for row in rows for case in cases_of(row)) if any(row.cases for row in rows) else None
        green = [row for row in rows if run is None or not red(run, cases_of(row))]
        # Tests that stand elsewhere take longer: they are asked only where the cases say nothing.
        if tests := [test for row in green for test in row.tests]:
            more = copy.run(tests)
            green = [row for row in green if not red(more, row.tests)]
            output = more.output
        else:
            output = "" if run is None else run.output
    assert [row.id for row in green] == [], f"green without {MUTATIONS[name].defence}\n{output}"


@pytest.mark.parametrize("name", table_shortcut.MUTATIONS)
def test_without_its_condition_a_shortcut_is_found_out(name: str, copy: Copy) -> None:
    with copy.mutated(table_shortcut.MUTATIONS[name]):
        run = copy.run(table_shortcut.TESTS, until_red=True)
    assert "asserted" in run.said.values(), f"green without: {table_shortcut.MUTATIONS[name].defence}\n{run.output}"
