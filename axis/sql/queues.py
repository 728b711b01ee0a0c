"""Statements for people: counts, and lists of what waits. The hot path is in `axis.sql.statements`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ClauseElement, Integer, Select, Text, bindparam, case, func, literal_column, or_, select, text

from axis.sql.tables import (
    CLAIMABLE,
    DROPPED,
    FAILED,
    KEPT,
    ON_HOLD,
    OPEN,
    PARKED,
    WAITING,
    delivery,
    document,
    endpoint_hold,
    log_intent,
    notice,
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
        self._one_document(text_of, deliveries)

    def _one_document(self, text_of: Callable[[ClauseElement], str], deliveries: Select[Any]) -> None:
        """What is asked about one document, and to find it."""
        in_lane = deliveries.where(
            delivery.c.lane == bindparam("lane"), delivery.c.seq < bindparam("seq"), text(OPEN)
        ).order_by(delivery.c.seq)
        self.ahead = text_of(in_lane.limit(literal_column("1")).offset(literal_column("0")))
        self.holds = text_of(select(endpoint_hold))
        self.notices_of = text_of(
            select(notice).where(notice.c.document == bindparam("document")).order_by(notice.c.at, notice.c.ref)
        )
        # The inner question reads the index of numbers, not the documents.
        named = document.alias("named")
        numbered = select(named.c.seq).where(named.c.number_key == bindparam("number_key"))
        among = [numbered.where(text(condition)) for condition in (KEPT, "state = 'refused'")]
        self.numbered = text_of(
            at_most(select(document).where(or_(*map(document.c.seq.in_, among))).order_by(document.c.seq.desc()))
        )
        onward = document.c.seq >= bindparam("seq", type_=Integer)
        self.accepted_from = text_of(
            select(document.c.accepted_at)
            .where(onward)
            .order_by(document.c.seq)
            .limit(literal_column("1"))
            .offset(literal_column("0"))
        )
        self.accepted_before = text_of(at_most(select(document).where(~onward).order_by(document.c.seq.desc())))
        self.last_intent = text_of(select(func.coalesce(func.max(log_intent.c.id), literal_column("0"))))
        onward = log_intent.c.id >= bindparam("id", type_=Integer)
        self.instant_from = text_of(
            select(log_intent.c.at)
            .where(onward)
            .order_by(log_intent.c.id)
            .limit(literal_column("1"))
            .offset(literal_column("0"))
        )
        columns = (log_intent.c.id, log_intent.c.log_index, log_intent.c.at, log_intent.c.leaf)
        self.operated_from = text_of(
            select(*columns[1:]).where(onward, text("kind = 'operated'")).order_by(log_intent.c.id)
        )
        refused = select(*columns[1:]).where(onward, text("kind IN ('refused', 'status-refused')"))
        self.refused_from = text_of(at_most(refused.order_by(log_intent.c.id.desc())))
        self.intents_from = text_of(at_most(select(*columns).where(onward).order_by(log_intent.c.id)))
        self.intents_at = text_of(
            select(*columns[1:])
            .where(onward, log_intent.c.id <= bindparam("last", type_=Integer), log_intent.c.at == bindparam("at"))
            .order_by(log_intent.c.id)
        )
