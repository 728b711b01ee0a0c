"""A disk that is full a few KB later each time, so that each kind of write meets its end, and is then free again."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import LARGE, Field, field_of
from tests.faults.test_server import is_ready
from tests.faults.trace import recorded
from tests.postgres import Server
from tests.site import HOME_AFFAIRS, until
from tests.tools import lacking

pytestmark = pytest.mark.faults

PAGE: Final = 4096
STEPS: Final = (0, 1, 2, 4, 7, 11, 15, 22, 33, 80)
"""How many pages are free when documents come."""
BUSY_S: Final = 60.0
SIZES: Final = (500, 30_000, LARGE)
MORE: Final = '\n[limits]\nmin_free = "1KB"'
"""The water mark would keep documents away; here something else fills the disk below it."""
WRITES: Final = "write,writev,pwrite64,pwritev,openat,mkdir,rename,renameat,renameat2,fallocate,ftruncate,link,linkat"


@pytest.fixture
def small() -> Iterator[Path]:
    """A disk of its own, in memory."""
    with tempfile.TemporaryDirectory(prefix="axis-walk-") as place:
        mounted = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=0755", "tmpfs", place]
        if subprocess.run(mounted, capture_output=True, check=False).returncode:
            lacking("needs the right to mount a disk in memory: root")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def walk(field: Field, place: Path) -> None:
    """So many pages are free behind two documents, of which the log has not got the second yet, when others come."""
    assert field.site.process is not None
    filler, process = place / "filler", field.site.process
    for turn, pages in enumerate(STEPS):
        packages = [field.package(size=SIZES[(turn + place) % len(SIZES)]) for place in range(6)]
        for package in (field.package(), field.package()):
            field.insist(package)
        fill(filler, pages * PAGE)
        time.sleep(0.6)  # a round of the log
        for package in packages:
            field.submit(package)
        field.empty(HOME_AFFAIRS)
        assert process.poll() is None, f"the node ended when {pages} pages were free"
        os.truncate(filler, 0)
        for package in packages:
            field.insist(package)
        until("it says that it is ready", lambda: is_ready(field), BUSY_S)
    field.settled()
    assert process.poll() is None


def fill(filler: Path, left: int) -> None:
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while (there := free(filler.parent)) > left:
            file.write(bytes(min(there - left, 1 << 20)))


def met(record: Path, folder: Path) -> set[str]:
    """What the node wrote to, below its folder, when there was no room."""
    found = re.findall(rf"<{re.escape(str(folder))}/([^>]+)>.*ENOSPC", record.read_text(errors="replace"))
    return {one.removeprefix("data/").partition("/")[0] for one in found}


def walked(field: Field, *kinds: str) -> None:
    """Nothing answered is lost, nothing is there twice, and it is one process from the beginning to the end."""
    field.insist(field.package())
    field.drain()
    with recorded(field, WRITES, "-y", "-Z") as record:
        walk(field, field.site.folder.parent)
    hit = met(record, field.site.folder)  # which of them are under way when a page is missing is chance
    assert "blobs" in hit and hit & {*kinds, "log"}, f"the fault never fired: {hit}"


def test_a_disk_that_is_full_at_any_write_is_waited_for(small: Path) -> None:
    """F122. SQLite's journal, the blobs, the signature log; and whatever else is written just then."""
    with field_of(small / "node", {}, more=MORE) as field:
        walked(field, "axis.db-wal", "axis.db")


def test_a_disk_that_is_full_beside_a_database_elsewhere_is_waited_for(
    small: Path, postgres: Server, template: str
) -> None:
    """F122."""
    with field_of(small / "node", {}, more=MORE, store=postgres.database(template)) as field:
        walked(field, "node.log")


@pytest.mark.parametrize("broken", BY_FAULT["F122"], ids=lambda broken: broken.mutation.defence)
def test_without_its_patience_a_node_ends_on_a_full_disk(broken: Broken, small: Path) -> None:
    with field_of(small / "node", {}, more=MORE, mutation=broken.mutation) as field:
        field.patience_s = 12
        with pytest.raises(AssertionError, match=broken.says):
            walk(field, small)
