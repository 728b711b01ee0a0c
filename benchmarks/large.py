"""Large documents: an attachment of 1 MB inside the package, and the memory that one of 100 MB takes."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Generator
from benchmarks.nodes import floor, key_of, node, posts, side
from benchmarks.pairs import Measure, bounded
from benchmarks.served import contest
from tests.site import HOME_AFFAIRS, OFFICE, Site

MB = 1_000_000


def inline(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        content = bytes(MB)

        def make(wanted: int) -> list[bytes]:
            return [site.package(OFFICE, [HOME_AFFAIRS], [content]) for _ in range(wanted)]

        ours = side(site, posts(make, key_of(site, OFFICE)))
        stored = folder / "stored"
        stored.mkdir()
        least = stack.enter_context(floor(site, posts(make), sqlite=str(folder / "floor.db"), stream=str(stored)))
        yield contest(
            "accept, 1 MB inline",
            generator,
            ours,
            least,
            target=0.7,
            slice_s=slice_s,
            pairs=pairs,
            callers=8,
            at_least=8,
        )


class Watch(threading.Thread):
    """The most that a process holds while this runs: resident, and of that what is no file (MB)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.path, self.stop, self.most = Path(f"/proc/{pid}/status"), threading.Event(), [0.0, 0.0]

    def now(self) -> tuple[float, float]:
        lines = dict(line.split(":", 1) for line in self.path.read_text().splitlines())
        whole, own = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
        return whole, own

    def run(self) -> None:
        while not self.stop.wait(0.005):
            self.most = [max(old, new) for old, new in zip(self.most, self.now(), strict=True)]


def memory(slice_s: float, pairs: int) -> Iterator[Measure]:
    size = 100 * MB if slice_s >= 0.5 else 20 * MB
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        assert site.process is not None
        ours = side(site, posts(lambda wanted: [_large(site, size) for _ in range(wanted)], key_of(site, OFFICE)))
        site.take(_large(site, 5 * MB), OFFICE)
        grown, own = [], []
        for _ in range(min(pairs, 3 if slice_s >= 0.5 else 2)):
            time.sleep(1)
            watch = Watch(site.process.pid)
            idle = watch.now()
            watch.start()
            (answered,) = generator.run(ours.door, ours.requests(1), callers=1).statuses
            watch.stop.set()
            watch.join()
            assert answered == 202, answered
            grown.append(watch.most[0] - idle[0])
            own.append(watch.most[1] - idle[1])
        notes = f"{size // MB} MB inline, base64; without the file that is mapped: {max(own):.0f} MB"
        yield bounded("memory above idle, one large attachment", grown, 16.0, "MB", notes)


def _large(site: Site, size: int) -> bytes:
    return site.package(OFFICE, [HOME_AFFAIRS], [bytes(size)])
