"""A whole store, some documents at a time with everything about them: it need not fit in memory.

What grows with the store here is a reference for each document, sixteen octets for each entry of the log, eight for
each delivery and status: some 250 octets a document.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, literal_column, or_, select

from axis.core.house import Leaf, Portion
from axis.core.model import EntryKind
from axis.sql.driver import Session
from axis.sql.paged import placeholder
from axis.sql.rows import (
    read_attachment,
    read_check,
    read_delivery,
    read_document,
    read_follow_up,
    read_notice,
    read_status,
)
from axis.sql.statements import DELIVERY_COLUMNS
from axis.sql.tables import (
    attachment_check,
    attachment_verdict,
    delivery,
    document,
    follow_up,
    log_intent,
    notice,
    status_report,
)
from axis.sql.verdict import read_now

T = TypeVar("T")

PORTION: Final = 2_000
"""Documents that are in memory at once, with all that is about them: some 80 KB each."""
_PAGE: Final = 2_000
_OF_DOCUMENTS: Final = frozenset({EntryKind.ACCEPTED, EntryKind.HELD, EntryKind.ATTACHMENTS, EntryKind.CONTENT_REMOVED})
_OF_DELIVERIES: Final = frozenset(
    {EntryKind.DELIVERED, EntryKind.DEFERRED, EntryKind.FAILED, EntryKind.FOLLOWED, EntryKind.OPERATED}
)
_OF_STATUSES: Final = frozenset({EntryKind.STATUS, EntryKind.ORPHAN_MATCHED})
"""Entries that must have a document, a delivery or a status: those of none belong to the last portion."""
_LEAF: Final = (log_intent.c.id, log_intent.c.log_index, log_intent.c.leaf)
_REFS: Final = select(document.c.ref)


def portions(session: Session) -> Iterator[Portion]:
    """Every record in just one portion, in the order of storing. `ValueError`, `LookupError` for a row that is none."""
    size = PORTION
    entries = _Entries(session, frozenset(ref for (ref,) in session.run(str(_REFS)).fetchall()))
    asked = f"{select(document).where(_after(session, document.c.seq))} ORDER BY seq LIMIT {size}"
    after = 0
    while True:
        rows = session.run(asked, after=after).fetchall()
        yield _portion(session, rows, entries, last=len(rows) < size)
        if len(rows) < size:
            return
        after = rows[-1][0]


def leaves(session: Session) -> Iterator[Leaf]:
    """Every entry by its number, a page at a time."""
    asked = f"{select(*_LEAF).where(_after(session, log_intent.c.id))} ORDER BY id LIMIT {_PAGE}"
    after = 0
    while rows := session.run(asked, after=after).fetchall():
        yield from map(_leaf, rows)
        after = rows[-1][0]


class _Entries:
    """Where the entries of the log are, by what they are about: of each its number and a hash of its subject."""

    def __init__(self, session: Session, documents: Collection[str]) -> None:
        self._session = session
        self._ids, self._subjects = array("q"), array("q")
        self._notices, self._strays = list[int](), list[int]()
        deliveries = _hashes(session, delivery.c.seq, delivery.c.id)
        statuses = _hashes(session, status_report.c.seq, status_report.c.ref)
        for leaf in leaves(session):
            entry = json.loads(leaf.octets)
            kind, subject = entry["kind"], entry["subject"]
            if kind == EntryKind.NOTICE:
                self._notices.append(leaf.id)
            elif (
                (kind in _OF_DOCUMENTS and subject not in documents)
                or (kind in _OF_DELIVERIES and subject and not _has(deliveries, subject))
                or (kind in _OF_STATUSES and not _has(statuses, subject))
            ):
                self._strays.append(leaf.id)
            else:
                self._ids.append(leaf.id)
                self._subjects.append(hash(subject))

    def about(self, names: Iterable[str], *, strays: bool) -> tuple[Leaf, ...]:
        """Those about one of `names`, and every notice's. Another one may be among them whose hash is the same."""
        wanted = {*map(hash, names)}
        pairs = zip(self._ids, self._subjects, strict=True)
        ids = [id for id, subject in pairs if subject in wanted] + self._notices + (self._strays if strays else [])
        ids.sort()
        asked = f"{select(*_LEAF).where(_among(self._session, log_intent.c.id, number=True))} ORDER BY id"
        pages = (ids[first : first + _PAGE] for first in range(0, len(ids), _PAGE))
        return tuple(_leaf(row) for page in pages for row in _asked(self._session, asked, page))


def _hashes(session: Session, number: ColumnElement[Any], name: ColumnElement[str]) -> array[int]:
    """A hash of every name, in order."""
    asked = f"{select(number, name).where(_after(session, number))} ORDER BY seq LIMIT {_PAGE}"
    found, after = array("q"), 0
    while rows := session.run(asked, after=after).fetchall():
        found.extend(hash(one) for _, one in rows)
        after = rows[-1][0]
    return array("q", sorted(found))


def _has(hashes: array[int], name: str) -> bool:
    wanted = hash(name)
    place = bisect_left(hashes, wanted)
    return place < len(hashes) and hashes[place] == wanted


def _portion(session: Session, rows: Sequence[Any], entries: _Entries, *, last: bool) -> Portion:
    documents = [read_now(read_document(row)) for row in rows]
    refs = [one.ref for one in documents]

    def about(asked: Select[Any], column: ColumnElement[str], order: str, read: Callable[[Any], T]) -> list[T]:
        of_these = _among(session, column)
        which = or_(of_these, column.is_(None), column.not_in(_REFS)) if last else of_these
        return [read(row) for row in _asked(session, f"{asked.where(which)} ORDER BY {order}", refs)]

    deliveries = about(select(*DELIVERY_COLUMNS), delivery.c.document, "seq", read_delivery)
    reports = about(select(status_report), status_report.c.document, "seq", read_status)
    followed = f"{select(follow_up).where(_among(session, follow_up.c.delivery))} ORDER BY delivery"
    names = (*refs, *(one.id for one in deliveries), *(one.ref for one in reports))
    return Portion(
        documents,
        deliveries,
        reports,
        about(select(attachment_check), attachment_check.c.document, "document", read_check),
        about(select(attachment_verdict), attachment_verdict.c.document, "document, place, round", read_attachment),
        entries.about(names, strays=last),
        about(select(notice), notice.c.document, "ref", read_notice),
        [read_follow_up(row) for row in _asked(session, followed, [one.id for one in deliveries])],
    )


def _leaf(row: Any) -> Leaf:
    id, index, octets = row
    return Leaf(id, index, bytes(octets))


def _after(session: Session, column: ColumnElement[int]) -> ColumnElement[bool]:
    return column > literal_column(placeholder(session, "after"))


def _among(session: Session, column: ColumnElement[Any], *, number: bool = False) -> ColumnElement[bool]:
    """`column` is one of those that `_asked` is given."""
    given = placeholder(session, "given")
    if session.statements.one_writer:
        listed = f"(SELECT value FROM json_each({given}))"  # noqa: S608 - the driver's own placeholder
        return literal_column(f"{column} IN {listed}")
    as_number = "::bigint" if number else ""
    return literal_column(f"{column} = ANY(ARRAY(SELECT json_array_elements_text({given}::json){as_number}))")


def _asked(session: Session, asked: str, given: Sequence[str] | Sequence[int]) -> list[Any]:
    return session.run(asked, given=json.dumps(given)).fetchall()
