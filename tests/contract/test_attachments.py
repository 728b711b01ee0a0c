"""What the store keeps of judged attachments, against a real database."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from axis.core.attachments import Cause, decide_attachments
from axis.core.house import check_house
from axis.core.model import (
    AddAttachmentCheck,
    AddDocument,
    AttachmentCheck,
    AttachmentRecord,
    Document,
    JudgedAttachment,
)
from axis.core.ports import LostRace
from axis.core.states import IntakeState
from axis.sql.audit import open_books
from axis.sql.store import SqlStore
from signing.verdict import PdfOutcome, Reason
from tests.factories_core import NOW, decision, document, later, sha256
from tests.stores import ready
from tests.unit.core.world import network

PDF = AttachmentRecord("a1", "Tờ trình.pdf", "application/pdf", 3, sha256("a1"), "pdf")
WAITS = JudgedAttachment(1, "a1", PdfOutcome.INDETERMINATE, Reason.REVOCATION_UNKNOWN, True, {"name": "Tờ trình"})
GOOD = replace(WAITS, outcome=PdfOutcome.VALID, reason=Reason.GOOD, waits=False)


def stored(**changes: object) -> Document:
    return document(attachments=(PDF,), **changes)


async def add(store: SqlStore, *documents: Document, due: datetime | None = NOW, rounds: int = 0) -> None:
    for one in documents:
        check = AttachmentCheck(one.ref, NOW, due, rounds)
        change = decision(AddDocument(one), AddAttachmentCheck(check))
        await store.transact(lambda ledger, change=change: ledger.apply(change))  # type: ignore[misc]


async def test_what_is_due_comes_longest_due_first_and_only_of_accepted_documents(store: SqlStore) -> None:
    late, early, future, held, over = (stored() for _ in range(5))
    held = replace(held, state=IntakeState.HELD, receipt_state=IntakeState.HELD)
    for one, due in ((late, later(minutes=-1)), (early, later(hours=-1)), (future, later(hours=1)), (over, None)):
        await add(store, one, due=due)
    await add(store, held, due=later(days=-1))
    assert [one.document for one in await store.views.checks_due(NOW, 10)] == [early.ref, late.ref]
    assert [one.document for one in await store.views.checks_due(NOW, 1)] == [early.ref]


async def test_what_waits_for_evidence_is_paged_by_reference(store: SqlStore) -> None:
    documents = [stored() for _ in range(5)]
    await add(store, *documents, due=later(hours=1), rounds=1)
    await add(store, stored(), due=NOW, rounds=0)
    first = await store.views.checks_waiting("", 3)
    rest = await store.views.checks_waiting(first[-1].document, 3)
    assert [one.document for one in (*first, *rest)] == sorted(one.ref for one in documents)


async def test_every_judgement_is_kept_and_reads_back_as_it_was(store: SqlStore) -> None:
    one = stored()
    await add(store, one)
    check = await store.views.attachment_check(one.ref)
    first = decide_attachments(one, check, {}, [WAITS], Cause.DUE, network(), NOW)
    await store.transact(lambda ledger: ledger.apply(first))
    second = decide_attachments(one, first.reply, {1: WAITS}, [GOOD], Cause.EVIDENCE, network(), later(hours=1))
    await store.transact(lambda ledger: ledger.apply(second))
    kept = await store.views.attachment_verdicts(one.ref)
    assert [(verdict.round, verdict.judged_at, verdict.found) for verdict in kept] == [
        (1, NOW, WAITS),
        (2, later(hours=1), GOOD),
    ]
    assert await store.views.attachment_check(one.ref) == second.reply
    assert await store.transact(lambda ledger: ledger.attachment_check(one.ref)) == second.reply
    assert (await store.views.attachment_checks([one.ref, stored().ref])) == {one.ref: second.reply}
    assert (await store.views.counts()).attachments == {"valid": 1}


async def test_two_judges_of_one_document_do_not_both_write(store: SqlStore) -> None:
    one = stored()
    await add(store, one)
    check = await store.views.attachment_check(one.ref)
    made = decide_attachments(one, check, {}, [GOOD], Cause.DUE, network(), NOW)
    await store.transact(lambda ledger: ledger.apply(made))
    with pytest.raises(LostRace):
        await store.transact(lambda ledger: ledger.apply(made))
    assert len(await store.views.attachment_verdicts(one.ref)) == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_house_knows_what_the_log_must_say(store: SqlStore, tmp_path: Path) -> None:
    """Everything in order; then each of the three ways in which table and log may differ."""
    one = stored()
    await add(store, one)
    check = await store.views.attachment_check(one.ref)
    made = decide_attachments(one, check, {}, [GOOD], Cause.DUE, network(), NOW)
    await store.transact(lambda ledger: ledger.apply(made))

    def findings() -> set[str]:
        with open_books(f"sqlite:///{tmp_path}/axis.db", lambda ref: None) as books:
            return {one.code for one in check_house(books) if "attachment" in one.code}

    def bend(sql: str) -> None:
        with sqlite3.connect(tmp_path / "axis.db") as connection:
            connection.execute(sql)
        connection.close()

    assert findings() == set()
    bend("UPDATE attachment_verdict SET outcome = 'invalid'")
    assert findings() == {"attachment-commitment", "attachment-outcome"}
    bend("UPDATE attachment_verdict SET outcome = 'valid', verdict = '{}'")
    assert findings() == {"attachment-commitment"}
    bend("UPDATE attachment_verdict SET round = 2")
    assert findings() == {"attachment-entry", "entry-without-attachment"}
    bend("DELETE FROM attachment_verdict")
    assert findings() == {"entry-without-attachment", "attachment-outcome"}


async def test_the_question_what_is_due_is_answered_from_the_partial_index(tmp_path: Path) -> None:
    from axis.sql.sqlite import _statements

    ready(f"sqlite:///{tmp_path}/axis.db")
    with sqlite3.connect(tmp_path / "axis.db") as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {_statements().checks_due}", {"now": "2026", "limit": 5}
        ).fetchall()
    connection.close()
    assert any("ix_attachment_check_due" in str(row) for row in plan), plan
    assert not any("TEMP B-TREE" in str(row) for row in plan), plan
