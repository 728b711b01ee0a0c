"""The first schema. Never changed again: what comes later is a revision of its own."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _serial(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _texts(names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _maybe(names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=True) for name in names.split()]


def _number(name: str, kind: type[sa.Integer] = sa.Integer, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=nullable)


def _index(name: str, table: str, columns: str, condition: str | None = None, unique: bool = False) -> None:
    where: dict[str, Any] = (
        {} if condition is None else {f"{db}_where": sa.text(condition) for db in ("sqlite", "postgresql")}
    )
    op.create_index(name, table, columns.split(), unique=unique, **where)


def upgrade() -> None:
    _document()
    _delivery()
    _status_report()
    op.create_table(
        "notice",
        *_texts("ref document outcome"),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        *_texts("at"),
        sa.ForeignKeyConstraint(["document"], ["document.ref"], name="fk_notice_document"),
        sa.PrimaryKeyConstraint("ref", name="pk_notice"),
    )
    _index("ix_notice_document", "notice", "document")
    op.create_table(
        "log_intent",
        _serial("id"),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        *_texts("kind at"),
        _number("log_index", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_log_intent"),
        sa.UniqueConstraint("log_index", name="uq_log_intent_log_index"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "payload",
        *_texts("sha256"),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_payload"),
    )
    meta = op.create_table("meta", *_texts("name value"), sa.PrimaryKeyConstraint("name", name="pk_meta"))
    op.bulk_insert(meta, [{"name": "store_id", "value": secrets.token_hex(16)}, {"name": "openings", "value": "0"}])


def _document() -> None:
    op.create_table(
        "document",
        _serial("seq"),
        *_texts("ref sender kind document_id document_key concerns digest payload_sha256"),
        _number("payload_size", sa.BigInteger),
        *_texts("number number_key subject recipients verdict state receipt_state principal via accepted_at nonce"),
        *_maybe("issued_on"),
        _number("priority"),
        *_texts("attachments"),
        *_maybe("only_for"),
        *_texts("hops"),
        _number("crossed"),
        *_texts("notes"),
        *_maybe("anchor"),
        sa.CheckConstraint("state IN ('accepted', 'held', 'refused')", name=op.f("ck_document_state")),
        sa.PrimaryKeyConstraint("seq", name="pk_document"),
        sa.UniqueConstraint("ref", name="uq_document_ref"),
        sqlite_autoincrement=True,
    )
    kept = "state IN ('accepted', 'held')"
    _index("uq_document_key", "document", "sender document_key kind digest", kept, unique=True)
    _index("ix_document_number", "document", "sender number_key", kept)
    _index("ix_document_held", "document", "seq", "state = 'held'")
    _index("ix_document_held_under", "document", "anchor", "state = 'held'")
    _index("ix_document_search", "document", "document_key sender")
    op.create_table(
        "document_recipient",
        *_texts("document recipient"),
        sa.ForeignKeyConstraint(["document"], ["document.ref"], name="fk_document_recipient_document"),
        sa.PrimaryKeyConstraint("document", "recipient", name="pk_document_recipient"),
        sqlite_with_rowid=False,
    )


def _delivery() -> None:
    op.create_table(
        "delivery",
        _serial("seq"),
        *_texts("id cargo cargo_ref"),
        *_maybe("document"),
        *_texts("endpoint recipients lane"),
        _number("head"),
        *_texts("created_at due_at"),
        _number("priority"),
        *_texts("state"),
        _number("attempts"),
        _number("token"),
        *_maybe("last_problem settled_at"),
        sa.CheckConstraint("state IN ('queued', 'leased', 'delivered', 'failed')", name=op.f("ck_delivery_state")),
        sa.CheckConstraint("cargo IN ('document', 'status', 'notice')", name=op.f("ck_delivery_cargo")),
        sa.ForeignKeyConstraint(["document"], ["document.ref"], name="fk_delivery_document"),
        sa.PrimaryKeyConstraint("seq", name="pk_delivery"),
        sa.UniqueConstraint("id", name="uq_delivery_id"),
        sqlite_autoincrement=True,
    )
    claimable = "head = 1 AND state IN ('leased', 'queued')"
    _index("ix_delivery_lane", "delivery", "lane seq", "state IN ('failed', 'leased', 'queued')")
    _index("ix_delivery_due", "delivery", "endpoint priority due_at seq", claimable)
    _index("ix_delivery_inbox", "delivery", "endpoint seq", "head = 1 AND state = 'queued'")
    _index("ix_delivery_document", "delivery", "document seq")
    _index("ix_delivery_orphan", "delivery", "cargo_ref", "document IS NULL")


def _status_report() -> None:
    op.create_table(
        "status_report",
        _serial("seq"),
        *_texts("ref"),
        *_maybe("document"),
        *_texts("sender receiver reporter addressee"),
        *_maybe("document_id document_key number number_key"),
        *_texts("wire at received_at principal via attestation standing"),
        *_maybe("description issued_on staff"),
        *_texts("hops"),
        sa.ForeignKeyConstraint(["document"], ["document.ref"], name="fk_status_report_document"),
        sa.PrimaryKeyConstraint("seq", name="pk_status_report"),
        sa.UniqueConstraint("ref", name="uq_status_report_ref"),
        sqlite_autoincrement=True,
    )
    _index("ix_status_report_document", "status_report", "document receiver seq")
    _index("ix_status_report_orphan_id", "status_report", "sender document_key", "document IS NULL")
    _index("ix_status_report_orphan_number", "status_report", "sender number_key", "document IS NULL")
