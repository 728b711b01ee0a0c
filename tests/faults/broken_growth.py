"""Without which defences something would grow with the store or with the time that a node runs: a test turns red."""

from __future__ import annotations

from typing import Final

from tests.faults.row import Broken
from tests.mutations.edit import off

LEAN = "tests/contract/test_lean.py::test_ten_times_the_documents_take_no_more_memory"
FOLDERS = "tests/unit/log/test_files.py::test_what_is_known_of_folders_does_not_grow_with_the_log"

SHOWN: Final = (
    (
        LEAN,
        Broken(
            "F119",
            off(
                "a whole store is read some rows at a time",
                "axis/sql/paged.py",
                (".limit(literal_column(str(some)))", ""),
            ),
            "assert",
        ),
    ),
    (
        LEAN,
        Broken(
            "F119",
            off(
                "what rows name is put aside on a disk",
                "axis/care/compared.py",
                (
                    "        for row in rows:  # a loop of our own",
                    "        for row in [*rows]:  # a loop of our own",
                ),
            ),
            "assert",
        ),
    ),
    (
        FOLDERS,
        Broken(
            "F119",
            off(
                "what is known of the folders of the log is bounded",
                "axis/log/disk.py",
                ("        if len(self._settled) >= MOST_SETTLED:\n", "        if False:\n"),
            ),
            "assert",
        ),
    ),
)
