"""Collect files that no row names: what is left of transactions that never were (K07), and of documents whose content
was removed that long ago (K37). Nothing else.

A file is removed when nobody has named it for the grace, no row names it, and nobody names it just then. The order of
questions makes that safe beside any number of writers: first the times of the files, then the rows, then once more the
time of the one file, under the lock by which files are named (`axis.blobs.Blobs.collect`). A bucket has no such lock,
and takes two steps instead (`axis.objects.holding`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from axis.care.compared import Compared, compared
from axis.care.logged import is_behind, log_state
from axis.holding import Holding, Sort
from axis.sql.driver import StoreError
from axis.sql.engine import open_readonly, told
from axis.sql.leftovers import named_before
from axis.sql.soundness import log_size, named_files

log = structlog.get_logger()

EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Where:
    """The parts of a node that the collection looks at."""

    store: str
    blobs: Holding
    log: Path
    heads: Path


@dataclass(frozen=True, slots=True)
class Swept:
    """`found` are the unnamed files beyond the grace, `removed` those of them that are gone now, with their octets."""

    found: int = 0
    removed: int = 0
    octets: int = 0


def sweep(
    where: Where,
    grace: timedelta,
    now: datetime,
    *,
    remove: bool = True,
    asked: Callable[[], None] = lambda: None,
) -> Swept:
    """Remove files that were not named for `grace`; without `remove`, only count them. Beside a running node, too.

    `asked` is called when the rows were asked and nothing is removed yet; tests stop there.

    `StoreError` when the store cannot be asked, or has lost rows: what it does not name now may be wanted again.
    """
    before = (now - grace).timestamp()
    with compared() as aside:
        aside.are_there(
            one
            for one in where.blobs.stored()
            if one.sort is Sort.ASIDE or (one.sort is Sort.NAMED and one.mtime < before)
        )
        if not aside.number_of_files():
            return Swept()
        _ask(where, now - grace, aside)
        asked()
        return _collected(where.blobs, before, remove, aside)


def _ask(where: Where, since: datetime, aside: Compared) -> None:
    """What rows name, or named at `since` or later."""
    state = log_state(where.log, where.heads)
    with told(where.store), open_readonly(where.store, patient=True) as questions:
        questions.session.run(questions.session.snapshot)
        if is_behind(questions.session, state):
            known = log_size(questions.session)
            raise StoreError(f"the store knows {known} of {state.size} signed entries: what it lost may name a file")
        aside.rows_name(named_files(questions.session))
        aside.were_named(named_before(questions.session, since))


def _collected(blobs: Holding, before: float, remove: bool, aside: Compared) -> Swept:
    found = removed = octets = 0
    if remove:
        for file in aside.files(named=True):
            blobs.claim(file)
    for file in aside.files(named=False):
        if file.mtime >= before:
            continue
        found += 1
        if not remove:
            octets += file.size
        elif (size := blobs.collect(file, before)) is not None:
            removed, octets = removed + 1, octets + size
    return Swept(found, removed, octets)


async def run_sweep(
    where: Where, grace: timedelta, now: Callable[[], datetime], stop: asyncio.Event, active: Callable[[], bool]
) -> None:
    """Sweep now and then until `stop`; of several processes, by the one that is `active`."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(EVERY.total_seconds()):
                await stop.wait()
        except TimeoutError:
            if not active():
                continue
            try:
                swept = await asyncio.to_thread(sweep, where, grace, now())
            except (StoreError, OSError) as error:
                log.warning("unnamed_not_swept", error=type(error).__name__)
                continue
            if swept.removed:
                log.info("unnamed_swept", files=swept.removed, octets=swept.octets)
