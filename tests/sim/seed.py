"""One seed, for another process, which alone imports the product."""

from __future__ import annotations

import gc
from dataclasses import asdict
from typing import Any


def told_of(seed: int, twice: bool) -> dict[str, Any]:
    """One run as a table. With `twice`, the same must come of it again."""
    from tests.sim.world import run

    gc.freeze()  # what was imported stays: nobody need look at it after each run
    one = run(seed)
    told = asdict(one)
    if twice and run(seed).digest != one.digest:
        told["wrong"] = (*one.wrong, "NOT THE SAME: the seed was run twice, and two things came of it")
    return told
