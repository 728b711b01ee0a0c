"""Statements of a whole group, sent at once and answered at once (PostgreSQL, ADR 0052).

The driver's own way costs a cursor and a question of types for each statement, and gives the interpreter lock up at
least twice, which a busy loop lets the thread have back some milliseconds later. What every group says is known
beforehand: it is prepared once, its parameters are written as the server reads them, and the lock is given up where
something is really waited for. This is the driver's documented interface to libpq; nothing of the protocol is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from struct import Struct
from typing import Any, Final

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

Values = Sequence[Any]
Told = tuple[str, Sequence[bytes]]
"""The text of a statement and its parameters, in the binary format."""

_FAILED: Final = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)
_LENGTHS: Final = tuple(length.to_bytes(4, "big") for length in range(4096))
_NULL: Final = b"\xff\xff\xff\xff"
_HEAD: Final = Struct("!iiIii")
_ELEMENTS: Final = {"text": 25, "bytea": 17, "bigint": 20, "integer": 23}
_NUMBERS: Final = {"bigint": Struct("!iq"), "integer": Struct("!ii")}


def array(kind: str, values: Values) -> bytes:
    """`kind[]` of one dimension in the binary format (`array_recv`): its head, then each length and value."""
    # Half of the columns say the same in all rows of a group: a state, a kind, nothing.
    alike = len(values) > 1 and values.count(values[0]) == len(values)
    pieces = _pieces(kind, values[:1]) * len(values) if alike else _pieces(kind, values)
    return _HEAD.pack(1, None in values, _ELEMENTS[kind], len(values), 1) + b"".join(pieces)


def _pieces(kind: str, values: Values) -> list[bytes]:
    pieces: list[bytes] = []
    add = pieces.append
    numbers = _NUMBERS.get(kind)
    if numbers is not None:
        pack, size = numbers.pack, numbers.size - 4
        for value in values:
            add(_NULL if value is None else pack(size, value))
        return pieces
    for value in values:
        if value is None:
            add(_NULL)
            continue
        octets = value.encode() if kind == "text" else value
        length = len(octets)
        add(_LENGTHS[length] if length < 4096 else length.to_bytes(4, "big"))
        add(octets)
    return pieces


class Wire:
    """The statements of one connection that are said this way; not while it is in the driver's own pipeline."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._adapt = Transformer.from_context(connection)
        self._names: dict[str, bytes] = {}
        self._numbers = count()

    def forget(self) -> None:
        """What was prepared may be there no more. A name is never given twice."""
        self._names.clear()

    def tell(self, *told: Told) -> list[PGresult]:
        """Say all of it, then have the answers, one for each. The first error is raised; the server has done nothing
        that stood behind it."""
        pgconn = self._connection.pgconn
        commands: list[Callable[[], None]] = []
        asked: list[int] = []
        for sql, params in told:
            name = self._names.get(sql)
            if name is None:
                name = self._names[sql] = f"axis_{next(self._numbers)}".encode()
                commands.append(partial(pgconn.send_prepare, name, sql.encode()))
            formats = [Format.BINARY] * len(params)
            asked.append(len(commands))
            commands.append(partial(pgconn.send_query_prepared, name, params, formats, result_format=Format.BINARY))
        try:
            with self._connection.lock:
                answers = self._connection.wait(_exchanged(pgconn, commands))
            for answer in answers:
                if answer.status in _FAILED:
                    raise error_from_result(answer, encoding="utf-8")
        except BaseException:
            self.forget()
            raise
        return [answers[place] for place in asked]

    def rows(self, answer: PGresult) -> list[Any]:
        if not answer.ntuples:
            return []
        self._adapt.set_pgresult(answer)
        return self._adapt.load_rows(0, answer.ntuples, tuple)


def _exchanged(pgconn: PGconn, commands: Sequence[Callable[[], None]]) -> PQGen[list[PGresult]]:
    """One answer for each command. A failed one ends what it may: the rest is answered as aborted."""
    pgconn.enter_pipeline_mode()
    try:
        for command in commands:
            command()
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        answers: list[PGresult] = []
        while True:
            several = yield from generators.fetch_many(pgconn)
            if not several:
                raise psycopg.OperationalError("the server says nothing more")
            if several[0].status == ExecStatus.PIPELINE_SYNC:
                return answers
            answers.append(several[-1])
    finally:
        if pgconn.status != ConnStatus.BAD:
            pgconn.exit_pipeline_mode()
