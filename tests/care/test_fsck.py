"""Every sort of damage is planted in a sound node, and is found; a sound node has none."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.care.findings import OF_THE_LOG, TABLE, Code, row_of
from axis.cli import main
from axis.log.findings import TABLE as LOG_TABLE
from axis.log.findings import Code as LogCode
from axis.log.writer import Step
from axis.sql.audit import open_books
from axis.sql.engine import sqlite_path
from tests.care.world import LARGE, Node, busy

Plant = Callable[[Node], None]
GONE = "nobody"
OLD = 90_000
FIRST = "(SELECT min(ref) FROM document)"
DELIVERED = "(SELECT min(id) FROM delivery WHERE state = 'delivered' AND cargo = 'document')"


def sql(*texts: str) -> Plant:
    return lambda node: node.sql(*texts)


def blobs(node: Node) -> list[Path]:
    return [path for path in sorted(node.config.node.blobs.rglob("*")) if path.is_file() and len(path.name) == 64]


def flip(path: Path, place: int = -9) -> None:
    octets = bytearray(path.read_bytes())
    octets[place] ^= 1
    path.write_bytes(octets)


def aged(path: Path, octets: bytes = b"x") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(octets)
    os.utime(path, (time.time() - OLD,) * 2)


def break_a_page(node: Node) -> None:
    path = sqlite_path(node.url)
    with closing(sqlite3.connect(path)) as there:
        (page,) = there.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_delivery_document'").fetchone()
        (size,) = there.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)


def entry(kind: str, subject: str, facts: object, at: str = "2026-11-23T01:02:03.000004Z") -> str:
    """SQL that adds an entry which waits for its place in the log."""
    said = {"actor": "x", "at": at, "facts": facts, "kind": kind, "subject": subject, "v": 1}
    octets = json.dumps(said, separators=(",", ":"), sort_keys=True)
    return f"INSERT INTO log_intent (leaf, kind, at) SELECT CAST('{octets}' AS BLOB), '{kind}', '{at}'"


def replaced(was: str, now: str, where: str) -> str:
    return f"UPDATE log_intent SET leaf = CAST(replace(CAST(leaf AS TEXT), '{was}', '{now}') AS BLOB) WHERE {where}"


def verdict_row(outcome: str = "'valid'", place: int = 1) -> str:
    return (
        f"INSERT INTO attachment_verdict VALUES ({FIRST}, {place}, 1, 'tep-0', '2026-11-23T01:02:03.000004Z', "
        f"{outcome}, 'good', 0, '{{}}')"
    )


def failed_without_notice(node: Node) -> None:
    ((delivery,),) = node.ask("SELECT min(id) FROM delivery WHERE state = 'queued'")
    node.sql(
        f"UPDATE delivery SET state = 'failed', settled_at = created_at WHERE id = '{delivery}'",
        entry("failed", delivery, {"notice": GONE}),
    )


def logged_attachment(node: Node) -> None:
    ((first,),) = node.ask("SELECT min(ref) FROM document")
    node.sql(entry("attachments", first, {"round": 1, "attachments": [[1, "valid", "good", "0", "0"]]}))


def committed_otherwise(node: Node) -> None:
    logged_attachment(node)
    node.sql(verdict_row())


async def put_the_log_back(node: Node) -> None:
    kept = {
        path: path.read_bytes()
        for folder in (node.config.node.log, node.heads)
        for path in folder.rglob("*")
        if path.is_file()
    }
    await busy(node)
    for folder in (node.config.node.log, node.heads):
        for path in folder.rglob("*"):
            if path.is_file() and path not in kept:
                path.unlink()
    for path, octets in kept.items():
        path.write_bytes(octets)


def put_log_back(node: Node) -> None:
    asyncio.run(put_the_log_back(node))


def put_store_and_heads_back(node: Node) -> None:
    """What a backup of the wrong things does: only the log's folder still knows what was signed."""
    kept = {path: path.read_bytes() for path in (sqlite_path(node.url), node.heads / "heads.jsonl")}
    asyncio.run(busy(node))
    for path, octets in kept.items():
        path.write_bytes(octets)


