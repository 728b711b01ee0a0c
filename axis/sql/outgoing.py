"""Statements for what goes out: one question for all that is told or handed over, each row with what belongs to it.

A join costs an index seek a row; a question for each row costs ten times that, and where it runs in a thread, the
interpreter's lock as well (measured: ADR 0032).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    case,
    literal_column,
    select,
    text,
)

from axis.core.model import Cargo
from axis.sql.queues import at_most
from axis.sql.tables import attachment_check, delivery, document, notice, payload, status_report

_REPORTED: Final = [
    status_report.c[name]
    for name in (
        "ref", "wire", "receiver", "reporter", "at", "received_at", "description", "standing", "attestation",
        "document_id", "number",
    )
]  # fmt: skip


def _cargo_ref(page: FromClause, cargo: Cargo) -> ColumnElement[Any]:
    """What a delivery carries, where it is of that kind: NULL finds nothing, and is not looked for."""
    return case((page.c.cargo == literal_column(f"'{cargo.value}'"), page.c.cargo_ref))


class Outgoing:
    """The compiled texts; `text_of` compiles, `waiting` are the deliveries of a mailbox that are in their turn, `among`
    says that a document is one of those that are asked for together, `these` that a delivery is."""

    def __init__(self, text_of: Callable[[ClauseElement], str], waiting: Select[Any], among: str, these: str) -> None:
        page, check = waiting.subquery("page"), attachment_check
        told = [
            page.c.id,
            page.c.seq,
            page.c.cargo,
            page.c.recipients,
            page.c.priority,
            document.c.ref,
            document.c.sender,
            document.c.document_id,
            document.c.number,
            document.c.subject,
            document.c.form,
            document.c.payload_size,
            document.c.payload_sha256,
            check.c.rounds,
            check.c.outcome,
            check.c.due_at,
            notice.c.octets,
            literal_column("NULL").label("report"),
        ]
        with_cargo = (
            page.outerjoin(document, document.c.ref == page.c.document)
            .outerjoin(check, check.c.document == _cargo_ref(page, Cargo.DOCUMENT))
            .outerjoin(notice, notice.c.ref == _cargo_ref(page, Cargo.NOTICE))
        )
        self.listed = text_of(at_most(select(*told).select_from(with_cargo).order_by(page.c.seq)))
        reported = delivery.join(status_report, status_report.c.ref == delivery.c.cargo_ref)
        self.reported = text_of(select(delivery.c.id, *_REPORTED).select_from(reported).where(text(these)))
        in_row = payload.c.sha256 == document.c.payload_sha256
        self.carried = text_of(
            select(document, payload.c.octets).select_from(document.outerjoin(payload, in_row)).where(text(among))
        )
        carries = document.c.ref == _cargo_ref(delivery, Cargo.DOCUMENT)
        self.parcel = text_of(
            select(
                delivery.c.endpoint,
                delivery.c.recipients,
                document.c.digest,
                case((document.c.removed_at.is_(None), document.c.form)).label("form"),
                document.c.payload_sha256,
                document.c.payload_size,
                check.c.outcome,
                payload.c.octets,
            )
            .select_from(
                delivery.outerjoin(document, carries)
                .outerjoin(check, check.c.document == document.c.ref)
                .outerjoin(payload, in_row)
            )
            .where(delivery.c.id == bindparam("id"))
        )
