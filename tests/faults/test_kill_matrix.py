"""SIGKILL at each named point, on both databases; then nothing is lost, doubled, altered or unlogged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.broken import MUTATIONS, ONLY_MUTATED, Broken
from tests.faults.field import Field, field_of
from tests.faults.points import PLACES, POINTS, Point, endures
from tests.postgres import Server

pytestmark = pytest.mark.faults

CASES = [
    pytest.param(database, point, id=f"{database}-{point.id}")
    for database in ("sqlite", "postgres")
    for point in POINTS
    if point.only in ("", database)
]


@pytest.fixture(scope="module")
def fields(postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Field]]:
    """A running node on each database; every case leaves it running."""
    sqlite, shared = tmp_path_factory.mktemp("sqlite"), tmp_path_factory.mktemp("postgres")
    with field_of(sqlite, PLACES) as one, field_of(shared, PLACES, store=postgres.database(template)) as other:
        yield {"sqlite": one, "postgres": other}


@pytest.mark.parametrize(("database", "point"), CASES)
def test_a_node_that_ends_here_keeps_its_promise(database: str, point: Point, fields: dict[str, Field]) -> None:
    field = fields[database]
    if not field.site.running:  # the case before this one has failed
        field.site.start()
    endures(field, point)


@pytest.mark.parametrize("broken", MUTATIONS, ids=lambda broken: broken.point)
def test_without_its_defence_the_point_is_red(broken: Broken, tmp_path: Path) -> None:
    point = next(one for one in (*POINTS, *ONLY_MUTATED) if one.id == broken.point)
    with field_of(tmp_path, PLACES, mutation=broken.mutation) as field:
        field.patience_s = 12.0
        with pytest.raises(AssertionError, match=broken.says):
            endures(field, point)
