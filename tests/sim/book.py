"""The book of leases: triggers of each connection to the simulated database write down who took what, who let go of it,
and when.

Each row is part of the transaction that it tells of. Read afterwards, the book says whether anybody settled an attempt
that was no longer his, took a delivery before its lease had ended, or the log while its holder was alive. That the rest
keeps such a thing harmless for a while is no excuse: it is what the leases and their tokens are for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from axis.flow.lease import FACT, LENGTH

_WHO: Final = "sim_who(), sim_at()"
BOOK: Final = """
CREATE TABLE sim_delivery (
    who TEXT, at REAL, id TEXT, was TEXT, now TEXT, was_token INTEGER, token INTEGER, was_due TEXT, due TEXT
);
CREATE TABLE sim_log (who TEXT, at REAL, was TEXT, now TEXT);
"""
WRITERS: Final = f"""
PRAGMA temp_store = MEMORY;
CREATE TEMP TRIGGER sim_delivery AFTER UPDATE ON main.delivery WHEN 'leased' IN (old.state, new.state)
BEGIN
    INSERT INTO sim_delivery
    VALUES ({_WHO}, new.id, old.state, new.state, old.token, new.token, old.due_at, new.due_at);
END;
CREATE TEMP TRIGGER sim_log AFTER UPDATE ON main.meta WHEN new.name = '{FACT}'
BEGIN
    INSERT INTO sim_log VALUES ({_WHO}, old.value, new.value);
END;
"""


def open_book(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.executescript(BOOK)


def write_into_book(connection: sqlite3.Connection) -> None:
    """The triggers are this connection's own, not the store's, which a node would not start on. It has functions that
    tell who writes, and when."""
    connection.executescript(WRITERS)


DELIVERIES: Final = "SELECT * FROM sim_delivery ORDER BY rowid"
LOG: Final = "SELECT * FROM sim_log ORDER BY rowid"


def misused(deliveries: Iterable[tuple[Any, ...]], log: Iterable[tuple[Any, ...]], lease: timedelta) -> Iterator[str]:
    """What the book says of leases that were not kept. `lease` is how long one of a delivery lasts."""
    holders: dict[str, tuple[int, str]] = {}
    for who, at, id_, was, now, was_token, token, was_due, due in deliveries:
        if now == "leased" and token != was_token:
            taken = datetime.fromisoformat(due) - lease  # by his own clock
            if was == "leased" and taken < datetime.fromisoformat(was_due):
                yield f"LEASE: {at:.3f} {who} takes {id_} of {holders.get(id_)}, who has it until {was_due}"
            holders[id_] = token, who
        elif was == "leased" != now and holders.get(id_) != (token, who):
            yield f"FENCE: {at:.3f} {who} settles {id_}, which {holders.get(id_)} has"
    beaten = 0.0
    for who, at, was, now in log:
        before, after = json.loads(was), json.loads(now)
        if before["holder"] not in ("", after["holder"]) and after["holder"] and at - beaten < LENGTH.total_seconds():
            yield f"LEASE: {at:.3f} {who} takes the log of {before['holder']}, who is alive"
        beaten = at
