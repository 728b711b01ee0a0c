"""Bring a store that was put back up to a longer log: what it does not know of the log is taken from the log."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path

from axis.sql.sqlite import alone, told


def adopt_entries(path: Path, entries: Iterable[tuple[int, bytes, str, str]]) -> list[int]:
    """Give the store in the SQLite file `path` the entries (place, octets, kind, instant) from where it ends.

    An entry that waits in the store for its place gets it. Every other one is added as it stands in the log: its place
    is returned, because whatever record it tells of is not here. All or nothing. `StoreError`.
    """
    lost = []
    with told(f"sqlite:///{path}"), alone(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        waiting: dict[bytes, deque[int]] = defaultdict(deque)
        for id_, leaf in connection.execute("SELECT id, leaf FROM log_intent WHERE log_index IS NULL ORDER BY id"):
            waiting[bytes(leaf)].append(id_)
        for place, octets, kind, at in entries:
            if waiting[octets]:
                id_ = waiting[octets].popleft()
                connection.execute("UPDATE log_intent SET log_index = ? WHERE id = ?", (place, id_))
            else:
                connection.execute(
                    "INSERT INTO log_intent (leaf, kind, at, log_index) VALUES (?, ?, ?, ?)", (octets, kind, at, place)
                )
                lost.append(place)
        connection.execute("COMMIT")
    return lost
