"""What a person is told to do next where a store, a log or a port cannot be used, and who may look without keys."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.cli.remedy import LOST, MISMATCHES, of_listening, of_store
from axis.config import load_file
from axis.log.checkpoint import Checkpoint
from axis.log.heads import CheckpointStore
from axis.log.writer import Mismatch
from axis.sql.driver import NoDriver, NoStore, OtherSchema, StoreError, StoreInUse
from signing.keys import generate_ed25519, load_ed25519, private_pem
from signing.note import NoteSigner, sign_note


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node with a signed head, as if it had run."""
    folder = tmp_path_factory.mktemp("remedy") / "node"
    assert CliRunner().invoke(main, ["init", str(folder)]).exit_code == 0
    signer = NoteSigner("axis-1", load_ed25519((folder / "keys" / "log.pem").read_bytes()))
    note = sign_note(Checkpoint("axis-1", 1, b"\1" * 32).text, signer)
    heads = CheckpointStore(folder / "checkpoints")
    heads.open()
    heads.advance(None, note)
    heads.close()
    (folder / "data" / "log").mkdir()
    (folder / "data" / "log" / "checkpoint").write_text(note)
    with closing(sqlite3.connect(folder / "data" / "axis.db")) as books:
        books.execute("INSERT INTO log_intent (leaf, kind, at, log_index) VALUES (x'00', 'started', '', 0)")
        books.commit()
    return folder


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "node"))


def axis(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def doctor(node: Path, what: str) -> list[dict[str, str]]:
    told = json.loads(axis("doctor", "-c", node / "axis.toml", "--json").stdout)
    return [line for line in told["lines"] if line["what"] == what]


def test_doctor_sees_that_the_log_is_signed_by_another_key(node: Path) -> None:
    """`axis serve` refuses it; doctor said that all was well."""
    (line,) = doctor(node, "log")
    assert line["state"] == "ok"
    (node / "keys" / "log.pem").write_bytes(private_pem(generate_ed25519()))
    (line,) = doctor(node, "log")
    assert line["state"] == "fail"
    assert "keys.log" in line["remedy"]
    assert "keys.log" in line["remedy_vi"]


def test_nobody_is_told_to_make_a_new_store_where_there_was_one(node: Path) -> None:
    shutil.rmtree(node / "data")
    (line,) = doctor(node, "store")
    assert (line["state"], line["remedy"]) == ("fail", LOST)
    result = axis("queue", "list", "-c", node / "axis.toml")
    assert LOST in result.stderr
    assert "đĩa của nó đã gắn chưa" in result.stderr
    assert "axis migrate" not in result.stderr
    shutil.rmtree(node / "checkpoints")
    result = axis("queue", "list", "-c", node / "axis.toml")
    assert "hint: axis migrate makes one" in result.stderr


def test_each_trouble_of_a_store_has_its_own_next_step(node: Path) -> None:
    config = load_file(node / "axis.toml")
    told = [of_store(one("x"), config) for one in (NoDriver, NoStore, OtherSchema, StoreInUse, StoreError)]
    assert len(set(told)) == len(told)
    assert all("restore it from a backup" not in one for one in told)


def test_a_port_is_told_by_what_is_wrong_with_it() -> None:
    told = [of_listening(OSError(one, "x")) for one in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EIO)]
    assert len(set(told)) == len(told)
    assert "/data/x" in of_listening(OSError(errno.EIO, "x", "/data/x"))


def test_a_log_of_another_name_or_key_is_not_told_as_put_back() -> None:
    assert "put back" not in MISMATCHES[Mismatch.HEADS_FOREIGN]
    assert "node.name" in MISMATCHES[Mismatch.HEADS_FOREIGN]
    assert "put back" in MISMATCHES[Mismatch.STORE_BEHIND]


def test_who_has_no_keys_may_look_and_not_act(node: Path) -> None:
    """An auditor with a copy of the node's files: its keys are nobody's business."""
    shutil.rmtree(node / "keys")
    for key in (node / "pki").rglob("*.key"):
        key.unlink()
    config = node / "axis.toml"
    assert axis("why", "1/X", "-c", config).exit_code == 1
    assert axis("queue", "list", "-c", config).exit_code == 1
    assert axis("queue", "shape", "-c", config).exit_code == 0
    assert axis("explain", "--from", "H99.07", "--to", "H99.115", "-c", config).exit_code == 0
    assert axis("cert", "forecast", "-c", config).exit_code == 0
    for command in (["check"], ["doctor"], ["serve"], ["queue", "hold", "--endpoint", "so-noi-vu"], ["log", "key"]):
        result = axis(*command, "-c", config)
        assert result.exit_code in (1, 2), command
        assert "keys.log" in result.output, command
