"""A backup is one moment of a node, whole or not there; a restored node goes on and forks nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from axis.care.backup import NotSound, Step, Taken, Unfit, take_backup
from axis.care.files import Files, digest_of
from axis.care.findings import Code
from axis.care.fsck import Place, check_node
from axis.care.manifest import BLOBS, DATABASE, FILE, LOG, read_manifest
from axis.care.place import Taken as There
from axis.log.disk import Folder
from axis.log.heads import CheckpointStore
from axis.sql.engine import sqlite_path
from tests.care.plants import blobs, flip
from tests.care.test_fsck import axis
from tests.care.world import LARGE, Node, busy


def back_up(node: Node, target: Path, **more: object) -> Taken:
    given: Mapping[str, Path] = {}
    return take_backup(
        node.place,
        node.config.node.name,
        "test",
        target,
        datetime.now(UTC),
        **{"keys": given, **more},  # type: ignore[arg-type]
    )


def copied(node: Node, backup: Path) -> Place:
    return Place(f"sqlite:///{backup / DATABASE}", Files(backup / BLOBS), backup / LOG, node.place.vkey, None)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_has_everything_but_keys_and_heads(both: Node, tmp_path: Path) -> None:
    taken = back_up(both, tmp_path / "backup")
    manifest, sha256 = read_manifest(tmp_path / "backup")
    assert (manifest, sha256) == (taken.manifest, taken.sha256)
    assert (manifest.node, manifest.blob_files, manifest.keys) == ("truc-thu", 1, {})
    assert manifest.log_size == both.ask("SELECT count(*) FROM log_intent WHERE log_index IS NOT NULL")[0][0]
    assert check_node(copied(both, tmp_path / "backup"), datetime.now(UTC), deep=True).findings == ()
    assert {name.partition("/")[0] for name in files(tmp_path / "backup")} == {DATABASE, FILE, BLOBS, LOG}
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "backup").glob("*") if path.is_file()}
    assert modes == {0}
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700
    assert both.check().findings == ()


def test_a_file_is_linked_or_copied_and_keys_only_when_asked_for(node: Node, tmp_path: Path) -> None:
    linked, copy = tmp_path / "linked", tmp_path / "copied"
    back_up(node, linked)
    assert isinstance(node.config.keys.log, Path)
    back_up(node, copy, link=False, keys={"log.pem": node.config.keys.log})
    name = blobs(node)[0].relative_to(node.config.node.blobs)
    inode = blobs(node)[0].stat().st_ino
    assert ((linked / BLOBS / name).stat().st_ino == inode, (copy / BLOBS / name).stat().st_ino == inode) == (
        True,
        False,
    )
    assert stat.S_IMODE((copy / "keys" / "log.pem").stat().st_mode) == 0o600
    assert read_manifest(copy)[0].keys == {"log.pem": digest_of(node.config.keys.log)[0]}


async def test_documents_that_flow_meanwhile_are_in_it_wholly_or_not(both: Node, tmp_path: Path) -> None:
    """Between every two steps of the backup more documents come, are handed over and get their places in the log."""
    loop, seen = asyncio.get_running_loop(), []
    async with both.running() as work:

        async def more() -> None:
            await work.take(await work.send(LARGE))
            await work.log()

        def between(step: Step) -> None:
            seen.append(step)
            asyncio.run_coroutine_threadsafe(more(), loop).result(30)

        taken = await asyncio.to_thread(back_up, both, tmp_path / "backup", hook=between)
        assert seen == list(Step)
        assert taken.manifest.log_size < work.sequencer.head.checkpoint.size
        assert taken.signed is None
    report = check_node(copied(both, tmp_path / "backup"), datetime.now(UTC), deep=True)
    assert report.sound
    assert report.looked.documents == 3, "the store is of the first moment"
    assert both.check().findings == ()


def test_what_is_damaged_is_no_backup(node: Node, tmp_path: Path) -> None:
    path = blobs(node)[0]
    whole = path.read_bytes()
    flip(path)
    with pytest.raises(NotSound) as damaged:
        back_up(node, tmp_path / "backup")
    assert Code.PAYLOAD_DIGEST in damaged.value.report.counts
    path.unlink()
    with pytest.raises(Unfit, match="missing"):
        back_up(node, tmp_path / "backup")
    path.write_bytes(whole)
    shutil.rmtree(node.config.node.log / "tile" / "0")
    with pytest.raises(Unfit, match="log cannot be copied"):
        back_up(node, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_backup_is_never_written_over_another(node: Node, tmp_path: Path) -> None:
    back_up(node, tmp_path / "backup")
    before = files(tmp_path / "backup")
    with pytest.raises(There):
        back_up(node, tmp_path / "backup")
    assert files(tmp_path / "backup") == before


CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from axis.care.backup import take_backup
from axis.care.files import Files, digest_of
from axis.care.fsck import Place
store, data, vkey, heads, target, step = sys.argv[1:]
place = Place(store, Files(Path(data, "blobs")), Path(data, "log"), vkey, Path(heads))
hook = lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == step else None
take_backup(place, "truc-thu", "test", Path(target), datetime.now(UTC), keys={}, hook=hook)
"""


