"""How what stands behind options is read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.given import Moment
from axis.core.times import VIETNAM


@click.command()
@click.argument("at", type=Moment())
def when(at: datetime) -> None:
    click.echo(at.astimezone(VIETNAM).isoformat())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), prog_name="axis")


def test_a_day_that_could_be_two_is_told_as_it_was_understood() -> None:
    result = CliRunner().invoke(when, ["02/12/2026"])
    assert result.stdout == "2026-12-02T00:00:00+07:00\n"
    assert result.stderr == "02/12/2026: ngày 2 tháng 12 năm 2026 (2 December 2026)\n"


def test_a_day_that_can_be_one_only_is_not_told() -> None:
    assert [CliRunner().invoke(when, [text]).stderr for text in ("2026-12-02", "31/12/2026", "02/02/2026")] == [""] * 3


@pytest.mark.parametrize(
    "arguments", [["verify", "--at"], ["cert", "inspect", "sha256:00", "--at"], ["log", "show", ".", "--since"]]
)
def test_every_command_reads_a_day_the_same_way(arguments: list[str]) -> None:
    """The day is read before anything else is looked at."""
    assert "ngày 1 tháng 2 năm 2026" in run(*arguments, "01/02/2026").stderr
    wrong = run(*arguments, "02/31/2026")
    assert (wrong.exit_code, "day first" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [["inbox", "--limit"], ["queue", "list", "--limit"], ["log", "show", ".", "--from"], ["demo", "--documents"]],
)
def test_digits_of_other_scripts_are_no_number(arguments: list[str], tmp_path: Path) -> None:
    result = run(*arguments, "１２")
    assert (result.exit_code, "the digits 0 to 9" in result.stderr) == (2, True)
