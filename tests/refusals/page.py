"""`docs/refusals.md`, written from the table: `python -m tests.refusals.page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.mutations.table import MUTATIONS
from tests.refusals.catalogue import ROWS
from tests.refusals.row import Row

PAGE: Final = Path(__file__).parents[2] / "docs" / "refusals.md"
COMMAND: Final = "python -m tests.refusals.page"

HEAD: Final = f"""# What is refused, and what proves it

Written by `{COMMAND}` from the table in `tests/refusals`; a test compares the two, and another
runs every case: one that is taken and not marked *harmless*, or dies with another code than the one that stands here,
fails it. Cases are made by one generator that can sign odd structures, so that they die for their own reason and not
for a wrong digest. Each *defence* can be switched off, by a change of the code that `tests/mutations` keeps; then the
line turns red (`make test-mutations`).

Codes are those of [problems](problems.md) and of the verdict: for signatures the reason with the sub-indication of
EN 319 102-1, for XML the HTTP status with the code of the fault. A line may be shown by tests that stand elsewhere, or
by the cases of another line.

"""
PARTS: Final = (
    ("What no verifier of signatures may let pass", ""),
    ("XML", "X"),
    ("XML signatures", "D"),
    ("Certificates", "C"),
)


def text() -> str:
    return HEAD + _counts() + "".join(_part(title, letter) for title, letter in PARTS) + _defences()


def _rows(letter: str) -> list[Row]:
    return [row for row in ROWS.values() if row.id.rstrip("0123456789") == letter]


def _counts() -> str:
    lines = [
        "| list | lines | cases | of them harmless | tests elsewhere |",
        "|---|---|---|---|---|",
    ]
    for title, letter in PARTS:
        rows = _rows(letter)
        cases = [case for row in rows for case in row.cases]
        harmless = sum(case.harmless for case in cases)
        tests = len({test for row in rows for test in row.tests})
        lines.append(f"| {title} | {len(rows)} | {len(cases)} | {harmless} | {tests} |")
    return "\n".join(lines) + "\n"


def _part(title: str, letter: str) -> str:
    lines = ["", f"## {title}", "", "| no. | what | case | code | defences |", "|---|---|---|---|---|"]
    notes: list[str] = []
    for row in _rows(letter):
        lines += [f"| {' | '.join(_cell(cell) for cell in cells)} |" for cells in _lines(row)]
        notes += [f"- {row.id}: {row.note}."] if row.note else []
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _lines(row: Row) -> Iterator[tuple[str, ...]]:
    """The row itself, with the first thing that shows it, and a line for each further one."""
    shown = [
        *((f"{case.name}{' (harmless)' if case.harmless else ''}", f"`{case.code}`") for case in row.cases),
        *([(f"as {', '.join(row.same)}", "")] if row.same else []),
        *((f"`{test.rpartition('::')[2]}`", "") for test in row.tests),
    ]
    first, *others = shown
    yield row.id, row.words, *first, ", ".join(row.defences)
    for one in others:
        yield "", "", *one, ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _defences() -> str:
    lines = ["", "## Defences", "", "| defence | what it does | where |", "|---|---|---|"]
    for name, mutation in MUTATIONS.items():
        files = ", ".join(f"`{file}`" for file in dict.fromkeys(edit.file for edit in mutation.edits))
        lines.append(f"| {name} | {_cell(mutation.defence)} | {files} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
