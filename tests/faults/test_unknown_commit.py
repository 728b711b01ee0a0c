"""COMMIT has been sent, or is about to be, and nobody hears what came of it: each kind of transaction that a running
node makes, in each way in which the line to its server can break there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.faults.broken_commit import UNHEARD
from tests.faults.field import HEALTH, Field, field_of
from tests.faults.row import Broken
from tests.faults.snip import Snip, Way
from tests.faults.test_database import asked
from tests.mutations.edit import Mutation
from tests.postgres import Server
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

MOVED: Final = b"UPDATE delivery SET due_at=coalesce"
REPORT: Final = b"INSERT INTO status_report "
KINDS: Final = {
    "a document is taken": (b"INSERT INTO document ",),
    "deliveries are claimed": (b"\nUPDATE delivery SET state = 'leased'",),
    "a round of the log is marked": (b"\nUPDATE log_intent SET log_index",),
    "a round of the log is planned, or its lease renewed": (b"UPDATE meta SET value=",),
    "a document is handed over": (MOVED, REPORT),
    "something else is handed over": (MOVED,),
    "a status is told": (REPORT,),
}
LONGEST_S: Final = 60.0


@contextmanager
def snipped(postgres: Server, template: str, folder: Path, broken: Mutation | None = None) -> Iterator[Field]:
    """A node in traffic whose line broke in each of these ways; nothing breaks any more."""
    name = asked(postgres.database(template), "SELECT current_database()")
    with (
        Snip(postgres.folder / ".s.PGSQL.5432", KINDS) as line,
        field_of(folder, {}, store=line.url(name), mutation=broken) as field,
    ):
        field.patience_s = LONGEST_S if broken is None else 10
        deadline = time.monotonic() + LONGEST_S
        while line.left and time.monotonic() < deadline:
            traffic(field)
        line.breaks = False
        assert not line.left, f"the fault never fired: {line.left}"
        assert set(line.fired.values()) == {1}
        assert len(line.fired) == len(KINDS) * len(Way)
        yield field


def traffic(field: Field) -> None:
    """Everything that agencies do, each of it again and again until it is answered. Who reports has the document, and
    the node knows: else its report may come before that of the arrival."""
    package = field.package()
    document = field.insist(package)["document"]
    field.drain()
    for agency in (HOME_AFFAIRS, HEALTH):
        until("it is told", partial(field.status, agency, document, "03"), field.patience_s)
    if field.numbers % 5 == 0:
        field.insist(field.recall(package))


def test_a_commit_of_which_nobody_hears_is_asked_for_again_and_made_once(
    postgres: Server, template: str, tmp_path: Path
) -> None:
    """F120. Receipts are the same, and documents, deliveries, statuses and entries of the log are there once."""
    with snipped(postgres, template, tmp_path) as field:
        field.settled()
        assert field.site.running
        twice = "SELECT document_id FROM document GROUP BY sender, kind, document_id HAVING count(*) > 1"
        assert field.site.rows(twice) == []
        pushes = Counter(got.headers["axis-delivery"] for got in field.listener.got)
        assert max(pushes.values()) <= 3, "once, and once more for a claim and a settling of which nobody heard"
        assert field.site.said("delivery_set_aside") == 0


@pytest.mark.parametrize("broken", UNHEARD, ids=lambda broken: broken.mutation.defence)
def test_without_its_defence_an_unknown_commit_shows(
    broken: Broken, postgres: Server, template: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(AssertionError, match=broken.says),
        snipped(postgres, template, tmp_path, broken.mutation) as field,
    ):
        field.settled()