def declared(node: Node) -> None:
    node.sql("DELETE FROM log_intent WHERE kind = 'nothing'", entry("restored", "", {"lost": [[2, 4]]}))


PLANTS: dict[Code, tuple[Plant, ...]] = {
    Code.DATABASE_DAMAGED: (break_a_page,),
    Code.ROW_UNREADABLE: (
        sql(f"UPDATE document SET verdict = replace(verdict, 'TOTAL-PASSED', 'INDETERMINATE') WHERE ref = {FIRST}"),
        sql(f"UPDATE document SET verdict = '{{}}' WHERE ref = {FIRST}"),
        sql("UPDATE log_intent SET leaf = CAST('{}' AS BLOB) WHERE log_index = 2"),
    ),
    Code.ROW_WITHOUT_PARENT: (
        sql(f"DELETE FROM document WHERE ref = {FIRST}"),
        sql("DELETE FROM status_report WHERE seq = 1"),
    ),
    Code.RECIPIENTS_DIFFER: (sql(f"DELETE FROM document_recipient WHERE document = {FIRST}"),),
    Code.STATE: (
        sql("UPDATE delivery SET settled_at = NULL WHERE state = 'delivered'"),
        sql("UPDATE delivery SET settled_at = created_at WHERE state = 'queued'"),
        sql("UPDATE delivery SET state = 'leased', attempts = 0 WHERE state = 'queued'"),
        sql("UPDATE delivery SET state = 'dropped', settled_at = created_at WHERE state = 'queued'"),
        sql("UPDATE document SET state = 'refused'"),
        sql(f"UPDATE delivery SET document = (SELECT max(ref) FROM document) WHERE id = {DELIVERED}"),
    ),
    Code.PAYLOAD_MISSING: (sql("DELETE FROM payload"), lambda node: blobs(node)[0].unlink()),
    Code.PAYLOAD_SIZE: (
        sql("UPDATE payload SET octets = CAST('<edXML/>' AS BLOB)"),
        lambda node: os.truncate(blobs(node)[0], LARGE),
        sql("UPDATE document SET payload_size = payload_size + 1"),
    ),
    Code.PAYLOAD_DIGEST: (
        lambda node: flip(blobs(node)[0]),
        sql("UPDATE payload SET octets = CAST(replace(CAST(octets AS TEXT), 'TN', 'NT') AS BLOB)"),
    ),
    Code.EVIDENCE_MISSING: (
        sql("DELETE FROM evidence WHERE sha256 = (SELECT min(sha256) FROM evidence)"),
        sql("UPDATE evidence SET octets = NULL WHERE sha256 = (SELECT min(sha256) FROM evidence)"),
    ),
    Code.EVIDENCE_SIZE: (sql("UPDATE evidence SET size = size + 1"),),
    Code.EVIDENCE_DIGEST: (
        sql("UPDATE evidence SET octets = CAST('x' AS BLOB), size = 1"),
        sql("UPDATE evidence SET sha256 = '00' || substr(sha256, 3)"),
    ),
    Code.BLOB_DIGEST: (lambda node: aged(node.config.node.blobs / "ab" / ("ab" * 32)),),
    Code.DOCUMENT_ENTRY: (sql(replaced('"kind":"accepted"', '"kind":"started"', "log_index = 1")),),
    Code.DOCUMENT_DIFFERS: (
        sql("UPDATE document SET sender = '000.00.14.H99'"),
        sql("UPDATE document SET kind = 'recall'"),
    ),
    Code.COMMITMENT: (
        sql("UPDATE document SET nonce = payload_sha256"),
        sql("UPDATE document SET digest = payload_sha256"),
        sql("""UPDATE document SET verdict = replace(verdict, '"policy":"', '"policy":"x')"""),
        sql("UPDATE document SET document_id = document_id || '1'"),
    ),
    Code.ENTRY_WITHOUT_DOCUMENT: (sql(f"DELETE FROM document WHERE ref = {FIRST}"),),
    Code.DELIVERY_WITHOUT_DOCUMENT: (sql(f"DELETE FROM document WHERE ref = {FIRST}"),),
    Code.DELIVERY_ENTRY: (
        sql("UPDATE delivery SET state = 'queued', settled_at = NULL WHERE state = 'delivered'"),
        sql("UPDATE delivery SET state = 'failed', settled_at = created_at WHERE state = 'queued'"),
        sql("UPDATE delivery SET state = 'on-hold' WHERE state = 'queued'"),
    ),
    Code.DELIVERY_OF_UNACCEPTED: (sql("UPDATE document SET state = 'held', receipt_state = 'held'"),),
    Code.RECIPIENT_DELIVERIES: (sql(f"DELETE FROM delivery WHERE id = {DELIVERED}"),),
    Code.FAILURE_NOTICE: (failed_without_notice,),
    Code.STATUS_ENTRY: (sql(replaced('"kind":"status"', '"kind":"stopped"', "kind = 'status'")),),
    Code.STATUS_WITHOUT_DOCUMENT: (sql("UPDATE status_report SET document = '0' WHERE document IS NOT NULL"),),
    Code.STATUS_OF_STRANGER: (sql("UPDATE status_report SET receiver = 'H98'"),),
    Code.ATTACHMENT_ENTRY: (sql(verdict_row()),),
    Code.ATTACHMENT_COMMITMENT: (committed_otherwise,),
    Code.ENTRY_WITHOUT_ATTACHMENT: (logged_attachment,),
    Code.ATTACHMENT_OUTCOME: (
        sql(f"INSERT INTO attachment_check VALUES ({FIRST}, '2026-11-23T01:02:03.000004Z', NULL, 1, 'valid')"),
    ),
    Code.ATTACHMENT_WITHOUT_CHECK: (sql(verdict_row()),),
    Code.LOG_INDEXES: (sql("UPDATE log_intent SET log_index = NULL WHERE log_index = 3"),),
    Code.LOG_ORDER: (
        sql(
            "UPDATE log_intent SET log_index = 900 WHERE log_index = 1",
            "UPDATE log_intent SET log_index = 1 WHERE kind = 'delivered' AND log_index ="
            " (SELECT min(log_index) FROM log_intent WHERE kind = 'delivered')",
        ),
    ),
    Code.LEAF_DIFFERS: (sql(replaced("000.00.01.H99", "000.00.02.H99", "log_index = 1")),),
    Code.STORE_BEHIND_LOG: (
        sql("UPDATE log_intent SET log_index = NULL WHERE log_index >= 5"),
        put_store_and_heads_back,
    ),
    Code.STORE_AHEAD_OF_LOG: (put_log_back,),
    Code.ENTRIES_LOST: (declared,),
    Code.ENTRY_WAITING: (sql(entry("started", "", {})),),
    Code.BLOB_UNNAMED: (lambda node: aged(node.config.node.blobs / "ab" / ("ab" * 32)),),
    Code.BLOB_STRAY: (
        lambda node: aged(node.config.node.blobs / "thumbs.db"),
        lambda node: aged(node.config.node.blobs / "ab" / ("cd" * 32)),
        lambda node: aged(node.config.node.blobs / "ab" / ("AB" * 32)),
    ),
    Code.SPOOL_LEFTOVER: (lambda node: aged(node.config.node.blobs / "spool" / "1.part"),),
}
CASES = [(code, number) for code, plants in PLANTS.items() for number in range(len(plants))]


