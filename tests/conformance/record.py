"""What a run over public vectors came to, and the page that says so: `docs/conformance.md`.

Each suite is a module here that makes one `Record` and hands it to `settle`, which compares it with the suite's section
of the page, or with `UPDATE_GOLDEN=1` rewrites that section and the suite's row in the table. So suites can run in any
order and in many processes. A new suite is a module, and its name in `SUITES`.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Final

ROOT: Final = Path(__file__).parents[2]
VECTORS: Final = ROOT / "tests" / "vectors"
PAGE: Final = ROOT / "docs" / "conformance.md"

SUITES: Final = (
    "XML-DSig interop",
    "XML-DSig interop, mathematics",
    "C14N",
    "Wycheproof",
    "NIST PKITS",
    "Revocation",
    "RFC 3161",
    "Differential",
    "Differential, long",
)
"""In the order of the page."""

COMMAND: Final = "UPDATE_GOLDEN=1 pytest tests/conformance tests/differential"

HEAD: Final = f"""# Conformance

What our judge of signatures says of test vectors that others published, and how it compares with the verifiers of
others over mutants of signed packages. Written by `{COMMAND}`;
every run of the tests compares it with what they find, so nothing here is typed by hand and no case is passed over.

*Right*: the answer the vectors' authors expect. *Refused by policy*: the authors call it valid and we refuse it on
purpose, for a reason named in the section. *Wrong*: everything else, each one named. *Wrongly accepted*: those of them
that we accept and the authors do not.

"""
COLUMNS: Final = "| suite | cases | right | refused by policy | wrong | wrongly accepted |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Record:
    """The result of one suite. `refused` counts the refusals of valid cases by policy, by reason.

    `wrong` names each case that is neither right nor refused by policy; those wrongly accepted stand in `accepted`
    as well. The four numbers add up to `total`. `tables` are printed as they are: a heading, a head and its rows.
    """

    name: str
    source: str
    method: str
    total: int
    right: int
    refused: Mapping[str, int] = field(default_factory=dict)
    wrong: Sequence[str] = ()
    accepted: Sequence[str] = ()
    notes: Sequence[str] = ()
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[object]]]] = ()

    def __post_init__(self) -> None:
        assert self.name in SUITES, f"{self.name} is not in SUITES"
        counted = self.right + sum(self.refused.values()) + len(self.wrong)
        assert counted == self.total, f"{self.name}: {counted} of {self.total} cases counted"
        assert set(self.accepted) <= set(self.wrong)

    @property
    def row(self) -> str:
        refused = sum(self.refused.values())
        return f"| {self.name} | {self.total} | {self.right} | {refused} | {len(self.wrong)} | {len(self.accepted)} |\n"

    @property
    def section(self) -> str:
        lines = [f"## {self.name}", "", f"Source: {self.source}", "", *_wrapped(self.method)]
        if self.refused:
            counts = sorted(self.refused.items(), key=lambda item: (-item[1], item[0]))
            lines += ["", "### Refused by policy", "", *_table(("why", "cases"), counts)]
        if self.wrong:
            lines += ["", "### Wrong", "", *(f"- {item}" for item in self.wrong)]
        for heading, head, rows in self.tables:
            lines += ["", f"### {heading}", "", *_table(head, rows)]
        if self.notes:
            lines += ["", "### Notes", "", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    return text.strip().splitlines()


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


def settle(record: Record, page: Path = PAGE) -> None:
    """The page says what `record` says, or `AssertionError`; with UPDATE_GOLDEN it does so afterwards."""
    if os.environ.get("UPDATE_GOLDEN"):
        with _alone(page):
            rows, sections = read(page)
            _write(page, {**rows, record.name: record.row}, {**sections, record.name: record.section})
        return
    rows, sections = read(page)
    assert (rows.get(record.name), sections.get(record.name)) == (record.row, record.section), (
        f"docs/{page.name} is stale: run `{COMMAND}` and read the diff"
    )


def read(page: Path = PAGE) -> tuple[dict[str, str], dict[str, str]]:
    """The rows and the sections of the page, by suite."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    top, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    rows = {line.split("|")[1].strip(): line for line in top.splitlines(keepends=True) if line.startswith("| ")}
    sections = {part.splitlines()[0][3:]: part.rstrip("\n") + "\n" for part in parts}
    rows.pop("suite", None)
    return rows, sections


def whole(rows: Mapping[str, str], sections: Mapping[str, str]) -> str:
    """The text of the page: what is not in `SUITES` has no place."""
    table = "".join(rows[name] for name in SUITES if name in rows)
    return HEAD + COLUMNS + table + "".join(f"\n{sections[name]}" for name in SUITES if name in sections)


def _write(page: Path, rows: Mapping[str, str], sections: Mapping[str, str]) -> None:
    page.write_text(whole(rows, sections), encoding="utf-8")


@contextmanager
def _alone(page: Path) -> Iterator[None]:
    """One process at a time: workers of pytest-xdist settle their suites at once."""
    name = "-".join(page.resolve().parts[1:])
    with (Path(gettempdir()) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
