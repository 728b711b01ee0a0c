"""By which further ways a document came: who brought it, over which axes, for whom, when.

The column is added without writing a row: what came before has the one way that stands in its row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document", sa.Column("ways", sa.Text(), nullable=False, server_default=sa.text("'[]'")))