def test_every_code_has_its_plant_its_words_and_its_remedy() -> None:
    assert set(PLANTS) == set(Code) == set(TABLE)
    for code in (*Code, *(OF_THE_LOG + one for one in LogCode)):
        row = row_of(code)
        assert row.vi and row.en and row.remedy


def test_a_sound_node_has_no_findings(both: Node) -> None:
    report = both.check()
    assert report.sound
    assert report.findings == ()
    assert (report.looked.documents, report.looked.files) == (3, 1)
    assert report.looked.octets_hashed > LARGE
    assert report.looked.log_entries == both.ask("SELECT count(*) FROM log_intent")[0][0]


@pytest.fixture(params=[1, 2_000])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many documents are in memory at once."""
    monkeypatch.setattr("axis.sql.portions.PORTION", request.param)
    return int(request.param)


def test_each_record_is_in_one_portion(both: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(busy(both))
    both.sql("UPDATE status_report SET document = NULL WHERE seq = (SELECT min(seq) FROM status_report)")
    seen = []
    for size in (1, 2, 6, 2_000):
        monkeypatch.setattr("axis.sql.portions.PORTION", size)
        with open_books(both.url, lambda ref: None) as books:
            found = list(books.portions())
            every = {leaf.id for leaf in books.leaves()}
        assert max(len(one.documents) for one in found) <= size
        told = [tuple(sorted(one.id for part in found for one in part.leaves))]
        for name in ("documents", "deliveries", "reports", "attachment_checks", "attachment_verdicts"):
            told.append(tuple(sorted(map(repr, (one for part in found for one in getattr(part, name))))))
            assert len({*told[-1]}) == len(told[-1]), "in one only"
        assert {*told[0]} <= every
        assert len({*told[0]}) == len(told[0])
        seen.append(told)
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(seen[0][1]) == 6
    assert len(seen[0][3]) > 1


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("code", "number"), CASES)
def test_a_planted_damage_is_found(node: Node, code: Code, number: int) -> None:
    PLANTS[code][number](node)
    report = node.check()
    assert code in report.counts, report.findings
    assert report.sound is not any(row_of(one).fault for one in report.counts)
    assert report.sound or TABLE[code].fault or code in (Code.BLOB_UNNAMED, Code.ENTRIES_LOST)


@pytest.mark.usefixtures("at_once")
def test_the_notice_of_a_failure_is_known_by_its_entry(node: Node) -> None:
    failed_without_notice(node)
    node.sql(entry("notice", GONE, {}))
    assert Code.FAILURE_NOTICE not in node.check().counts


def test_what_is_planted_in_postgresql_is_found(on_postgres: Node) -> None:
    """One node, one damage after the other: none of them hides the next."""
    expected: set[str] = set()
    for code, text in (
        (Code.STATE, "UPDATE delivery SET settled_at = NULL WHERE state = 'delivered' AND cargo = 'document'"),
        (Code.RECIPIENTS_DIFFER, f"DELETE FROM document_recipient WHERE document = {FIRST}"),
        (Code.PAYLOAD_DIGEST, "UPDATE payload SET octets = set_byte(octets, 5, 0)"),
        (Code.EVIDENCE_DIGEST, "UPDATE evidence SET octets = set_byte(octets, 5, 0)"),
        (Code.EVIDENCE_SIZE, "UPDATE evidence SET size = size + 1"),
        (Code.LEAF_DIFFERS, "UPDATE log_intent SET leaf = set_byte(leaf, 11, 105) WHERE log_index = 1"),
        (Code.ROW_WITHOUT_PARENT, f"DELETE FROM document WHERE ref = {FIRST}"),
        (Code.STORE_BEHIND_LOG, "UPDATE log_intent SET log_index = NULL WHERE log_index >= 5"),
        (Code.PAYLOAD_MISSING, "DELETE FROM payload"),
    ):
        on_postgres.sql(text)
        expected.add(code)
        counts = on_postgres.check().counts
        assert code in counts, (code, counts)


def test_a_shallow_look_reads_no_package_and_sees_sizes(node: Node) -> None:
    flip(blobs(node)[0])
    assert node.check(deep=False).sound, "only --deep hashes packages"
    os.truncate(blobs(node)[0], LARGE)
    report = node.check(deep=False)
    assert Code.PAYLOAD_SIZE in report.counts
    assert report.looked.octets_hashed < LARGE, "evidence only"


@pytest.mark.parametrize(
    ("code", "harm"),
    [
        (LogCode.CHECKPOINT_SIGNATURE, lambda node: flip(node.config.node.log / "checkpoint")),
        (LogCode.ENTRIES_ALTERED, lambda node: flip(next((node.config.node.log / "tile/entries").rglob("*.p/1*")))),
        (LogCode.HEADS_MISSING, lambda node: (node.heads / "heads.jsonl").unlink()),
        (LogCode.STRAY_FILE, lambda node: (node.config.node.log / "tile/x").write_text("")),
    ],
)
def test_what_the_verifier_of_the_log_finds_is_told_with_its_own_code(node: Node, code: LogCode, harm: Plant) -> None:
    harm(node)
    report = node.check()
    assert OF_THE_LOG + code in report.counts, report.findings
    assert report.sound is not LOG_TABLE[code].fault


def test_a_young_file_without_a_row_may_be_on_its_way(node: Node) -> None:
    path = node.config.node.blobs / "spool" / "1.part"
    aged(path)
    os.utime(path)
    assert node.check().findings == ()
    assert Code.SPOOL_LEFTOVER in node.check(later=timedelta(hours=1)).counts


@pytest.mark.parametrize("kept", [True, False])
async def test_a_round_that_was_signed_and_not_marked_is_no_loss_while_the_store_has_its_entries(
    node: Node, kept: bool
) -> None:
    """The node died between the head and the mark: it makes up for it, unless the store was put back as well."""

    class Died(Exception):
        pass

    def die(step: Step) -> None:
        if step is Step.HEAD:
            raise Died

    async def begin() -> None:
        async with node.running(die) as work:
            await work.send()
            await work.log()

    with pytest.raises(Died):
        await begin()
    assert node.check().sound
    if not kept:
        node.sql("DELETE FROM log_intent WHERE log_index IS NULL")
    assert (Code.STORE_BEHIND_LOG in node.check().counts) is not kept


async def test_documents_that_flow_meanwhile_are_no_damage(both: Node) -> None:
    """Looked at again and again between the steps of documents on their way into store and log."""
    async with both.running() as work:
        for size in (100, LARGE, 100):
            document = await work.send(size)
            assert both.check().sound
            await work.take(document)
            assert both.check().sound
            await work.log()
            report = both.check()
            assert report.sound, report.findings


def axis(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(one) for one in arguments], prog_name="axis")
    return result.exit_code, result.output


def test_the_command_says_what_was_found_and_what_to_do(node: Node) -> None:
    code, told = axis("fsck", "--deep", "-c", node.site.config)
    assert code == 0, told
    assert "the store is sound" in told
    blobs(node)[0].unlink()
    code, told = axis("fsck", "-c", node.site.config)
    assert code == 1
    assert "payload-missing" in told and TABLE[Code.PAYLOAD_MISSING].remedy in told
    code, told = axis("fsck", "--json", "-c", node.site.config)
    answer = json.loads(told)
    assert (code, answer["ok"], answer["counts"]) == (1, False, {"payload-missing": 1})
    assert answer["findings"][0]["remedy"] == TABLE[Code.PAYLOAD_MISSING].remedy


def test_what_cannot_be_looked_at_is_neither_sound_nor_damaged(node: Node) -> None:
    node.sql("UPDATE alembic_version SET version_num = '0001'")
    code, told = axis("fsck", "-c", node.site.config)
    assert (code, "schema 0001" in told) == (3, True)
    sqlite_path(node.url).unlink()
    assert axis("fsck", "-c", node.site.config)[0] == 3
    assert axis("fsck", "-c", node.site.folder / "none.toml")[0] == 2
