"""Bodies whose rows are told to PostgreSQL at once: each one's outcome is what it would be alone (ADR 0030)."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument, AddStatus, AdoptStatus, Document
from axis.core.ports import About, Ledger, LostRace
from axis.sql import bulk, pipeline
from axis.sql.address import connect
from axis.sql.engine import open_store
from axis.sql.store import SqlStore
from schemas.status import Standing
from tests.factories_core import decision, delivery, document, report

Body = Callable[[Ledger], Any]


@pytest.fixture
def store(postgres_store: str, tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(postgres_store, Blobs(tmp_path / "blobs"))
    yield opened
    asyncio.run(opened.close())


def about(one: Document) -> About:
    return About(one.sender, one.document_id, one.number)


def take(one: Document, lane: str = "") -> Body:
    def body(ledger: Ledger) -> str:
        seen = ledger.same_document(one.sender, one.kind, one.document_id)
        if seen:
            return "same" if seen[0].digest == one.digest else "conflict"
        ledger.apply(decision(AddDocument(one), AddDelivery(delivery(one, lane=lane or one.ref))))
        for orphan in ledger.orphans(one.sender, one.document_id, one.number):
            ledger.apply(decision(AdoptStatus(orphan.ref, one.ref, Standing.APPLIED)))
        return "taken"

    return body


async def in_one_group(store: SqlStore, *bodies: tuple[Body, About | None]) -> list[Any]:
    """Run them in one transaction: the writer is kept busy until all of them wait."""
    go = threading.Event()
    first = asyncio.ensure_future(store.transact(lambda ledger: go.wait(10)))
    await asyncio.sleep(0.05)
    others = [asyncio.ensure_future(store.transact(body, named)) for body, named in bodies]
    await asyncio.sleep(0)
    go.set()
    await first
    return await asyncio.gather(*others, return_exceptions=True)


async def test_a_group_is_told_in_one_statement_a_table(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    execute = pipeline._Plain.execute

    def heard(self: Any, sql: str, params: Any = None) -> Any:
        told.append(sql)
        return execute(self, sql, params)

    documents = [document() for _ in range(40)]
    monkeypatch.setattr(pipeline._Plain, "execute", heard)
    found = await in_one_group(store, *((take(one), about(one)) for one in documents))
    assert found == ["taken"] * 40
    assert len(told) < 20
    assert not any("SAVEPOINT" in sql for sql in told)
    assert (await store.views.counts()).documents == {"accepted": 40}


async def test_two_packages_under_one_id_in_one_group_are_never_both_taken(store: SqlStore) -> None:
    one = document()
    other, again = document(document_id=one.document_id), replace(one, ref=document().ref)
    found = await in_one_group(store, *((take(each), about(each)) for each in (one, other, again)))
    assert found == ["taken", "conflict", "same"]


async def test_what_a_body_adds_without_asking_is_seen_by_the_next(store: SqlStore) -> None:
    one, other = document(), document()
    other = replace(other, document_id=one.document_id)
    blind = lambda ledger: ledger.apply(decision(AddDocument(one)))  # noqa: E731
    assert (await in_one_group(store, (blind, None), (take(other), about(other))))[1] == "conflict"


async def test_a_status_that_came_before_its_document_in_the_same_group_is_found(store: SqlStore) -> None:
    one = document()
    told = report(document_id=one.document_id, document=None)
    tell = lambda ledger: ledger.apply(decision(AddStatus(told)))  # noqa: E731
    assert (await in_one_group(store, (tell, None), (take(one), about(one))))[1] == "taken"
    stored = await store.views.status(told.ref)
    assert stored is not None
    assert stored.document == one.ref


async def test_of_one_lane_only_the_first_of_a_group_is_its_head(store: SqlStore, postgres_store: str) -> None:
    await in_one_group(store, *((take(one, "lane"), about(one)) for one in (document() for _ in range(4))))
    with connect(postgres_store, "test", readonly=True) as beside:
        assert beside.execute("SELECT head FROM delivery ORDER BY seq").fetchall() == [(1,), (0,), (0,), (0,)]


async def test_one_that_cannot_be_stored_does_not_take_the_others_with_it(store: SqlStore) -> None:
    """The database says that the group is wrong; told again one by one, it says who."""
    stored = document()
    await store.transact(take(stored), about(stored))
    twin = replace(document(), ref=stored.ref)
    documents = [document(), twin, document()]
    first, bad, last = await in_one_group(store, *((take(one), about(one)) for one in documents))
    assert (first, last) == ("taken", "taken")
    assert isinstance(bad, LostRace)
    assert (await store.views.counts()).documents == {"accepted": 3}


async def test_one_that_gives_up_leaves_nothing(store: SqlStore) -> None:
    one, other = document(), document()

    def gives_up(ledger: Ledger) -> None:
        take(other)(ledger)
        raise ValueError("no")

    taken, gave_up = await in_one_group(store, (take(one), about(one)), (gives_up, about(other)))
    assert taken == "taken"
    assert isinstance(gave_up, ValueError)
    assert (await store.views.counts()).documents == {"accepted": 1}


async def test_much_content_is_sent_on_the_way(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_OCTETS", 1000)
    documents = [document() for _ in range(5)]

    def with_content(one: Document) -> Body:
        octets = one.ref.encode() * 40

        def body(ledger: Ledger) -> Any:
            ledger.put_payload(replace(one.payload, sha256=one.ref, size=len(octets)), octets)
            return take(one)(ledger)

        return body

    found = await in_one_group(store, *((with_content(one), about(one)) for one in documents))
    assert found == ["taken"] * 5


def sentences() -> Sequence[tuple[str, str]]:
    many = bulk.bulks(pipeline.statements())
    of = pipeline.statements()
    return [
        (bulk.SAME_DOCUMENTS, "ix_document_search"),
        (bulk.ORPHANS, "ix_status_report_orphan_"),
        (many[of.hold_lane].sql, "ix_delivery_lane"),
        (many[of.add_delivery].sql, "ix_delivery_lane"),
    ]


@pytest.mark.parametrize("place", range(4))
def test_what_a_group_asks_is_answered_by_an_index(postgres_store: str, place: int) -> None:
    sql, index = sentences()[place]
    values = {name: ["1"] for name in re.findall(r"%\((\w+)\)b", sql)}
    asked = re.sub(r"%\((\w+)\)b", r"%(\1)s", sql)
    with connect(postgres_store, "test", enable_seqscan="off", enable_bitmapscan="off") as beside:
        plan = "\n".join(line for (line,) in beside.execute(f"EXPLAIN {asked}", values))  # type: ignore[call-overload]
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan
