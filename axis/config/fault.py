"""What is wrong with a configuration, told so that an administrator can repair it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from axis.config.locate import KeyPath
from axis.core.times import read_day


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it stands, what it is, what would likely repair it. `line` and `column` count from 1."""

    path: Path
    line: int
    column: int
    key: str
    reason: str
    hint: str
    source_line: str

    def __str__(self) -> str:
        """`axis.toml:4:1: node.dataa: unknown key`, the line with a mark below the column, the hint."""
        subject = f"{self.key}: " if self.key else ""
        told = [f"{self.path}:{self.line}:{self.column}: {subject}{self.reason}"]
        if self.source_line.strip():
            shown = self.source_line.replace("\t", " ")
            told += [f"{self.line:>6} | {shown}", f"       | {' ' * (self.column - 1)}^"]
        if self.hint:
            told.append(f"         hint: {self.hint}")
        return "\n".join(told)


class ConfigError(Exception):
    """A configuration that cannot be used, with all its faults in the order of files, lines and columns."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        assert self.faults
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault by its key, before its place in the text is known.

    `at_key` marks the key instead of its value; `first` is another key that the hint tells the line of.
    """

    key: KeyPath
    reason: str
    hint: str = ""
    at_key: bool = False
    first: KeyPath = ()


def key_text(key: KeyPath) -> str:
    """A key as people write it: `endpoint[0].url`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def suggestion(wrong: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean "x"?` when one of `known` resembles `wrong`, else `otherwise`."""
    close = get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else otherwise


def as_day(value: Any, said: str) -> str:
    """How a day is written here, where somebody wrote it as people do: `said` with it; empty for anything else."""
    try:
        return said.format(read_day(value)) if isinstance(value, str) else ""
    except ValueError:
        return ""
