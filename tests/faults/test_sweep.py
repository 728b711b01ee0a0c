"""A blind sweep: whichever call that writes is the last one, or fails, the promise holds."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from tests.faults.field import HEALTH, LARGE, Field, field_of
from tests.faults.trace import fired, injected, recorded
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "mkdir", "ftruncate")
HOW = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC", "SIGKILL": "signal=SIGKILL:error=EIO"}
SAMPLE = 12
"""How many of some 700 cases are drawn each time; `AXIS_TEST_SWEEP` is another number, or `all`."""


@dataclass(frozen=True)
class Case:
    call: str
    number: int
    how: str


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with field_of(tmp_path_factory.mktemp("sweep"), {}) as made:
        yield made


def work(field: Field) -> None:
    """One document is taken in with octets in a file, logged, pushed to one agency and fetched by another."""
    package = field.package((HOME_AFFAIRS, HEALTH), size=LARGE)
    if field.submit(package) is None:
        return
    if until("it arrives, or the node ends", lambda: field.listed(HOME_AFFAIRS) or not field.site.running):
        field.empty(HOME_AFFAIRS)


@cache
def counted(record: str) -> dict[str, int]:
    return {call: len(re.findall(rf"^\d+ +{call}\(", record, re.MULTILINE)) for call in CALLS}


def test_any_call_that_writes_may_be_the_last_or_fail(field: Field) -> None:
    """Counts the calls of one pass first. A number that a later pass does not reach fires nothing."""
    field.quiet()
    with recorded(field, ",".join(CALLS)) as record:
        work(field)
        field.quiet()
    calls = counted(record.read_text(errors="replace"))
    assert calls["fdatasync"] and calls["rename"] and calls["pwrite64"], calls
    cases = [Case(call, number, how) for call in CALLS for number in range(1, calls[call] + 1) for how in HOW]
    seed = random.SystemRandom().randrange(1 << 32)
    wanted = os.environ.get("AXIS_TEST_SWEEP", SAMPLE)
    chosen = cases if wanted == "all" else random.Random(seed).sample(cases, min(len(cases), int(wanted)))
    print(f"seed {seed}: {len(chosen)} of {len(cases)}: {chosen}")
    happened = 0
    for number, case in enumerate(chosen, 1):
        print(number, case, flush=True)
        happened += endures(field, case)
    # How many calls there are differs from run to run: the log's rounds come by the clock.
    assert happened * 3 >= len(chosen), f"only {happened} of {len(chosen)} faults fired"


def endures(field: Field, case: Case) -> bool:
    """One fault, a restart where the node ends by it, and everything settles. Says whether it fired."""
    field.quiet()
    with injected(field, f"{case.call}:{HOW[case.how]}:when={case.number}", ",".join(CALLS), must=False) as record:
        work(field)
        until("the node rests or ends", lambda: not field.site.running or field.at_rest(), 60)
    happened = fired(record)

    def taken() -> object:
        if not field.site.running:
            assert happened, "the node ended by itself"
            revive(field)
        return field.submit(field.last)

    try:
        until("it is taken", taken, field.patience_s)
        field.settled()
    except AssertionError as error:
        raise AssertionError(f"{case}: {error}") from error
    return happened


def revive(field: Field) -> None:
    assert field.site.process is not None
    # Killed; ended by its own decision; or by the event loop, which aborts where it cannot wake itself.
    assert field.site.process.returncode in (-signal.SIGKILL, 1, -signal.SIGABRT)
    field.site.start()
