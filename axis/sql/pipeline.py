"""How PostgreSQL is spoken to: reads one by one, writes of a whole group at once (ADR 0030).

A body of an intake asks nothing on the way: what it will ask was asked for all bodies of its group together, with
BEGIN (`WritingSession.begin_transaction`), and what it adds is collected and told with the rows of the others, one
statement a table (`axis.sql.wire`). Whatever else a body asks or changes sends what was collected first, so nobody sees
that it waited. What asks nothing may run on the event loop, where nothing may wait for a network: there, a body that
does ask ends with `AsksMore` (ADR 0052).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, lru_cache, partial
from hashlib import blake2b
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from axis.core.ports import About, LostRace
from axis.sql.bulk import ORPHANS, SAME_DOCUMENTS, TRY_LOCKS, Bulk, Params, bulks
from axis.sql.driver import MOVED, AsksMore, Contended, Cursor, Session
from axis.sql.rows import name_key
from axis.sql.statements import Statements
from axis.sql.wire import Wire, array

MOST_OCTETS: Final = 8 << 20
"""How many octets of content are collected before they are sent."""

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(%(key)s)"


@cache
def statements() -> Statements:
    return Statements(PGDialect_psycopg(paramstyle="pyformat"))  # type: ignore[no-untyped-call]


@cache
def _bulks() -> dict[str, Bulk]:
    return bulks(statements())


def _is_duplicate(error: Exception) -> bool:
    return isinstance(error, pg.UniqueViolation)


@lru_cache(maxsize=4096)  # each is asked for with its group, and again by its body
def _lock(*key: str) -> int:
    return int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest(), signed=True)


class _Plain:
    """A psycopg connection with the interface of the driver's protocol: octets travel as octets."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.driver = connection

    def execute(self, sql: str, params: Mapping[str, Any] | None = None, /) -> Cursor:
        return self.driver.execute(sql, params, binary=True)

    def close(self) -> None:
        self.driver.close()


class PostgresSession(Session):
    """Reads: one question, one way there and back."""

    snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(_Plain(connection), statements(), _is_duplicate)


