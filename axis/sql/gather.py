"""How SQLite is told what a group adds: table by table, as PostgreSQL is (ADR 0030, 0040).

A statement costs a third of what it costs otherwise where the same one was run just before: then its program and the
pages of its table and indexes are at hand, and a quarter less again where all rows are handed over in one call with
their values by place (ADR 0051). So what the bodies of a group add is collected, and told when all of them have run,
and what an intake asks was asked for the whole group. Whatever else a body asks or changes tells what was collected
first, so nobody sees that it waited.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import orjson

from axis.core.ports import About
from axis.sql.driver import Cursor, Session
from axis.sql.rows import name_key
from axis.sql.statements import Statements
from axis.sql.tables import KEPT, document, status_report

Params = Mapping[str, Any]

_DOCUMENT, _REPORT = (
    ", ".join(f"{table.name}.{column.name}" for column in table.c) for table in (document, status_report)
)
_NAMED: Final = re.compile(r":([a-z_0-9]+)")
_ASKED: Final = "json_extract(asked.value, '$[{}]')"
SAME_DOCUMENTS: Final = (
    f"SELECT asked.key, {_DOCUMENT} FROM json_each(:asked) AS asked CROSS JOIN document "  # noqa: S608 - our own names
    f"WHERE document.sender = {_ASKED.format(0)} AND document.document_key = {_ASKED.format(1)} AND {KEPT}"
)
_ORPHANS: Final = (
    f"SELECT asked.key, {_REPORT} FROM json_each(:asked) AS asked CROSS JOIN status_report "  # noqa: S608 - likewise
    f"WHERE status_report.sender = {_ASKED.format(0)} AND status_report.document IS NULL AND "
)
_BY_ID: Final = f"status_report.document_key = {_ASKED.format(1)}"
_BY_NUMBER: Final = f"status_report.number_key = {_ASKED.format(2)}"
# Each by its index: for "id or number" SQLite reads all orphans of the sender.
ORPHANS: Final = f"{_ORPHANS}{_BY_ID} UNION ALL {_ORPHANS}{_BY_NUMBER} AND {_BY_ID.replace(' = ', ' IS NOT ')}"
"""The questions of an intake, for all of a group: pairs and triples of sender, key of the id and key of the number.
In no order: mostly there is no answer."""


_in_order_of_storing: Final = itemgetter(1)


def _by_place(sql: str) -> tuple[str, Callable[[Params], tuple[Any, ...]]]:
    """The same statement with its parameters by number, and how to put their values in that order."""
    names = list(dict.fromkeys(_NAMED.findall(sql)))
    return _NAMED.sub(lambda found: f"?{names.index(found[1]) + 1}", sql), itemgetter(*names)


class GatheringSession(Session):
    """The session that writes.

    `together` in a transaction: rows are collected and told for several bodies at once. Then an error is nobody's in
    particular, and the group runs again one by one, where each body hears of its own.
    """

    def __init__(
        self, connection: sqlite3.Connection, statements: Statements, is_duplicate: Callable[[Exception], bool]
    ) -> None:
        super().__init__(connection, statements, is_duplicate)
        self._driver = connection
        # In the order in which rows may refer to each other.
        self._order = (
            statements.contents.put,
            statements.put_evidence,
            statements.add_document,
            statements.add_recipient,
            statements.add_status,
            statements.add_notice,
            statements.add_attachment_check,
            statements.add_attachment_verdict,
            statements.add_delivery,
            statements.follow_ups.add,
            statements.add_intent,
        )
        self._outdating = frozenset({statements.add_document, statements.add_status})
        self._by_place = {sql: _by_place(sql) for sql in self._order}
        self.together = False
        self._rows: list[tuple[str, Params]] = []
        self._body = 0  # where the rows of this body begin
        self._saved = False
        self._documents: set[Any] = set()
        self._reported: set[Any] = set()  # refs of statuses, and of which document at which receiver
        self._known: dict[tuple[str, ...], list[Any]] = {}

    # --- the life of a transaction and of a body

    def begin_transaction(self, together: bool) -> None:
        self.together = together
        self._known = {}
        self._forget_rows()

    def begin_body(self) -> None:
        self._body, self._saved = len(self._rows), False
        if not self.together:
            self._save()

    def undo_body(self) -> None:
        """Drop what the body added; SQLite is told where it knows of some of it."""
        del self._rows[self._body :]
        if self._saved:
            self.connection.execute("ROLLBACK TO body", {})

    def end_body(self) -> None:
        if self._saved:
            self.connection.execute("RELEASE body", {})

    def finish(self) -> None:
        """Tell what was collected."""
        self._send(self._rows)
        self._forget_rows()

    # --- what a body does

    def run(self, sql: str, /, **params: str | bytes | int | None) -> Cursor:
        if self._rows and not self._is_apart(sql, params):
            self._reach()
        return self.connection.execute(sql, params)

    def write(self, sql: str, params: Params, /) -> None:
        if self.together and sql in self._by_place:
            if sql in self._outdating:
                self._outdate(sql, params)
            self._rows.append((sql, params))
            return
        self._told_at_once()
        super().write(sql, params)

    def change(self, sql: str, rows: int = 1, /, **params: str | bytes | int | None) -> None:
        self._told_at_once()
        super().change(sql, rows, **params)

    # --- what the group asks at once

    def foresee(self, about: Sequence[About]) -> None:
        """Look for what the bodies will ask. One alone asks by itself."""
        if len(about) < 2 or not self.together:
            return
        names = {(one.sender.text, name_key(one.document_id), name_key(one.number)) for one in about}
        self._look("document", SAME_DOCUMENTS, sorted({one[:2] for one in names}))
        self._look("orphans", ORPHANS, sorted(names))

    def _look(self, question: str, sql: str, asked: Sequence[tuple[str, ...]]) -> None:
        answers: list[list[Any]] = [[] for _ in asked]
        found = self.connection.execute(sql, {"asked": orjson.dumps(asked).decode()}).fetchall()
        for place, *row in sorted(found, key=_in_order_of_storing):
            answers[place].append(row)
        self._known |= {(question, *key): rows for key, rows in zip(asked, answers, strict=True)}

    def foreseen(self, *question: str) -> Sequence[Any] | None:
        return self._known.pop(question, None)

    def _outdate(self, sql: str, params: Params) -> None:
        """Drop what a row that is added may answer otherwise."""
        if sql == self.statements.add_document:
            self._known.pop(("document", params["sender"], params["document_key"]), None)
            self._documents.add(params["ref"])
        elif sql == self.statements.add_status:
            self._known.clear()
            self._reported |= {params["ref"], (params["document"], params["receiver"])}

    def _is_apart(self, sql: str, params: Params) -> bool:
        """Say whether none of what was collected can change the answer: what each status asks about its document."""
        asked = self.statements
        if sql == asked.reports.outline:
            return params["ref"] not in self._documents
        if sql == asked.reports.said:
            return (params["document"], params["receiver"]) not in self._reported
        return sql == asked.status and params["ref"] not in self._reported

    # --- the wire

    def _told_at_once(self) -> None:
        """Before a statement that is not collected: it may depend on all that is, and change what was foreseen."""
        self._known.clear()
        self._reach()
        self._save()

    def _reach(self) -> None:
        """Tell what was collected: that of earlier bodies, a savepoint, that of this one."""
        own = self._rows[self._body :]
        self._send(self._rows[: self._body])
        if own:
            self._save()
            self._send(own)
        self._forget_rows()

    def _save(self) -> None:
        if not self._saved:
            self.connection.execute("SAVEPOINT body", {})
            self._saved = True

    def _forget_rows(self) -> None:
        self._rows, self._body = [], 0
        self._documents, self._reported = set(), set()

    def _send(self, rows: Sequence[tuple[str, Params]]) -> None:
        if not rows:
            return
        by_statement: dict[str, list[Params]] = {}
        for sql, params in rows:
            by_statement.setdefault(sql, []).append(params)
        for sql in self._order:
            if several := by_statement.get(sql):
                self._tell(sql, several)

    def _tell(self, sql: str, several: Sequence[Params]) -> None:
        numbered, in_order = self._by_place[sql]
        self._driver.executemany(numbered, map(in_order, several))
