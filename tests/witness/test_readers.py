"""Who reads a log with the keys of witnesses: which stand for it, up to where and when, and what speaks against it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from tests.unit.log.logs import VKEY, grow
from tests.witness.witnesses import AT, COSIGNER, OTHER, asking, go_another_way, witness

pytestmark = pytest.mark.filterwarnings("ignore")


async def cosigned(path: Path, memory: Path) -> None:
    async with (
        witness(memory / "w") as first,
        witness(memory / "x", OTHER) as second,
        asking(path, first) as one,
        asking(path, second, OTHER) as other,
    ):
        assert await one.offer()
        assert await other.offer()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    grow(tmp_path / "node", 5)
    (tmp_path / "node" / "key").write_text(VKEY)
    return tmp_path / "node"


def verify(path: Path, *more: str) -> Result:
    asked = ["log", "verify", path / "log", "--key", path / "key", "--json", *more]
    return CliRunner().invoke(main, [str(one) for one in asked])


def codes(result: Result) -> set[str]:
    return {one["code"] for one in json.loads(result.output)["findings"]}


BOTH = ("--witness-key", str(COSIGNER.verifier), "--witness-key", str(OTHER.verifier))


async def test_witnesses_that_stand_for_a_log_are_named(path: Path, tmp_path: Path) -> None:
    await cosigned(path, tmp_path)
    grow(path, 9)
    result = verify(path, *BOTH)
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)["witnesses"]
    assert told == [{"name": one.name, "size": 5, "at": AT.isoformat()} for one in (OTHER, COSIGNER)] or told == [
        {"name": one.name, "size": 5, "at": AT.isoformat()} for one in (COSIGNER, OTHER)
    ]
    assert "witnesses" not in json.loads(verify(path).output), "nothing changes for who does not ask"


async def test_fewer_than_were_asked_for_is_a_finding(path: Path, tmp_path: Path) -> None:
    async with witness(tmp_path / "w") as url, asking(path, url) as one:
        await one.offer()
    assert verify(path, *BOTH[:2]).exit_code == 0
    assert verify(path, *BOTH, "--witness-quorum", "1").exit_code == 0
    result = verify(path, *BOTH)
    assert (result.exit_code, codes(result)) == (1, {"witness-quorum"})
    assert verify(path, *BOTH, "--witness-quorum", "3").exit_code == 2
    assert verify(path, "--witness-key", VKEY).exit_code == 2


async def test_a_witness_that_saw_another_history_is_told(path: Path, tmp_path: Path) -> None:
    """F101: who has the log's key signs another history; of its witnesses' lines it can only leave them out."""
    before = shutil.copytree(path, tmp_path / "before")
    grow(path, 9)
    await cosigned(path, tmp_path)
    go_another_way(before, 40)
    shutil.copytree(path / "log" / "witnessed", before / "log" / "witnessed")
    assert codes(verify(before, *BOTH)) == {"witness-mismatch", "witness-quorum"}
    shutil.rmtree(before / "log" / "witnessed")
    assert codes(verify(before, *BOTH)) == {"witness-quorum"}
    shutil.copytree(path / "log" / "witnessed", tmp_path / "kept")
    shorter = tmp_path / "shorter"
    grow(shorter, 5)
    (shorter / "key").write_text(VKEY)
    shutil.copytree(tmp_path / "kept", shorter / "log" / "witnessed")
    assert codes(verify(shorter, *BOTH)) == {"rolled-back", "witness-quorum"}


async def test_a_line_that_does_not_hold_is_a_finding(path: Path, tmp_path: Path) -> None:
    await cosigned(path, tmp_path)
    note = path / "log" / "witnessed" / COSIGNER.verifier.hash.hex()
    text = note.read_text()
    wrong = COSIGNER.cosign("something else\n", AT)
    note.write_text(text.replace(text.splitlines(keepends=True)[-1], wrong))
    assert codes(verify(path, *BOTH)) == {"cosignature", "witness-quorum"}
