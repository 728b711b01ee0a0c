"""What keeps a promise when it is not known what became of a commit, taken away."""

from __future__ import annotations

from typing import Final

from tests.faults.row import Broken
from tests.mutations.edit import Edit, Mutation, off

UNHEARD: Final = (
    Broken(
        "F120",
        off(
            "a commit of which nobody hears is answered to nobody",
            "axis/sql/group.py",
            (
                '            self._see_full(error)\n            self._fail(group, unavailable("unknown", error))\n',
                "            self._see_full(error)\n",
            ),
        ),
        "never: everything is delivered and logged|never: it is told|LOST|NO_LEAF",
    ),
)

STANDBY: Final = (
    Broken(
        "F121",
        off(
            "what a server waits for is named",
            "axis/sql/postgres.py",
            ("                refuse_waiting(connection, name)\n", ""),
        ),
        "never: it is told in the log",
    ),
    Broken(
        "F121",
        Mutation(
            "a commit with a warning is none",
            (
                Edit(
                    "axis/sql/postgres.py",
                    'back")\n        self._warnings.refuse()\n',
                    'back")\n',
                ),
                Edit(
                    "axis/sql/postgres.py",
                    "            warnings.refuse()\n            self._hear",
                    "            self._hear",
                ),
            ),
        ),
        "it was answered",
    ),
)

ROOM: Final = (
    Broken(
        "F122",
        off(
            "a store that had no room is opened again until it has",
            "axis/sql/sqlite.py",
            ("        return _code(error) in _NO_ROOM or ", "        return "),
        ),
        "the node ended|never: it is taken",
    ),
)

SHOWN: Final = (
    (
        "tests/contract/test_copy.py::test_a_copy_of_whose_commit_nobody_hears_is_there_whole_or_not_at_all",
        Broken(
            "F120",
            off(
                "of a copy whose commit is not answered nobody says that nothing was kept",
                "axis/sql/copy_postgres.py",
                ("        except psycopg.OperationalError as error:\n", "        except ZeroDivisionError as error:\n"),
            ),
            "nothing was kept",
        ),
    ),
    (
        "tests/contract/test_places.py::test_who_finds_no_place_waits_for_the_connection_of_another",
        Broken(
            "F123",
            off(
                "who finds no place waits for the connection of another",
                "axis/sql/readers.py",
                ("                if self._shut or not self._free:\n", "                if True:\n"),
            ),
            "store-unavailable",
        ),
    ),
    (
        "tests/faults/test_database.py::test_tables_that_are_put_back_under_a_running_node_end_it",
        Broken(
            "F97",
            off(
                "each round of the log sees that the store knows what was signed",
                "axis/flow/sequence.py",
                ("        if size != self.head.checkpoint.size:\n", "        if False:\n"),
            ),
            "DID NOT RAISE|the node lives",
        ),
    ),
)

BY_FAULT: Final = {"F120": (*UNHEARD, *(one for _, one in SHOWN if one.point == "F120")), "F121": STANDBY, "F122": ROOM}
