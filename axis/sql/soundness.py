"""What a whole store is asked when somebody looks after it: is the database whole, what lies in it, what lies in files.

`named_files` is the one place that knows which rows name a file of the blobs. Whoever adds a table whose rows name one
adds a row to `FILES`: `axis fsck`, `axis backup` and the collection of unnamed files ask nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import ClauseElement, ColumnElement, FromClause, Table, and_, exists, func, literal_column, or_, select

from axis.core.attachments import attached_payloads
from axis.core.model import Document, PayloadRef
from axis.core.states import OPEN as OPEN_STATES
from axis.sql.driver import Session, StoreError
from axis.sql.rows import key, read_document
from axis.sql.tables import Base, delivery, document, document_recipient, evidence, log_intent, notice, payload
from axis.sql.tables import status_report as status

NEWEST: Final = 3
"""So many documents are asked by `newest_files`: a folder that was put back has none of them, one file is soon gone."""
AMONG: Final[ColumnElement[int]] = literal_column("1000")
"""How far back it looks for them."""

PAGE: Final = 200
"""Rows with octets that are in memory at once: 25 MB where each has the most that shares a row."""


_AT_ONCE: Final[ColumnElement[int]] = literal_column("2000")
"""Entries that are in memory at once."""


class Unreadable(StoreError, ValueError):
    """A row is none of its kind: which files it names, nobody can say."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A table whose rows name a file by SHA-256 and size, where `condition` holds. `kind` says what it is for people,
    `owner` is the column with the record that the octets belong to."""

    kind: str
    owner: ColumnElement[str]
    sha256: ColumnElement[str]
    size: ColumnElement[int]
    source: FromClause
    condition: ColumnElement[bool]


FILES: Final = (
    Naming(
        "payload",
        document.c.ref,
        document.c.payload_sha256,
        document.c.payload_size,
        document.outerjoin(payload, payload.c.sha256 == document.c.payload_sha256),
        and_(payload.c.sha256.is_(None), document.c.removed_at.is_(None)),
    ),
    Naming("evidence", evidence.c.sha256, evidence.c.sha256, evidence.c.size, evidence, evidence.c.octets.is_(None)),
)
"""Rows that name a file of the blobs in columns; attachments in parts are named inside a document (`_attached`)."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a row names: its octets are those of `ref`, or the store is damaged."""

    kind: str
    owner: str
    ref: PayloadRef


@dataclass(frozen=True, slots=True)
class Inline:
    """Octets in a row, and the record that names them."""

    kind: str
    owner: str
    ref: PayloadRef
    found_size: int


@dataclass(frozen=True, slots=True)
class Parentless:
    """A row whose parent is missing."""

    table: str
    key: str
    parent: str


def named_files(session: Session) -> Iterator[NamedFile]:
    """Every file that a row names, once for each row that does. A document without content names none. `Unreadable`."""
    for naming in FILES:
        asked = select(naming.owner, naming.sha256, naming.size).select_from(naming.source).where(naming.condition)
        for owner, sha256, size in session.run(_text(asked)).fetchall():
            yield NamedFile(naming.kind, owner, PayloadRef(sha256, size))
    rows = _row_sizes(session)
    yield from (NamedFile("payload", owner, ref) for owner, ref in _attached(session) if ref.sha256 not in rows)


def newest_files(session: Session) -> Sequence[PayloadRef]:
    """Some of the files that the newest documents name: a question that costs little in any store. A row that cannot be
    read names none."""
    last = select(func.coalesce(func.max(document.c.seq), literal_column("0"))).scalar_subquery()
    newest = document.c.seq > last - AMONG
    most: ColumnElement[int] = literal_column(str(NEWEST))
    outside = (
        select(document.c.payload_sha256, document.c.payload_size)
        .outerjoin(payload, payload.c.sha256 == document.c.payload_sha256)
        .where(newest, payload.c.sha256.is_(None), _with_content())
    )
    found = [
        PayloadRef(*one) for one in session.run(_text(outside.order_by(document.c.seq.desc()).limit(most))).fetchall()
    ]
    row = select(payload.c.sha256).where(payload.c.sha256 == literal_column(placeholder(session, "sha256")))
    beside = select(document).where(newest, document.c.form != literal_column("'inline'"), _with_content())
    rows = session.run(_text(beside.order_by(document.c.seq.desc()).limit(most))).fetchall()
    for one in _documents(rows, skip=True):
        in_rows = (session.run(_text(row), sha256=ref.sha256).fetchone() for ref in attached_payloads(one))
        found += [ref for ref, there in zip(attached_payloads(one), in_rows, strict=True) if there is None]
    return found


def _with_content() -> ColumnElement[bool]:
    return document.c.removed_at.is_(None)


