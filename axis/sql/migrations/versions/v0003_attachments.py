"""What is said of the PDFs inside attachments, and how far judging them is.

Documents that are here already get no row: they were carried without, and are not judged years later.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _column(name: str, kind: type[sa.Text] | type[sa.Integer] = sa.Text, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "attachment_check",
        _column("document"),
        _column("since"),
        _column("due_at", nullable=True),
        _column("rounds", sa.Integer),
        _column("outcome", nullable=True),
        sa.ForeignKeyConstraint(["document"], ["document.ref"], name="fk_attachment_check_document"),
        sa.PrimaryKeyConstraint("document", name="pk_attachment_check"),
    )
    where: dict[str, Any] = {f"{db}_where": sa.text("due_at IS NOT NULL") for db in ("sqlite", "postgresql")}
    op.create_index("ix_attachment_check_due", "attachment_check", ["due_at", "document"], **where)
    op.create_table(
        "attachment_verdict",
        _column("document"),
        _column("place", sa.Integer),
        _column("round", sa.Integer),
        _column("content_id"),
        _column("judged_at"),
        _column("outcome", nullable=True),
        _column("reason", nullable=True),
        _column("waits", sa.Integer),
        _column("verdict"),
        sa.ForeignKeyConstraint(["document"], ["document.ref"], name="fk_attachment_verdict_document"),
        sa.PrimaryKeyConstraint("document", "place", "round", name="pk_attachment_verdict"),
    )