@pytest.mark.faults
@pytest.mark.parametrize("step", list(Step))
def test_a_backup_that_was_killed_does_not_look_whole_and_the_next_one_is(
    node: Node, tmp_path: Path, step: Step
) -> None:
    target, place = tmp_path / "backup", node.place
    given = (place.store, node.data, place.vkey, place.heads, target, step.value)
    killed = subprocess.run([sys.executable, "-c", CHILD, *map(str, given)], check=False, cwd=Path.cwd())
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    left = tmp_path / "backup.unfinished"
    assert left.exists()
    code, told = axis("restore", left, "-c", node.site.config)
    assert code == 1, told
    back_up(node, target)
    assert not left.exists()
    assert node.check().findings == ()


ENDED = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore them: nohup, a job in the background
signal.signal(signal.SIGINT, signal.default_int_handler)
import axis.care.backup as care
from axis.cli import main
number, *arguments = sys.argv[1:]
take = care.take_backup
care.take_backup = lambda *a, **k: take(*a, **k, hook=lambda done: os.kill(os.getpid(), int(number)))
main(arguments)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_is_asked_to_end_leaves_no_half_backup_behind(node: Node, tmp_path: Path, number: signal.Signals) -> None:
    """One a night, each under a name of its own: nobody comes by again to remove what is left."""
    target = tmp_path / "backup-of-tonight"
    command = [sys.executable, "-c", ENDED, str(number.value), "backup", str(target), "-c", str(node.site.config)]
    ended = subprocess.run(command, check=False, cwd=Path.cwd(), capture_output=True)
    assert ended.returncode == (1 if number is signal.SIGINT else 128 + number), ended.stderr
    assert not list(tmp_path.glob("backup*"))
    back_up(node, target)


# --- restoring


def emptied(node: Node, *, heads: bool = False) -> Path:
    """Put the data aside, as an operator does; returns where."""
    aside = node.data.with_name("aside")
    node.data.rename(aside)
    if heads:
        shutil.rmtree(node.heads)
    return aside


def restored(node: Node, backup: Path, *more: str | Path) -> tuple[int, dict[str, object]]:
    code, told = axis("restore", backup, "-c", node.site.config, "--json", *more)
    return code, json.loads(told)


async def goes_on(node: Node) -> int:
    """The node starts, takes a document in, hands it over, and logs it; afterwards everything is sound."""
    async with node.running() as work:
        await work.log()
        await work.take(await work.send())
        size = await work.log()
    report = node.check()
    assert report.sound, report.findings
    return size


