"""Damage of every sort, to be planted in a sound node: what was broken, and what somebody changed."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.care.findings import Code
from axis.core.receipt import seal
from axis.sql.engine import sqlite_path
from signing.keys import raw_public
from tests.care.world import LARGE, Node, busy

Plant = Callable[[Node], None]
GONE = "nobody"
OLD = 90_000
THEN = "2026-11-23T01:02:03.000004Z"
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


def pipe_among_files(node: Node) -> None:
    place = node.config.node.blobs / "ab" / ("ab" * 32)
    place.parent.mkdir(exist_ok=True)
    os.mkfifo(place)


def schema_by_hand(node: Node) -> None:
    """The text of a table, rewritten where no command would: what SQLite then knows of a column is another thing."""
    with closing(sqlite3.connect(sqlite_path(node.url))) as here:
        here.execute("PRAGMA writable_schema = ON")
        here.execute("UPDATE sqlite_master SET sql = replace(sql, 'subject TEXT', 'said TEXT') WHERE name = 'document'")
        here.commit()


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


def followed_and_forgotten(node: Node) -> None:
    ((delivery,),) = node.ask(f"SELECT {DELIVERED}")
    node.sql(entry("followed", delivery, {"became": None, "asked": 1}))


def noticed(*changes: str) -> Plant:
    """A notice that was really written, and then changed; without a change one that no entry tells of."""

    def plant(node: Node) -> None:
        ((document,),) = node.ask("SELECT min(ref) FROM document")
        key, at = Ed25519PrivateKey.generate(), "2026-11-23T01:02:03.000004Z"
        body = {"v": 1, "type": "axis-notice", "outcome": "undelivered", "document": document, "sender": "H99"}
        octets = seal(body, raw_public(key.public_key()).hex(), key.sign).decode()
        node.sql(f"INSERT INTO notice VALUES ('n', '{document}', 'undelivered', CAST('{octets}' AS BLOB), '{at}')")
        if changes:
            node.sql(entry("notice", "n", {"document": document, "outcome": "undelivered", "sent": True}, at))
            assert Code.NOTICE_DIFFERS not in node.check().counts
        node.sql(*changes)

    return plant


def released_by_hand(node: Node) -> None:
    """Entry and receipt say that it is held; that somebody released it, nobody logged."""
    node.sql(
        replaced('"kind":"accepted"', '"kind":"held"', "log_index = 1"),
        "UPDATE document SET receipt_state = 'held' WHERE ref = "
        "(SELECT json_extract(CAST(leaf AS TEXT), '$.subject') FROM log_intent WHERE log_index = 1)",
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
    Code.DATABASE_ALTERED: (
        sql("CREATE TRIGGER t AFTER INSERT ON log_intent BEGIN DELETE FROM log_intent WHERE id = new.id; END"),
        sql("CREATE VIEW v AS SELECT 1"),
        sql("ALTER TABLE status_report RENAME TO kept", "CREATE VIEW status_report AS SELECT * FROM kept"),
        sql("ALTER TABLE document ADD COLUMN said AS (subject)"),
        sql("ALTER TABLE document ADD COLUMN said TEXT"),
        sql("DROP INDEX uq_document_key"),
        sql("DROP INDEX uq_document_key", "CREATE INDEX uq_document_key ON document (sender)"),
        schema_by_hand,
    ),
    Code.RESTORE_UNFINISHED: (sql("INSERT INTO meta (name, value) VALUES ('restoring', 'ab')"),),
    Code.ROW_UNREADABLE: (
        sql(f"UPDATE document SET verdict = replace(verdict, 'TOTAL-PASSED', 'INDETERMINATE') WHERE ref = {FIRST}"),
        sql(f"UPDATE document SET verdict = '{{}}' WHERE ref = {FIRST}"),
        sql(f"UPDATE document SET form = 'none' WHERE ref = {FIRST}"),  # which files it names, nobody can say
        sql("UPDATE log_intent SET leaf = CAST('{}' AS BLOB) WHERE log_index = 2"),
    ),
    Code.ROW_WITHOUT_PARENT: (
        sql(f"DELETE FROM document WHERE ref = {FIRST}"),
        sql("DELETE FROM status_report WHERE seq = 1"),
    ),
    Code.COLUMN_DIFFERS: (
        sql("UPDATE document SET document_key = document_key || '1'"),
        sql("UPDATE document SET number_key = 'x'"),
        sql("UPDATE status_report SET document_key = NULL"),
        sql("UPDATE status_report SET number_key = 'x'"),
        sql("UPDATE log_intent SET kind = 'started' WHERE log_index = 1"),
        sql("UPDATE log_intent SET at = '2126-01-02T03:04:05.000006Z' WHERE log_index = 1"),
        sql("UPDATE evidence SET kind = 'crl' WHERE kind = 'certificate'"),
        sql("UPDATE delivery SET lane = 'x' WHERE state = 'queued'"),
        sql("UPDATE delivery SET endpoint = 'elsewhere' WHERE state = 'queued' AND cargo = 'status'"),
        sql("UPDATE delivery SET recipients = '[\"000.00.02.H99\"]' WHERE state = 'queued' AND cargo = 'status'"),
    ),
    Code.RECIPIENTS_DIFFER: (sql(f"DELETE FROM document_recipient WHERE document = {FIRST}"),),
    Code.STATE: (
        sql("UPDATE delivery SET settled_at = NULL WHERE state = 'delivered'"),
        sql("UPDATE delivery SET settled_at = created_at WHERE state = 'queued'"),
        sql("UPDATE delivery SET state = 'leased', attempts = 0 WHERE state = 'queued'"),
        sql("UPDATE delivery SET state = 'dropped', settled_at = created_at WHERE state = 'queued'"),
        sql("UPDATE document SET state = 'refused'"),
        sql(f"UPDATE delivery SET document = (SELECT max(ref) FROM document) WHERE id = {DELIVERED}"),
        sql("UPDATE delivery SET document = (SELECT max(ref) FROM document) WHERE cargo = 'status'"),
        sql("UPDATE delivery SET head = 0 WHERE state = 'queued'"),
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
        sql("UPDATE document SET accepted_at = '2026-01-02T03:04:05.000006Z'"),  # the receipt would tell this time
        sql(f"UPDATE document SET principal = 'tai-chinh' WHERE ref = {FIRST}"),
        sql(
            """UPDATE document SET ways = '[{"by":"x","via":"node","hops":[],"for":[],"at":"2026-01-02T03:04:05Z"}]'"""
        ),
        released_by_hand,
    ),
    Code.COMMITMENT: (
        sql("UPDATE document SET nonce = payload_sha256"),
        sql("UPDATE document SET digest = payload_sha256"),
        sql("""UPDATE document SET verdict = replace(verdict, '"policy":"', '"policy":"x')"""),
        sql("UPDATE document SET document_id = document_id || '1'"),
    ),
    Code.ENTRY_WITHOUT_DOCUMENT: (sql(f"DELETE FROM document WHERE ref = {FIRST}"),),
    Code.ENTRY_WITHOUT_RECORD: (
        sql(
            "DELETE FROM delivery WHERE cargo_ref = (SELECT ref FROM status_report WHERE seq = 1)",
            "DELETE FROM status_report WHERE seq = 1",
        ),
        sql(f"DELETE FROM delivery WHERE id = {DELIVERED}"),
        noticed("DELETE FROM notice"),
    ),
    Code.DELIVERY_WITHOUT_DOCUMENT: (sql(f"DELETE FROM document WHERE ref = {FIRST}"),),
    Code.DELIVERY_ENTRY: (
        sql("UPDATE delivery SET state = 'queued', settled_at = NULL WHERE state = 'delivered'"),
        sql("UPDATE delivery SET state = 'failed', settled_at = created_at WHERE state = 'queued'"),
        sql("UPDATE delivery SET state = 'on-hold' WHERE state = 'queued'"),
    ),
    Code.DELIVERY_DIFFERS: (
        sql(f"UPDATE delivery SET endpoint = 'elsewhere' WHERE id = {DELIVERED}"),
        sql("UPDATE delivery SET endpoint = 'elsewhere' WHERE state = 'queued' AND cargo = 'document'"),
        sql("UPDATE delivery SET created_at = '2026-01-02T03:04:05.000006Z' WHERE state = 'queued'"),
        sql(f"UPDATE delivery SET settled_at = '2026-01-02T03:04:05.000006Z' WHERE id = {DELIVERED}"),
        sql("UPDATE delivery SET recipients = '[\"000.00.01.H99\"]' WHERE state = 'delivered'"),
    ),
    Code.DELIVERY_OF_UNACCEPTED: (sql("UPDATE document SET state = 'held', receipt_state = 'held'"),),
    Code.RECIPIENT_DELIVERIES: (sql(f"DELETE FROM delivery WHERE id = {DELIVERED}"),),
    Code.HOLD_DIFFERS: (
        sql("INSERT INTO endpoint_hold VALUES ('so-noi-vu', '2026-11-23T01:02:03.000004Z', 'x', 'y')"),
        sql(entry("operated", "", {"action": "hold", "endpoint": "e", "operator": "x", "reason": "y"})),
        sql(
            entry("operated", "", {"action": "hold", "endpoint": "e", "operator": "x", "reason": "y"}),
            "INSERT INTO endpoint_hold VALUES ('e', '2026-11-23T01:02:03.000004Z', 'somebody', 'y')",
        ),
    ),
    Code.NOTICE_DIFFERS: (
        noticed(),
        noticed("UPDATE notice SET outcome = 'refused'"),
        noticed("UPDATE notice SET at = '2026-01-02T03:04:05.000006Z'"),
        noticed("UPDATE notice SET octets = CAST(replace(CAST(octets AS TEXT), 'H99', 'H98') AS BLOB)"),
        noticed("UPDATE notice SET document = (SELECT max(ref) FROM document)"),
    ),
    Code.FAILURE_NOTICE: (failed_without_notice,),
    Code.STATUS_ENTRY: (sql(replaced('"kind":"status"', '"kind":"stopped"', "kind = 'status'")),),
    Code.STATUS_DIFFERS: (
        sql("UPDATE status_report SET wire = '06' WHERE wire = '03'"),
        sql("UPDATE status_report SET at = '2026-01-02T03:04:05.000006Z'"),
        sql("UPDATE status_report SET received_at = '2026-01-02T03:04:05.000006Z'"),
        sql("UPDATE status_report SET standing = 'conflict'"),
        sql("UPDATE status_report SET attestation = 'neighbour'"),
        sql("UPDATE status_report SET reporter = '000.00.01.H99'"),
        sql("UPDATE status_report SET addressee = '000.00.02.H99'"),
        sql("UPDATE status_report SET principal = 'somebody'"),
        sql("UPDATE status_report SET document = (SELECT max(ref) FROM document)"),
        sql("UPDATE status_report SET document = NULL"),
    ),
    Code.STATUS_WITHOUT_DOCUMENT: (sql("UPDATE status_report SET document = '0' WHERE document IS NOT NULL"),),
    Code.STATUS_OF_STRANGER: (sql("UPDATE status_report SET receiver = 'H98'"),),
    Code.FOLLOW_UP_DIFFERS: (
        sql(
            f"INSERT INTO follow_up VALUES ({DELIVERED}, 'e', 'x', '2026-11-23T01:02:03.000004Z', NULL, 0, 0, NULL, 0)"
        ),
        followed_and_forgotten,
    ),
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
    Code.LOSS_UNSIGNED: (declared,),
    Code.ENTRY_WAITING: (sql(entry("started", "", {})),),
    Code.BLOB_UNNAMED: (lambda node: aged(node.config.node.blobs / "ab" / ("ab" * 32)),),
    Code.BLOB_STRAY: (
        lambda node: aged(node.config.node.blobs / "thumbs.db"),
        pipe_among_files,  # whoever hashes it waits for ever
        lambda node: aged(node.config.node.blobs / "ab" / ("cd" * 32)),
        lambda node: aged(node.config.node.blobs / "ab" / ("AB" * 32)),
    ),
    Code.SPOOL_LEFTOVER: (lambda node: aged(node.config.node.blobs / "spool" / "1.part"),),
}
