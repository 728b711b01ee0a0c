"""Counting costs the same however much is done, and counts right whatever happens to what was counted before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from axis.core.ports import Counts
from axis.sql.driver import Session
from axis.sql.statements import Statements
from axis.sql.tally import SETTLES_S, Tally
from tests.stores import ready

AT = "2026-11-23T00:00:00.000000Z"
ENDPOINTS = 20


@pytest.fixture
def books(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    ready(f"sqlite:///{tmp_path}/axis.db")
    with closing(sqlite3.connect(tmp_path / "axis.db")) as connection:
        yield connection


def fill(books: sqlite3.Connection, number: int, state: str = "delivered", first: int = 0) -> None:
    documents = (
        "INSERT INTO document SELECT NULL, ?, 'H26', 'new', ?, ?, '', ?, '', 0, '', '', '', '[]', '{}', ?, ?, '', '',"
        " ?, '', NULL, 0, '[]', NULL, '[]', 0, '[]', NULL, 'inline', NULL, '[]'"
    )
    names = [f"{first + place:026d}" for place in range(number)]
    kept = "held" if state == "queued" else "accepted"
    books.executemany(documents, ((one, one, one, one, kept, kept, AT) for one in names))
    deliveries = (
        "INSERT INTO delivery (id, cargo, cargo_ref, endpoint, recipients, lane, head, created_at, due_at, priority,"
        " state, attempts, token) VALUES (?, 'document', ?, ?, '[]', ?, 1, ?, ?, 0, ?, 0, 0)"
    )
    books.executemany(deliveries, ((one, one, f"e{int(one) % ENDPOINTS}", one, AT, AT, state) for one in names))
    books.commit()


def session(books: sqlite3.Connection) -> Session:
    return Session(books, Statements(sqlite.dialect(paramstyle="named")), lambda error: False)


def steps(books: sqlite3.Connection, tally: Tally) -> int:
    """How many hundreds of instructions SQLite's machine took for one count: no clock, no luck."""
    taken = [0]

    def step() -> int:
        taken[0] += 1
        return 0

    books.set_progress_handler(step, 100)
    try:
        tally.counts(session(books))
    finally:
        books.set_progress_handler(None, 0)
    return taken[0]


@pytest.mark.faults
def test_counting_does_not_grow_with_what_is_done(books: sqlite3.Connection) -> None:
    tally = Tally()
    fill(books, 200, "queued")
    fill(books, 1_000, first=10_000)
    first = steps(books, tally)
    small = steps(books, tally)
    assert small < first, "the first time counts everything"
    fill(books, 100_000, first=100_000)
    assert steps(books, tally) > 50 * small, "what is new is counted once"
    assert steps(books, tally) <= small * 1.2
    counts = tally.counts(session(books))
    assert counts.documents == {"accepted": 101_000, "held": 200}
    assert counts.deliveries["e1"] == {"delivered": 5_050, "queued": 10}


def test_what_changes_after_it_was_counted_is_counted_as_it_is(books: sqlite3.Connection) -> None:
    tally = Tally()
    fill(books, 40, "queued")
    before = tally.counts(session(books))
    assert (before.documents, before.deliveries["e3"]) == ({"held": 40}, {"queued": 2})
    for state in ("delivered", "failed", "dropped", "on-hold", "leased", "queued", "delivered"):
        books.execute("UPDATE delivery SET state = ? WHERE endpoint = 'e3'", (state,))
        assert tally.counts(session(books)).deliveries["e3"] == {state: 2}
    books.execute("UPDATE delivery SET state = 'failed', last_problem = 'delivery-expired' WHERE endpoint = 'e3'")
    books.execute("UPDATE delivery SET last_problem = 'stored-damaged' WHERE endpoint = 'e3' AND seq = 3")
    assert sum(tally.counts(session(books)).failed.values()) == 2
    books.execute("UPDATE document SET state = 'refused' WHERE seq = 1")
    books.execute("UPDATE document SET state = 'accepted' WHERE seq > 30")
    assert tally.counts(session(books)).documents == {"accepted": 10, "held": 29, "refused": 1}


def test_a_smaller_number_that_is_committed_later_is_counted_too(books: sqlite3.Connection) -> None:
    """As with several writers, where a sequence is no order of commits."""
    now = [0.0]
    tally, asked = Tally(lambda: now[0]), session(books)
    asked.statements.one_writer = False
    fill(books, 10, first=100)
    books.execute("DELETE FROM delivery WHERE seq = 5")  # not committed yet, as far as anybody else sees
    assert _total(tally.counts(asked)) == 9
    books.execute("CREATE TEMP TABLE late AS SELECT * FROM delivery WHERE seq = 4")
    books.execute("UPDATE late SET seq = 5, id = 'late'")
    books.execute("INSERT INTO delivery SELECT * FROM late")
    now[0] = SETTLES_S / 2
    assert _total(tally.counts(asked)) == 10
    now[0] = SETTLES_S * 3
    fill(books, 5, first=200)
    assert _total(tally.counts(asked)) == 15
    now[0] = SETTLES_S * 9
    assert _total(tally.counts(asked)) == 15


def _total(counts: Counts) -> int:
    return sum(number for states in counts.deliveries.values() for number in states.values())