def _attached(session: Session) -> Iterator[tuple[str, PayloadRef]]:
    """Attachments that are kept beside their envelope, by the document that they belong to."""
    asked = select(document).where(document.c.form != literal_column("'inline'"), _with_content())
    for one in _documents(session.run(_text(asked)).fetchall()):
        yield from ((one.ref, ref) for ref in attached_payloads(one))


def _documents(rows: Iterable[Any], *, skip: bool = False) -> Iterator[Document]:
    for row in rows:
        try:
            yield read_document(row)
        except (ValueError, LookupError, TypeError, AssertionError) as error:
            if not skip:
                raise Unreadable("a row of document cannot be read: axis fsck tells which") from error


def _row_sizes(session: Session) -> dict[str, int]:
    """How many octets lie in each row of `payload`."""
    asked = select(payload.c.sha256, func.length(payload.c.octets))
    return dict(session.run(_text(asked)).fetchall())


def inline_sizes(session: Session) -> Iterator[Inline]:
    """All octets that lie in rows, with the size that they should have and the size that they have."""
    payloads = select(
        document.c.ref, document.c.payload_sha256, document.c.payload_size, func.length(payload.c.octets)
    ).join_from(document, payload, payload.c.sha256 == document.c.payload_sha256)
    payloads = payloads.where(_with_content())
    kept = select(evidence.c.sha256, evidence.c.sha256, evidence.c.size, func.length(evidence.c.octets)).where(
        evidence.c.octets.is_not(None)
    )
    for kind, asked in (("payload", payloads), ("evidence", kept)):
        for owner, sha256, size, found in session.run(_text(asked)).fetchall():
            yield Inline(kind, owner, PayloadRef(sha256, size), found)
    rows = _row_sizes(session)
    for owner, ref in _attached(session):
        if ref.sha256 in rows:
            yield Inline("payload", owner, ref, rows[ref.sha256])


def inline_octets(session: Session, kind: str) -> Iterator[tuple[str, bytes]]:
    """The octets of every row of `payload` or `evidence` by their digest, a page at a time."""
    table = {"payload": payload, "evidence": evidence}[kind]
    after = placeholder(session, "after")
    asked = (
        select(table.c.sha256, table.c.octets)
        .where(table.c.octets.is_not(None), table.c.sha256 > literal_column(after))
        .order_by(table.c.sha256)
        .limit(literal_column(str(PAGE)))
    )
    text, last = _text(asked), ""
    while rows := session.run(text, after=last).fetchall():
        for sha256, octets in rows:
            yield sha256, bytes(octets)
        last = rows[-1][0]


def evidence_kinds(session: Session) -> dict[str, str]:
    """The digests of all evidence that is kept, each with its kind."""
    return dict(session.run(_text(select(evidence.c.sha256, evidence.c.kind))).fetchall())


def untrue_columns(session: Session) -> Iterator[tuple[str, str, str]]:
    """Table, key and column of what repeats another column and says something else: what is looked up by it, or
    counted, is not what the record says. `ValueError`, `LookupError` for a row that is none."""
    for table in (document, status):
        kept = (table.c.ref, table.c.document_id, table.c.document_key, table.c.number, table.c.number_key)
        for ref, named, named_key, number, number_key in session.run(_text(select(*kept))).fetchall():
            if named_key != key(named):
                yield table.name, ref, "document_key"
            if number_key != key(number):
                yield table.name, ref, "number_key"
    held = select(document).where(document.c.state == literal_column("'held'"))
    for row in session.run(_text(held)).fetchall():
        if dict(zip(document.c.keys(), row, strict=True))["anchor"] != read_document(row).anchor:
            yield document.name, row[1], "anchor"
    after = placeholder(session, "after")
    asked = select(log_intent.c.id, log_intent.c.kind, log_intent.c.at, log_intent.c.leaf)
    asked = asked.where(log_intent.c.id > literal_column(after)).order_by(log_intent.c.id).limit(_AT_ONCE)
    text, last = _text(asked), -1
    while rows := session.run(text, after=last).fetchall():
        for id_, kind, at, octets in rows:
            said = json.loads(bytes(octets))
            told = {"kind": kind, "at": at}
            yield from ((log_intent.name, str(id_), name) for name in told if said[name] != told[name])
        last = rows[-1][0]


def recipients(session: Session, document_ref: str) -> frozenset[str]:
    """The recipients of one document, as the table of recipients has them."""
    asked = select(document_recipient.c.recipient).where(
        document_recipient.c.document == literal_column(placeholder(session, "ref"))
    )
    return frozenset(code for (code,) in session.run(_text(asked), ref=document_ref).fetchall())


def leaves(session: Session) -> Iterator[tuple[int, bytes]]:
    """Index and octets of every entry that has its place in the log, in order, a page at a time."""
    after = placeholder(session, "after")
    asked = (
        select(log_intent.c.log_index, log_intent.c.leaf)
        .where(log_intent.c.log_index > literal_column(after))
        .order_by(log_intent.c.log_index)
        .limit(_AT_ONCE)
    )
    text, last = _text(asked), -1
    while rows := session.run(text, after=last).fetchall():
        for index, octets in rows:
            yield index, bytes(octets)
        last = rows[-1][0]


