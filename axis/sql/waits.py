"""Statements about deliveries that wait longer than anything may wait: a clock that was ahead wrote when they are due.

An instant is looked for behind every priority, so that none of what waits in time is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import ClauseElement, ColumnElement, Text, bindparam, literal_column, select, text, update

from axis.sql.queues import at_most
from axis.sql.tables import CLAIMABLE, delivery
from schemas.envelope import Priority

_PRIORITIES: Final[Sequence[ColumnElement[int]]] = [literal_column(str(int(one))) for one in Priority]


class Waits:
    """The compiled texts; `text_of` compiles. `beyond` finds those of one endpoint and leaves out what another process
    works on; `hasten` makes one of them due."""

    def __init__(self, text_of: Callable[[ClauseElement], str]) -> None:
        late = select(delivery.c.seq).where(
            delivery.c.endpoint == bindparam("endpoint"),
            delivery.c.priority.in_(_PRIORITIES),
            delivery.c.due_at > bindparam("beyond"),
            text(CLAIMABLE),
        )
        self.beyond = text_of(at_most(late).with_for_update(skip_locked=True))
        self.hasten = text_of(
            update(delivery).where(delivery.c.seq == bindparam("of")).values(due_at=bindparam("now", type_=Text))
        )
