"""Statements about the content of documents: put, marked as removed, collected when nothing names it.

Two halves keep octets that a new document names while an old one gives them up (ADR 0078, tried on PostgreSQL): whoever
puts octets that are there raises their number, and whoever removes them repeats the number that it saw before it asked
who names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ClauseElement, bindparam, case, delete, func, literal_column, select, text, update

from axis.sql.queues import at_most
from axis.sql.tables import WITH_CONTENT, delivery, document, leftover, payload

AGAIN: Final = " ON CONFLICT (sha256) DO UPDATE SET named = payload.named + 1"
PUT: Final = ("sha256", "octets")
"""What is given of a row of `payload`."""


class Contents:
    """The compiled texts; `text_of` compiles, `put` and `leave` insert one row into `payload` and into `leftover`,
    `columns` are those of a delivery."""

    def __init__(self, text_of: Callable[[ClauseElement], str], put: str, leave: str, columns: Sequence[Any]) -> None:
        self.put = put + AGAIN
        self.octets = text_of(select(payload.c.octets).where(payload.c.sha256 == bindparam("sha256")))
        with_content = text(WITH_CONTENT)
        self.oldest = text_of(
            at_most(
                select(document.c.seq, document.c.ref, document.c.accepted_at)
                .where(with_content, document.c.seq > bindparam("after"))
                .order_by(document.c.seq)
            )
        )
        # Locked: what is delivered, sent again or given up meanwhile waits, or is waited for.
        self.deliveries = text_of(
            select(*columns)
            .where(delivery.c.document == bindparam("document"))
            .order_by(delivery.c.seq)
            .with_for_update(nowait=True, key_share=True)
        )
        self.remove = text_of(
            update(document)
            .where(document.c.ref == bindparam("of"), with_content)
            .values(removed_at=bindparam("at"), subject=literal_column("''"), attachments=bindparam("nameless"))
        )
        self.leave = leave + " ON CONFLICT (sha256) DO UPDATE SET since = excluded.since"
        self.left = text_of(
            at_most(
                select(leftover.c.sha256, leftover.c.since, payload.c.named)
                .select_from(leftover.outerjoin(payload, payload.c.sha256 == leftover.c.sha256))
                .where(leftover.c.since <= bindparam("before"))
                .order_by(leftover.c.since, leftover.c.sha256)
            )
        )
        beside = case((document.c.form != literal_column("'inline'"), document.c.attachments))
        names = at_most(
            select(document.c.seq, document.c.payload_sha256, beside)
            .where(document.c.seq > bindparam("after"))
            .order_by(document.c.seq)
        )
        self.named = text_of(names.where(with_content))
        self.named_before = text_of(names.where(document.c.removed_at >= bindparam("since")))
        self.removed = text_of(select(func.count()).select_from(document).where(document.c.removed_at.is_not(None)))
        self.collect = text_of(
            delete(payload).where(payload.c.sha256 == bindparam("of"), payload.c.named == bindparam("seen"))
        )
        self.forget = text_of(
            delete(leftover).where(leftover.c.sha256 == bindparam("of"), leftover.c.since == bindparam("since"))
        )
