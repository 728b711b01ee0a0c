"""One entry's proof at the command line: made from a log's folder, judged without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from tests.unit.log.logs import STRANGER, VKEY, grow


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["log", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grow(tmp_path, 7)
    (tmp_path / "key").write_text(f"{VKEY}\n")
    return tmp_path


def test_a_proof_is_written_once_and_judged_without_its_log(folder: Path) -> None:
    proof = folder / "proof"
    assert run("prove", folder / "log", "--entry", "5", "-o", proof).exit_code == 0
    assert run("prove", folder / "log", "--entry", "5").stdout == proof.read_text()
    again = run("prove", folder / "log", "--entry", "4", "-o", proof)
    assert again.exit_code == 2 and "is there already" in again.output
    (folder / "log").rename(folder / "elsewhere")
    told = run("proven", proof, "--key", folder / "key")
    assert told.exit_code == 0 and "Nhật ký có bản ghi này" in told.output and "ref-5" in told.output
    facts = json.loads(run("proven", proof, "--key", folder / "key", "--json").stdout)
    assert (facts["ok"], facts["index"], facts["checkpoint"]["size"]) == (True, 5, 7)
    assert (facts["entry"]["subject"], facts["findings"]) == ("ref-5", [])


def test_what_a_proof_does_not_prove_ends_with_1(folder: Path) -> None:
    proof = folder / "proof"
    run("prove", folder / "log", "--entry", "5", "-o", proof)
    proof.write_text(proof.read_text().replace("index 5", "index 4"))
    told = run("proven", proof, "--key", folder / "key")
    assert told.exit_code == 1 and "entry-not-included" in told.output and "ref-5" not in told.output
    assert not json.loads(run("proven", proof, "--key", folder / "key", "--json").stdout)["ok"]


def test_a_key_that_the_log_has_no_more_is_not_enough(folder: Path) -> None:
    run("prove", folder / "log", "--entry", "5", "-o", folder / "proof")
    (folder / "key").write_text(f"{STRANGER.verifier}\n{VKEY}\n")
    told = run("proven", folder / "proof", "--key", folder / "key")
    assert told.exit_code == 3 and "former key" in told.output


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nothing", "is no proof: a proof begins with"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n\n", "is no proof"),
    ],
)
def test_a_file_that_is_no_proof_is_told_as_that(folder: Path, content: str, told: str) -> None:
    (folder / "proof").write_text(content)
    result = run("proven", folder / "proof", "--key", folder / "key")
    assert result.exit_code == 2 and told in result.output


def test_a_proof_without_its_entry_is_sent_to_where_those_are_judged(folder: Path) -> None:
    text = run("prove", folder / "log", "--entry", "5").stdout.split("\n")
    (folder / "proof").write_text("\n".join(line for line in text if not line.startswith("extra ")))
    result = run("proven", folder / "proof", "--key", folder / "key")
    assert result.exit_code == 2 and "brings no entry" in result.output and "axis verify" in result.output


def test_one_entry_is_named_and_it_is_there(folder: Path) -> None:
    assert run("prove", folder / "log").exit_code == 2
    assert run("prove", folder / "log", "--entry", "7").exit_code == 1
    (folder / "receipt").write_text('{"document":"x","type":"axis-receipt"}')
    missing = run("prove", folder / "log", "--receipt", folder / "receipt")
    assert missing.exit_code == 1 and "promised" in missing.output
    assert run("prove", folder / "log", "--entry", "1", "--receipt", folder / "receipt").exit_code == 2
    (folder / "receipt").write_text("{}")
    assert "is no receipt" in run("prove", folder / "log", "--receipt", folder / "receipt").output
    (folder / "log" / "checkpoint").unlink()
    assert run("prove", folder / "log", "--entry", "1").exit_code == 1
    assert run("proven", folder / "key", "--key", folder / "key", "--receipt-key", folder / "key").exit_code == 2
