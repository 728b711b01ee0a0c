"""A restore that is ended at any step goes on when it is run again; meanwhile no node starts on what it has left."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from axis.care.restore import Step
from axis.shelf import shelf_of
from axis.sql.copy import copy_store
from axis.sql.driver import Unfinished
from axis.sql.engine import open_readonly, open_store
from axis.sql.recovery import marked
from axis.sql.soundness import waiting
from tests.care.test_backup import back_up, emptied, files, goes_on, restored
from tests.care.test_fsck import axis
from tests.care.world import Node, busy

KILLED = """
import os, signal, sys
import axis.care.restore as care
from axis.cli import main
step, *arguments = sys.argv[1:]
put_back = care.restore
hook = lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == step else None
care.restore = lambda *a, **k: put_back(*a, **k, hook=hook)
main(arguments)
"""


def killed(node: Node, step: Step, backup: Path, *more: str | Path) -> None:
    command = [sys.executable, "-c", KILLED, step.value, "restore", backup, "-c", node.site.config, *more]
    done = subprocess.run([str(one) for one in command], check=False, cwd=Path.cwd(), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def with_store(node: Node, url: str) -> None:
    config = node.site.config
    config.write_text(config.read_text().replace("sqlite:///axis.db", url))


@pytest.fixture(params=["inside", "elsewhere", "postgres"])
def lost(request: pytest.FixtureRequest, node: Node, tmp_path: Path) -> Node:
    """A node that was backed up and has lost its data and its heads, with each place that a database may have."""
    back_up(node, tmp_path / "backup")
    shutil.rmtree(node.data)
    shutil.rmtree(node.heads)
    if request.param == "elsewhere":
        with_store(node, f"sqlite:///{tmp_path}/elsewhere/axis.db")
    elif request.param == "postgres":
        node.site.store = request.getfixturevalue("postgres_store")
        with_store(node, node.site.store)
    return node.copy(tmp_path / "lost")


@pytest.mark.faults
@pytest.mark.parametrize("step", list(Step))
def test_a_restore_that_is_killed_at_any_step_goes_on_when_it_is_run_again(
    lost: Node, tmp_path: Path, step: Step
) -> None:
    backup = tmp_path / "backup"
    killed(lost, step, backup, "--accept-loss")
    url = lost.url
    begun = marked(url)
    if begun is not None:
        with pytest.raises(Unfinished):
            open_store(url, shelf_of(lost.config))
        code, told = axis("serve", "-c", lost.site.config)
        assert (code, "was not finished" in told, "axis restore" in told) == (1, True, True), told
    if step is not Step.FINISHED:
        code, answer = restored(lost, backup, "--accept-loss")
        assert (code, answer["reach"], answer["lost_entries"]) == (0, "unknown", 0), answer
    assert marked(url) is None
    assert not list(tmp_path.rglob("*unfinished*"))
    with open_readonly(url) as questions:
        told_of = [json.loads(leaf) for _, leaf in waiting(questions.session)]
    assert [one["facts"]["heads"] for one in told_of if one["kind"] == "restored"] == ["lost"]
    asyncio.run(goes_on(lost))


def test_what_a_restore_has_left_is_replaced_by_the_same_one_only(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between the database, in a place of its own, and the name of the data."""
    back_up(node, tmp_path / "backup")
    back_up(node, tmp_path / "another")
    emptied(node)
    elsewhere = tmp_path / "elsewhere" / "axis.db"
    with_store(node, f"sqlite:///{elsewhere}")

    def ended(folder: Path) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("axis.care.place.sync_tree", ended)
    code, told = restored(node, tmp_path / "backup")
    monkeypatch.undo()
    assert (code, "not finished" in str(told["hint"]), node.data.exists()) == (1, True, False), told
    url = f"sqlite:///{elsewhere}"
    with pytest.raises(Unfinished):
        copy_store(url, f"sqlite:///{tmp_path}/copy.db")
    assert not (tmp_path / "copy.db").exists()
    left = files(elsewhere.parent), elsewhere.read_bytes()
    code, told = restored(node, tmp_path / "another")
    assert (code, "another backup was not finished" in str(told["error"])) == (1, True), told
    assert (files(elsewhere.parent), elsewhere.read_bytes()) == left
    code, told = axis("backup", tmp_path / "third", "-c", node.site.config)
    assert (code, "was not finished" in told) == (1, True), told
    with closing(sqlite3.connect(elsewhere)) as there, there:  # a program that does not know the mark
        there.execute("UPDATE meta SET value = value + 1 WHERE name = 'openings'")
    code, told = restored(node, tmp_path / "backup")
    assert (code, "is there already" in str(told["error"])) == (1, True), told
    elsewhere.write_bytes(left[1])
    code, told = restored(node, tmp_path / "backup")
    assert code == 0, told
    assert marked(url) is None


@pytest.mark.faults
def test_data_that_a_person_put_where_a_restore_was_ended_are_not_taken_for_its_own(
    node: Node, tmp_path: Path, postgres_store: str
) -> None:
    back_up(node, tmp_path / "backup")
    asyncio.run(busy(node))
    aside = emptied(node)
    with_store(node, postgres_store)
    killed(node, Step.DATABASE, tmp_path / "backup", "--log", aside / "log", "--accept-loss")
    (aside / "log").joinpath("checkpoint").unlink()
    aside.rename(node.data)
    before = files(node.data)
    code, told = restored(node, tmp_path / "backup", "--log", node.data / "log", "--accept-loss")
    assert (code, "move it away" in str(told["error"])) == (1, True), told
    assert files(node.data) == before
    assert marked(postgres_store) is not None


def test_a_restore_that_finds_no_room_leaves_no_half_database_in_its_place(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(node, tmp_path / "backup")
    emptied(node)
    elsewhere = tmp_path / "elsewhere" / "axis.db"
    with_store(node, f"sqlite:///{elsewhere}")
    copy = shutil.copyfileobj

    def full(source: BinaryIO, target: BinaryIO, *more: int) -> None:
        if Path(f"/proc/self/fd/{target.fileno()}").readlink().is_relative_to(elsewhere.parent):
            target.write(source.read(5_000))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target, *more)

    monkeypatch.setattr("axis.care.place.shutil.copyfileobj", full)
    code, told = restored(node, tmp_path / "backup")
    monkeypatch.undo()
    assert (code, "nothing was put" in str(told["hint"]), list(elsewhere.parent.iterdir())) == (1, True, []), told
    assert restored(node, tmp_path / "backup")[0] == 0
