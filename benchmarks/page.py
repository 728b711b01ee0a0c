"""The table of docs/benchmarks.md, made of results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.methods import listed

BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
METHODS_BEGIN, METHODS_END = "<!-- methods -->\n", "<!-- /methods -->\n"
_HEAD = """
| measure | ratio | least-greatest | target | ours | floor or peer | pairs | day |
| --- | ---: | --- | --- | ---: | ---: | ---: | --- |
"""


def rewritten(page: str, facts: Mapping[str, Any]) -> str:
    """The page with the figures of `facts`, and how each is taken, between their marks."""
    return _between(_between(page, BEGIN, table(facts), END), METHODS_BEGIN, listed(), METHODS_END)


def _between(page: str, begin: str, text: str, end: str) -> str:
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + text + end + after


def table(facts: Mapping[str, Any]) -> str:
    machine = facts["machine"]
    told = f"{machine['cores']} cores, Python {machine['python']}.\n"
    return told + _HEAD + "".join(map(_row, facts["measures"])) + "\n"


def _row(one: Mapping[str, Any]) -> str:
    target = "" if one["target"] is None else f"{'≥' if one['higher_is_better'] else '≤'} {one['target']:g}"
    if target and not _met(one):
        target = f"{target}, **missed**"
    low, high = one["spread"]
    values = f"{one['ours']:.1f} {one['unit']} | {one['floor']:.1f} {one['unit']}"
    cells = (one["name"], f"{one['ratio']:.2f}", f"{low:.2f}-{high:.2f}", target, values, one["pairs"], one["at"][:10])
    return f"| {' | '.join(map(str, cells))} |\n"


def _met(one: Mapping[str, Any]) -> bool:
    met: bool = one["ratio"] >= one["target"] if one["higher_is_better"] else one["ratio"] <= one["target"]
    return met
