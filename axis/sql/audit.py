"""Everything that a store holds, in one snapshot: what `check_house` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import select

from axis.core.house import Leaf
from axis.core.model import Delivery, Document, PayloadRef, StatusReport
from axis.sql.engine import open_readonly
from axis.sql.rows import read_delivery, read_document, read_status
from axis.sql.statements import DELIVERY_COLUMNS
from axis.sql.tables import delivery, document, log_intent, status_report
from axis.sql.views import Questions

_DOCUMENTS = str(select(document).order_by(document.c.seq))
_DELIVERIES = str(select(*DELIVERY_COLUMNS).order_by(delivery.c.seq))
_REPORTS = str(select(status_report).order_by(status_report.c.seq))
_LEAVES = str(select(log_intent.c.id, log_intent.c.log_index, log_intent.c.leaf).order_by(log_intent.c.id))


class SqlBooks:
    """Implements `axis.core.house.Books`. `read_file` gives octets that are not in the database, `None` if missing."""

    def __init__(self, questions: Questions, read_file: Callable[[PayloadRef], bytes | None]) -> None:
        self._questions = questions
        self._read_file = read_file

    def documents(self) -> Iterable[Document]:
        return map(read_document, self._questions.session.run(_DOCUMENTS).fetchall())

    def deliveries(self) -> Iterable[Delivery]:
        return map(read_delivery, self._questions.session.run(_DELIVERIES).fetchall())

    def reports(self) -> Iterable[StatusReport]:
        return map(read_status, self._questions.session.run(_REPORTS).fetchall())

    def leaves(self) -> Iterable[Leaf]:
        rows = self._questions.session.run(_LEAVES).fetchall()
        return [Leaf(id, index, bytes(octets)) for id, index, octets in rows]

    def octets(self, ref: PayloadRef) -> bytes | None:
        inline = self._questions.octets(ref)
        return self._read_file(ref) if inline is None else inline


@contextmanager
def open_books(url: str, read_file: Callable[[PayloadRef], bytes | None]) -> Iterator[SqlBooks]:
    """The books of a store on this machine, beside a running daemon or without one, as one snapshot."""
    with open_readonly(url) as questions:
        questions.session.run("BEGIN")
        yield SqlBooks(questions, read_file)