def test_a_node_is_restored_as_it_was_and_goes_on(node: Node, tmp_path: Path) -> None:
    taken = back_up(node, tmp_path / "backup")
    emptied(node)
    code, told = restored(node, tmp_path / "backup", "--reason", "đĩa hỏng")
    assert code == 0, told
    assert (told["reach"], told["lost_entries"]) == ("equal", 0)
    assert asyncio.run(goes_on(node)) > taken.manifest.log_size
    ((leaf,),) = node.ask("SELECT leaf FROM log_intent WHERE kind = 'restored'")
    facts = json.loads(leaf)["facts"]
    assert (facts["backup"], facts["reason"], facts["lost"]) == (taken.sha256, "đĩa hỏng", [])


def test_an_older_backup_needs_the_log_and_a_person_who_accepts_the_loss(node: Node, tmp_path: Path) -> None:
    """The drill: yesterday's backup, the log survived. What was signed stays; what has no record is declared."""
    back_up(node, tmp_path / "backup")
    asyncio.run(busy(node))
    signed = CheckpointStore(node.heads).peek()
    assert signed is not None
    aside = emptied(node)
    code, told = restored(node, tmp_path / "backup")
    assert (code, told["obstacle"]) == (1, "needs-log")
    code, told = restored(node, tmp_path / "backup", "--log", aside / "log")
    assert (code, told["obstacle"]) == (1, "not-accepted")
    assert not node.data.exists(), "nothing was put into place"
    code, told = restored(node, tmp_path / "backup", "--log", aside / "log", "--accept-loss")
    assert code == 0, told
    lost = told["lost_documents"]
    assert isinstance(lost, list)
    assert len(lost) == 3, "the documents that came after the backup"
    assert {one["sender"] for one in lost} == {"000.00.01.H99", "000.00.13.H99"}
    asyncio.run(goes_on(node))
    history = [head.checkpoint for head in CheckpointStore(node.heads).history()]
    assert signed.checkpoint in history, "the heads went on from what was signed"
    assert node.check().counts[Code.ENTRIES_LOST] == told["lost_entries"]


def test_what_waited_at_the_backup_and_was_logged_since_is_not_lost(node: Node, tmp_path: Path) -> None:
    async def send() -> None:
        async with node.running() as work:
            await work.send()
            await asyncio.to_thread(back_up, node, tmp_path / "backup")
            await work.log()

    asyncio.run(send())
    aside = emptied(node)
    code, told = restored(node, tmp_path / "backup", "--log", aside / "log", "--accept-loss")
    assert (code, told["lost_entries"], told["reach"]) == (0, 0, "behind")
    asyncio.run(goes_on(node))


def test_a_lost_checkpoint_store_is_begun_anew_only_when_a_person_says_so(node: Node, tmp_path: Path) -> None:
    back_up(node, tmp_path / "backup")
    emptied(node, heads=True)
    code, told = restored(node, tmp_path / "backup")
    assert (code, told["obstacle"]) == (1, "not-accepted")
    code, told = restored(node, tmp_path / "backup", "--accept-loss")
    assert (code, told["reach"]) == (0, "unknown")
    asyncio.run(goes_on(node))


def test_another_history_is_never_signed(node: Node, tmp_path: Path) -> None:
    """Two nodes of one name and key: the heads of the one, the backup of the other."""
    other = node.copy(tmp_path / "other")
    asyncio.run(busy(node))
    asyncio.run(busy(other))
    back_up(other, tmp_path / "backup")
    emptied(node)
    code, told = restored(node, tmp_path / "backup", "--accept-loss")
    assert (code, told["obstacle"]) == (1, "forked")
    asyncio.run(busy(other))
    back_up(other, tmp_path / "later")
    code, told = restored(node, tmp_path / "later", "--accept-loss")
    assert (code, told["obstacle"]) == (1, "heads-behind")
    assert not node.data.exists()


