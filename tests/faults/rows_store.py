"""Faults of the store that come between a commit and its answer, or for want of room."""

from __future__ import annotations

from typing import Final

from tests.faults.row import row

UNKNOWN, STANDBY, WALK = (f"tests/faults/test_{name}.py" for name in ("unknown_commit", "standby", "walk"))
PLACES: Final = "tests/contract/test_places.py"

ROWS: Final = (
    row(
        "F120",
        "COMMIT is sent, or about to be, and nobody hears what came of it",
        "the line breaks before it, behind it, or between the server's commit and its answer: for a document, a claim, "
        "a handover, a status, each transaction of a round of the log; a copy",
        f"{UNKNOWN}::test_a_commit_of_which_nobody_hears_is_asked_for_again_and_made_once",
        "tests/contract/test_copy.py::test_a_copy_of_whose_commit_nobody_hears_is_there_whole_or_not_at_all",
        note="a migration is one transaction and is run again (K35, F84)",
    ),
    row(
        "F121",
        "the server waits for a standby that is away, before it answers COMMIT; somebody ends the wait",
        "`synchronous_standby_names`; `pg_cancel_backend`",
        f"{STANDBY}::test_a_server_whose_standby_is_away_is_named_and_what_it_kept_is_there_once",
        f"{STANDBY}::test_who_ends_the_wait_for_a_standby_makes_no_receipt",
        note="where the setting is emptied no standby is asked, and nobody here can tell: it is the operator's word",
    ),
    row(
        "F122",
        "a disk that is full at any write",
        "a small disk in memory, filled up to so many pages; the database on it, and elsewhere",
        f"{WALK}::test_a_disk_that_is_full_at_any_write_is_waited_for",
        f"{WALK}::test_a_disk_that_is_full_beside_a_database_elsewhere_is_waited_for",
        note="that each of the node's files met it is read from a record by strace",
    ),
    row(
        "F123",
        "the server has no place for one more connection that reads",
        "a role's CONNECTION LIMIT",
        f"{PLACES}::test_who_finds_no_place_waits_for_the_connection_of_another",
        f"{PLACES}::test_where_nobody_has_one_nobody_waits",
        note="four places are enough for one process: it writes, reads, tells and hears",
    ),
)
