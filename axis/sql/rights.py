"""What the role of a PostgreSQL must be allowed: all that a node ever does to its tables, asked before it does any.

A right that is missing would be found out by the one request that needs it, long after the start: a status where all
documents went through, a notice to a sender in the worst moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg

from axis.sql.driver import StoreError
from axis.sql.tables import Base

_CHANGED: Final = frozenset(
    (
        "attachment_check",
        "delivery",
        "document",
        "follow_up",
        "leftover",
        "log_intent",
        "meta",
        "payload",
        "status_report",
    )
)
_EMPTIED: Final = frozenset(("endpoint_hold", "leftover", "payload"))

RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {"alembic_version": ("SELECT",)} | {
    table.name: ("SELECT", "INSERT", *["UPDATE"] * (table.name in _CHANGED), *["DELETE"] * (table.name in _EMPTIED))
    for table in Base.metadata.sorted_tables
}
"""By table. Locking a row is changing it; what refers to a row is looked up by the right of the table's owner."""

_PAIRS: Final = [(table, right) for table, rights in RIGHTS.items() for right in rights]
_MISSING: Final = """
    SELECT o.name, o.told FROM (
        SELECT name, told, to_regclass(quote_ident(current_schema()) || '.' || quote_ident(name)) AS oid
        FROM unnest(%(tables)s::text[], %(rights)s::text[]) AS one(name, told)) o
    WHERE NOT has_table_privilege(o.oid, o.told)
    UNION ALL
    SELECT s.relname, 'USAGE' FROM pg_class t
    JOIN pg_depend d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
    JOIN pg_class s ON s.oid = d.objid AND d.classid = 'pg_class'::regclass
    WHERE t.relname = ANY(%(tables)s) AND t.relnamespace = to_regnamespace(quote_ident(current_schema()))
    AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE, UPDATE') END
    ORDER BY 1, 2
"""
"""Of the numbers that a table gives out either right will do; nothing else may be asked for that (hence CASE)."""


def refuse_missing_rights(connection: psycopg.Connection[Any]) -> None:
    """`StoreError` that names every right that the role of `connection` lacks. Of a table that is not there, none."""
    asked = {"tables": [table for table, _ in _PAIRS], "rights": [right for _, right in _PAIRS]}
    if missing := connection.execute(_MISSING, asked).fetchall():
        named = ", ".join(f"{right} on {name}" for name, right in missing)
        raise StoreError(
            f"the role {connection.info.user} lacks {named}: grant it that, or make it the owner of the tables"
        )