def test_a_node_moves_to_postgresql_by_its_backup_and_back(
    node: Node, on_postgres: Node, postgres_store: str, postgres: object, template: str, tmp_path: Path
) -> None:
    back_up(on_postgres, tmp_path / "backup")
    documents = on_postgres.ask("SELECT count(*) FROM document")
    emptied(on_postgres)
    code, told = restored(on_postgres, tmp_path / "backup")
    assert (code, "not empty" in str(told["error"])) == (1, True), "the database that is there is never written over"
    config = on_postgres.site.config
    config.write_text(config.read_text().replace(postgres_store, postgres.database(template)))  # type: ignore[attr-defined]
    on_postgres.site.store = config.read_text().partition('[store]\nurl = "')[2].partition('"')[0]
    moved = on_postgres.copy(tmp_path / "moved")
    writes = Folder(moved.heads, "n1")  # one of several processes of this node, on whichever database
    writes.lock(shared=True)
    code, told = restored(moved, tmp_path / "backup")
    assert (code, "another process" in str(told["error"])) == (1, True)
    writes.unlock()
    code, told = restored(moved, tmp_path / "backup")
    assert code == 0, told
    assert moved.ask("SELECT count(*) FROM document") == documents
    asyncio.run(goes_on(moved))


def test_a_store_that_was_put_back_by_hand_is_backed_up_as_it_is_and_goes_on(node: Node, tmp_path: Path) -> None:
    """A standby that lagged, or yesterday's file: the log is intact, the store knows less (F30, F97)."""
    yesterday = sqlite_path(node.url).read_bytes()
    asyncio.run(busy(node))
    sqlite_path(node.url).write_bytes(yesterday)
    assert Code.STORE_BEHIND_LOG in node.check().counts
    code, told = axis("serve", "-c", node.site.config)
    assert (code, "store-differs" in told, "axis restore" in told) == (1, True, True)
    head = CheckpointStore(node.heads).peek()
    assert head is not None
    assert back_up(node, tmp_path / "backup").signed == head.checkpoint.size
    code, told = axis("backup", tmp_path / "told", "-c", node.site.config)
    assert (code, "has lost what was signed" in told) == (0, True)
    aside = emptied(node)
    code, answer = restored(node, tmp_path / "backup", "--log", aside / "log", "--accept-loss")
    assert (code, answer["reach"]) == (0, "behind")
    asyncio.run(goes_on(node))


def test_a_restore_that_was_killed_leaves_nothing_in_place(node: Node, tmp_path: Path) -> None:
    back_up(node, tmp_path / "backup")
    emptied(node)
    left = node.data.with_name("data.unfinished")
    left.mkdir()
    (left / "axis.db").write_bytes(b"half")
    code, told = restored(node, tmp_path / "backup")
    assert code == 0, told
    assert not left.exists()
    asyncio.run(goes_on(node))


def rewritten(*texts: str) -> Callable[[Path], None]:
    """Whoever keeps the backup changes its database and writes a manifest that fits."""

    def harm(backup: Path) -> None:
        with closing(sqlite3.connect(backup / DATABASE)) as there:
            there.executescript(";".join(texts))
        sha256, size = digest_of(backup / DATABASE)
        made, _ = read_manifest(backup)
        (backup / FILE).write_bytes(replace(made, database_sha256=sha256, database_size=size).encoded())

    return harm


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (rewritten("UPDATE status_report SET wire = '06' WHERE wire = '03'"), "not sound"),
        (rewritten("CREATE VIEW v AS SELECT 1"), "not as axis made it"),
        (lambda backup: flip(backup / DATABASE), "not the one that the manifest names"),
        (lambda backup: (backup / FILE).unlink(), "no whole backup"),
        (lambda backup: flip(backup / FILE, 60), "cannot be read"),
        (lambda backup: flip(next(path for path in (backup / BLOBS).rglob("*") if path.is_file())), "not sound"),
        (lambda backup: next(path for path in (backup / BLOBS).rglob("*") if path.is_file()).unlink(), "counts"),
        (lambda backup: flip(next((backup / LOG / "tile/entries").rglob("*.p/*"))), "not sound"),
        (lambda backup: (backup / DATABASE).chmod(0o644), "open to other users"),
    ],
)
def test_a_backup_that_is_not_what_it_was_is_refused(
    node: Node, tmp_path: Path, harm: Callable[[Path], None], why: str
) -> None:
    back_up(node, tmp_path / "backup", link=False)
    emptied(node)
    harm(tmp_path / "backup")
    code, told = restored(node, tmp_path / "backup")
    assert (code, why in str(told["error"])) == (1, True), told
    assert not node.data.exists()
    assert not list(node.data.parent.glob("*unfinished*"))


