"""What the log asks of the store: entries that have no place in it yet, and the places that they got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from axis.core.ports import Intent, LostRace
from axis.sql.driver import MOVED
from axis.sql.read import Reader
from axis.sql.rows import many

_intent: Final = Intent._make


class Planned(Reader):
    """The part of `axis.core.ports.Ledger` that the sequencer uses."""

    __slots__ = ()

    def intents(self, limit: int) -> Sequence[Intent]:
        return [*map(_intent, self.session.run(self.sql.intents, limit=limit).fetchall())]

    def indexed(self, first_index: int, ids: Sequence[int]) -> None:
        placed = self.session.run(self.sql.place_intents, first=first_index, ids=many(ids)).rowcount
        if placed != len(ids):
            raise LostRace(MOVED)

    def log_size(self) -> int:
        (last,) = self.session.run(self.sql.log_size).fetchone()
        return int(last) + 1

    def placed(self, index: int) -> bytes | None:
        row = self.session.run(self.sql.placed, index=index).fetchone()
        return None if row is None else bytes(row[0])
