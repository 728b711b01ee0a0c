"""Large documents: an attachment of 1 MB inside the package, and the memory that those of up to 200 MB take."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from axis.cli.send import Draft, make_parts
from axis.demo.client import bearer
from benchmarks.load import Generator, request
from benchmarks.nodes import floor, key_of, node, posts, side
from benchmarks.pairs import Measure, bounded
from benchmarks.served import contest, run
from schemas.codes import AgencyCode
from schemas.multipart import boundary_within, content_type_with
from tests.site import HOME_AFFAIRS, OFFICE, Site

MB = 1_000_000
LARGEST = '[limits]\nmax_bytes = "256MB"'
Made = Callable[[Site, int], Sequence[bytes]]
"""Requests for a node."""


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
    """What large documents take beside idle: inside the package, in parts, and sixteen in parts at once. They are the
    first large ones that their node sees: memory that was taken once is kept, and idle is higher then."""
    small = slice_s < 0.5
    inside, alone, each = (20, 20, 5) if small else (100, 200, 20)
    kinds: tuple[tuple[str, str, float, int, Made], ...] = (
        ("one large attachment", f"{inside} MB inline, base64", 16.0, 1, partial(_inside, inside)),
        ("a large document in parts", f"{alone} MB", 64.0, 1, partial(_in_parts, alone)),
        ("sixteen in parts at once", f"{each} MB each", 64.0, 16, partial(_in_parts, each)),
    )
    with Generator() as generator:
        for name, notes, most, callers, made in kinds:
            times = [_above_idle(generator, made, callers) for _ in range(min(pairs, 2 if small else 3))]
            own = max(without for _, without in times)
            notes = f"{notes}; without the files that are mapped: {own:.0f} MB"
            yield bounded(f"memory above idle, {name}", [whole for whole, _ in times], most, "MB", notes)


def _above_idle(generator: Generator, made: Made, callers: int) -> tuple[float, float]:
    """How far resident memory of a new node, and that of no file, rises while so many documents come at once (MB)."""
    with tempfile.TemporaryDirectory() as folder, node(Path(folder) / "node", more=LARGEST) as site:
        taken = side(site, partial(made, site))
        site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        time.sleep(1)
        watch = Watch(taken.pid)
        idle = watch.now()
        watch.start()
        run(generator, taken, callers, callers)
        watch.stop.set()
        watch.join()
        return watch.most[0] - idle[0], watch.most[1] - idle[1]


def _inside(megabytes: int, site: Site, wanted: int) -> Sequence[bytes]:
    content = bytes(megabytes * MB)
    made = [site.package(OFFICE, [HOME_AFFAIRS], [content]) for _ in range(wanted)]
    return posts(lambda _: made, key_of(site, OFFICE))(wanted)


def _in_parts(megabytes: int, site: Site, wanted: int) -> Sequence[bytes]:
    """Requests, each with one attachment of that size beside the envelope."""
    signer, told = site.signers[OFFICE], bearer(key_of(site, OFFICE))
    made = []
    with tempfile.TemporaryDirectory() as folder:
        attachment = Path(folder) / "tep.bin"
        for _ in range(wanted):
            site.made += 1
            attachment.write_bytes(site.made.to_bytes(8) + bytes(megabytes * MB - 8))
            draft = Draft(
                AgencyCode.parse(OFFICE),
                (AgencyCode.parse(HOME_AFFAIRS),),
                str(site.made),
                "LON",
                "V/v tệp lớn",
                datetime.now(UTC).date(),
                (attachment,),
            )
            body = make_parts(draft, signer.certificate, signer.key, datetime.now(UTC), None).read_bytes()
            boundary = boundary_within(body[:80])
            assert boundary is not None
            made.append(request("POST", "/v1/documents", body, {"Content-Type": content_type_with(boundary), **told}))
    return made
