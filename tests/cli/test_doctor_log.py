"""What `axis doctor` says of a log whose last round was signed, and was not published before the process ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.log.files import JOURNAL, Batch, LogFolder
from axis.log.heads import CheckpointStore
from axis.log.writer import LogWriter
from signing.keys import load_ed25519
from signing.note import NoteSigner
from tests.unit.log.logs import leaves


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node that has published two entries, and signed a third."""
    node = tmp_path / "node"
    assert CliRunner().invoke(main, ["init", str(node)]).exit_code == 0
    signer = NoteSigner("axis-1", load_ed25519((node / "keys/log.pem").read_bytes()))
    writer = LogWriter(LogFolder(node / "data/log"), CheckpointStore(node / "checkpoints"), signer, "axis-1")
    writer.open()
    try:
        writer.reconcile(0)
        writer.commit(Batch(0, (1, 2), leaves(0, 2)))
        writer.publish()
        writer.commit(Batch(2, (3,), leaves(2, 1)))
    finally:
        writer.close()
    return node


def seen(node: Path) -> dict[str, str]:
    result = CliRunner().invoke(main, ["doctor", "-c", str(node / "axis.toml"), "--json"])
    (line,) = [one for one in json.loads(result.stdout)["lines"] if one["what"] == "log"]
    return dict(line)


def test_a_round_that_is_signed_and_not_published_is_no_sign_of_a_backup(node: Path) -> None:
    line = seen(node)
    assert line["state"] == "warn"
    assert "2 entries are published, 3 are signed" in line["told"]
    assert "axis serve" in line["remedy"]


def test_a_log_that_does_not_have_what_was_signed_was_put_back(node: Path) -> None:
    (node / "data/log" / JOURNAL).unlink()
    line = seen(node)
    assert line["state"] == "fail"
    assert "backup" in line["remedy"]
