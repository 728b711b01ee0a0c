"""What the administrator of a PostgreSQL should hear of, although a node works with it: nothing of it is refused.

A server can be told to write statements into its own log, and it writes their values with them: subjects, descriptions,
whole packages, in a file that other people read and that nobody removes with the content. The settings are a
superuser's: a node cannot change them for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg

ASKED: Final = (
    "log_statement",
    "log_min_duration_statement",
    "log_min_duration_sample",
    "log_statement_sample_rate",
    "log_transaction_sample_rate",
    "log_parameter_max_length",
    "auto_explain.log_min_duration",
    "pgaudit.log_parameter",
    "track_activities",
)
_NEVER: Final = "-1"


def overheard(settings: Mapping[str, str]) -> tuple[str, ...]:
    """What to tell of `settings`, as `pg_settings` writes them; those of a module that is not loaded are not there."""
    told = []
    writers = _writers(settings)
    if writers:
        named = ", ".join(f"{name} = {settings[name]}" for name in writers)
        told.append(
            f"PostgreSQL writes what is stored into its own log, subjects and packages too ({named}); "
            "as a superuser: ALTER ROLE ... SET log_parameter_max_length = 0, or switch that off for the node's role"
        )
    if settings.get("track_activities") == "off":
        told.append(
            "PostgreSQL does not say what its connections do (track_activities = off): a process that stands still in "
            "a transaction keeps its rows from the others; as a superuser: ALTER ROLE ... SET track_activities = on"
        )
    return tuple(told)


def _writers(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The settings by which values of statements get into the server's log."""
    found = []
    if settings.get("log_parameter_max_length") != "0":
        if settings.get("log_statement") in ("mod", "all"):
            found.append("log_statement")
        if settings.get("log_min_duration_statement", _NEVER) != _NEVER:
            found.append("log_min_duration_statement")
        sampled = float(settings.get("log_statement_sample_rate", "0")) > 0
        if settings.get("log_min_duration_sample", _NEVER) != _NEVER and sampled:
            found.append("log_min_duration_sample")
        if float(settings.get("log_transaction_sample_rate", "0")) > 0:
            found.append("log_transaction_sample_rate")
    if settings.get("auto_explain.log_min_duration", _NEVER) != _NEVER:
        found.append("auto_explain.log_min_duration")
    if settings.get("pgaudit.log_parameter") == "on":
        found.append("pgaudit.log_parameter")
    return tuple(found)


def hear(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """What to tell of the settings that `connection` works with."""
    asked = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
    return overheard(dict(connection.execute(asked, (list(ASKED),)).fetchall()))
