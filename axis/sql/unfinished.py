"""The mark of a restore that is not finished: a row of `meta` with the digest of the backup's manifest.

A store has it before it gets a place where a node would find it, and loses it with the last step of the restore. So
whatever ends a restore in between leaves a store on which no node starts, of which no copy and no backup is made, and
which only a restore of the same backup may replace, or finish.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from axis.sql.driver import Unfinished

MARK: Final = "restoring"
ASKED: Final = f"SELECT value FROM meta WHERE name = '{MARK}'"  # noqa: S608 - a name of our own


def refuse_unfinished(marks: Sequence[Sequence[Any]], where: object) -> None:
    """`Unfinished` where the answer to `ASKED` names a backup."""
    for (backup,) in marks:
        raise Unfinished(f"the restore of the backup sha256:{backup} into {where} was not finished")
