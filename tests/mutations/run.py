"""Runs tests on a copy of the product, in which a defence may be switched off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutations.edit import Mutation
from tests.refusals.row import Row

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("adapters", "axis", "schemas", "signing")
CASES: Final = "tests/refusals/test_refused.py::test_refused"


@dataclass(frozen=True)
class Run:
    """What came of it: node id → `passed`, `asserted` or `broken`. `output` is for people."""

    said: dict[str, str]
    collected: int
    output: str


class Copy:
    """The four packages and the tests in a folder of their own; everything else is led there by links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "copy"
        self.folder.mkdir()
        ignore = shutil.ignore_patterns("__pycache__", "vectors")
        for name in (*PACKAGES, "tests"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignore)
        (self.folder / "tests" / "vectors").symlink_to(ROOT / "tests" / "vectors")
        for path in ROOT.iterdir():
            if not path.name.startswith(".") and not (self.folder / path.name).exists():
                (self.folder / path.name).symlink_to(path)

        environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        environment.update(PYTHONPATH=str(self.folder), AXIS_MUTATION_RUN=str(self.folder))
        self._changes = 0
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.mutations.zygote"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._zygote.stdout is not None
        assert self._zygote.stdout.readline() == "ready\n"

    def close(self) -> None:
        self._zygote.kill()
        self._zygote.wait()

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        before: dict[Path, str] = {}
        try:
            for edit in mutation.edits:
                path = self.folder / edit.file
                source = path.read_text(encoding="utf-8")
                before.setdefault(path, source)
                self._write(path, edit.applied(source))
            yield
        finally:
            for path, source in before.items():
                self._write(path, source)

    def _write(self, path: Path, source: str) -> None:
        """Bytecode is kept by a file's second and size: every change gets a second of its own."""
        self._changes += 1
        path.write_text(source, encoding="utf-8")
        os.utime(path, (1_000_000_000 + self._changes,) * 2)

    def run(self, tests: Iterable[str], until_red: bool = False) -> Run:
        """Run these tests, by node id; `until_red` up to the first assertion that fails."""
        wanted = sorted(set(tests))
        (self.folder / "wanted.json").write_text(json.dumps({"tests": wanted, "until_red": until_red}))
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        files = sorted({test.partition("::")[0] for test in wanted})
        options = ["-n0", "-q", "-p", "no:cacheprovider", "-p", "tests.mutations.report", "--tb=line"]
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps([*options, *files]) + "\n")
        self._zygote.stdin.flush()
        code = self._zygote.stdout.readline().strip()
        output = (self.folder / "output.txt").read_text(encoding="utf-8", errors="replace")[-6000:]
        assert code in ("0", "1", "2" if until_red else "1") and report.exists(), f"exit code {code}\n{output}"
        told = json.loads(report.read_text())
        return Run(told["said"], told["collected"], output)


def cases_of(row: Row) -> tuple[str, ...]:
    return tuple(f"{CASES}[{row.id}: {case.name}]" for case in row.cases)


def red(run: Run, tests: Iterable[str]) -> bool:
    """Say whether one of these tests failed by an assertion of its own."""
    return any(
        said == "asserted" and (node == test or node.startswith(f"{test}["))
        for test in tests
        for node, said in run.said.items()
    )
