"""SQLite: lists in the conditions of checks and indexes are spelt out, because it makes a table of each at every row.

What they say is the same, so no row and no index is written: their text is, as sqlite.org/lang_altertable.html
describes for changes that leave what is on the disk as it is. It takes no longer for ten million rows than for none.
PostgreSQL keeps its lists, which cost nothing there.
"""

from __future__ import annotations

from alembic import op

from axis.sql.driver import StoreError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SPELT_OUT = {
    ("table", "document"): {
        "state IN ('accepted', 'held', 'refused')": "(state = 'accepted' OR state = 'held' OR state = 'refused')"
    },
    ("table", "delivery"): {
        "state IN ('queued', 'leased', 'on-hold', 'delivered', 'failed', 'dropped')": (
            "(state = 'queued' OR state = 'leased' OR state = 'on-hold' OR state = 'delivered' OR state = 'failed'"
            " OR state = 'dropped')"
        ),
        "cargo IN ('document', 'status', 'notice')": "(cargo = 'document' OR cargo = 'status' OR cargo = 'notice')",
    },
    ("index", "ix_delivery_lane"): {
        "state IN ('failed', 'leased', 'on-hold', 'queued')": (
            "(state = 'failed' OR state = 'leased' OR state = 'on-hold' OR state = 'queued')"
        )
    },
    ("index", "ix_follow_up_told"): {
        "became IN ('lost', 'refused', 'waiting')": "(became = 'lost' OR became = 'refused' OR became = 'waiting')"
    },
}


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    for (kind, name), conditions in _SPELT_OUT.items():
        at = (kind, name)
        (text,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = ? AND name = ?", at).one()
        for listed, each in conditions.items():
            if text.count(listed) != 1:
                raise StoreError(f"the store is not as axis made it: {name} has not the condition {listed}")
            text = text.replace(listed, each)
        connection.exec_driver_sql("UPDATE sqlite_master SET sql = ? WHERE type = ? AND name = ?", (text, *at))
    # Who has the store open reads its schema anew by this number. We do so now: a text that cannot be read ends this
    # here, and nothing is kept.
    (version,) = connection.exec_driver_sql("PRAGMA schema_version").one()
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")
    connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").one()
