"""Ending the transactions of processes that say nothing any more, so that others get at what they have locked (F38).

The server's own `idle_in_transaction_session_timeout` counts only while it owes nobody an answer. It does not count
behind a statement of a pipeline whose Sync has not come, and not behind the Flush that the driver sends when it leaves
a pipeline (seen with PostgreSQL 15 and 18, psycopg 3.3.9). A process that is cut off, or stopped, just there kept its
rows until the connection was known to be dead: for ever, where something in between keeps that up.
`transaction_timeout` does count, but is not there before PostgreSQL 17. So each process looks after the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from axis.sql.address import SILENT_S

WRITES: Final = "axis %: writes"
# Looked for first, ended then: a condition of one question could be asked of anybody.
_END: Final = """
    WITH silent AS MATERIALIZED (
    SELECT pid, application_name FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    AND application_name LIKE %(writes)s AND xact_start IS NOT NULL AND wait_event_type = 'Client'
    AND greatest(state_change, query_start) < clock_timestamp() - make_interval(secs => %(silent)s)
    ) SELECT application_name FROM silent WHERE pg_terminate_backend(pid)
"""


def end_silent(connection: psycopg.Connection[Any]) -> Sequence[str]:
    """End what other processes' writing connections have left open and untouched for `SILENT_S`; whose they were."""
    found = connection.execute(_END, {"writes": WRITES, "silent": SILENT_S}).fetchall()
    return [name.removeprefix("axis ").removesuffix(": writes") for (name,) in found]
