"""What became of a delivery after its handover, and when the other side is asked about it.

What was handed over before has no row: its id at the other side was not kept, and cannot be asked for.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _column(name: str, kind: type[sa.Text] | type[sa.Integer] = sa.Text, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "follow_up",
        _column("delivery"),
        _column("endpoint"),
        _column("peer_ref"),
        _column("since"),
        _column("due_at", nullable=True),
        _column("asked", sa.Integer),
        _column("missed", sa.Integer),
        _column("became", nullable=True),
        _column("lost", sa.Integer),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.id"], name="fk_follow_up_delivery"),
        sa.PrimaryKeyConstraint("delivery", name="pk_follow_up"),
    )
    conditions = {
        "ix_follow_up_due": (["endpoint", "due_at", "delivery"], "due_at IS NOT NULL"),
        "ix_follow_up_told": (["became", "since", "delivery"], "became IN ('lost', 'refused', 'waiting')"),
    }
    for name, (columns, condition) in conditions.items():
        where: dict[str, Any] = {f"{db}_where": sa.text(condition) for db in ("sqlite", "postgresql")}
        op.create_index(name, "follow_up", columns, **where)
