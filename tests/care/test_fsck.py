"""Every sort of damage is planted in a sound node, and is found; a sound node has none."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.care.findings import OF_THE_LOG, TABLE, Code, row_of
from axis.cli import main
from axis.log.findings import TABLE as LOG_TABLE
from axis.log.findings import Code as LogCode
from axis.log.verify import verify_log
from axis.log.writer import Step
from axis.shelf import shelf_of
from axis.sql.audit import open_books
from axis.sql.driver import StoreError
from axis.sql.engine import open_store, sqlite_path
from signing.keys import generate_ed25519
from signing.note import NoteSigner
from tests.care.plants import FIRST, GONE, PLANTS, Plant, aged, blobs, entry, failed_without_notice, flip
from tests.care.world import LARGE, Node, busy

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
        for name in ("documents", "deliveries", "reports", "attachment_checks", "attachment_verdicts", "follow_ups"):
            told.append(tuple(sorted(map(repr, (one for part in found for one in getattr(part, name))))))
            assert len({*told[-1]}) == len(told[-1]), "in one only"
        assert {*told[0]} <= every
        assert len({*told[0]}) == len(told[0])
        seen.append(told)
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(seen[0][1]) == 6
    assert len(seen[0][3]) > 1


@pytest.mark.parametrize(("code", "number"), CASES)
def test_a_planted_damage_is_found(node: Node, code: Code, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many documents are in memory at once."""
    PLANTS[code][number](node)
    for size in (1, 2_000):
        monkeypatch.setattr("axis.sql.portions.PORTION", size)
        report = node.check()
        assert code in report.counts, (size, report.findings)
        assert report.sound is not any(row_of(one).fault for one in report.counts)
        assert report.sound or TABLE[code].fault or code in (Code.BLOB_UNNAMED, Code.ENTRIES_LOST, Code.LOSS_UNSIGNED)


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
        (Code.DATABASE_DAMAGED, "ALTER SEQUENCE log_intent_id_seq RESTART"),
    ):
        on_postgres.sql(text)
        expected.add(code)
        counts = on_postgres.check().counts
        assert code in counts, (code, counts)


@pytest.mark.parametrize(
    ("altered", "told"),
    [
        (("CREATE RULE r AS ON DELETE TO status_report DO INSTEAD NOTHING",), "a rule on status_report"),
        (
            (
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                "CREATE TRIGGER t BEFORE INSERT ON log_intent FOR EACH ROW EXECUTE FUNCTION f()",
            ),
            "a trigger 't' on log_intent",
        ),
        (("ALTER TABLE document ENABLE ROW LEVEL SECURITY",), "document shows each user other rows"),
        (("ALTER TABLE payload SET UNLOGGED",), "payload is emptied when the server breaks down"),
        (("ALTER TABLE status_report DISABLE TRIGGER ALL",), "the references of status_report are not looked at"),
        (("ALTER TABLE evidence DROP CONSTRAINT pk_evidence",), "no primary key on evidence"),
        (
            ("ALTER TABLE notice DROP CONSTRAINT fk_notice_document",),
            "a reference of notice is gone",
        ),
        (("CREATE TABLE more () INHERITS (notice)",), "notice has rows of another table"),
        (("DROP INDEX uq_document_key",), "no unique index uq_document_key on document"),
        (("ALTER TABLE payload RENAME TO p", "CREATE VIEW payload AS SELECT * FROM p"), "payload is no table"),
        (
            ("ALTER TABLE notice ADD COLUMN said text GENERATED ALWAYS AS (ref) STORED",),
            "notice.'said' is computed",
        ),
    ],
)
def test_a_postgresql_that_does_something_by_itself_is_found_and_not_started_on(
    on_postgres: Node, altered: tuple[str, ...], told: str
) -> None:
    on_postgres.sql(*altered)
    found = [one.detail for one in on_postgres.check().findings if one.code == Code.DATABASE_ALTERED]
    assert told in found
    with pytest.raises(StoreError, match="is not as axis made it"):
        open_store(on_postgres.url, shelf_of(on_postgres.config))


