"""`axis store copy`, and what the other commands say about a PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axis.blobs import Blobs
from axis.cli import main
from axis.core.model import AddDocument
from axis.sql.engine import open_store
from tests.factories_core import decision, document
from tests.postgres import Server


def axis(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], prog_name="axis")


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    folder = tmp_path / "nút"
    result = axis("init", folder)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def moved(node: Path, postgres_store: str) -> Path:
    """The same node, on PostgreSQL."""
    text = (node / "axis.toml").read_text()
    path = node / "postgres.toml"
    path.write_text(text.replace('"sqlite:///axis.db"', f'"{postgres_store}"'))
    assert path.read_text() != text
    return path


def store_something(url: str, folder: Path, indexed: int = 0) -> None:
    async def work() -> None:
        store = open_store(url, Blobs(folder))
        for _ in range(3):
            one = document()
            await store.transact(lambda ledger, one=one: ledger.apply(decision(AddDocument(one))))
        await store.transact(lambda ledger: ledger.indexed(0, [one.id for one in ledger.intents(indexed)]))
        await store.close()

    asyncio.run(work())


@pytest.mark.parametrize("keep", ["for-ever", "30d"])
def test_what_is_kept_is_counted(node: Path, keep: str) -> None:
    path = node / "axis.toml"
    path.write_text(path.read_text().replace("[store]\n", f'[store]\nkeep_content = "{keep}"\n'))
    store_something(f"sqlite:///{node}/data/axis.db", node / "data" / "blobs")
    told = axis("store", "retention", "-c", path)
    assert told.exit_code == 0, told.output
    assert "còn nội dung (with content)      3" in told.stdout
    assert ("đến hạn xóa (would go now)       0, 0 B" in told.stdout) is (keep == "30d")
    facts = answer(axis("store", "retention", "-c", path, "--json"))
    days = {"for-ever": None, "30d": 30}[keep]
    assert facts == {"ok": True, "keep_days": days, "kept": 3, "removed": 0, "ripe": 0, "octets": 0, "stay": {}}


def test_a_store_that_is_not_there_is_told(node: Path) -> None:
    (node / "data" / "axis.db").unlink(missing_ok=True)
    assert axis("store", "retention", "-c", node / "axis.toml", "--json").exit_code == 3


def test_a_node_moves_to_postgresql_and_back(node: Path, moved: Path) -> None:
    result = axis("store", "copy", node / "axis.toml", moved)
    assert result.exit_code == 0, result.output
    assert "copied whole" in result.output
    again = axis("store", "copy", "--json", moved, node / "axis.toml")
    assert again.exit_code == 0, "empty stores are equal, and the target was empty"
    told = answer(again)
    assert told["ok"]
    assert told["findings"] == []
    assert {table["table"] for table in told["tables"]} >= {"document", "delivery", "log_intent", "meta", "payload"}
    looked = axis("doctor", "--json", "-c", moved)
    lines = {line["what"]: line for line in answer(looked)["lines"]}
    assert "PostgreSQL" in lines["store"]["told"]
    assert lines["store"]["state"] == "ok"
    assert axis("migrate", "-c", moved).exit_code == 0


def test_a_copy_that_does_not_agree_with_the_log_says_so(node: Path, moved: Path) -> None:
    """Three documents without octets and two entries of a log that was never signed: the copy is whole, and wrong."""
    store_something(f"sqlite:///{node}/data/axis.db", node / "data" / "blobs", indexed=2)
    result = axis("store", "copy", "--json", node / "axis.toml", moved)
    assert result.exit_code == 1, result.output
    told = answer(result)
    assert not told["ok"]
    assert any("the store counts 2 entries of the log" in finding for finding in told["findings"])
    full = axis("store", "copy", node / "axis.toml", moved)
    assert full.exit_code == 1
    assert "not empty" in full.output


def test_a_copy_is_refused_while_a_daemon_runs_and_for_another_node(
    node: Path, moved: Path, postgres_store: str, tmp_path: Path
) -> None:
    store = open_store(postgres_store, Blobs(tmp_path / "blobs"))
    busy = axis("store", "copy", node / "axis.toml", moved)
    assert busy.exit_code == 1
    assert "another process has the store open" in busy.output
    asyncio.run(store.close())
    same = axis("store", "copy", moved, moved)
    assert (same.exit_code, "the same store" in same.output) == (2, True)
    moved.write_text(moved.read_text().replace('name = "', 'name = "x', 1))
    other = axis("store", "copy", node / "axis.toml", moved)
    assert (other.exit_code, "two nodes" in other.output) == (2, True)


def test_a_server_that_is_not_there_is_told_without_a_trace(node: Path, moved: Path, tmp_path: Path) -> None:
    moved.write_text(moved.read_text().replace("?host=", f"?host={tmp_path}/nowhere"))
    for command in (("doctor",), ("migrate",)):
        result = axis(*command, "-c", moved)
        assert result.exit_code == 1
        assert "cannot be opened" in result.output
        assert "Traceback" not in result.output


def test_a_server_that_is_not_durable_is_told_by_the_doctor(moved: Path, postgres: Server, postgres_store: str) -> None:
    name = postgres_store.partition("@/")[2].partition("?")[0]
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    result = axis("doctor", "--json", "-c", moved)
    lines = {line["what"]: line for line in answer(result)["lines"]}
    assert lines["store"]["state"] == "fail"
    assert "synchronous_commit" in lines["store"]["told"]
