"""Which stores open, and that what is done often uses its index."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from axis.blobs import Blobs
from axis.sql.driver import NoStore, StoreError
from axis.sql.engine import open_readonly, open_store


def test_a_second_process_cannot_open_the_store(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    with pytest.raises(StoreError, match="another process"):
        open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    asyncio.run(store.close())


def test_a_missing_store_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="there is no store"):
        open_store(f"sqlite:///{tmp_path}/axis.db", Blobs(tmp_path / "blobs"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pragma", ["journal_mode", "synchronous", "foreign_keys"])
def test_a_store_that_is_not_durable_does_not_open(sqlite_url: str, tmp_path: Path, pragma: str) -> None:
    """SQLite ignores a pragma that it cannot follow, without an error: what counts is what it answers."""

    class Deaf(sqlite3.Connection):
        def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
            weaker = {"journal_mode": "DELETE", "synchronous": "NORMAL", "foreign_keys": "OFF"}[pragma]
            return super().execute(
                f"PRAGMA {pragma} = {weaker}" if sql.startswith(f"PRAGMA {pragma} =") else sql, *params
            )

    with pytest.raises(StoreError, match=pragma):
        open_store(sqlite_url, Blobs(tmp_path / "blobs"), connection_class=Deaf)
    open_store_again = open_store(sqlite_url, Blobs(tmp_path / "blobs"))
    asyncio.run(open_store_again.close())


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("due_priorities", "ix_delivery_due"),
        ("due", "ix_delivery_due"),
        ("due", "ix_delivery_lane"),
        ("waits.beyond", "ix_delivery_due (endpoint=? AND priority=? AND due_at>?)"),
        ("waits.parked", "ix_delivery_parked"),
        ("waits.first", "ix_delivery_lane"),
        ("waits.head_anew", "ix_delivery_inbox (endpoint=? AND seq>? AND seq<?)"),
        ("waits.rest_anew", "ix_delivery_parked (endpoint=? AND seq>? AND seq<?)"),
        ("inbox", "ix_delivery_inbox"),
        ("outgoing.listed", "ix_delivery_inbox"),
        ("hold_lane", "ix_delivery_lane"),
        ("older_open", "ix_delivery_lane"),
        ("promote", "ix_delivery_lane"),
        ("addressed", "ix_delivery_document"),
        ("deliveries", "ix_delivery_document"),
        ("adopt_deliveries", "ix_delivery_orphan"),
        ("same_document", "ix_document_search"),
        ("match_by_id", "ix_document_search"),
        ("match_by_number", "ix_document_number"),
        ("held", "ix_document_held"),
        ("statuses_of", "ix_status_report_document"),
        ("reports.said", "ix_status_report_document"),
        ("reports.said_of_pairs", "ix_status_report_document"),
        ("reports.told_of", "ix_status_report_document"),
        ("reports.orphan_codes", "ix_status_report_orphan_id"),
        ("reports.orphan_codes_by_number", "ix_status_report_orphan_number"),
        ("reports.outline", "sqlite_autoindex_document_1"),
        ("reports.outlines", "sqlite_autoindex_document_1"),
        ("reports.crossed", "sqlite_autoindex_document_1"),
        ("outgoing.carried", "sqlite_autoindex_document_1"),
        ("outgoing.carried", "sqlite_autoindex_payload_1"),
        ("leases.take", "SEARCH delivery USING INTEGER PRIMARY KEY"),
        ("leases.end", "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1"),
        ("leases.promote", "SEARCH done USING INDEX sqlite_autoindex_delivery_1"),
        ("leases.promote", "SEARCH other USING INDEX ix_delivery_lane"),
        ("leases.promote", "SEARCH delivery USING INTEGER PRIMARY KEY"),
        ("reports.reached", "ix_delivery_document"),
        ("reports.reached", "ix_status_report_document"),
        ("reports.checks", "sqlite_autoindex_attachment_check_1"),
        ("orphans", "ix_status_report_orphan_id (sender=? AND document_key=?)"),
        ("orphans", "ix_status_report_orphan_number (sender=? AND number_key=?)"),
        ("same_orphan", "ix_status_report_orphan_"),
        ("intents", "sqlite_autoindex_log_intent_1 (log_index=?)"),
        ("log_size", "sqlite_autoindex_log_intent_1"),
        ("place_intents", "SEARCH log_intent USING INTEGER PRIMARY KEY"),
    ],
)
def test_what_is_done_often_uses_its_index(sqlite_url: str, statement: str, index: str) -> None:
    """So that nothing slows down with what is done already."""
    with open_readonly(sqlite_url) as questions:
        sql = attrgetter(statement)(questions.sql)
        names = set(re.findall(r":(\w+)", sql))
        plan = questions.session.run(f"EXPLAIN QUERY PLAN {sql}", **dict.fromkeys(names, 1)).fetchall()
    text = "\n".join(row[3] for row in plan)
    assert index in text, text
    for small in (
        "document USING INDEX ix_document_held",
        "CONSTANT ROW",
        "json_each VIRTUAL TABLE",
        "asked VIRTUAL TABLE",
    ):
        text = text.replace(f"SCAN {small}", "")
    assert "SCAN" not in text, text
    few = ("orphans", "match_by_id", "match_by_number", "reports.said_of_pairs")
    assert statement in few or "TEMP B-TREE" not in text
