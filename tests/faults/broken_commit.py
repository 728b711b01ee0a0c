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
                Edit("axis/sql/postgres.py", "            warnings.refuse()\n            self._hear", "            self._hear"),
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

BY_FAULT: Final = {"F120": UNHEARD, "F121": STANDBY, "F122": ROOM}
