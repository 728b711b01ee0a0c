"""The refusal table's own words: a line of a list, the cases that show it, what each must die with.

Two lists are proved here. `1` to `63` is what a verifier of signatures must refuse; `X`, `D` and `C` are bad input:
XML, XML signatures, certificates. A line is shown by cases, which a test runs (`test_refused.py`), or by tests that
stand elsewhere, which another test finds and the ordinary run executes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Said:
    """What the product answered: `code` in its own words, and whether it took the input."""

    code: str
    accepted: bool = False


@dataclass(frozen=True)
class Case:
    """`run` makes the input and hands it in. `harmless`: it is taken, and `code` says what came of it."""

    name: str
    code: str
    run: Callable[[], Said]
    harmless: bool = False


@dataclass(frozen=True)
class Row:
    """One line. `words` are ours; `defences` name mutations (`tests/mutations`), each of which turns the row red.

    `tests` are node ids of tests that show it. `same` names rows whose cases show this line too. `note` says how the
    line was read, or what of it does not apply here.
    """

    id: str
    words: str
    cases: tuple[Case, ...] = ()
    tests: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    defences: tuple[str, ...] = ()
    note: str = ""


NUMBERS: Final = (
    *(str(number) for number in range(1, 64)),
    *(f"X{number:02}" for number in range(1, 43)),
    *(f"D{number:02}" for number in range(1, 55)),
    *(f"C{number:02}" for number in range(1, 33)),
)
"""Every line there is. They stand here and not in the lists' files, so that no row can be lost with its number."""
