"""The statement that gives the intents of a round their places in the log, all at once.

`ids` is a JSON list in the order of the places, `first` the first place. It changes as many rows as there are ids,
unless one is missing or has another place already.
"""

from __future__ import annotations

from typing import Final

_SQLITE: Final = """
UPDATE log_intent SET log_index = :first + asked.key FROM json_each(:ids) AS asked
WHERE log_intent.id = asked.value AND (log_index IS NULL OR log_index = :first + asked.key)
"""
# The array is there for the planner: it is answered by the key, whatever is known of the table.
_POSTGRES: Final = """
UPDATE log_intent SET log_index = %(first)s + asked.place - 1
FROM json_array_elements_text(CAST(%(ids)s AS json)) WITH ORDINALITY AS asked(id, place)
WHERE log_intent.id = ANY(ARRAY(SELECT CAST(json_array_elements_text(CAST(%(ids)s AS json)) AS bigint)))
AND log_intent.id = CAST(asked.id AS bigint) AND (log_index IS NULL OR log_index = %(first)s + asked.place - 1)
"""


def place_intents(*, one_writer: bool) -> str:
    return _SQLITE if one_writer else _POSTGRES
