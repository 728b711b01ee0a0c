"""The power goes at any moment, between any two calls that reach the disk: what was acknowledged by then is there,
whatever became of that which was not synced."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.afterwards import as_of, wrong
from tests.faults.disk import Loss, lay_out
from tests.faults.field import HEALTH, LARGE, Field
from tests.faults.power import FOLDERS, Powered, powered
from tests.faults.tape import Player, steps
from tests.faults.test_durable import BROKEN
from tests.history.event import Event, Operation
from tests.site import HOME_AFFAIRS

pytestmark = pytest.mark.power

CUTS = int(os.environ.get("AXIS_TEST_CUTS", "60"))
"""How many moments are drawn each time, beside those in which SQLite copies its log."""
COPYING = CUTS // 4
DOCUMENTS = 50
"""So many that SQLite copies its log into the database: it does at a thousand pages."""
NEAR_INLINE = 90_000


def worked(field: Field, documents: int) -> None:
    """Documents of all sizes come, are pushed, fetched, acknowledged and reported on; enough of them, and SQLite copies
    its log into the database."""
    for number in range(documents):
        sizes = (LARGE, 500, NEAR_INLINE, NEAR_INLINE, NEAR_INLINE)
        receipt = field.submit(field.package((HOME_AFFAIRS, HEALTH), size=sizes[number % len(sizes)]))
        assert receipt is not None
        if number % 3 == 0:
            field.empty(HOME_AFFAIRS)
            field.status(HOME_AFFAIRS, receipt["document"], "03")
            field.remember_head()
    field.drain()


@dataclass(frozen=True)
class Cut:
    """The power goes before step `number`, at `moment` of the history's clock."""

    number: int
    moment: float
    copying: bool
    """SQLite copies its log into the database."""


def cuts_of(life: Powered) -> list[Cut]:
    """Where the power may go: before each call that reaches the disk, from the first receipt on."""
    shift = time.time() - time.monotonic()
    receipt = min(one.completed for one in life.field.history if one.operation is Operation.SUBMIT)
    found, player = [], Player(life.disk())
    for number, step in enumerate(steps(life.record)):
        path = player.play(step)
        if path and step.time - shift > receipt:
            found.append(Cut(number, step.time - shift, copying=path.endswith("/axis.db")))
    return found


def judged(life: Powered, cuts: list[Cut], lot: random.Random, scratch: Path) -> Iterator[tuple[Cut, list[str]]]:
    """What is wrong after each of these cuts, in the order of their time."""
    events: list[Event] = list(life.field.history)
    wanted = {cut.number: cut for cut in cuts}
    player = Player(life.disk())
    for number, step in enumerate(steps(life.record)):
        if cut := wanted.get(number):
            loss = lot.choice((Loss.ALL, Loss.SOME, Loss.TORN))
            lay_out(player.disk.after(loss, lot.randrange(1 << 32)), scratch, FOLDERS)
            yield cut, [f"{loss}: {one}" for one in wrong(scratch, life.field, as_of(events, cut.moment))]
        player.play(step)


def drawn(life: Powered) -> tuple[list[Cut], random.Random]:
    """Some cuts by lot, and some of those where SQLite copies its log. The seed is printed."""
    seed = random.SystemRandom().randrange(1 << 32)
    lot, cuts = random.Random(seed), cuts_of(life)
    copying = [cut for cut in cuts if cut.copying]
    assert copying, "SQLite did not copy its log"
    print(f"seed {seed}: {CUTS} of {len(cuts)} moments, and {COPYING} of {len(copying)} while the log is copied")
    return [*lot.sample(cuts, min(CUTS, len(cuts))), *lot.sample(copying, min(COPYING, len(copying)))], lot


def test_the_power_may_go_at_any_moment(tmp_path: Path) -> None:
    with powered(tmp_path / "life", {}) as life:
        worked(life.field, DOCUMENTS)
        life.field.site.kill()
        life.dead()
        cuts, lot = drawn(life)
        for cut, found in judged(life, cuts, lot, tmp_path / "other"):
            assert not found, f"{cut}:\n" + "\n".join(found)


def test_without_the_sync_of_a_commit_some_moments_are_red(tmp_path: Path) -> None:
    """With `synchronous=NORMAL` SQLite syncs when it copies its log: what was acknowledged since is gone."""
    with powered(tmp_path / "life", {}, mutation=BROKEN["commit"]) as life:
        worked(life.field, 6)
        life.field.site.kill()
        life.dead()
        cuts = random.Random(0).sample(cuts_of(life), 20)
        assert any(
            "NO_LEAF" in line for _, found in judged(life, cuts, random.Random(0), tmp_path / "other") for line in found
        )
