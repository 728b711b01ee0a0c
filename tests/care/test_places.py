"""Where a backup or a restored node cannot stand is said before anything was done, and nothing there is touched."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from axis.care.backup import Unfit
from axis.care.place import Taken as There
from axis.care.place import appearing
from axis.sql import migrate
from axis.sql.copy import copy_store
from axis.sql.copy_postgres import snapshot_end
from axis.sql.driver import StoreError
from axis.sql.engine import sqlite_path
from axis.sql.postgres import alone
from axis.sql.tables import meta
from tests.care.plants import blobs
from tests.care.test_backup import back_up, emptied, files, goes_on, restored
from tests.care.test_fsck import axis
from tests.care.world import Node

MOUNTED = Path("/proc")


def test_a_mounted_disk_is_refused_before_hours_of_work(node: Node) -> None:
    """It has a name already, and gets no other: the last step would have failed."""
    with pytest.raises(There, match="mounted"):
        back_up(node, MOUNTED)


def test_a_data_folder_that_is_a_link_leads_to_where_it_leads(node: Node, tmp_path: Path) -> None:
    back_up(node, tmp_path / "backup")
    emptied(node)
    (tmp_path / "large disk").mkdir()
    node.data.symlink_to(tmp_path / "large disk")
    code, told = restored(node, tmp_path / "backup")
    assert code == 0, told
    assert node.data.is_symlink()
    assert not list(tmp_path.glob("*unfinished*"))
    asyncio.run(goes_on(node))


def test_folders_of_a_node_that_could_not_start_are_not_in_the_way(node: Node, tmp_path: Path) -> None:
    """A service manager starts it again and again while nothing is there. A file is somebody's; so is a link."""
    back_up(node, tmp_path / "backup")
    emptied(node)
    (node.data / "blobs" / "spool").mkdir(parents=True)
    (node.data / "blobs" / "a").symlink_to(tmp_path)
    code, told = restored(node, tmp_path / "backup")
    assert (code, "not empty" in str(told["error"])) == (1, True), told
    assert sorted(one.name for one in node.data.rglob("*")) == ["a", "blobs", "spool"]
    (node.data / "blobs" / "a").unlink()
    code, told = restored(node, tmp_path / "backup")
    assert code == 0, told
    asyncio.run(goes_on(node))


def test_a_node_that_runs_is_not_restored(node: Node, tmp_path: Path) -> None:
    """Its data was moved away under it: it would go on giving receipts, and write into the log that was put back."""
    back_up(node, tmp_path / "backup")

    async def meanwhile() -> tuple[int, dict[str, object]]:
        async with node.running() as work:
            await work.log()
            aside = emptied(node)
            answer = await asyncio.to_thread(
                restored, node, tmp_path / "backup", "--log", aside / "log", "--accept-loss"
            )
            aside.rename(node.data)
            return answer

    code, told = asyncio.run(meanwhile())
    assert (code, "another process" in str(told["error"]), "stop the daemon" in str(told["hint"])) == (1, True, True)
    assert node.check().sound


@pytest.mark.parametrize("left", ["", "-wal", "-journal"])
def test_what_stands_beside_a_database_that_is_gone_is_not_taken_for_its_newest_part(
    node: Node, tmp_path: Path, left: str
) -> None:
    """A database outside of the data folder was moved away, and what a killed daemon had left beside it was not."""
    config, elsewhere = node.site.config, tmp_path / "elsewhere" / "axis.db"
    back_up(node, tmp_path / "backup")
    aside = emptied(node)
    elsewhere.parent.mkdir()
    config.write_text(config.read_text().replace("sqlite:///axis.db", f"sqlite:///{elsewhere}"))
    beside = elsewhere.with_name(elsewhere.name + left)
    beside.write_bytes(b"the newest pages of another database")
    code, told = restored(node, tmp_path / "backup")
    assert (code, f"{beside} is there already" in str(told["error"])) == (1, True), told
    assert (files(elsewhere.parent), node.data.exists()) == ({beside.name}, False)
    beside.unlink()
    code, told = restored(node, tmp_path / "backup")
    assert code == 0, told
    assert sqlite_path(f"sqlite:///{elsewhere}").exists()
    shutil.rmtree(aside)


