"""Run seeds until the time is over or one of them is wrong: `python -m tests.sim`, which `make test-sim` calls.

One line of JSON now and then; for a seed that is wrong what was broken, its story, and how to run it again. Exit code
0 when every seed was good, 1 when one was not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from multiprocessing import get_context
from typing import Any, Final

from tests.sim.seed import told_of

TWICE: Final = 16
"""Every so many seeds one is run twice: the same must come of it."""
LINE_S: Final = 15.0
HASHES: Final = "0"
"""PYTHONHASHSEED: the order of a set of strings is part of a run."""


def main() -> int:
    arguments = argparse.ArgumentParser(description="simulate networks of nodes by seed")
    arguments.add_argument("--seed", type=int, help="run this one only, and tell its story")
    arguments.add_argument("--seeds", type=int, default=0, help="so many, however long it takes")
    arguments.add_argument("--first", type=int, help="the first of them; by lot otherwise")
    arguments.add_argument("--seconds", type=float, default=120.0, help="begin no seed after that")
    arguments.add_argument("--jobs", type=int, default=2)
    told = arguments.parse_args()
    if os.environ.get("PYTHONHASHSEED") != HASHES:
        os.environ["PYTHONHASHSEED"] = HASHES
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])
    if told.seed is not None:
        one = told_of(told.seed, twice=True)
        _tell(one)
        return 1 if one["wrong"] else 0
    first = random.SystemRandom().randrange(1 << 31) if told.first is None else told.first
    return _many(first, told.seeds, told.seconds, max(1, told.jobs))


def _many(first: int, seeds: int, seconds: float, jobs: int) -> int:
    began = last = time.monotonic()
    done = dict.fromkeys(("seeds", "events", "ends", "simulated_s"), 0)
    bad: list[dict[str, Any]] = []
    numbers: Iterator[int] = iter(range(first, first + seeds)) if seeds else count(first)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        running: set[Future[dict[str, Any]]] = set()
        more = True
        while running or more:
            more = more and not bad and (bool(seeds) or time.monotonic() - began < seconds)
            while more and len(running) < jobs:
                seed = next(numbers, None)
                if seed is None:
                    more = False
                    break
                running.add(pool.submit(told_of, seed, (seed - first) % TWICE == 0))
            finished, running = wait(running, LINE_S, FIRST_COMPLETED) if running else (set(), set())
            for future in finished:
                one = future.result()
                done["seeds"] += 1
                for name in ("events", "ends", "simulated_s"):
                    done[name] += one[name]
                if one["wrong"]:
                    bad.append(one)
            if time.monotonic() - last > LINE_S or not (running or more):
                last = time.monotonic()
                minutes = (last - began) / 60
                line = {**done, "simulated_s": round(done["simulated_s"]), "first": first, "wrong": len(bad)}
                print(json.dumps({**line, "seeds_a_minute": round(done["seeds"] / minutes, 1)}), flush=True)
    for one in bad:
        _tell(one)
    return 1 if bad else 0


def _tell(one: dict[str, Any]) -> None:
    for line in one["story"]:
        print(f"  {line}")
    for line in one["wrong"][:20]:
        print(f"WRONG {line}")
    print(json.dumps({name: one[name] for name in ("seed", "events", "ends", "digest")} | {"wrong": len(one["wrong"])}))
    if one["wrong"]:
        print(f"again: make test-sim SEED={one['seed']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
