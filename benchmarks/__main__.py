"""`python -m benchmarks [NAME ...]`: measure, show, and write benchmarks/results.json.

NAME is a group (`verdict`, ...) or a part of a measure's name. Numbers of a loaded machine are noise: ratios hold
longer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    accept,
    broker,
    chain,
    deliver,
    grouped,
    judge,
    large,
    mix,
    peers,
    pull,
    scale,
    statuses,
    sustained,
    together,
)
from benchmarks.page import rewritten
from benchmarks.pairs import Measure

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
Group = Callable[[float, int], Iterator[Measure]]
GROUPS: dict[str, Group] = {
    "verdict": judge.small,
    "large": judge.large,
    "accept": accept.sqlite,
    "accept-postgres": accept.on_postgres,
    "statuses": statuses.group,
    "pull": pull.group,
    "push": deliver.push,
    "recovery": deliver.recovery,
    "inline": large.inline,
    "memory": large.memory,
    "store": grouped.group,
    "flushes": accept.flushes,
    "mix": mix.group,
    "sustained": sustained.group,
    "chain": chain.group,
    "backlog": scale.backlog,
    "registry": scale.registry,
    "processes": together.processes,
    "nodes": together.nodes,
    "as2": peers.group,
    "rabbitmq": broker.group,
    "certificate": lambda _, pairs: judge.certificates(pairs),
    "hostile": lambda _, pairs: judge.hostile(pairs),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="which groups; default all")
    parser.add_argument("--slice", type=float, default=1.0, help="seconds of work in each half of a pair")
    parser.add_argument("--pairs", type=int, default=15, help="how many pairs")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a target is missed")
    parser.add_argument(
        "--write", action="store_true", help="keep the figures in benchmarks/results.json and docs/benchmarks.md"
    )
    asked = parser.parse_args()
    measures = []
    for name in asked.groups or GROUPS:
        for measure in GROUPS[name](asked.slice, asked.pairs):
            show(measure)
            measures.append(measure)
    if asked.write:
        write(measures)
    sys.exit(asked.strict and any(measure.met is False for measure in measures))


def show(measure: Measure) -> None:
    verdict = {True: "met", False: "MISSED", None: ""}[measure.met]
    wanted = "" if measure.target is None else f"{'>=' if measure.higher_is_better else '<='} {measure.target}"
    spread = f"{measure.spread[0]:.2f}-{measure.spread[1]:.2f}"
    told = f"{measure.ours:10.1f} {measure.floor:10.1f} {measure.unit:<3}"
    if os.environ.get("BENCH_MORE"):
        sys.stdout.write(f"    {os.getloadavg()} {measure.more}\n")
    sys.stdout.write(f"{measure.name:<64} {measure.ratio:6.2f} ({spread:>10}) {wanted:<8} {verdict:<7} {told}\n")
    sys.stdout.flush()


def write(measures: list[Measure]) -> None:
    """Replace the figures of the same names, keep the others."""
    kept = json.loads(RESULTS.read_text())["measures"] if RESULTS.exists() else []
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fresh = {measure.name: {**measure.to_dict(), "at": now} for measure in measures}
    order = [*(one["name"] for one in kept), *(name for name in fresh if name not in {one["name"] for one in kept})]
    by_name = {one["name"]: one for one in kept} | fresh
    facts = {
        "at": now,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
        "measures": [by_name[name] for name in order],
    }
    RESULTS.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(rewritten(PAGE.read_text(), facts))


if __name__ == "__main__":
    main()
