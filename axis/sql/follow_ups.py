"""Statements about what became of deliveries after their handover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import ClauseElement, ColumnElement, Text, bindparam, func, literal_column, select, text, update

from axis.sql.queues import at_most
from axis.sql.tables import OPEN, TO_ASK, TOLD_OF, delivery, follow_up

_ONE: Final[ColumnElement[Any]] = literal_column("1")
ANEW: Final = " ON CONFLICT (delivery) DO UPDATE SET " + ", ".join(
    f"{column.name} = excluded.{column.name}" for column in follow_up.c if column.name not in ("delivery", "lost")
)
"""A delivery that was lost and handed over again is followed by its new id there; how often it was lost stays."""


class FollowUps:
    """The compiled texts; `text_of` compiles, `insert` is the statement for one row."""

    def __init__(self, text_of: Callable[[ClauseElement], str], insert: str) -> None:
        every = select(follow_up)
        self.add = insert + ANEW
        self.one = text_of(every.where(follow_up.c.delivery == bindparam("delivery")))
        self.move = text_of(
            update(follow_up)
            .where(follow_up.c.delivery == bindparam("of"), follow_up.c.asked == bindparam("was"))
            .values(
                due_at=bindparam("due", type_=Text),
                asked=bindparam("now"),
                missed=bindparam("misses"),
                became=bindparam("found", type_=Text),
                lost=bindparam("lost"),
            )
        )
        self.due = text_of(
            at_most(
                every.where(
                    follow_up.c.endpoint == bindparam("endpoint"), text(TO_ASK), follow_up.c.due_at <= bindparam("now")
                ).order_by(follow_up.c.due_at, follow_up.c.delivery)
            )
        )
        self.of_document = text_of(
            every.join(delivery, delivery.c.id == follow_up.c.delivery)
            .where(delivery.c.document == bindparam("document"))
            .order_by(delivery.c.seq)
        )
        told_of = every.where(text(TOLD_OF)).order_by(follow_up.c.since, follow_up.c.delivery)
        self.told_of = text_of(at_most(told_of))
        self.told_of_these = text_of(at_most(told_of.where(follow_up.c.became == bindparam("became"))))
        self.counts = text_of(
            select(follow_up.c.endpoint, follow_up.c.became, func.count())
            .where(text(TOLD_OF))
            .group_by(follow_up.c.endpoint, follow_up.c.became)
        )
        later = (delivery.c.seq > bindparam("seq"), delivery.c.lane == bindparam("lane"))
        # Locked: what is open there is neither claimed nor settled until what stood before it is.
        self.behind = text_of(
            select(delivery.c.state).where(*later, text(OPEN)).with_for_update(nowait=True, key_share=True)
        )
        first = delivery.alias("first")
        lane, seq = (
            select(column).where(first.c.id == bindparam("of")).scalar_subquery()
            for column in (first.c.lane, first.c.seq)
        )
        self.demote = text_of(
            update(delivery)
            .where(delivery.c.lane == lane, delivery.c.seq > seq, text(OPEN))
            .values(head=literal_column("0"))
        )
        # Seldom asked, and of a lane that is no longer open: by the order of the deliveries after it. What was tried
        # may have arrived, whatever was heard of it.
        self.overtaken = text_of(
            select(delivery.c.seq)
            .where(*later, text("(state = 'delivered' OR (state IN ('on-hold', 'queued') AND attempts > 0))"))
            .limit(_ONE)
            .offset(literal_column("0"))
        )