class WritingSession(PostgresSession):
    """The session that writes. A body that asks or changes something does so in the driver's pipeline: nobody waits for
    the answer to a write before the next question is asked.

    `together` in a transaction: rows are collected and sent for several bodies at once. Then an error is nobody's in
    particular, and the group runs again one by one, where each body hears of its own.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection)
        self._driver = connection
        self._wire = Wire(connection)
        self._pipeline: psycopg.Pipeline | None = None
        self._way = ExitStack()
        self._open: list[tuple[Cursor, Callable[[Cursor], None]]] = []
        self.wrote = False
        self.together = False
        self._saved = False
        self._rows: list[tuple[str, Params]] = []
        self._body = 0  # where the rows of this body begin
        self._octets = 0
        self._lanes: set[str] = set()
        self._ours: set[int] = set()
        self._in_body: set[int] = set()
        self._known: dict[tuple[str, ...], list[Any]] = {}
        self._outdating = frozenset({self.statements.add_document, self.statements.add_status})
        self.silent = False
        """While bodies run that may say nothing to the server."""
        self._in_vain: psycopg.Error | None = None

    # --- the life of a transaction and of a body

    def begin_transaction(self, together: bool, about: Sequence[About]) -> None:
        """Begin, and ask what the bodies will ask. Raises where nothing was begun; if only the questions failed,
        `hear` does."""
        self.wrote, self.together, self._saved = False, together, False
        self._ours, self._in_body = set(), set()
        self._known, self._in_vain = {}, None
        self._forget_rows()
        try:
            self._foresee(about if together else ())
        except psycopg.Error as error:
            if self._driver.closed or self._driver.info.transaction_status == TransactionStatus.IDLE:
                raise
            self._in_vain = error

    def hear(self) -> None:
        """Raise what was wrong with the questions."""
        if self._in_vain is not None:
            raise self._in_vain

    def begin_body(self) -> None:
        """What the last body locked stays locked; what this one locks goes when it is undone."""
        self._ours |= self._in_body
        self._in_body = set()
        if self._octets > MOST_OCTETS and not self.silent:
            self._send(self._rows)
            self._forget_rows()
        self._body, self._saved = len(self._rows), False
        if not self.together:
            self._save()

    def undo_body(self) -> bool:
        """Drop what the body added. Whether the server knows of the body, so that it must undo it too."""
        self._in_body = set()
        self._open.clear()
        del self._rows[self._body :]
        return self._saved

    def end_body(self) -> None:
        if self._saved:
            self._ask("RELEASE body")

    def leave(self) -> None:
        """Wait for everything that is under way. Raises what is wrong with it."""
        self._open.clear()
        self._pipeline = None
        self._way.pop_all().close()

    def finish(self) -> None:
        """Send what was collected, and hear that it is good."""
        if self._pipeline is not None:
            self._send(self._rows)
        elif told := [(bulk.numbered, bulk.octets(rows)) for bulk, rows in _by_table(self._rows)]:
            self._wire.tell(*told)
        self._forget_rows()
        self.settle()

    def commit(self) -> bool:
        """Whether the server says that it has committed: it answers ROLLBACK, without an error, where the transaction
        had failed before."""
        self.leave()
        (answer,) = self._wire.tell(("COMMIT", ()))
        return answer.command_status == b"COMMIT"

    def forget_prepared(self) -> None:
        self._wire.forget()

    # --- what a body does

    def run(self, sql: str, /, **params: str | bytes | int | None) -> Cursor:
        self._reach()
        asked = self._ask(sql, params)
        self._sync()
        return asked

    def write(self, sql: str, params: Mapping[str, Any], /) -> None:
        self.wrote = True
        bulk = _bulks().get(sql) if self.together else None
        if bulk is None:
            self._reach()
            self._known.clear()
            self._open.append((self._ask(sql, params), _nothing))
            return
        if sql in self._outdating:
            self._outdate(sql, params)
        lane = params["lane"] if sql == self.statements.add_delivery else None
        if lane in self._lanes:  # whether it is the head of its lane depends on the one before
            self._reach()
        if lane is not None:
            self._lanes.add(lane)
        self._rows.append((sql, params))
        for name in bulk.wide:
            self._octets += len(params[name] or b"")

    def change(self, sql: str, rows: int = 1, /, **params: str | bytes | int | None) -> None:
        self.wrote = True
        self._reach()
        self._known.clear()
        self._open.append((self._ask(sql, params), partial(_changed, rows)))

    def alone(self, *key: str) -> None:
        number = _lock(*key)
        if number in self._ours or number in self._in_body:
            return
        self._open.append((self._ask(_TRY_LOCK, {"key": number}), _got))
        self._in_body.add(number)

    def settle(self) -> None:
        if self._open:
            self._sync()

    # --- what the group asks at once

    def _foresee(self, about: Sequence[About]) -> None:
        """Begin, lock what the bodies will decide about, then look. What another process has is left out: its body asks
        by itself, and steps aside."""
        asked = sorted({(one.sender.text, name_key(one.document_id), name_key(one.number)) for one in about})
        if not asked:
            self._wire.tell((_BEGIN, ()))
            return
        senders, ids, numbers = ([one[place] for one in asked] for place in range(3))
        pairs = sorted({one[:2] for one in asked})  # under two numbers one id is still one
        locks = {_lock("document", one[0], one[1]) for one in asked} | {
            _lock("number", one[0], one[2]) for one in asked
        }
        _, got, same, orphans = self._wire.tell(
            (_BEGIN, ()),
            (TRY_LOCKS.numbered, [array("bigint", sorted(locks))]),
            # Statements of their own: they see what was committed by whoever had the locks before.
            (SAME_DOCUMENTS.numbered, [array("text", [one[place] for one in pairs]) for place in range(2)]),
            (ORPHANS.numbered, [array("text", column) for column in (senders, ids, numbers)]),
        )
        held = {key for key, ours in self._wire.rows(got) if ours}
        self._ours |= held
        for sender, id_, number in asked:
            if _lock("document", sender, id_) in held:
                self._known["document", sender, id_] = []
                if _lock("number", sender, number) in held:
                    self._known["orphans", sender, id_, number] = []
        for place, *row in self._wire.rows(same):
            self._known.get(("document", *pairs[place - 1]), []).append(row)
        for place, *row in self._wire.rows(orphans):
            self._known.get(("orphans", senders[place - 1], ids[place - 1], numbers[place - 1]), []).append(row)

    def foreseen(self, *question: str) -> Sequence[Any] | None:
        return self._known.pop(question, None)

    def _outdate(self, sql: str, params: Params) -> None:
        """Drop what a row that is added may answer otherwise. Nobody else can add one: what is known is locked."""
        if sql == self.statements.add_document:
            self._known.pop(("document", params["sender"], params["document_key"]), None)
        elif sql == self.statements.add_status:
            self._known.clear()

    # --- the wire

    def _ask(self, sql: str, params: Params | None = None) -> Cursor:
        if self.silent:
            raise AsksMore
        if self._pipeline is None:
            self._pipeline = self._way.enter_context(self._driver.pipeline())
        return self.connection.execute(sql, params or {})

    def _save(self) -> None:
        self._ask("SAVEPOINT body")
        self._saved = True

    def _reach(self) -> None:
        """Send what was collected: that of earlier bodies, a savepoint, that of this one."""
        if self.silent:
            raise AsksMore
        if not self.together:
            return
        self._send(self._rows[: self._body])
        if not self._saved:
            self._save()
        self._send(self._rows[self._body :])
        self._forget_rows()

    def _forget_rows(self) -> None:
        self._rows, self._body, self._octets, self._lanes = [], 0, 0, set()

    def _send(self, rows: Sequence[tuple[str, Params]]) -> None:
        for bulk, several in _by_table(rows):
            self._open.append((self._ask(bulk.sql, bulk.arrays(several)), _nothing))

    def _sync(self) -> None:
        assert self._pipeline is not None
        self._pipeline.sync()
        answered, self._open = self._open, []
        for cursor, check in answered:
            check(cursor)


def _by_table(rows: Sequence[tuple[str, Params]]) -> Iterator[tuple[Bulk, Sequence[Params]]]:
    """In the order in which rows may refer to each other."""
    by_statement: dict[str, list[Params]] = {}
    for sql, params in rows:
        by_statement.setdefault(sql, []).append(params)
    for sql, bulk in _bulks().items():
        if several := by_statement.get(sql):
            yield bulk, several


def _nothing(cursor: Cursor) -> None:
    """An error would have been raised already."""


def _changed(rows: int, cursor: Cursor) -> None:
    if cursor.rowcount != rows:
        raise LostRace(MOVED)


def _got(cursor: Cursor) -> None:
    (got,) = cursor.fetchone()
    if not got:
        raise Contended("another process decides about the same document")
