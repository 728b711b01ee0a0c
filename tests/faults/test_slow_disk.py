"""A disk that takes seconds for a sync, and one that has become read-only under a running node."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.faults.field import Field, field_of
from tests.faults.trace import injected
from tests.history.package import Package
from tests.site import HOME_AFFAIRS, problem, until

pytestmark = pytest.mark.faults

SYNC_S = 1.5
TOGETHER = 12


def timed(field: Field, package: Package) -> float:
    """Send it until it is taken; how long that took, in seconds."""
    began = time.monotonic()
    field.insist(package)
    return time.monotonic() - began


def test_a_slow_disk_makes_answers_late_and_nothing_else(tmp_path: Path) -> None:
    """F23. Nobody is answered before the sync; what comes meanwhile shares the next one."""
    with field_of(tmp_path, {}) as field:
        field.insist(field.package((HOME_AFFAIRS,)))
        field.quiet()
        packages = [field.package((HOME_AFFAIRS,)) for _ in range(TOGETHER)]
        with (
            injected(field, f"fdatasync:delay_enter={int(SYNC_S * 1_000_000)}", "fdatasync"),
            ThreadPoolExecutor(TOGETHER) as pool,
        ):
            began = time.monotonic()
            took = list(pool.map(lambda one: timed(field, one), packages))
            assert min(took) >= SYNC_S, "it was answered before the disk had it"
            assert time.monotonic() - began < TOGETHER * SYNC_S, "one after the other"
            with urlopen(f"{field.site.pages}/healthz") as answer:
                assert answer.status == 200
        field.settled()


def test_a_disk_that_becomes_read_only_is_given_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """F14. Every write fails with EROFS, as after an error of the file system that made the kernel remount it."""
    with field_of(tmp_path, {}) as field:
        before = field.package()
        field.insist(before)
        field.quiet()
        package = field.package()
        with injected(field, "pwrite64:error=EROFS", "pwrite64"):
            reply = field.site.send(package.octets, package.sender)
            assert (reply.status, problem(reply.body)) == (503, "store-unavailable")
            assert not ready(field)
            field.dies(1)
        field.site.start()
        field.insist(package)
        assert field.submit(before), "and what was taken before is known"
        field.settled()


def ready(field: Field) -> bool:
    """Whether the node says so; one that has ended meanwhile is not."""
    try:
        with urlopen(f"{field.site.pages}/readyz") as answer:
            return bool(answer.status == 200)
    except (HTTPError, OSError):
        return False


def test_without_room_to_write_nothing_starts(tmp_path: Path) -> None:
    """F14. A node whose disk is read-only when it starts says so at once."""
    with field_of(tmp_path, {}) as field:
        field.insist(field.package((HOME_AFFAIRS,)))
        field.quiet()
        field.site.kill()
        field.site.watcher = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=pwrite64:error=EROFS")
        with pytest.raises(AssertionError, match="the node ended"):
            field.site.start()
        field.site.watcher = ()
        field.site.start()
        until("everything is logged", field.site.log_has_all)
        field.settled()
