"""A broker that carries octets and judges nothing: RabbitMQ, from Debian's package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from axis.demo.network import HOST, free_ports
from benchmarks.load import Generator
from benchmarks.nodes import KB, key_of, node, packages, posts, side
from benchmarks.pairs import Measure
from benchmarks.served import how_many, processor_s, run
from tests.site import OFFICE

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The package's own start script. The one on the path takes another account, and with it the machine's own broker."""
_READY_S = 60.0


@contextmanager
def broker(folder: Path) -> Iterator[tuple[int, int]]:
    """A broker with its store in `folder`: its port here, and the process that serves."""
    port, between, mapper = free_ports(3)
    told = {
        "HOME": folder,
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": mapper,
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_DIST_PORT": between,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": folder / "store",
        "RABBITMQ_LOG_BASE": folder / "log",
        "RABBITMQ_CONFIG_FILE": folder / "none",
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
        "RABBITMQ_PID_FILE": folder / "pid",
    }
    environment = os.environ | {name: str(value) for name, value in told.items()}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [PROGRAM], env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _READY_S
        while b"Starting broker... completed" not in (folder / "said").read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("RabbitMQ did not start:\n" + (folder / "said").read_text()[-2000:])
            time.sleep(0.1)
        yield port, int((folder / "pid").read_text())
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        subprocess.run(["epmd", "-port", str(mapper), "-kill"], env=environment, stdout=subprocess.DEVNULL, check=False)


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    """Nothing where the package is not installed."""
    if not PROGRAM.exists():
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "broker").mkdir()
        port, pid = stack.enter_context(broker(folder / "broker"))
        script = Path(__file__).parent / "peer_rabbitmq.py"
        peer = stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(script), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        assert peer.stdin is not None
        stack.callback(peer.stdin.close)
        generator = stack.enter_context(Generator())
        site = stack.enter_context(node(folder / "node"))
        ours = side(site, posts(packages(site), key_of(site, OFFICE)))
        count = how_many(generator, ours, slice_s, 64, 64)
        theirs = max(256, round(256 / _published(peer, 256) * slice_s))
        found = []
        for _ in range(pairs):
            mine = run(generator, ours, count)
            began = processor_s(pid)
            seconds = _published(peer, theirs)
            found.append((mine, theirs / seconds, (processor_s(pid) - began) / theirs * 1e6))
        ratios = sorted(mine.rate / rate for mine, rate, _ in found)
        middle = len(found) // 2
        yield Measure(
            "accept, 10 KB, beside RabbitMQ",
            ratios[middle],
            0.5,
            True,
            sorted(mine.rate for mine, _, _ in found)[middle],
            sorted(rate for _, rate, _ in found)[middle],
            pairs,
            "/s",
            (ratios[0], ratios[-1]),
            more={
                "ours_us": sorted(mine.cost for mine, _, _ in found)[middle],
                "rabbitmq_us": sorted(cost for _, _, cost in found)[middle],
            },
        )


def _published(peer: subprocess.Popen[str], times: int) -> float:
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write(f"{10 * KB} {times}\n")
    peer.stdin.flush()
    return float(peer.stdout.readline())
