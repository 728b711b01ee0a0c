"""What verdicts rest on, in a real store: once for all, in the verdict's transaction, looked for by `check_house`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command

from axis.blobs import Blobs
from axis.core.house import Finding, check_house
from axis.core.model import AddDocument, DocumentRef, EvidenceRecord, PayloadRef
from axis.core.ports import Ledger
from axis.flow.known import Known
from axis.sql import migrate
from axis.sql.audit import open_books
from axis.sql.engine import migration_engine, open_readonly, open_store, sqlite_path
from axis.sql.store import SqlStore
from signing.verdict import Evidence, kept_evidence
from tests.factories_core import decision, document, passed, sha256
from tests.site import FINANCE, OFFICE
from tests.stores import ready
from tests.unit.binding.test_judge import Desk, desk

NOTHING: list[str] = []


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/axis.db"
    ready(made)
    return made


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(url, Blobs(tmp_path / "blobs", inline_max=1000))
    yield opened
    asyncio.run(opened.close())


def record(octets: bytes, kind: str = "crl", inline: bool = True) -> EvidenceRecord:
    return EvidenceRecord(kind, PayloadRef(sha256(octets), len(octets)), octets if inline else None)


async def test_evidence_reads_back_and_repeating_is_harmless(store: SqlStore, url: str) -> None:
    small, large = record(b"small"), record(b"large", inline=False)
    for _ in range(2):
        await store.transact(lambda ledger: ledger.put_evidence([small, large]))
    with open_readonly(url) as books:
        assert books.evidence(small.ref.sha256) == small
        assert books.evidence(large.ref.sha256) == large
        assert books.evidence(sha256("none")) is None


async def test_octets_that_are_not_those_of_the_reference_are_refused(store: SqlStore) -> None:
    wrong = replace(record(b"small"), octets=b"other one")
    with pytest.raises(ValueError, match="octets"):
        await store.transact(lambda ledger: ledger.put_evidence([wrong]))


async def test_what_a_failing_transaction_put_is_not_there(store: SqlStore, url: str) -> None:
    def body(ledger: Ledger) -> None:
        ledger.put_evidence([record(b"small")])
        raise LookupError

    with pytest.raises(LookupError):
        await store.transact(body)
    with open_readonly(url) as books:
        assert books.evidence(sha256(b"small")) is None


async def test_large_octets_are_durable_before_their_row(store: SqlStore, tmp_path: Path) -> None:
    small, large = b"a" * 1000, os.urandom(1001)
    assert await store.shelve(small) == (PayloadRef(sha256(small), 1000), small)
    assert not (tmp_path / "blobs").exists()
    for _ in range(2):
        ref, inline = await store.shelve(large)
        assert inline is None
        assert await Blobs(tmp_path / "blobs").payload(ref).read() == large


def test_what_is_known_is_bounded_and_forgets_what_was_not_asked_for_longest() -> None:
    known = Known(3)
    known.add(["a", "b", "c"])
    assert known.lacks({"a": "", "d": ""}) == {"d"}
    known.add(["d"])
    assert len(known) == 3
    assert known.lacks(dict.fromkeys("abcd", "")) == {"b"}


async def _broken(node: Desk) -> list[Finding]:
    with open_books(f"sqlite:///{_file(node)}", lambda ref: _octets(node.blobs.path(ref))) as books:
        return [one for one in check_house(books) if one.code.startswith("evidence")]


def _octets(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _file(node: Desk) -> Path:
    return node.site.folder / "data" / "axis.db"


def _stored(node: Desk) -> list[str]:
    return [name for (name,) in node.site.rows("SELECT sha256 FROM evidence ORDER BY 1")]


def _change(node: Desk, sql: str) -> None:
    with closing(sqlite3.connect(_file(node))) as connection, connection:
        assert connection.execute(sql).rowcount == 1


async def test_a_submission_that_is_refused_after_its_judgement_leaves_and_remembers_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        node.bind(node.row(None, None))
        node.site.signers["x"] = node.new
        nowhere = node.site.package(OFFICE, ["000.00.77.H99"], signer="x")
        assert await node.send(nowhere) == "unknown-agency"
        assert _stored(node) == NOTHING
        assert len(node.ctx.known) == 0
        assert await node.send(node.package()) == "accepted"
        assert len(_stored(node)) == len(node.ctx.known) > 5
        assert not await _broken(node)


async def test_a_repeat_that_was_stored_by_an_earlier_process_is_found_and_remembered_by_the_next(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path / "node") as node:
        node.bind(node.row(None, None))
        package = node.package()
        assert await node.send(package) == "accepted"
        before = _stored(node)
        node.ctx.known = Known()
        assert await node.send(package) == "accepted"
        assert len(node.ctx.known) == 0, "nothing of it was committed with this one"
        assert await node.send(node.site.package(OFFICE, [FINANCE], signer="x")) == "accepted"
        assert _stored(node) == before
        assert len(node.ctx.known) == len(before)


async def test_missing_and_altered_evidence_is_found(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        node.bind(node.row(None, None))
        for _ in range(2):
            assert await node.send(node.package()) == "accepted"
        refs = sorted(str(one.ref) for one in await node.ctx.store.views.recent(9))
        _change(node, "UPDATE evidence SET octets = x'00' WHERE kind = 'policy'")
        _change(node, "DELETE FROM evidence WHERE kind = 'rules'")
        found = await _broken(node)
        assert sorted({(one.code, one.subject) for one in found}) == sorted(
            (code, ref) for code in ("evidence-digest", "evidence-missing") for ref in refs
        )


async def test_a_file_that_is_gone_is_missing_evidence(store: SqlStore, url: str, tmp_path: Path) -> None:
    large = os.urandom(2000)
    ref, inline = await store.shelve(large)
    verdict = replace(passed(), evidence=(Evidence("crl", ref.sha256), Evidence("policy", sha256(b"policy"))))
    kept = document(verdict=verdict)

    def body(ledger: Ledger) -> None:
        ledger.put_evidence([EvidenceRecord("crl", ref, inline), record(b"policy", "policy")])
        ledger.apply(decision(AddDocument(kept)))

    await store.transact(body)
    blobs = Blobs(tmp_path / "blobs")

    def broken() -> list[str]:
        with open_books(url, lambda ref: _octets(blobs.path(ref))) as books:
            return [one.code for one in check_house(books) if one.code.startswith("evidence")]

    assert broken() == NOTHING
    blobs.path(ref).unlink()
    assert broken() == ["evidence-missing"]


async def test_a_verdict_from_before_evidence_was_kept_promises_none(store: SqlStore, url: str) -> None:
    old = document()
    assert kept_evidence(old.verdict) == {}
    await store.transact(lambda ledger: ledger.apply(decision(AddDocument(old))))
    with open_books(url, lambda ref: None) as books:
        assert not [one for one in check_house(books) if one.code.startswith("evidence")]


async def test_a_store_of_the_first_schema_keeps_its_documents(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    with migration_engine(url) as engine, engine.begin() as connection:
        command.upgrade(migrate.config(connection), "0001")
    with closing(sqlite3.connect(sqlite_path(url))) as raw, raw:
        raw.execute("INSERT INTO payload (sha256, octets) VALUES ('a', x'00')")
    assert migrate.needed(url)
    migrate.upgrade(url)
    opened = open_store(url, Blobs(tmp_path / "blobs"))
    try:
        await opened.transact(lambda ledger: ledger.put_evidence([record(b"new")]))
        assert await opened.views.document(DocumentRef("none")) is None
        with open_readonly(url) as books:
            assert books.octets(PayloadRef("a", 1)) == b"\0"
            assert books.evidence(hashlib.sha256(b"new").hexdigest()) == record(b"new")
    finally:
        await opened.close()