def test_a_store_of_an_older_version_is_not_migrated_on_the_way_to_a_refusal(
    node: Node, on_postgres: Node, tmp_path: Path
) -> None:
    """Whoever goes back wants the program of that store again."""
    back_up(on_postgres, tmp_path / "backup")
    on_postgres.data.rename(tmp_path / "aside")
    on_postgres.sql("UPDATE alembic_version SET version_num = '0005'")
    with pytest.raises(StoreError, match="not empty"):
        copy_store(node.url, on_postgres.url)
    code, told = restored(on_postgres, tmp_path / "backup")
    assert (code, "schema 0005" in str(told["error"]), on_postgres.data.exists()) == (1, True, False), told
    assert migrate.current(on_postgres.url) == "0005"


def test_a_backup_that_failed_leaves_no_lock_behind(node: Node, tmp_path: Path) -> None:
    """One a night, each under a name of its own."""
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "of another night").touch()
    with pytest.raises(There, match="not empty"):
        back_up(node, tmp_path / "backup")
    blobs(node)[0].unlink()
    with pytest.raises(Unfit):
        back_up(node, tmp_path / "tonight")
    assert not list(tmp_path.glob("*unfinished*"))


def test_who_waits_for_a_lock_that_is_removed_does_not_fill_a_folder_beside_a_third(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had opened the file when the first one ended, and locked what has no name any more."""
    lock, asked = fcntl.flock, 0

    def locked(handle: int, how: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            (tmp_path / ".backup.unfinished.lock").unlink()
        lock(handle, how)

    monkeypatch.setattr("axis.care.place.fcntl.flock", locked)
    with appearing(tmp_path / "backup"):
        with pytest.raises(There, match="another process"), appearing(tmp_path / "backup"):
            pass
        assert (tmp_path / "backup.unfinished").is_dir()
    assert asked == 3


@pytest.mark.faults
@pytest.mark.parametrize("kilobytes", [1, 40, 120, 180])
def test_where_there_is_no_room_it_is_said_in_one_line_and_nothing_is_left(
    node: Node, tmp_path: Path, kilobytes: int
) -> None:
    """No file may become longer: that is met in the middle of the copy, of its journal, of the schema."""

    def narrow(*arguments: str | Path) -> tuple[int, str]:
        # ulimit counts blocks of 512 octets.
        limited = ("sh", "-c", f'ulimit -f {2 * kilobytes}; exec "$@"', "sh", sys.executable, "-m", "axis")
        done = subprocess.run([*limited, *map(str, arguments)], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    back_up(node, tmp_path / "backup")
    other = node.site.folder / "new.toml"
    other.write_text(node.site.config.read_text().replace("sqlite:///axis.db", f"sqlite:///{tmp_path}/new/axis.db"))
    code, told = narrow("migrate", "-c", other)
    assert (code, "Traceback" in told) == (1, False), told
    code, told = narrow("backup", tmp_path / "another", "-c", node.site.config)
    assert (code, "Traceback" in told, (tmp_path / "another").exists()) == (1, False, False), told
    emptied(node)
    code, told = narrow("restore", tmp_path / "backup", "-c", node.site.config)
    assert (code, "Traceback" in told, node.data.exists()) == (1, False, False), told
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_node_that_runs_is_not_copied_not_even_its_packages(node: Node, tmp_path: Path) -> None:
    """Hours of packages went first, and those that came meanwhile were missing in a copy that was kept."""
    other = node.site.folder / "other.toml"
    text = node.site.config.read_text()
    assert 'data = "data"' in text
    other.write_text(text.replace('data = "data"', f'data = "{tmp_path}/other"'))

    async def meanwhile() -> tuple[int, str]:
        async with node.running():
            return await asyncio.to_thread(axis, "store", "copy", node.site.config, other)

    code, told = asyncio.run(meanwhile())
    assert (code, "another process" in told) == (1, True), told
    assert not [path for path in (tmp_path / "other").rglob("*") if path.is_file() and len(path.name) == 64]
    code, told = axis("store", "copy", node.site.config, other)
    assert code == 0, told


def test_a_backup_of_a_postgresql_and_a_migration_keep_out_of_each_others_way(
    on_postgres: Node, tmp_path: Path
) -> None:
    """Tables that are rewritten are empty to a snapshot that is older."""

    with snapshot_end(on_postgres.url) as end:
        assert end.count(meta)
        with pytest.raises(StoreError, match="another process"):
            migrate.upgrade(on_postgres.url)
    with alone(on_postgres.url), pytest.raises(StoreError, match="being migrated"):
        back_up(on_postgres, tmp_path / "backup")
    back_up(on_postgres, tmp_path / "backup")
