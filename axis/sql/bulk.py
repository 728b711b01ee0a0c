"""Rows of one table by one statement, and the questions of a group by one statement each (PostgreSQL).

A statement with arrays costs the driver and the server about as much as one for a single row: what a group of sixty
bodies adds to seven tables is seven statements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import BigInteger, Integer, LargeBinary, Table

from axis.sql.contents import AGAIN, PUT
from axis.sql.follow_ups import ANEW
from axis.sql.statements import Statements
from axis.sql.tables import (
    KEPT,
    OPEN,
    attachment_check,
    attachment_verdict,
    delivery,
    document,
    document_recipient,
    evidence,
    follow_up,
    log_intent,
    notice,
    status_report,
)
from axis.sql.wire import array

Params = Mapping[str, Any]


_NAMED: Final = re.compile(r"%\((\w+)\)b")
_KIND: Final = re.compile(r"%\((\w+)\)b::(\w+)\[\]")


@dataclass(frozen=True)
class Bulk:
    """One statement for many rows. `names` are its parameters, each an array; `wide` those that hold octets.

    `numbered` is the same statement with numbers for names, for `axis.sql.wire`, and `kinds` what each array is of.
    """

    sql: str
    names: tuple[str, ...]
    wide: tuple[str, ...] = ()

    def arrays(self, rows: Sequence[Params]) -> dict[str, list[Any]]:
        return {name: [row[name] for row in rows] for name in self.names}

    @cached_property
    def numbered(self) -> str:
        return _NAMED.sub(lambda found: f"${self.names.index(found[1]) + 1}", self.sql)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        found = dict(_KIND.findall(self.sql))
        return tuple(found[name] for name in self.names)

    def octets(self, rows: Sequence[Params]) -> list[bytes]:
        return [array(kind, [row[name] for row in rows]) for name, kind in zip(self.names, self.kinds, strict=True)]


def _type(column: Any) -> str:
    kind = column.type
    if isinstance(kind, LargeBinary):
        return "bytea"
    if isinstance(kind, BigInteger):
        return "bigint"
    return "integer" if isinstance(kind, Integer) else "text"


def _rows(table: Table, more: Mapping[str, str] | None = None, end: str = "") -> Bulk:
    """INSERT as many rows as the arrays are long, in their order. `more` are columns by an expression over `given`."""
    more = more or {}
    columns = [one for one in table.c if one is not table.autoincrement_column and one.name not in more]
    names = tuple(one.name for one in columns)
    arrays = ", ".join(f"%({one.name})b::{_type(one)}[]" for one in columns)
    given, into = ", ".join(names), ", ".join((*names, *more))
    taken = ", ".join((*(f"given.{name}" for name in names), *more.values()))
    sql = (
        f"INSERT INTO {table.name} ({into}) SELECT {taken} "  # noqa: S608 - names of our own tables
        f"FROM unnest({arrays}) WITH ORDINALITY AS given({given}, place) ORDER BY given.place{end}"
    )
    return Bulk(sql, names, tuple(one.name for one in columns if _type(one) == "bytea"))


# Each digest once, as one statement may not meet a row twice, and in one order for all who wait for each other.
_PUT: Final = Bulk(
    "INSERT INTO payload (sha256, octets) SELECT DISTINCT ON (given.sha256) given.sha256, given.octets "  # noqa: S608
    "FROM unnest(%(sha256)b::text[], %(octets)b::bytea[]) AS given(sha256, octets) "
    f"ORDER BY given.sha256{AGAIN}",
    PUT,
    ("octets",),
)


def bulks(statements: Statements) -> dict[str, Bulk]:
    """By the text of the statement for one row, in the order in which rows may refer to each other."""
    once = " ON CONFLICT DO NOTHING"
    # A scalar question is answered by the index, lane for lane. Of EXISTS the planner makes a table of all open ones.
    head = f"COALESCE((SELECT 0 FROM delivery WHERE delivery.lane = given.lane AND {OPEN} LIMIT 1), 1)"  # noqa: S608
    hold = f"SELECT seq FROM delivery WHERE lane = ANY(%(lane)b::text[]) AND {OPEN} FOR NO KEY UPDATE NOWAIT"  # noqa: S608
    return {
        statements.contents.put: _PUT,
        statements.put_evidence: _rows(evidence, end=once),
        statements.add_document: _rows(document),
        statements.add_recipient: _rows(document_recipient),
        statements.add_status: _rows(status_report),
        statements.add_notice: _rows(notice),
        statements.add_attachment_check: _rows(attachment_check),
        statements.add_attachment_verdict: _rows(attachment_verdict),
        statements.hold_lane: Bulk(hold, ("lane",)),
        statements.add_delivery: _rows(delivery, {"head": head}),
        statements.follow_ups.add: _rows(follow_up, end=ANEW),
        statements.add_intent: _rows(log_intent),
    }


TRY_LOCKS: Final = Bulk(
    "SELECT key, pg_try_advisory_xact_lock(key) FROM unnest(%(keys)b::bigint[]) AS asked(key)", ("keys",)
)


def _columns(table: Table, name: str) -> str:
    return ", ".join(f"{name}.{column.name}" for column in table.c)


# OFFSET 0 keeps the inner question whole, so that it is answered by an index for each row that asks. Which are kept is
# looked at outside: so only the index by key fits, not another that a database without statistics takes for as good.
SAME_DOCUMENTS: Final = Bulk(
    f"SELECT asked.place, {_columns(document, 'one')} "  # noqa: S608
    "FROM unnest(%(sender)b::text[], %(id)b::text[]) WITH ORDINALITY AS asked(sender, id, place), "
    "LATERAL (SELECT * FROM document WHERE document.document_key = asked.id AND document.sender = asked.sender "
    f"OFFSET 0) AS one WHERE {KEPT} ORDER BY one.seq",
    ("sender", "id"),
)
ORPHANS: Final = Bulk(
    f"SELECT asked.place, {_columns(status_report, 'kept')} "  # noqa: S608
    "FROM unnest(%(sender)b::text[], %(id)b::text[], %(number)b::text[]) "
    "WITH ORDINALITY AS asked(sender, id, number, place), "
    "LATERAL (SELECT * FROM status_report AS told WHERE told.sender = asked.sender AND told.document IS NULL "
    "AND (told.document_key = asked.id OR told.number_key = asked.number) OFFSET 0) AS kept ORDER BY kept.seq",
    ("sender", "id", "number"),
)
