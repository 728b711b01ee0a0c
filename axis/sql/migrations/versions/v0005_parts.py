"""Documents whose attachments lie beside the envelope.

Everything that is here already is one XML document: `inline`. The attachments' octets lie where all octets do, under
their digest; which they are, the document's row has always said.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document", sa.Column("form", sa.Text(), nullable=False, server_default=sa.text("'inline'")))
