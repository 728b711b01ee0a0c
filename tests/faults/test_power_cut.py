"""The power goes at each point of the kill matrix: what was not synced is lost, wholly, in part or torn; the promise
holds."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.broken import ONLY_MUTATED
from tests.faults.disk import Loss, lay_out
from tests.faults.points import PLACES, POINTS, Point, at_commit, goes_on
from tests.faults.power import FOLDERS, Powered, powered
from tests.faults.test_durable import BROKEN
from tests.postgres import Server

pytestmark = pytest.mark.power

# Where strace ends the node, it cannot record it too: `K11-before` and any moment of the long record are in its place.
CUT = tuple(one for one in (*POINTS, *ONLY_MUTATED) if one.act is not at_commit)
FILES = ("K03", "K04", "K05", "K07", "K12-large", "K15a", "K16", "K17", "K18", "K19", "K19a", "K19b")
"""Where a node on PostgreSQL, whose rows are the server's business, has begun to write files of its own."""
CASES = [pytest.param("sqlite", one, id=f"sqlite-{one.id}") for one in CUT if one.only != "postgres"]
CASES += [pytest.param("postgres", one, id=f"postgres-{one.id}") for one in CUT if one.id in FILES]
CHANCES = 4
"""How many other outcomes of the same cut are looked at."""


def loses_power(life: Powered, point: Point, scratch: Path) -> None:
    """As `endures`, but what the node had not synced is lost: wholly, for the node that is started again, and in some
    other ways, which are judged beside it."""
    field = life.field
    field.quiet()
    package = point.act(field)
    field.dies()
    disk = life.dead()
    if not field.site.store:
        for chance in range(CHANCES):
            loss, seed = (Loss.SOME, Loss.TORN)[chance % 2], random.SystemRandom().randrange(1 << 32)
            found = life.left(disk, loss, seed, scratch)
            assert not found, f"{loss} by seed {seed}:\n" + "\n".join(found)
    lay_out(disk.after(Loss.ALL, 0), field.site.folder, FOLDERS)
    life.start()
    goes_on(field, point, package)


@pytest.fixture(scope="module")
def lives(postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Powered]]:
    sqlite, shared = tmp_path_factory.mktemp("sqlite"), tmp_path_factory.mktemp("postgres")
    with powered(sqlite, PLACES) as one, powered(shared, PLACES, store=postgres.database(template)) as other:
        yield {"sqlite": one, "postgres": other}


@pytest.mark.parametrize(("database", "point"), CASES)
def test_a_node_that_loses_its_power_here_keeps_its_promise(
    database: str, point: Point, lives: dict[str, Powered], tmp_path: Path
) -> None:
    life = lives[database]
    if not life.field.site.running:  # the case before this one has failed
        life.start()
    loses_power(life, point, tmp_path / "other")


SHOWN_AT = {
    "octets": ("K12-large", "octets"),
    "folder": ("K12-large", "payload-missing"),
    "commit": ("K14", "store-behind|store-differs|NO_LEAF"),
    "log": ("K19b", "folder"),
    "log folder": ("K19b", "folder"),
    "head": ("K19b", "heads|ahead"),
}
"""Where the loss of each sync that `test_durable` leaves out is seen, and what is said."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_sync_that_is_left_out_loses_something(name: str, tmp_path: Path) -> None:
    id_, says = SHOWN_AT[name]
    point = next(one for one in CUT if one.id == id_)
    with powered(tmp_path / "life", PLACES, mutation=BROKEN[name]) as life:
        point.act(life.field)
        life.field.dies()
        found = life.left(life.dead(), Loss.ALL, 0, tmp_path / "other")
    assert re.search(says, "\n".join(found)), found