def waiting(session: Session) -> Iterator[tuple[int, bytes]]:
    """Id and octets of every entry that has no place in the log yet."""
    asked = select(log_intent.c.id, log_intent.c.leaf).where(log_intent.c.log_index.is_(None))
    for id_, octets in session.run(_text(asked)).fetchall():
        yield id_, bytes(octets)


def log_size(session: Session) -> int:
    """How many entries have their place in the log."""
    (number,) = session.run(
        _text(select(func.count()).select_from(log_intent).where(log_intent.c.log_index.is_not(None)))
    ).fetchone()
    return int(number)


def store_id(session: Session) -> str:
    """The random identity of the store, empty where it has none."""
    row = session.run("SELECT value FROM meta WHERE name = 'store_id'").fetchone()
    return "" if row is None else str(row[0])


def parked_for_ever(session: Session) -> Iterator[str]:
    """Deliveries that are marked to stand behind an open one of their lane, and do not: whoever claims looks at heads
    only, and what would make it one has been delivered."""
    older = delivery.alias("older")
    before = select(older.c.seq).where(older.c.lane == delivery.c.lane, older.c.seq < delivery.c.seq, _open(older))
    asked = select(delivery.c.id).where(delivery.c.head == literal_column("0"), _open(delivery), ~exists(before))
    return (id_ for (id_,) in session.run(_text(asked)).fetchall())


def _open(of: FromClause) -> ColumnElement[bool]:
    return or_(*(of.c.state == literal_column(f"'{state}'") for state in sorted(OPEN_STATES)))


def parentless(session: Session) -> Iterator[Parentless]:
    """Rows that name another row that is not there: by the foreign keys of the schema, and by `cargo_ref`.

    Asked of the tables themselves, not of the constraints: those may have been switched off meanwhile.
    """
    for table, parent, asked in _references():
        for row, missing in session.run(asked).fetchall():
            yield Parentless(table, str(row), f"{parent} {missing}")


@cache
def _references() -> tuple[tuple[str, str, str], ...]:
    """Of everything that names another row: the table, that of the other row, and the question who names none."""
    named = [
        (foreign.parent, foreign.column, "") for table in Base.metadata.sorted_tables for foreign in table.foreign_keys
    ]
    by_cargo = [
        (delivery.c.cargo_ref, parent, f"cargo = '{cargo}'")
        for cargo, parent in (("status", status.c.ref), ("notice", notice.c.ref))
    ]
    return tuple(
        (child.table.name, parent.table.name, _without(child.table, child, parent, only))
        for child, parent, only in (*named, *by_cargo)
    )


def _without(table: Table, child: ColumnElement[str], parent: ColumnElement[str], only: str) -> str:
    there = parent.table.alias("there")
    columns = [table.c.id if table is delivery else column for column in table.primary_key][:1]
    asked = (
        select(*columns, child)
        .select_from(table.outerjoin(there, there.c[parent.name] == child))
        .where(and_(child.is_not(None), there.c[parent.name].is_(None)))
    )
    return _text(asked.where(literal_column(f"{table.name}.{only}")) if only else asked)


def database_damage(session: Session) -> Iterator[str]:
    """What the database itself says of its pages and indexes, where it can be asked (SQLite). Nothing when it is whole.

    PostgreSQL tells a damaged page when it is read, if its checksums are on; everything is read here.
    """
    if not session.statements.one_writer:
        for table in Base.metadata.sorted_tables:
            session.run(f'SELECT count(*) FROM (SELECT * FROM "{table.name}" OFFSET 0) all_of_it').fetchone()  # noqa: S608
            if (counted := table.autoincrement_column) is not None and _is_behind(session, table.name, counted.name):
                yield f"the counter of {table.name} gives numbers that are taken: nothing can be stored"
        return
    for (line,) in session.run("PRAGMA integrity_check(100)").fetchall():
        if line != "ok":
            yield str(line)
    for table, row, parent, _ in session.run("PRAGMA foreign_key_check").fetchall():
        yield f"row {row} of {table} has no {parent}"


def _is_behind(session: Session, table: str, column: str) -> bool:
    """Whether the sequence of a PostgreSQL has not given a number that is there. (SQLite looks itself.)"""
    (given, newest) = session.run(
        f"SELECT pg_sequence_last_value(pg_get_serial_sequence('{table}', '{column}')), max({column}) FROM {table}"  # noqa: S608
    ).fetchone()
    return newest is not None and (given is None or given < newest)


def _text(asked: ClauseElement) -> str:
    """The text of a statement without values of its own, the same for both databases."""
    return str(asked)


def placeholder(session: Session, name: str) -> str:
    """How the driver writes a named value."""
    return f":{name}" if session.statements.one_writer else f"%({name})s"
