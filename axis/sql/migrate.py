"""Bring a store to the schema of this version. Forward only: the way back is the backup made before.

alembic takes more than a second of CPU to import, so it is imported where it is used: `axis --help` and `axis serve` do
without.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from axis.sql.driver import StoreError
from axis.sql.engine import migration_engine, schema_version
from axis.sql.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from alembic.config import Config


def current(url: str) -> str | None:
    """The revision of the store at `url`, `None` where there is none yet. Makes nothing."""
    return schema_version(url)


def needed(url: str) -> bool:
    """Say whether `upgrade` has something to do."""
    return current(url) != SCHEMA_VERSION


def upgrade(url: str) -> None:
    """Make or migrate the store at `url`. `StoreError` while a daemon has it, when a newer version of axis made it, or
    when the database cannot: its disk may be full.

    All or nothing, and repeating is harmless.
    """
    from alembic import command
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import DBAPIError

    found = current(url)
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(f"the store has schema {found}, which this version of axis does not know; use a newer one")
    try:
        with migration_engine(url) as engine, engine.begin() as connection:
            command.upgrade(config(connection), "head")
    except DBAPIError as error:
        told = " ".join(str(error.orig).split())
        raise StoreError(f"the migration could not be done: {told}") from error


def config(connection: Connection | None = None) -> Config:
    """alembic's configuration, without a file: the scripts are in this package."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    made.attributes["connection"] = connection
    return made
