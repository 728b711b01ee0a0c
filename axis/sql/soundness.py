"""What a whole store is asked when somebody looks after it: is the database whole, what lies in it, what lies in files.

`named_files` is the one place that knows which rows name a file of the blobs. Whoever adds a table whose rows name one
adds a row to `FILES`: `axis fsck`, `axis backup` and the collection of unnamed files ask nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, exists, func, literal_column, or_, select

from axis.core.model import PayloadRef
from axis.core.states import OPEN as OPEN_STATES
from axis.sql.driver import Session, StoreError
from axis.sql.paged import paged, placeholder, text_of
from axis.sql.rows import key, read_document
from axis.sql.tables import Base, delivery, document, document_recipient, evidence, log_intent, notice, payload
from axis.sql.tables import status_report as status
from schemas.multipart import PackageForm

NEWEST: Final = 3
"""So many documents are asked by `newest_files`: a folder that was put back has none of them, one file is soon gone."""
AMONG: Final[ColumnElement[int]] = literal_column("1000")
"""How far back it looks for them."""

PAGE: Final = 200
"""Rows with octets that are in memory at once: 25 MB where each has the most that shares a row."""


class Unreadable(StoreError, ValueError):
    """A row is none of its kind: which files it names, nobody can say."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A table whose rows name a file: `asked` is for a number or name of the row (`by`), the record that the octets
    belong to, SHA-256 and size. `kind` says what it is for people."""

    kind: str
    by: ColumnElement[Any]
    asked: Select[Any]


_IN_A_ROW: Final = payload.c.sha256 == document.c.payload_sha256
_PACKAGE: Final = select(document.c.seq, document.c.ref, document.c.payload_sha256, document.c.payload_size)
_EVIDENCE: Final = select(evidence.c.sha256, evidence.c.sha256.label("owner"), evidence.c.sha256, evidence.c.size)
_WITH_CONTENT: Final = document.c.removed_at.is_(None)
_BESIDE: Final = document.c.form != literal_column("'inline'")
"""Documents whose attachments are kept beside their envelope."""

FILES: Final = (
    Naming(
        "payload",
        document.c.seq,
        _PACKAGE.outerjoin_from(document, payload, _IN_A_ROW).where(payload.c.sha256.is_(None), _WITH_CONTENT),
    ),
    Naming("evidence", evidence.c.sha256, _EVIDENCE.where(evidence.c.octets.is_(None))),
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
        for page in paged(session, naming.asked, naming.by):
            for _, owner, sha256, size in page:
                yield NamedFile(naming.kind, owner, PayloadRef(sha256, size))
    for beside in _attached(session):
        rows = _row_sizes(session, beside)
        yield from (NamedFile("payload", owner, ref) for owner, ref in beside if ref.sha256 not in rows)


_LAST: Final = select(func.coalesce(func.max(document.c.seq), literal_column("0"))).scalar_subquery()
_NEWEST: Final = document.c.seq > _LAST - AMONG
_MOST: Final[ColumnElement[int]] = literal_column(str(NEWEST))
_NEWEST_OUTSIDE: Final = (
    _PACKAGE.outerjoin_from(document, payload, _IN_A_ROW)
    .where(_NEWEST, payload.c.sha256.is_(None), _WITH_CONTENT)
    .order_by(document.c.seq.desc())
    .limit(_MOST)
)
_NEWEST_BESIDE: Final = (
    select(document.c.seq, document.c.ref, document.c.form, document.c.attachments)
    .where(_NEWEST, _BESIDE, _WITH_CONTENT)
    .order_by(document.c.seq.desc())
    .limit(_MOST)
)


def newest_files(session: Session) -> Sequence[PayloadRef]:
    """Some of the files that the newest documents name: a question that costs little in any store. A row that cannot be
    read names none."""
    outside = session.run(text_of(_NEWEST_OUTSIDE)).fetchall()
    found = [PayloadRef(sha256, size) for _, _, sha256, size in outside]
    for row in session.run(text_of(_NEWEST_BESIDE)).fetchall():
        try:
            beside = _named_by(row)
        except Unreadable:
            continue
        rows = _row_sizes(session, beside)
        found += [ref for _, ref in beside if ref.sha256 not in rows]
    return found


_ATTACHED: Final = select(document.c.seq, document.c.ref, document.c.form, document.c.attachments).where(
    _BESIDE, _WITH_CONTENT
)


def _attached(session: Session) -> Iterator[Sequence[tuple[str, PayloadRef]]]:
    """Attachments that are kept beside their envelope, by the document that they belong to: those of some documents at
    once. Of each no more is read than what it names."""
    for page in paged(session, _ATTACHED, document.c.seq, PAGE):
        yield [named for row in page for named in _named_by(row)]


def _named_by(row: Sequence[Any]) -> Sequence[tuple[str, PayloadRef]]:
    _, ref, form, attachments = row
    try:
        PackageForm(form)
        return [(ref, PayloadRef(str(one["sha256"]), int(one["size"]))) for one in orjson.loads(attachments)]
    except (ValueError, LookupError, TypeError) as error:
        raise Unreadable("a row of document cannot be read: axis fsck tells which") from error


def _row_sizes(session: Session, named: Sequence[tuple[str, PayloadRef]]) -> dict[str, int]:
    """How many octets lie in the rows of `payload` that are named here; none for what lies in files."""
    asked = "SELECT sha256, length(octets) FROM payload WHERE sha256 "
    return dict(_of_some(session, asked, [ref.sha256 for _, ref in named]))


def _of_some(session: Session, asked: str, given: Sequence[str]) -> Sequence[Any]:
    """The rows of those that are given; `asked` ends with the column."""
    if session.statements.one_writer:
        among = "IN (SELECT value FROM json_each(:given))"
    else:
        among = "= ANY(ARRAY(SELECT json_array_elements_text(CAST(%(given)s AS json))))"
    return session.run(asked + among, given=orjson.dumps(given).decode()).fetchall()


_PACKAGES_INSIDE: Final = (
    _PACKAGE.add_columns(func.length(payload.c.octets)).join_from(document, payload, _IN_A_ROW).where(_WITH_CONTENT)
)
_EVIDENCE_INSIDE: Final = _EVIDENCE.add_columns(func.length(evidence.c.octets)).where(evidence.c.octets.is_not(None))


def inline_sizes(session: Session) -> Iterator[Inline]:
    """All octets that lie in rows, with the size that they should have and the size that they have."""
    for kind, asked, by in (
        ("payload", _PACKAGES_INSIDE, document.c.seq),
        ("evidence", _EVIDENCE_INSIDE, evidence.c.sha256),
    ):
        for page in paged(session, asked, by):
            for _, owner, sha256, size, found in page:
                yield Inline(kind, owner, PayloadRef(sha256, size), found)
    for beside in _attached(session):
        rows = _row_sizes(session, beside)
        for owner, ref in beside:
            if ref.sha256 in rows:
                yield Inline("payload", owner, ref, rows[ref.sha256])


_KEPT: Final = {"payload": payload, "evidence": evidence}
_OCTETS: Final = {
    kind: select(table.c.sha256, table.c.octets).where(table.c.octets.is_not(None)) for kind, table in _KEPT.items()
}


def inline_octets(session: Session, kind: str) -> Iterator[tuple[str, bytes]]:
    """The octets of every row of `payload` or `evidence` by their digest, a page at a time."""
    table = _KEPT[kind]
    for page in paged(session, _OCTETS[kind], table.c.sha256, PAGE):
        for sha256, octets in page:
            yield sha256, bytes(octets)


def evidence_kinds(session: Session, names: Collection[str]) -> dict[str, str]:
    """The kinds of that evidence which is kept: certificates, lists and answers of authorities, which many documents
    share."""
    return dict(_of_some(session, "SELECT sha256, kind FROM evidence WHERE sha256 ", sorted(names)))


_REPEATED: Final = {
    table: select(
        table.c.seq, table.c.ref, table.c.document_id, table.c.document_key, table.c.number, table.c.number_key
    )
    for table in (document, status)
}
_HELD: Final = select(document).where(document.c.state == literal_column("'held'"))
_ENTRIES: Final = select(log_intent.c.id, log_intent.c.kind, log_intent.c.at, log_intent.c.leaf)


def untrue_columns(session: Session) -> Iterator[tuple[str, str, str]]:
    """Table, key and column of what repeats another column and says something else: what is looked up by it, or
    counted, is not what the record says. `ValueError`, `LookupError` for a row that is none."""
    for table, asked in _REPEATED.items():
        for page in paged(session, asked, table.c.seq):
            for _, ref, named, named_key, number, number_key in page:
                if named_key != key(named):
                    yield table.name, ref, "document_key"
                if number_key != key(number):
                    yield table.name, ref, "number_key"
    for page in paged(session, _HELD, document.c.seq, PAGE):
        for row in page:
            if dict(zip(document.c.keys(), row, strict=True))["anchor"] != read_document(row).anchor:
                yield document.name, row[1], "anchor"
    for page in paged(session, _ENTRIES, log_intent.c.id):
        for id_, kind, at, octets in page:
            said = json.loads(bytes(octets))
            told = {"kind": kind, "at": at}
            yield from ((log_intent.name, str(id_), name) for name in told if said[name] != told[name])


@cache
def _recipients(given: str) -> str:
    return str(select(document_recipient.c.recipient).where(document_recipient.c.document == literal_column(given)))


def recipients(session: Session, document_ref: str) -> frozenset[str]:
    """The recipients of one document, as the table of recipients has them."""
    asked = _recipients(placeholder(session, "ref"))
    return frozenset(code for (code,) in session.run(asked, ref=document_ref).fetchall())


_PLACED: Final = select(log_intent.c.log_index, log_intent.c.leaf)
_WAITING: Final = select(log_intent.c.id, log_intent.c.leaf).where(log_intent.c.log_index.is_(None))
_SIZE: Final = select(func.count()).select_from(log_intent).where(log_intent.c.log_index.is_not(None))


def leaves(session: Session) -> Iterator[tuple[int, bytes]]:
    """Index and octets of every entry that has its place in the log, in order, a page at a time."""
    for page in paged(session, _PLACED, log_intent.c.log_index):
        for index, octets in page:
            yield index, bytes(octets)


def waiting(session: Session) -> Iterator[tuple[int, bytes]]:
    """Id and octets of every entry that has no place in the log yet, a page at a time."""
    for page in paged(session, _WAITING, log_intent.c.id):
        for id_, octets in page:
            yield id_, bytes(octets)


def log_size(session: Session) -> int:
    """How many entries have their place in the log."""
    (number,) = session.run(text_of(_SIZE)).fetchone()
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
    return (id_ for (id_,) in session.run(str(asked)).fetchall())


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
    return str(asked.where(literal_column(f"{table.name}.{only}")) if only else asked)


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
