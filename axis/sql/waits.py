"""Statements about how long deliveries wait. Some would wait for ever: a clock that was ahead wrote when they are due,
or what they stand behind in their lane has failed. Some are under way for longer than a lease.

An instant is looked for behind every priority, so that none of what waits in time is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    text,
    union_all,
    update,
)

from axis.sql.queues import at_most
from axis.sql.tables import CLAIMABLE, OPEN, PARKED, WAITING, delivery
from schemas.envelope import Priority

_PRIORITIES: Final[Sequence[ColumnElement[int]]] = [literal_column(str(int(one))) for one in Priority]


class Waits:
    """The compiled texts; `text_of` compiles. `beyond` finds those of one endpoint and leaves out what another process
    works on; `hasten` makes one of them due. `anew` gives one, and what waits behind it in its lane, the whole lifetime
    again. `page` is the number of the last of so many that wait at an endpoint after a number; `head_anew` and
    `rest_anew` give all between the two theirs. `prolong` keeps one that is leased under a token. `parked` are those of
    an endpoint that are not first in their lanes, by `seq`, and `first` is what stands before one.
    """

    def __init__(self, text_of: Callable[[ClauseElement], str], columns: Sequence[ColumnElement[Any]]) -> None:
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
        one = delivery.alias("one")
        lane, seq = (
            select(column).where(one.c.id == bindparam("of")).scalar_subquery() for column in (one.c.lane, one.c.seq)
        )
        self.anew = text_of(
            update(delivery)
            .where(delivery.c.lane == lane, delivery.c.seq >= seq, text(OPEN), text("state = 'queued'"))
            .values(renewed_at=bindparam("at"))
        )
        here, behind = delivery.c.endpoint == bindparam("endpoint"), delivery.c.seq > bindparam("after")
        lists = [text(WAITING), text(PARKED)]  # each by its own index
        pages = [at_most(select(delivery.c.seq).where(here, behind, one).order_by(delivery.c.seq)) for one in lists]
        both = union_all(*(select(page.subquery().c.seq) for page in pages)).subquery()
        self.page = text_of(select(func.max(at_most(select(both.c.seq).order_by(both.c.seq)).subquery().c.seq)))
        among = update(delivery).where(here, behind, delivery.c.seq <= bindparam("last"))
        anew = among.values(renewed_at=bindparam("at", type_=Text))
        self.head_anew, self.rest_anew = (text_of(anew.where(one)) for one in lists)
        self.prolong = text_of(
            update(delivery)
            .where(
                delivery.c.seq == bindparam("of"),
                delivery.c.token == bindparam("held"),
                text("state = 'leased'"),
            )
            .values(due_at=bindparam("until", type_=Text))
        )
        whole = select(*columns)
        self.parked = text_of(
            at_most(
                whole.where(
                    delivery.c.endpoint == bindparam("endpoint"), delivery.c.seq > bindparam("after"), text(PARKED)
                ).order_by(delivery.c.seq)
            )
        )
        self.first = text_of(
            whole.where(delivery.c.lane == bindparam("lane"), text(OPEN))
            .order_by(delivery.c.seq)
            .limit(literal_column("1"))
            .offset(literal_column("0"))
            .with_for_update(nowait=True, key_share=True)
        )
