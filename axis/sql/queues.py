"""Statements for people: counts, and lists of what waits. The hot path is in `axis.sql.statements`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ClauseElement, Integer, Select, Text, bindparam, case, func, literal_column, select, text

from axis.sql.tables import (
    CLAIMABLE,
    DROPPED,
    FAILED,
    ON_HOLD,
    OPEN,
    PARKED,
    WAITING,
    delivery,
    document,
    status_report,
)

_COUNTED: Final = {
    "claimable": CLAIMABLE,
    "waiting": WAITING,
    "parked": PARKED,
    "failed": FAILED,
    "on-hold": ON_HOLD,
    "dropped": DROPPED,
}
_LISTED: Final = {
    "waiting": WAITING,
    "parked": PARKED,
    "leased": f"{CLAIMABLE} AND state = 'leased'",
    "failed": FAILED,
    "on-hold": ON_HOLD,
}
"""Open deliveries by the partial index that has them."""


def at_most(statement: Select[Any]) -> Select[Any]:
    return statement.limit(bindparam("limit", type_=Integer)).offset(literal_column("0"))


class Queues:
    """The compiled texts; `text_of` compiles, `columns` are those of a delivery."""

    def __init__(self, text_of: Callable[[ClauseElement], str], columns: Sequence[Any]) -> None:
        """What is done is counted once (`axis.sql.tally`), by ranges of `seq`; what is not, by its partial indexes."""
        self.last_documents, self.last_deliveries, self.last_statuses = (
            text_of(select(func.coalesce(func.max(table.c.seq), literal_column("0"))))
            for table in (document, delivery, status_report)
        )
        between = [
            table.c.seq.between(bindparam("first"), bindparam("last")) for table in (document, delivery, status_report)
        ]
        self.count_documents = text_of(select(func.count()).select_from(document).where(between[0]))
        self.count_deliveries = text_of(
            select(delivery.c.endpoint, func.count()).where(between[1]).group_by(delivery.c.endpoint)
        )
        self.count_statuses = text_of(
            select(status_report.c.wire, func.count()).where(between[2]).group_by(status_report.c.wire)
        )
        by_endpoint = select(delivery.c.endpoint, func.count()).group_by(delivery.c.endpoint)
        self.count_open = {name: text_of(by_endpoint.where(text(condition))) for name, condition in _COUNTED.items()}
        why = select(delivery.c.last_problem, func.count()).where(text(FAILED)).group_by(delivery.c.last_problem)
        self.count_failed = text_of(why)
        self.count_held = text_of(select(func.count()).select_from(document).where(text("state = 'held'")))
        self.count_refused = text_of(select(func.count()).select_from(document).where(text("state = 'refused'")))

        deliveries = select(*columns)
        behind, here = delivery.c.seq > bindparam("after"), delivery.c.endpoint == bindparam("endpoint")
        in_order = {
            name: deliveries.where(here, text(condition), behind).order_by(delivery.c.seq)
            for name, condition in _LISTED.items()
        }
        self.queue_of = {name: text_of(at_most(statement)) for name, statement in in_order.items()}
        # Without the sum SQLite would walk through everything that is done to find what is not.
        number = delivery.c.seq + literal_column("0")
        self.queue = {
            name: text_of(at_most(deliveries.where(text(condition), number > bindparam("after")).order_by(number)))
            for name, condition in {"": OPEN, **_LISTED}.items()
        }
        newest = deliveries.where(
            delivery.c.state == bindparam("state"),
            delivery.c.endpoint == func.coalesce(bindparam("endpoint", type_=Text), delivery.c.endpoint),
        ).order_by(delivery.c.seq.desc())
        self.queue_done = text_of(at_most(newest))
        bounds: list[Any] = [
            (delivery.c.created_at > bindparam(f"b{place}"), literal_column(str(place))) for place in range(4)
        ]
        age = case(*bounds, else_=literal_column("4"))
        to_whom = select(delivery.c.endpoint, delivery.c.recipients).where(text(OPEN))
        self.addressees = text_of(to_whom.group_by(delivery.c.endpoint, delivery.c.recipients))
        self.shape = text_of(
            select(
                delivery.c.endpoint, delivery.c.state, age.label("age"), func.count(), func.min(delivery.c.created_at)
            )
            .where(text(OPEN))
            .group_by(delivery.c.endpoint, delivery.c.state, text("age"))
            .order_by(delivery.c.endpoint, delivery.c.state, text("age"))
        )
