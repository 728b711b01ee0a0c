"""The leases of several deliveries at once: those that a claim takes, and those that end with a handover.

`claimed` is a JSON list of pairs: the number of a delivery, and the token under which it was seen. `ended` is one of
triples: the id of a delivery, the token under which it was handed over, and when. A statement changes as many rows as
there are pairs or triples, unless one has another token meanwhile, or is not leased any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from axis.core.model import SUSPECT, Change, Delivery, MoveDelivery
from axis.core.states import DeliveryEvent, DeliveryState
from axis.sql.tables import OPEN, spelt_out

_SQLITE: Final = (
    """
UPDATE delivery SET state = 'leased', due_at = :until, attempts = attempts + 1, token = token + 1,
breaks = breaks + CASE WHEN state = 'leased' THEN 1 ELSE 0 END
FROM json_each(:claimed) AS asked
WHERE delivery.seq = json_extract(asked.value, '$[0]') AND delivery.token = json_extract(asked.value, '$[1]')
""",
    """
UPDATE delivery SET state = 'delivered', settled_at = json_extract(asked.value, '$[2]')
FROM json_each(:ended) AS asked
WHERE delivery.id = json_extract(asked.value, '$[0]') AND delivery.token = json_extract(asked.value, '$[1]')
AND delivery.state = 'leased'
""",
    f"""
UPDATE delivery SET head = 1 WHERE seq IN (
    SELECT (SELECT min(other.seq) FROM delivery AS other WHERE other.lane = done.lane AND {OPEN})
    FROM json_each(:ended) AS asked CROSS JOIN delivery AS done WHERE done.id = json_extract(asked.value, '$[0]'))
""",  # noqa: S608 - our own condition
)
# The arrays are there for the planner: they are answered by the key, whatever is known of the table. A state as it is
# would invite it to walk through all that is open.
_POSTGRES: Final = (
    """
UPDATE delivery SET state = 'leased', due_at = %(until)s, attempts = attempts + 1, token = token + 1,
breaks = breaks + CASE WHEN state = 'leased' THEN 1 ELSE 0 END
FROM json_array_elements(CAST(%(claimed)s AS json)) AS asked(pair)
WHERE delivery.seq = ANY(ARRAY(
    SELECT CAST(one.pair ->> 0 AS bigint) FROM json_array_elements(CAST(%(claimed)s AS json)) AS one(pair)))
AND delivery.seq = CAST(asked.pair ->> 0 AS bigint) AND delivery.token = CAST(asked.pair ->> 1 AS integer)
""",
    """
UPDATE delivery SET state = 'delivered', settled_at = asked.told ->> 2
FROM json_array_elements(CAST(%(ended)s AS json)) AS asked(told)
WHERE delivery.id = ANY(ARRAY(
    SELECT one.told ->> 0 FROM json_array_elements(CAST(%(ended)s AS json)) AS one(told)))
AND delivery.id = asked.told ->> 0 AND delivery.token = CAST(asked.told ->> 1 AS integer)
AND delivery.state || '' = 'leased'
""",
    f"""
UPDATE delivery SET head = 1 WHERE seq = ANY(ARRAY(
    SELECT (SELECT min(other.seq) FROM delivery AS other WHERE other.lane = done.lane AND {OPEN})
    FROM delivery AS done WHERE done.id = ANY(ARRAY(
        SELECT one.told ->> 0 FROM json_array_elements(CAST(%(ended)s AS json)) AS one(told)))))
""",  # noqa: S608 - our own condition
)


class Leases:
    """Their texts: `take` those that were picked, `end` those that were handed over; then `promote` what stood behind
    them in their lanes."""

    def __init__(self, *, one_writer: bool) -> None:
        self.take, self.end, self.promote = map(spelt_out, _SQLITE) if one_writer else _POSTGRES


def breaks_of(delivery: Delivery) -> int:
    """What the claim makes of `breaks`: one that is still leased was never heard of again."""
    return delivery.breaks + (1 if delivery.state is DeliveryState.LEASED else 0)


def is_suspect(delivery: Delivery) -> bool:
    return breaks_of(delivery) >= SUSPECT


def leased(delivery: Delivery, until: datetime) -> Delivery:
    """What the claim makes of a delivery. Field by field: `replace` asks for each by its name."""
    return Delivery(
        delivery.id,
        delivery.cargo,
        delivery.cargo_ref,
        delivery.document,
        delivery.endpoint,
        delivery.recipients,
        delivery.lane,
        delivery.created_at,
        until,
        delivery.priority,
        DeliveryState.LEASED,
        delivery.attempts + 1,
        delivery.token + 1,
        delivery.seq,
        delivery.last_problem,
        delivery.settled_at,
        breaks_of(delivery),
        delivery.renewed_at,
    )


def handed_over_first(changes: Sequence[Change]) -> list[MoveDelivery]:
    """The deliveries that were handed over, as far as `changes` begin with them."""
    found = []
    for change in changes:
        if type(change) is not MoveDelivery or change.event is not DeliveryEvent.ACK:
            break
        found.append(change)
    return found