def test_a_schema_that_stands_before_ours_is_found(on_postgres: Node) -> None:
    """Who sets the path of the node's role has it write elsewhere, or read other rows."""
    user = on_postgres.ask("SELECT current_user")[0][0]
    try:
        on_postgres.sql(
            "CREATE SCHEMA before_ours",
            "CREATE TABLE before_ours.alembic_version AS SELECT * FROM public.alembic_version",
            "CREATE TABLE before_ours.meta AS SELECT * FROM public.meta",
            f'ALTER ROLE "{user}" IN DATABASE "{on_postgres.ask("SELECT current_database()")[0][0]}"'
            " SET search_path = before_ours, public",
        )
        with pytest.raises(StoreError, match="is not as axis made it"):
            open_store(on_postgres.url, shelf_of(on_postgres.config))
    finally:
        on_postgres.sql(
            f'ALTER ROLE "{user}" IN DATABASE "{on_postgres.ask("SELECT current_database()")[0][0]}" RESET search_path'
        )


@pytest.mark.parametrize("number", range(len(PLANTS[Code.DATABASE_ALTERED])))
def test_a_node_does_not_start_on_a_database_that_was_altered(node: Node, number: int) -> None:
    PLANTS[Code.DATABASE_ALTERED][number](node)
    with pytest.raises(StoreError, match="is not as axis made it"):
        open_store(node.url, shelf_of(node.config))


def test_what_is_put_back_as_a_whole_is_seen_only_by_who_kept_a_checkpoint(node: Node, tmp_path: Path) -> None:
    """Database, files, log and checkpoint store of one earlier moment, without any key: nothing inside can tell."""
    earlier = node.copy(tmp_path / "earlier")
    asyncio.run(busy(node))
    kept = (node.config.node.log / "checkpoint").read_text()
    report = earlier.check()
    assert report.sound and not report.findings
    told = verify_log(earlier.config.node.log, node.place.vkey, heads=earlier.heads, old=kept)
    assert LogCode.ROLLED_BACK in told.counts
    assert verify_log(
        node.config.node.log, node.place.vkey, old=(earlier.config.node.log / "checkpoint").read_text()
    ).ok


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


def test_a_folder_that_is_not_empty_is_told_with_what_to_do_about_it(node: Node, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    assert axis("backup", target, "-c", node.site.config)[0] == 0
    code, told = axis("backup", target, "-c", node.site.config)
    assert (code, "name a folder that is new or empty" in told, "nêu thư mục mới, hoặc trống" in told) == (
        1,
        True,
        True,
    )
    code, told = axis("restore", target, "-c", node.site.config)
    assert (code, "nothing was put into place: move that away, and keep it" in told) == (1, True), told
    assert "chuyển nó sang chỗ khác và giữ lại" in told


def test_what_cannot_be_looked_at_is_neither_sound_nor_damaged(node: Node) -> None:
    node.sql("UPDATE alembic_version SET version_num = '0001'")
    code, told = axis("fsck", "-c", node.site.config)
    assert (code, "schema 0001" in told) == (3, True)
    sqlite_path(node.url).unlink()
    assert axis("fsck", "-c", node.site.config)[0] == 3
    assert axis("fsck", "-c", node.site.folder / "none.toml")[0] == 2


def test_an_auditor_looks_with_the_verifier_key_and_without_any_private_one(node: Node, tmp_path: Path) -> None:
    vkey, signer = tmp_path / "log.vkey", node.signer
    vkey.write_text(f"{signer.verifier}\n")
    keys = node.site.folder / "keys"
    keys.rename(tmp_path / "not for auditors")
    code, told = axis("fsck", "--deep", "-c", node.site.config, "--key", vkey)
    assert code == 0, told
    flip(blobs(node)[0])
    assert axis("fsck", "--deep", "-c", node.site.config, "--key", vkey)[0] == 1
    other = NoteSigner(signer.name, generate_ed25519())
    vkey.write_text(str(other.verifier))
    code, told = axis("fsck", "-c", node.site.config, "--key", vkey)
    assert (code, "log:" in told) == (1, True), "nothing is believed by another key"
    for said in ("", "junk", str(NoteSigner("another-node", generate_ed25519()).verifier)):
        vkey.write_text(said)
        code, told = axis("fsck", "-c", node.site.config, "--key", vkey)
        assert (code, "key" in told) == (2, True), said
