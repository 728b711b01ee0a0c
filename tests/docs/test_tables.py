"""Tables that people wrote into the pages say what the tables of the code say."""

from __future__ import annotations

import json
import re

import pytest

from axis.cli import COMMANDS
from axis.config.endpoint import ADAPTERS
from axis.config.model import SECTIONS
from axis.core.problems import TABLE as PROBLEMS
from axis.log.findings import TABLE as FINDINGS
from benchmarks.page import rewritten
from schemas.status import LABEL, REASON_REQUIRED, SET_BY_SENDER, WIRE
from tests.docs.shell import ROOT, blocks, missing_lines

ENDPOINTS, OPERATIONS, AUDITING, README = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("docs/endpoints.md", "docs/operations.md", "docs/auditing.md", "README.md")
)


def test_every_finding_of_the_log_is_told_with_its_weight_and_its_meaning() -> None:
    rows = [f"| `{code}` | {'LỖI' if row.fault else 'lưu ý'} | {row.vi} | {row.en} |" for code, row in FINDINGS.items()]
    told = [line for line in AUDITING.splitlines() if re.match(r"\| `[a-z-]+` \| (LỖI|lưu ý) ", line)]
    assert told == rows


def test_every_problem_that_is_an_answer_says_what_to_do() -> None:
    table = ENDPOINTS.split("| `type` |")[1].split("\n\n")[0]
    told = {kind for line in table.splitlines()[2:] for kind in re.findall(r"`([a-z-]+)`", line.split("|")[1])}
    assert told == {kind.value for kind, row in PROBLEMS.items() if row.http}


def test_every_status_says_who_sets_it_and_whether_it_needs_a_reason() -> None:
    for status, wire in WIRE.items():
        (line,) = [one for one in ENDPOINTS.splitlines() if one.startswith(f"| `{wire}` |")]
        assert LABEL[status] in line
        assert ("nơi gửi · sender" in line) == (status in SET_BY_SENDER)
        assert ("bắt buộc" in line) == (status in REASON_REQUIRED)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_of_the_configuration_has_its_purpose(section: str) -> None:
    assert f"| `[{section}]` |" in OPERATIONS or f"| `[[{section}]]` |" in OPERATIONS


def test_every_event_that_wants_a_person_is_one_that_is_told() -> None:
    table = OPERATIONS.split("| sự kiện · event |")[1].split("\n\n")[0]
    named = {event for line in table.splitlines()[2:] for event in re.findall(r"`([a-z_]+)`", line.split("|")[1])}
    sources = [path.read_text() for room in ("axis", "adapters") for path in (ROOT / room).rglob("*.py")]
    assert len(named) > 10
    assert {event for event in named if not any(f'"{event}"' in source for source in sources)} == set()


def test_every_adapter_is_named() -> None:
    assert all(f"`{name}`" in OPERATIONS for name in ADAPTERS)


def test_every_command_is_met_somewhere() -> None:
    pages = ENDPOINTS + OPERATIONS + AUDITING + README
    assert [name for name in COMMANDS if f"axis {name}" not in pages and f"make {name}" not in pages] == []


def test_the_figures_of_the_page_are_those_that_were_measured() -> None:
    page, facts = ROOT / "docs/benchmarks.md", json.loads((ROOT / "benchmarks/results.json").read_text())
    assert rewritten(page.read_text(encoding="utf-8"), facts) == page.read_text(encoding="utf-8")


SHOWN = (
    # measure, side, in both languages of the README
    ("accept, 10 KB, PostgreSQL beside our SQLite", "floor", 890, ("khoảng 890", "about 890")),
    ("accept, 10 KB, PostgreSQL beside our SQLite", "ours", 730, ("730 (PostgreSQL)", "730 (PostgreSQL)")),
    ("mix of sizes, rate", "ours", 1000, ("khoảng 1.000", "about 1,000")),
    ("mix of sizes, ten minutes, rate", "ours", 600, ("600 suốt mười phút", "600 for ten minutes")),
    ("four hops up, p99", "ours", 36, ("trong 36 ms", "within 36 ms")),
    ("recovery after a kill, to the first delivery", "ours", 2.9, ("2,9 giây", "2.9 s")),
)


@pytest.mark.parametrize(("measure", "side", "told", "words"), SHOWN)
def test_the_readme_tells_figures_that_were_measured(
    measure: str, side: str, told: float, words: tuple[str, str]
) -> None:
    """Round ones, within a quarter of the newest run: write them anew when they no longer are."""
    facts = json.loads((ROOT / "benchmarks/results.json").read_text())["measures"]
    (found,) = [one for one in facts if one["name"] == measure]
    assert abs(found[side] - told) <= told / 4
    assert all(one in README for one in words)


def test_every_metric_is_explained() -> None:
    source = (ROOT / "axis/web/console.py").read_text(encoding="utf-8")
    metrics = re.findall(r'"(axis_[a-z_]+)"', source)
    assert metrics
    assert [name for name in metrics if f"| `{name}" not in OPERATIONS] == []


def test_the_readme_asks_make_for_what_it_has() -> None:
    """What `make demo` and `make test` do is shown by the tests of the demo, and by this one running."""
    commands = [line for block in blocks(ROOT / "README.md") for line in block.commands.splitlines()]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    asked = [re.match(r"make ([a-z]+)", line) for line in commands]
    assert asked
    assert all(found and found[1] in targets for found in asked)
    options = (ROOT / "axis/cli/demo.py").read_text(encoding="utf-8") + "--json"
    assert all(option in options for line in commands for option in re.findall(r"--[a-z]+", line))


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("a\nc\n", []),
        ("c\na\n", ["a"]),
        ("a … z\n", ["a … z"]),
        ("b…d\n", []),
        ("…\nd\n", ["d"]),
    ],
)
def test_a_page_that_shows_what_was_not_printed_is_found_out(shown: str, missing: list[str]) -> None:
    assert missing_lines(shown, "a\nb x d\nc\n") == missing
