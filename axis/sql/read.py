"""Questions by key, asked alike inside a transaction (`SqlLedger`) and outside (`SqlViews`)."""

from __future__ import annotations

from collections.abc import Sequence

from axis.core.follow_up import FollowUp
from axis.core.model import (
    AttachmentCheck,
    AttachmentVerdict,
    Delivery,
    DeliveryId,
    Document,
    DocumentRef,
    Notice,
    NoticeRef,
    StatusRef,
    StatusReport,
)
from axis.sql.driver import Session
from axis.sql.rows import (
    read_attachment,
    read_check,
    read_delivery,
    read_document,
    read_follow_up,
    read_notice,
    read_status,
)


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

    def attachment_check(self, ref: DocumentRef) -> AttachmentCheck | None:
        row = self.session.run(self.sql.attachment_check, document=ref).fetchone()
        return None if row is None else read_check(row)

    def attachment_verdicts(self, ref: DocumentRef) -> Sequence[AttachmentVerdict]:
        return [read_attachment(row) for row in self.session.run(self.sql.attachment_verdicts, document=ref).fetchall()]

    def checks(self, sql: str, /, **params: str | int) -> Sequence[AttachmentCheck]:
        return [read_check(row) for row in self.session.run(sql, **params).fetchall()]

    def follow_up(self, id: DeliveryId) -> FollowUp | None:
        row = self.session.run(self.sql.follow_ups.one, delivery=id).fetchone()
        return None if row is None else read_follow_up(row)

    def follow_ups(self, sql: str, /, **params: str | int) -> Sequence[FollowUp]:
        return [read_follow_up(row) for row in self.session.run(sql, **params).fetchall()]

    def documents(self, sql: str, /, **params: str | int | None) -> Sequence[Document]:
        return [read_document(row) for row in self.session.run(sql, **params).fetchall()]

    def deliveries(self, sql: str, /, **params: str | int | None) -> Sequence[Delivery]:
        return [read_delivery(row) for row in self.session.run(sql, **params).fetchall()]

    def reports(self, sql: str, /, **params: str | int | None) -> Sequence[StatusReport]:
        return [read_status(row) for row in self.session.run(sql, **params).fetchall()]
