"""The mark of a restore that is not finished: a row of `meta` with the digest of the backup's manifest, and how often
the store had been opened by then.

A store has it before it gets a place where a node would find it, and loses it with the last step of the restore. So
whatever ends a restore in between leaves a store on which no node starts, of which no copy and no backup is made, and
which only a restore of the same backup may replace, or finish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from axis.sql.driver import Unfinished

MARK: Final = "restoring"
ASKED: Final = f"SELECT value FROM meta WHERE name = '{MARK}'"  # noqa: S608 - a name of our own


def refuse_unfinished(marks: Sequence[Sequence[Any]], where: object) -> None:
    """`Unfinished` where the answer to `ASKED` names a backup."""
    for (said,) in marks:
        raise Unfinished(f"the restore of the backup sha256:{said.split()[0]} into {where} was not finished")


def left_by(meta: Mapping[str, str]) -> str | None:
    """The backup whose restore has filled the store with these facts, and that no node has opened since: an older
    program does not know the mark, and may have given receipts."""
    backup, _, openings = meta.get(MARK, "").partition(" ")
    return backup if backup and openings == meta.get("openings") else None
