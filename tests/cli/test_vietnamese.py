"""Every reason, hint and remedy of a configuration or a command is there in Vietnamese too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from axis.cli.looked import IN_VIETNAMESE
from axis.cli.vietnamese import WORDS, in_vietnamese

ROOT = Path(__file__).parents[2] / "axis"
PLACES = {"fault": (0, 1), "Finding": (1, 2), "Fault": (4, 5), "Line": (3,), "give_up": (2,), "suggestion": (2,)}
RAISED = {"UsageError", "fail"}
TABLES = {
    "_REMEDIES",
    "_INSTEAD",
    "_KINDS",
    "BOUNDS",
    "_LISTENING",
    "MISMATCHES",
    "LOOK",
    "LOST",
    "_ACCOUNT",
    "_LOST_KEY",
}
NAMES = {"hint", "remedy", "reason", "nothing", "told"}
BOTH = re.compile("[à-ỹđ]")


def templates(node: ast.expr) -> list[str]:
    """The texts that an expression may give, with `{}` for what differs."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)]
        case ast.IfExp(body=one, orelse=other):
            return templates(one) + templates(other)
        case ast.BoolOp(values=some) | ast.Dict(values=some):
            return [text for one in some for text in templates(one)]
        case ast.Call(args=[*_, one]) if isinstance(node.func, ast.Name) and node.func.id == "MappingProxyType":
            return templates(one)
    return []


def said(source: Path) -> Iterator[str]:
    """What a file of `axis.config` or `axis.cli` says to people about faults and next steps."""
    everything = source.parent.name == "config"
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            raised = isinstance(node.func, ast.Attribute) and node.func.attr in RAISED
            for place in (0,) if raised else PLACES.get(name, ()):
                yield from templates(node.args[place]) if place < len(node.args) else ()
        elif isinstance(node, ast.Return) and source.name == "written.py" and node.value is not None:
            yield from templates(node.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if names & (TABLES | (NAMES if everything else NAMES - {"told", "reason"})):
                yield from templates(node.value)


SAID = sorted(
    {
        (source.name, text)
        for folder in ("config", "cli")
        for source in (ROOT / folder).glob("*.py")
        for text in said(source)
        if " " in text and re.search("[a-z]{3}", text) and not BOTH.search(text)
    }
)


def test_there_is_something_to_say() -> None:
    assert len(SAID) > 150


@pytest.mark.parametrize(("source", "text"), SAID)
def test_it_is_said_in_vietnamese_too(source: str, text: str) -> None:
    assert in_vietnamese(text.replace("{}", "x")), f"{source}: {text!r} is not in axis/cli/vietnamese.py"


@pytest.mark.parametrize("english", WORDS)
def test_both_languages_name_the_same_things(english: str) -> None:
    assert english.count("{}") == WORDS[english].count("{}")


@pytest.mark.parametrize(
    ("english", "vietnamese"),
    [
        ('did you mean "limits"?', 'có phải "limits"?'),
        ("/x/log.pem is open to other users (mode 0644)", "người khác đọc được /x/log.pem (quyền 0644)"),
        ("/x/a.pem cannot be read: permission denied", "không đọc được /x/a.pem: không có quyền đọc"),
        (
            "the key is not written, so its default counts; chmod 600 /x",
            "khóa này không được ghi, nên lấy giá trị mặc định; chmod 600 /x",
        ),
        ("something that nobody has written", ""),
        ("", ""),
    ],
)
def test_what_differs_stays_as_it_is(english: str, vietnamese: str) -> None:
    assert in_vietnamese(english) == vietnamese


def test_everything_that_the_doctor_looks_at_has_its_name_in_vietnamese() -> None:
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "cli").glob("doctor*.py")]
    nodes = [node for source in sources for node in ast.walk(source)]
    calls = [one for one in nodes if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]
    firsts = [one.args[0] for one in calls if one.func.id == "Line"]  # type: ignore[attr-defined]
    named = {one.value for one in firsts if isinstance(one, ast.Constant)}
    assert len(named) > 15 and named <= set(IN_VIETNAMESE)
    texts = {one.value for one in nodes if isinstance(one, ast.Constant)}
    assert set(IN_VIETNAMESE) <= texts, "nothing is named that nobody looks at"
