"""Runs migrations on the connection that `axis.sql.migrate` opened; there is no alembic.ini and no offline mode."""

from __future__ import annotations

from alembic import context

from axis.sql.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    # All steps in one transaction: a migration that dies half way leaves the old schema.
    transactional_ddl=True,
)

with context.begin_transaction():
    context.run_migrations()
