"""A checkpoint that is kept, and what is said of a file that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from tests.unit.log.logs import VKEY, grow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grow(tmp_path, 3)
    (tmp_path / "key").write_text(f"{VKEY}\n")
    return tmp_path


def log(folder: Path, command: str, *more: str | Path) -> Result:
    arguments = ["log", command, folder / "log", "--key", folder / "key", *more]
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_the_printed_checkpoint_is_the_file_octet_for_octet_and_verifies_the_grown_log(folder: Path) -> None:
    printed = log(folder, "checkpoint").stdout_bytes
    assert printed == (folder / "log" / "checkpoint").read_bytes()
    (folder / "old").write_bytes(printed)
    grow(folder, 9)
    result = log(folder, "verify", "--old", folder / "old")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda note: note + b"\n", "the last line does not end with exactly one line feed"),
        (lambda note: note.rstrip(b"\n"), "the last line does not end with exactly one line feed"),
        (lambda note: note.split(b"\n\n")[0] + b"\n", "no line of a signature"),
        (lambda note: b"extra\n" + note, "a checkpoint has exactly three lines"),
        (lambda note: note.replace(b"\n3\n", b"\nthree\n"), "a size or root that cannot be read"),
        (lambda note: b"\xff" + note, "it is not UTF-8 text"),
        (lambda note: b"", "no line of a signature"),
    ],
)
def test_an_old_file_that_is_no_checkpoint_is_told_with_what_is_wrong_and_nothing_against_the_log(
    wrong: object, why: str, folder: Path
) -> None:
    assert callable(wrong)
    (folder / "old").write_bytes(wrong((folder / "log" / "checkpoint").read_bytes()))
    result = log(folder, "verify", "--old", folder / "old", "--json")
    assert result.exit_code == 2
    assert f"{folder / 'old'} is no checkpoint: {why}" in json.loads(result.stdout)["error"]
