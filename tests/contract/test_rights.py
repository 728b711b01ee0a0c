"""What the role of a PostgreSQL may not do is said before a node does anything, not by the request that needs it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from axis.blobs import Blobs
from axis.sql.address import connect
from axis.sql.driver import StoreError
from axis.sql.engine import open_store
from axis.sql.pipeline import statements
from axis.sql.postgres import look
from axis.sql.rights import RIGHTS, refuse_missing_rights
from axis.sql.statements import Statements

CLERK = "axis_clerk"
_WRITES = (
    (re.compile(r"\bINSERT INTO (\w+)"), "INSERT"),
    (re.compile(r"(?<!KEY )(?<!DO )(?<!FOR )\bUPDATE (\w+)"), "UPDATE"),
    (re.compile(r"\bINSERT INTO (\w+)\b.*\bDO UPDATE\b", re.DOTALL), "UPDATE"),
    (re.compile(r"\bDELETE FROM (\w+)"), "DELETE"),
)


def texts(of: object) -> Iterator[str]:
    for one in vars(of).values():
        if isinstance(one, str):
            yield one
        elif type(one).__module__.startswith(Statements.__module__.rpartition(".")[0]):
            yield from texts(one)


def test_what_is_asked_for_is_what_the_statements_need() -> None:
    needed: dict[str, set[str]] = defaultdict(set)
    for text in texts(statements()):
        for pattern, right in _WRITES:
            for name in pattern.findall(text):
                needed[name].add(right)
    assert needed == {name: {*rights} - {"SELECT"} for name, rights in RIGHTS.items() if len(rights) > 1}


@contextmanager
def clerk(url: str) -> Iterator[tuple[str, psycopg.Connection[tuple[object, ...]]]]:
    """The address of a store for a role that has what it needs and no more, and its owner."""
    with connect(url, "test") as owner:
        if not owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [CLERK]).fetchone():
            owner.execute(f"CREATE ROLE {CLERK} LOGIN")
        for name, rights in RIGHTS.items():
            owner.execute(f"GRANT {', '.join(rights)} ON {name} TO {CLERK}")  # type: ignore[call-overload]
        owner.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {CLERK}")
        yield url.replace("//axis@", f"//{CLERK}@"), owner


def test_each_right_that_is_missing_is_named(postgres_store: str) -> None:
    with clerk(postgres_store) as (url, owner), connect(url, "test") as beside:
        refuse_missing_rights(beside)
        for name, rights in RIGHTS.items():
            for right in rights:
                owner.execute(f"REVOKE {right} ON {name} FROM {CLERK}")  # type: ignore[call-overload]
                with pytest.raises(StoreError, match=f"the role {CLERK} lacks {right} on {name}: "):
                    refuse_missing_rights(beside)
                owner.execute(f"GRANT {right} ON {name} TO {CLERK}")  # type: ignore[call-overload]
        owner.execute(f"REVOKE USAGE ON SEQUENCE delivery_seq_seq FROM {CLERK}")
        with pytest.raises(StoreError, match=f"the role {CLERK} lacks USAGE on delivery_seq_seq: "):
            refuse_missing_rights(beside)


def test_a_node_whose_role_lacks_a_right_does_not_start(postgres_store: str, tmp_path: Path) -> None:
    with clerk(postgres_store) as (url, owner):
        owner.execute(f"REVOKE INSERT, UPDATE ON status_report FROM {CLERK}")
        for asked in (look, lambda url: open_store(url, Blobs(tmp_path))):
            with pytest.raises(StoreError, match="lacks INSERT on status_report, UPDATE on status_report"):
                asked(url)
