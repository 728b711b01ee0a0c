"""Deliveries can be held and dropped by an operator, count attempts that broke, and may begin anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATES = "state IN ('queued', 'leased', 'on-hold', 'delivered', 'failed', 'dropped')"
_OPEN = "state IN ('failed', 'leased', 'on-hold', 'queued')"


def upgrade() -> None:
    # The condition of a partial index must be the query's own, word for word.
    op.drop_index("ix_delivery_lane", "delivery")
    # SQLite cannot change a constraint: there the table is copied.
    with op.batch_alter_table("delivery", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("breaks", sa.Integer(), nullable=False, server_default=sa.text("0")))
        table.add_column(sa.Column("renewed_at", sa.Text(), nullable=True))
        table.drop_constraint(op.f("ck_delivery_state"), type_="check")
        table.create_check_constraint(op.f("ck_delivery_state"), _STATES)
    _index("ix_delivery_lane", "delivery", "lane seq", _OPEN)
    _index("ix_delivery_parked", "delivery", "endpoint seq", "head = 0 AND state = 'queued'")
    _index("ix_delivery_failed", "delivery", "endpoint seq", "state = 'failed'")
    _index("ix_delivery_on_hold", "delivery", "endpoint seq", "state = 'on-hold'")
    _index("ix_delivery_dropped", "delivery", "endpoint seq", "state = 'dropped'")
    _index("ix_document_refused", "document", "seq", "state = 'refused'")
    op.create_table(
        "endpoint_hold",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("endpoint", "at", "principal", "reason")),
        sa.PrimaryKeyConstraint("endpoint", name="pk_endpoint_hold"),
    )


def _index(name: str, table: str, columns: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns.split(), sqlite_where=where, postgresql_where=where)
