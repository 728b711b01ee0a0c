"""Connections to SQLite that break where it matters."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path
from typing import Any, ClassVar


class FailsToCommit(sqlite3.Connection):
    """Commits under a file-size limit at the log's present size: the write of the commit fails in the kernel."""

    failures: ClassVar[int] = 0
    fired: ClassVar[int] = 0

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        if sql != "COMMIT" or not self.failures:
            return super().execute(sql, *params)
        type(self).failures -= 1
        (_, _, path) = super().execute("PRAGMA database_list").fetchone()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path + "-wal").stat().st_size, hard))
        try:
            return super().execute(sql)
        except sqlite3.OperationalError:
            type(self).fired += 1
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class CommitsAndSaysNo(FailsToCommit):
    """The error comes after the commit has landed: what a sender sees when only the answer was lost (E1)."""

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        done = sqlite3.Connection.execute(self, sql, *params)
        if sql == "COMMIT" and self.failures:
            type(self).failures -= 1
            type(self).fired += 1
            raise sqlite3.OperationalError("disk I/O error")
        return done
