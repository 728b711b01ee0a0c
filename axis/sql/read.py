"""Questions by key, asked alike inside a transaction (`SqlLedger`) and outside (`SqlViews`)."""

from __future__ import annotations

from collections.abc import Sequence

from axis.core.model import Delivery, DeliveryId, Document, DocumentRef, Notice, NoticeRef, StatusRef, StatusReport
from axis.sql.driver import Session
from axis.sql.rows import read_delivery, read_document, read_notice, read_status


class Reader:
    """Reads nouns from one session."""

    __slots__ = ("session", "sql")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sql = session.statements

    def document(self, ref: DocumentRef) -> Document | None:
        row = self.session.run(self.sql.document, ref=ref).fetchone()
        return None if row is None else read_document(row)

    def delivery(self, id: DeliveryId) -> Delivery | None:
        row = self.session.run(self.sql.delivery, id=id).fetchone()
        return None if row is None else read_delivery(row)

    def status(self, ref: StatusRef) -> StatusReport | None:
        row = self.session.run(self.sql.status, ref=ref).fetchone()
        return None if row is None else read_status(row)

    def notice(self, ref: NoticeRef) -> Notice | None:
        row = self.session.run(self.sql.notice, ref=ref).fetchone()
        return None if row is None else read_notice(row)

    def documents(self, sql: str, /, **params: str | int | None) -> Sequence[Document]:
        return [read_document(row) for row in self.session.run(sql, **params).fetchall()]

    def deliveries(self, sql: str, /, **params: str | int | None) -> Sequence[Delivery]:
        return [read_delivery(row) for row in self.session.run(sql, **params).fetchall()]

    def reports(self, sql: str, /, **params: str | int | None) -> Sequence[StatusReport]:
        return [read_status(row) for row in self.session.run(sql, **params).fetchall()]
