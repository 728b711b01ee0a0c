"""Another that takes signed messages and answers with signed receipts: pyas2lib (AS2)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Generator
from benchmarks.nodes import key_of, node, posts, side
from benchmarks.pairs import Measure
from benchmarks.served import how_many, run
from tests.site import HOME_AFFAIRS, OFFICE

PYTHON = "AXIS_BENCH_AS2"
"""Names the interpreter of an environment with pyas2lib. It is under the GPL and pins old packages, so nothing of ours
depends on it: it runs as a program of its own, where somebody has installed it."""


def seconds(peer: subprocess.Popen[bytes], size: int, times: int) -> float:
    """Processor time of one message of so many octets in the peer's process."""
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write(f"{size} {times}\n".encode())
    peer.stdin.flush()
    return float(peer.stdout.readline())


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    with ExitStack() as stack:
        python = os.environ.get(PYTHON)
        if not python:
            return
        script = Path(__file__).parent / "peer_as2.py"
        peer = stack.enter_context(
            subprocess.Popen([python, "-I", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert peer.stdin is not None
        stack.callback(peer.stdin.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        for name, size, target in (("10 KB", 10_000, 10.0), ("1 MB", 1_000_000, 5.0)):
            seconds(peer, size, 2)
            content = bytes(size * 3 // 4 - 3_600) if size > 100_000 else bytes(3_800)
            make = posts(
                lambda wanted, content=content: [
                    site.package(OFFICE, [HOME_AFFAIRS], [content]) for _ in range(wanted)
                ],
                key_of(site, OFFICE),
            )
            ours = side(site, make)
            callers = 64 if size < 100_000 else 8
            count = how_many(generator, ours, slice_s, callers, callers)
            found = []
            for _ in range(pairs):
                mine = run(generator, ours, count, callers).cost
                times = max(2, round(slice_s * 40 / (1 if size < 100_000 else 5)))
                found.append((mine, seconds(peer, size, times) * 1e6))
            ratios = sorted(b / a for a, b in found)
            middle = len(found) // 2
            yield Measure(
                f"accept, {name}, beside pyas2lib",
                ratios[middle],
                target,
                True,
                sorted(a for a, _ in found)[middle],
                sorted(b for _, b in found)[middle],
                pairs,
                "us",
                (ratios[0], ratios[-1]),
                "ours with TLS, HTTP and everything durable; pyas2lib verifies and signs its MDN in memory",
            )
