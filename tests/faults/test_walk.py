"""A disk that is full a few KB later each time, so that each kind of write meets its end, and is then free again."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import HEALTH, LARGE, Field, field_of
from tests.faults.test_server import is_ready
from tests.faults.trace import following
from tests.mutations.edit import Mutation
from tests.postgres import Server
from tests.site import HOME_AFFAIRS, until
from tests.tools import lacking

pytestmark = pytest.mark.faults

PAGE: Final = 4096
STEPS: Final = (0, 1, 2, 3, 5, 7, 9, 12, 15, 18, 22, 27, 33, 40, 80, 120)
"""How many pages are free when documents come."""
BUSY: Final = 60.0
SIZES: Final = (500, 30_000, LARGE)
MORE: Final = '\n[limits]\nmin_free = "1KB"'
"""The water mark would keep documents away; here something else fills the disk below it."""
WRITES: Final = "write,writev,pwrite64,pwritev,openat,mkdir,rename,renameat,renameat2,fallocate,ftruncate,link,linkat"
REFUSED: Final = re.compile(rb'ENOSPC')


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
    filler = place / "filler"
    field.insist(field.package())
    field.drain()
    assert field.site.process is not None
    first = field.site.process.pid
    for pages in STEPS:
        with filler.open("ab", buffering=0) as file:
            while (left := free(place)) > pages * PAGE:
                file.write(bytes(min(left - pages * PAGE, 1 << 20)))
        packages = [field.package(size=size) for size in SIZES for _ in range(2)]
        for package in packages:
            field.submit(package)
        field.empty(HOME_AFFAIRS)
        assert field.site.process.poll() is None, f"the node ended with {pages} pages free"
        os.truncate(filler, 0)
        for package in packages:
            field.insist(package)
        until("it says that it is ready", lambda: is_ready(field), BUSY)
    assert field.site.process.pid == first
    field.settled()


def test_walk(small: Path, tmp_path: Path) -> None:
    with field_of(small / "node", {}, more=MORE) as field:
        with following(field.site.process.pid, tmp_path / "tape", WRITES, "-y", "-Z") as record:
            try:
                walk(field, small)
            finally:
                print(*[l[:200] for l in field.site.log.read_text().splitlines() if '"error"' in l or "warning" in l][-30:],sep="\n")
        tape = b"".join(p.read_bytes() for p in record) if isinstance(record, list) else record.read_bytes()
        import collections
        c = collections.Counter(re.sub(rb"[0-9a-f]{6,}|\d{2,}", b"N", l.split(b"ENOSPC")[0])[-200:] for l in tape.splitlines() if b"ENOSPC" in l)
        for k, v in c.most_common(): print(v, k[:200])
        assert 0
