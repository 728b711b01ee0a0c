"""Going on from a backup: what may be signed next, and what the log is told about it.

The store of heads remembers how far the log was signed. A backup knows less of it, or as much. What was signed is never
signed differently: where the backup knows less, the missing entries must come from a copy of the log, their records are
lost and are declared so, by a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from axis.core.canonical import Json
from axis.core.model import Decision, EntryKind, LogEntry

MOST_SPANS: Final = 500
"""So many runs of lost entries stand in one leaf; further ones are told as one run from there to the end."""


class Reach(StrEnum):
    """How a backup stands to what was signed."""

    EQUAL = "equal"  # it knows all that was signed
    BEHIND = "behind"  # more was signed: entries are missing
    AHEAD = "ahead"  # the store of heads was put back, or is another one
    UNKNOWN = "unknown"  # there is no store of heads: nobody here knows what was signed


class Obstacle(StrEnum):
    """Why a restore does not go on as it was asked for."""

    NEEDS_LOG = "needs-log"
    LOG_TOO_SHORT = "log-too-short"
    FORKED = "forked"
    HEADS_BEHIND = "heads-behind"
    NOT_ACCEPTED = "not-accepted"


@dataclass(frozen=True, slots=True)
class Tree:
    """A log as something knows it: how many entries, and their root (32 octets)."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Way:
    """How the node goes on: with a log of `size` entries, of which the backup knows `known`.

    `from_copy`: the entries come from the copy of the log, not from the backup.
    """

    reach: Reach
    known: int
    size: int
    from_copy: bool

    @property
    def heads(self) -> str:
        return "lost" if self.reach is Reach.UNKNOWN else "kept"


def reach(backup: Tree, head: Tree | None) -> Reach:
    """How the backup stands to the newest signed head, by size."""
    if head is None:
        return Reach.UNKNOWN
    if head.size == backup.size:
        return Reach.EQUAL
    return Reach.BEHIND if head.size > backup.size else Reach.AHEAD


def decide_way(
    backup: Tree, head: Tree | None, copy: Tree | None, copy_at_backup: bytes | None, accepted: bool
) -> Way | Obstacle:
    """Say how the node may go on after a restore, or why it may not.

    `head` is the newest head of the checkpoint store, `None` where there is none. `copy` is the copy of the log that
    the operator gave, at the head's size where it reaches that far, else whole; `copy_at_backup` is its root at the
    size of the backup, `None` where it does not reach that far. `accepted`: a person accepts the loss.

    A second root for one size is never signed, whoever accepts what (RFC 6962 §5.3: two views are the end of trust).
    """
    how = reach(backup, head)
    if how is Reach.AHEAD:
        return Obstacle.HEADS_BEHIND
    if how is Reach.EQUAL:
        assert head is not None
        return Way(how, backup.size, backup.size, False) if head.root == backup.root else Obstacle.FORKED
    if copy is not None:
        if copy_at_backup is None or (head is not None and copy.size != head.size):
            return Obstacle.LOG_TOO_SHORT
        if copy_at_backup != backup.root or (head is not None and copy.root != head.root):
            return Obstacle.FORKED
    elif how is Reach.BEHIND:
        return Obstacle.NEEDS_LOG
    if not accepted and (backup.size or copy is not None):
        return Obstacle.NOT_ACCEPTED
    target = backup if copy is None else copy
    return Way(how, backup.size, target.size, copy is not None)


def spans(places: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ascending places as runs `(first, end)`, the end not included; at most `MOST_SPANS`."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and (found[-1][1] == place or len(found) >= MOST_SPANS):
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Backup:
    """The backup that was gone back to: the digest of its manifest, and when it was made."""

    sha256: str
    at: datetime


def decide_restored(
    way: Way, backup: Backup, lost: Sequence[tuple[int, int]], node: str, operator: str, reason: str, at: datetime
) -> Decision[None]:
    """The entry by which the node tells its log that it was restored, by whom, and which entries have no record now."""
    facts: dict[str, Json] = {
        "operator": operator,
        "reason": reason,
        "backup": backup.sha256,
        "backed_up_at": int(backup.at.timestamp()),
        "known": way.known,
        "signed": way.size,
        "heads": way.heads,
        "lost": [list(span) for span in lost],
    }
    return Decision((LogEntry(EntryKind.RESTORED, at, node, "", facts),), (), None)
