"""Everything that a store holds, in one snapshot: what `check_house` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select

from axis.core.house import Leaf
from axis.core.model import AttachmentCheck, AttachmentVerdict, Delivery, Document, PayloadRef, StatusReport
from axis.sql.driver import Session
from axis.sql.engine import open_readonly, told
from axis.sql.rows import read_attachment, read_check, read_delivery, read_document, read_status
from axis.sql.statements import DELIVERY_COLUMNS
from axis.sql.tables import attachment_check, attachment_verdict, delivery, document, log_intent, status_report
from axis.sql.verdict import read_now
from axis.sql.views import Questions

_DOCUMENTS = str(select(document).order_by(document.c.seq))
_DELIVERIES = str(select(*DELIVERY_COLUMNS).order_by(delivery.c.seq))
_REPORTS = str(select(status_report).order_by(status_report.c.seq))
_CHECKS = str(select(attachment_check))
_ATTACHMENTS = str(select(attachment_verdict))
_LEAVES = str(select(log_intent.c.id, log_intent.c.log_index, log_intent.c.leaf).order_by(log_intent.c.id))


class SqlBooks:
    """Implements `axis.core.house.Books`. `read_file` gives octets that are not in the database, `None` if missing."""

    def __init__(self, questions: Questions, read_file: Callable[[PayloadRef], bytes | None]) -> None:
        self._questions = questions
        self._read_file = read_file

    @property
    def session(self) -> Session:
        """For the questions of `axis.sql.soundness`, in the same snapshot."""
        return self._questions.session

    def documents(self) -> Iterable[Document]:
        return map(read_now, map(read_document, self._questions.session.run(_DOCUMENTS).fetchall()))

    def deliveries(self) -> Iterable[Delivery]:
        return map(read_delivery, self._questions.session.run(_DELIVERIES).fetchall())

    def reports(self) -> Iterable[StatusReport]:
        return map(read_status, self._questions.session.run(_REPORTS).fetchall())

    def attachment_checks(self) -> Iterable[AttachmentCheck]:
        return map(read_check, self._questions.session.run(_CHECKS).fetchall())

    def attachment_verdicts(self) -> Iterable[AttachmentVerdict]:
        return map(read_attachment, self._questions.session.run(_ATTACHMENTS).fetchall())

    def leaves(self) -> Iterable[Leaf]:
        rows = self._questions.session.run(_LEAVES).fetchall()
        return [Leaf(id, index, bytes(octets)) for id, index, octets in rows]

    def backlog(self) -> tuple[int, datetime | None]:
        """Log intents without an index: how many, and since when the oldest waits."""
        return self._questions.backlog()

    def octets(self, ref: PayloadRef) -> bytes | None:
        inline = self._questions.octets(ref)
        return self._read_file(ref) if inline is None else inline

    def evidence(self, sha256: str) -> bytes | None:
        found = self._questions.evidence(sha256)
        if found is None:
            return None
        return self._read_file(found.ref) if found.octets is None else found.octets


@contextmanager
def open_books(url: str, read_file: Callable[[PayloadRef], bytes | None]) -> Iterator[SqlBooks]:
    """The books of a store, beside a running daemon or without one, as one snapshot that may be looked at for hours.

    `StoreDamaged` when the database meets damage while it reads, `StoreError` when it cannot be read.
    """
    with told(url), open_readonly(url, patient=True) as questions:
        questions.session.run(questions.session.snapshot)
        yield SqlBooks(questions, read_file)
