"""Bodies whose rows are told to the database at once: each one's outcome is what it would be alone (ADR 0030, 0040)."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from axis.blobs import Blobs
from axis.core.model import AddDelivery, AddDocument, AddStatus, AdoptStatus, Document
from axis.core.ports import About, Ledger, LostRace
from axis.core.problems import Unavailable
from axis.sql import bulk, gather, pipeline, wire
from axis.sql.address import connect
from axis.sql.engine import open_store
from axis.sql.ledger import SqlLedger
from axis.sql.store import SqlStore
from schemas.status import Standing
from tests.contract.asked import empty_sqlite
from tests.factories_core import decision, delivery, document, report

Body = Callable[[Ledger], Any]


on_postgres = pytest.mark.parametrize("url", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


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


def blind(one: Document) -> Body:
    return lambda ledger: ledger.apply(decision(AddDocument(one)))


async def in_one_group(store: SqlStore, *bodies: tuple[Body, About | None], brief: bool = False) -> list[Any]:
    """Run them in one transaction: the writer is kept busy until all of them wait."""
    go = threading.Event()
    first = asyncio.ensure_future(store.transact(lambda ledger: go.wait(10)))
    await asyncio.sleep(0.05)
    others = [asyncio.ensure_future(store.transact(body, named, brief)) for body, named in bodies]
    await asyncio.sleep(0)
    go.set()
    await first
    return await asyncio.gather(*others, return_exceptions=True)


@on_postgres
async def test_a_group_is_told_in_one_statement_a_table(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    execute, tell = pipeline._Plain.execute, wire.Wire.tell

    def heard(self: Any, sql: str, params: Any = None) -> Any:
        told.append(sql)
        return execute(self, sql, params)

    def all_heard(self: Any, *statements: wire.Told) -> Any:
        told.extend(sql for sql, _ in statements)
        return tell(self, *statements)

    documents = [document() for _ in range(40)]
    monkeypatch.setattr(pipeline._Plain, "execute", heard)
    monkeypatch.setattr(wire.Wire, "tell", all_heard)
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
    one, other, third = document(), document(), document()
    other = replace(other, document_id=one.document_id)
    found = await in_one_group(store, (blind(one), None), *((take(each), about(each)) for each in (other, third)))
    assert found[1:] == ["conflict", "taken"]


async def test_a_status_that_came_before_its_document_in_the_same_group_is_found(store: SqlStore) -> None:
    one, other = document(), document()
    told = report(document_id=one.document_id, document=None)
    tell = lambda ledger: ledger.apply(decision(AddStatus(told)))  # noqa: E731
    found = await in_one_group(store, (tell, None), *((take(each), about(each)) for each in (one, other)))
    assert found[1:] == ["taken", "taken"]
    stored = await store.views.status(told.ref)
    assert stored is not None
    assert stored.document == one.ref


async def test_of_one_lane_only_the_first_of_a_group_is_its_head(store: SqlStore) -> None:
    await in_one_group(store, *((take(one, "lane"), about(one)) for one in (document() for _ in range(4))))
    heads = await store.transact(heads_of)
    assert heads == [(1,), (0,), (0,), (0,)]


def heads_of(ledger: Ledger) -> list[Any]:
    assert isinstance(ledger, SqlLedger)
    return [tuple(row) for row in ledger.session.run("SELECT head FROM delivery ORDER BY seq").fetchall()]


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
    later = [document() for _ in range(3)]
    assert await in_one_group(store, *((take(one), about(one)) for one in later)) == ["taken"] * 3


@pytest.mark.parametrize("asks", [False, True])
async def test_one_that_gives_up_leaves_nothing(store: SqlStore, asks: bool) -> None:
    """Also where the database was told of it, because it asked something."""
    one, other = document(), document()

    def gives_up(ledger: Ledger) -> None:
        take(other)(ledger)
        if asks:
            assert ledger.document(other.ref) == other
        raise ValueError("no")

    taken, gave_up = await in_one_group(store, (take(one), about(one)), (gives_up, about(other)))
    assert taken == "taken"
    assert isinstance(gave_up, ValueError)
    assert (await store.views.counts()).documents == {"accepted": 1}


@on_postgres
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


@on_postgres
async def test_questions_that_fail_are_asked_one_by_one(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bulk.Bulk(f"{bulk.ORPHANS.sql} LIMIT 1 / 0", bulk.ORPHANS.names)
    monkeypatch.setattr(pipeline, "ORPHANS", broken)
    documents = [document() for _ in range(3)]
    found = await in_one_group(store, *((take(one), about(one)) for one in documents))
    assert found == ["taken"] * 3
    assert store.trouble is None


def ran_in(body: Body, seen: list[int]) -> Body:
    def noted(ledger: Ledger) -> Any:
        seen.append(threading.get_ident())
        return body(ledger)

    return noted


async def test_what_was_foreseen_is_decided_on_the_loop(store: SqlStore) -> None:
    seen: list[int] = []
    documents = [document() for _ in range(3)]
    bodies = ((ran_in(take(one), seen), about(one)) for one in documents)
    assert await in_one_group(store, *bodies, brief=True) == ["taken"] * 3
    assert seen == [threading.get_ident()] * 3


@on_postgres
async def test_who_asks_more_there_runs_again_where_it_may_wait(store: SqlStore) -> None:
    """Nothing waits for a network on the loop; what it had added is not there twice."""
    seen: list[int] = []
    one, other, third = document(), document(), document()

    def asks(ledger: Ledger) -> Any:
        found = take(other)(ledger)
        return found, ledger.document(one.ref), ledger.document(other.ref)

    bodies = [(take(one), about(one)), (ran_in(asks, seen), about(other)), (take(third), about(third))]
    first, asked, last = await in_one_group(store, *bodies, brief=True)
    assert (first, last) == ("taken", "taken")
    assert asked == ("taken", one, other)
    here = threading.get_ident()
    assert [at == here for at in seen] == [True, False]
    assert (await store.views.counts()).documents == {"accepted": 3}


@on_postgres
async def test_much_content_waits_until_the_loop_is_left(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_OCTETS", 10)
    documents = [document() for _ in range(4)]

    def with_content(one: Document) -> Body:
        def body(ledger: Ledger) -> Any:
            ledger.put_payload(replace(one.payload, sha256=one.ref, size=20), b"x" * 20)
            return take(one)(ledger)

        return body

    seen: list[int] = []
    bodies = ((ran_in(with_content(one), seen), about(one)) for one in documents)
    assert await in_one_group(store, *bodies, brief=True) == ["taken"] * 4
    assert seen == [threading.get_ident()] * 4


class Hears(sqlite3.Connection):
    """Every statement that was run, once for each row."""

    told: ClassVar[list[str]] = []

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        self.told.append(_begins(sql))
        return super().execute(sql, *params)

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:  # type: ignore[override]
        several = list(rows)
        self.told += [_begins(sql)] * len(several)
        return super().executemany(sql, several)


def _begins(sql: str) -> str:
    return sql.partition(" (")[0].partition(" WHERE")[0]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[SqlStore, list[str]]]:
    opened = open_store(empty_sqlite(tmp_path), Blobs(tmp_path / "blobs"), connection_class=Hears)
    Hears.told.clear()
    yield opened, Hears.told
    asyncio.run(opened.close())


async def test_sqlite_is_told_table_by_table(heard: tuple[SqlStore, list[str]]) -> None:
    store, told = heard
    documents = [document() for _ in range(8)]
    found = await in_one_group(store, *((take(one), about(one)) for one in documents))
    assert found == ["taken"] * 8
    added = [sql for sql in told if sql.startswith("INSERT")]
    assert added == sorted(added, key=list(dict.fromkeys(added)).index)
    assert {added.count(sql) for sql in added} == {8}
    assert len([sql for sql in told if sql.startswith("SELECT")]) == 2
    assert not any("body" in sql for sql in told)


class IsFull(sqlite3.Connection):
    """Has no room for the next delivery, once."""

    full: ClassVar[list[str]] = []

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:  # type: ignore[override]
        if self.full and sql.startswith("INSERT INTO delivery"):
            self.full.pop()
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().executemany(sql, rows)


async def test_a_full_disk_is_full_for_a_whole_group(tmp_path: Path) -> None:
    store = open_store(empty_sqlite(tmp_path), Blobs(tmp_path / "blobs"), connection_class=IsFull)
    documents = [document() for _ in range(3)]
    bodies = [(take(one), about(one)) for one in documents]
    IsFull.full.append("now")
    found = await in_one_group(store, *bodies)
    assert [type(one) for one in found] == [Unavailable] * 3
    assert {one.problem.extra["outcome"] for one in found} == {"not-stored"}
    assert not IsFull.full
    assert await in_one_group(store, *bodies) == ["taken"] * 3
    await store.close()


async def test_statuses_of_several_documents_are_told_together(heard: tuple[SqlStore, list[str]]) -> None:
    store, told = heard
    documents = [document() for _ in range(4)]
    for one in documents:
        await store.transact(take(one), about(one))
    told.clear()

    def tell(one: Document, wire: str = "03") -> Body:
        def body(ledger: Ledger) -> int:
            outline = ledger.outlines([one.ref])[one.ref]
            prior = ledger.said_of([(outline.ref, one.recipients[0].text)], [(wire, "never")])
            made = report(one, receiver=one.recipients[0], reporter=one.recipients[0], wire=wire)
            ledger.apply(decision(AddStatus(made)))
            return len(prior)

        return body

    again = tell(documents[0], "04")
    found = await in_one_group(store, *((body, None) for body in (*map(tell, documents), again)))
    assert found == [0, 0, 0, 0, 1]
    places = [place for place, sql in enumerate(told) if sql.startswith("INSERT INTO status_report")]
    assert places == [*range(places[0], places[0] + 4), places[-1]]  # the last one asked what the first one had said


async def test_a_document_that_was_just_added_is_known_to_its_status(store: SqlStore) -> None:
    one = document()
    look = lambda ledger: list(ledger.outlines([one.ref]))  # noqa: E731
    assert (await in_one_group(store, (blind(one), None), (look, None)))[1] == [one.ref]


async def test_one_id_under_two_numbers_is_found_once(store: SqlStore) -> None:
    one = document()
    await store.transact(blind(one))
    asked = [replace(one, number=f"{place}/CV") for place in range(3)]
    seen = lambda ledger: len(ledger.same_document(one.sender, one.kind, one.document_id))  # noqa: E731
    assert await in_one_group(store, *((seen, about(each)) for each in asked)) == [1, 1, 1]


async def test_orphans_are_found_once_and_in_the_order_of_storing(store: SqlStore) -> None:
    one, other = document(), document()
    by_number = report(document_id=None, number=one.number)
    by_both = report(document_id=one.document_id, number=one.number)
    by_id = report(document_id=one.document_id, number=None)
    for made in (by_number, by_both, by_id):
        await store.transact(lambda ledger, made=made: ledger.apply(decision(AddStatus(made))))  # type: ignore[misc]
    look = lambda ledger: [found.ref for found in ledger.orphans(one.sender, one.document_id, one.number)]  # noqa: E731
    expected = [by_number.ref, by_both.ref, by_id.ref]
    assert await in_one_group(store, (look, about(one)), (look, about(other)), (look, None)) == [expected] * 3


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("SAME_DOCUMENTS", "ix_document_search (document_key=? AND sender=?)"),
        ("ORPHANS", "ix_status_report_orphan_id (sender=? AND document_key=?)"),
        ("ORPHANS", "ix_status_report_orphan_number (sender=? AND number_key=?)"),
    ],
)
@on_sqlite
async def test_what_a_group_asks_sqlite_is_answered_by_an_index(store: SqlStore, name: str, index: str) -> None:
    asked = f"EXPLAIN QUERY PLAN {getattr(gather, name)}"

    def explain(ledger: Ledger) -> str:
        assert isinstance(ledger, SqlLedger)
        return "\n".join(row[3] for row in ledger.session.run(asked, asked="[]").fetchall())

    plan = await store.transact(explain)
    assert index in plan, plan
    assert "SCAN" not in plan.replace("SCAN asked VIRTUAL TABLE", ""), plan


def sentences() -> Sequence[tuple[str, str]]:
    many = bulk.bulks(pipeline.statements())
    of = pipeline.statements()
    return [
        (bulk.SAME_DOCUMENTS.sql, "ix_document_search"),
        (bulk.ORPHANS.sql, "ix_status_report_orphan_"),
        (many[of.hold_lane].sql, "ix_delivery_lane"),
        (many[of.add_delivery].sql, "ix_delivery_lane"),
    ]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("reports.crossed", "document_ref"),
        ("outgoing.carried", "document_ref"),
        ("outgoing.carried", "pk_payload"),
        ("leases.take", "pk_delivery"),
        ("leases.end", "uq_delivery_id"),
        ("leases.promote", "uq_delivery_id"),
        ("leases.promote", "ix_delivery_lane"),
    ],
)
def test_what_a_turn_of_deliveries_asks_is_answered_by_an_index(postgres_store: str, name: str, index: str) -> None:
    sql = attrgetter(name)(pipeline.statements())
    values = dict.fromkeys(re.findall(r"%\((\w+)\)s", sql), "[]")
    with connect(postgres_store, "test", enable_seqscan="off", enable_bitmapscan="off") as beside:
        plan = "\n".join(line for (line,) in beside.execute(f"EXPLAIN {sql}", values))  # type: ignore[call-overload]
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("place", range(4))
def test_what_a_group_asks_is_answered_by_an_index(postgres_store: str, place: int) -> None:
    sql, index = sentences()[place]
    values = {name: ["1"] for name in re.findall(r"%\((\w+)\)b", sql)}
    asked = re.sub(r"%\((\w+)\)b", r"%(\1)s", sql)
    with connect(postgres_store, "test", enable_seqscan="off", enable_bitmapscan="off") as beside:
        plan = "\n".join(line for (line,) in beside.execute(f"EXPLAIN {asked}", values))  # type: ignore[call-overload]
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan
