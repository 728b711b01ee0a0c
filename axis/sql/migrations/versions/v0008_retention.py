"""What is old may go: since when a document has no content, and what its octets still wait for.

The columns are added without writing a row. The index is: it takes a moment for each hundred thousand documents.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document", sa.Column("removed_at", sa.Text(), nullable=True))
    op.add_column("payload", sa.Column("named", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "leftover",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_leftover"),
    )
    with_content = sa.text("removed_at IS NULL")
    op.create_index(
        "ix_document_content", "document", ["seq"], sqlite_where=with_content, postgresql_where=with_content
    )