def test_a_key_in_a_backup_that_was_damaged_or_exchanged_is_noticed(node: Node, tmp_path: Path) -> None:
    """Nothing else would tell: an exchanged key of receipts signs well."""
    backup = tmp_path / "backup"
    assert isinstance(node.config.keys.receipts, Path)
    back_up(node, backup, keys={"receipt.pem": node.config.keys.receipts})
    key = backup / "keys" / "receipt.pem"
    sound = key.read_bytes()
    emptied(node)
    flip(key, 40)
    code, told = restored(node, backup)
    assert (code, "keys/receipt.pem is not the key" in str(told["error"]), node.data.exists()) == (1, True, False), told
    key.write_bytes(sound)
    code, told = restored(node, backup)
    assert (code, told["unproved_keys"]) == (0, [])


def test_a_backup_of_an_older_version_has_no_digests_of_its_keys_and_is_restored(node: Node, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert isinstance(node.config.keys.log, Path)
    back_up(node, backup, keys={"log.pem": node.config.keys.log})
    made, _ = read_manifest(backup)
    (backup / FILE).write_bytes(replace(made, keys={"log.pem": ""}).encoded())
    said = json.loads((backup / FILE).read_text())
    assert (said["axis_backup"], said["keys"]) == (1, ["log.pem"])
    emptied(node)
    code, told = axis("restore", backup, "-c", node.site.config)
    assert (code, "no digest proves" in told, "log.pem" in told) == (0, True, True), told


def test_a_backup_is_never_restored_over_data_nor_of_another_node(node: Node, tmp_path: Path) -> None:
    back_up(node, tmp_path / "backup")
    before = files(node.data)
    code, told = restored(node, tmp_path / "backup")
    assert (code, "not empty" in str(told["error"])) == (1, True)
    assert files(node.data) == before
    emptied(node)
    node.site.config.write_text(node.site.config.read_text().replace('name = "truc-thu"', 'name = "truc-khac"', 1))
    code, told = restored(node, tmp_path / "backup")
    assert (code, "a backup of truc-thu" in str(told["error"])) == (1, True)


def test_the_command_backs_up_and_says_what_it_left_out(node: Node, tmp_path: Path) -> None:
    code, told = axis("backup", tmp_path / "backup", "-c", node.site.config)
    assert code == 0, told
    assert "checkpoints" in told
    code, told = axis("backup", tmp_path / "backup", "-c", node.site.config)
    assert (code, "not empty" in told) == (1, True)
    code, told = axis("backup", node.data / "backup", "-c", node.site.config)
    assert code == 2, told
    code, told = axis("backup", tmp_path / "two", "--with-keys", "--json", "-c", node.site.config)
    answer = json.loads(told)
    assert (code, answer["manifest"]["keys"]) == (0, ["log.pem", "receipt.pem"])
    sqlite_path(node.url).unlink()
    assert axis("backup", tmp_path / "three", "-c", node.site.config)[0] == 1


def test_two_backups_of_one_name_do_not_meet(node: Node, tmp_path: Path) -> None:
    """The second one is refused while the first fills its folder."""
    refused: list[BaseException] = []

    def second() -> None:
        try:
            back_up(node, tmp_path / "backup")
        except There as error:
            refused.append(error)

    def between(step: Step) -> None:
        if step is Step.FILES:
            thread = threading.Thread(target=second)
            thread.start()
            thread.join(30)

    back_up(node, tmp_path / "backup", hook=between)
    assert len(refused) == 1
    assert (tmp_path / "backup" / FILE).exists()
