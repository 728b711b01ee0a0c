"""The statement that leases what a claim has picked, all at once.

`claimed` is a JSON list of pairs: the number of a delivery, and the token under which it was seen. It changes as many
rows as there are pairs, unless one has another token meanwhile.
"""

from __future__ import annotations

from typing import Final

_SQLITE: Final = """
UPDATE delivery SET state = 'leased', due_at = :until, attempts = attempts + 1, token = token + 1,
breaks = breaks + CASE WHEN state = 'leased' THEN 1 ELSE 0 END
FROM json_each(:claimed) AS asked
WHERE delivery.seq = json_extract(asked.value, '$[0]') AND delivery.token = json_extract(asked.value, '$[1]')
"""
# The array is there for the planner: it is answered by the key, whatever is known of the table.
_POSTGRES: Final = """
UPDATE delivery SET state = 'leased', due_at = %(until)s, attempts = attempts + 1, token = token + 1,
breaks = breaks + CASE WHEN state = 'leased' THEN 1 ELSE 0 END
FROM json_array_elements(CAST(%(claimed)s AS json)) AS asked(pair)
WHERE delivery.seq = ANY(ARRAY(
    SELECT CAST(one.pair ->> 0 AS bigint) FROM json_array_elements(CAST(%(claimed)s AS json)) AS one(pair)))
AND delivery.seq = CAST(asked.pair ->> 0 AS bigint) AND delivery.token = CAST(asked.pair ->> 1 AS integer)
"""


def lease_claimed(*, one_writer: bool) -> str:
    return _SQLITE if one_writer else _POSTGRES
