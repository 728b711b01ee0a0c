"""A server that does not answer COMMIT before a standby has it (`synchronous_standby_names`), and what it says then.

While there is no standby the answer does not come: who waits gives up after its patience, but the server's process goes
on waiting, with all that it has locked, until the standby is back or the setting is emptied. When somebody ends only
the wait (`pg_cancel_backend`) the answer is a good one, with a warning beside it: what is committed is on this server
alone (F121).
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.errors import Diagnostic

from axis.sql.driver import StoreError

_WAITS: Final = """
    SELECT current_setting('synchronous_standby_names') FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid() AND wait_event = 'SyncRep'
"""


class Warnings:
    """What a server adds to its answers. None of ours has a reason to be warned of at its COMMIT."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._heard: list[str] = []
        connection.add_notice_handler(self._hear)

    def _hear(self, said: Diagnostic) -> None:
        if said.severity_nonlocalized == "WARNING":
            self._heard.append(": ".join(filter(None, (said.message_primary, said.message_detail))))

    def forget(self) -> None:
        """Before COMMIT: what was said until then is of something else."""
        self._heard.clear()

    def refuse(self) -> None:
        """After COMMIT: `OperationalError` where it was answered with a warning, so that its outcome is unknown."""
        if self._heard:
            raise psycopg.OperationalError(f"committed with a warning: {'; '.join(self._heard)}")


def refuse_waiting(connection: psycopg.Connection[Any], name: str) -> None:
    """`StoreError` where the connection that is called `name` waits for a standby: then it is nobody else's."""
    row = connection.execute(_WAITS, (name,)).fetchone()
    if row is not None:
        raise StoreError(
            f"the server waits for a standby before it answers COMMIT (synchronous_standby_names = {row[0]}), and none "
            "confirms: start the standby, or empty the setting and reload"
        )
