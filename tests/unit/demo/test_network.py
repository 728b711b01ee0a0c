"""Processes of the demo are seen when they die, and none is left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from axis.demo.network import HOST, Network, NetworkFailed, Program, free_ports

SLEEP = ["-c", "import time; time.sleep(600)"]
STUBBORN = [
    "-c",
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_leaving_the_network_ends_its_processes(tmp_path: Path) -> None:
    program = Program("sleeper", SLEEP, tmp_path / "log")

    def break_off() -> None:
        with Network() as network:
            network.start(program)
            assert program.alive
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert not program.alive


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axis.demo.network._GRACE_S", 0.2)
    log = tmp_path / "log"
    with Network() as network:
        program = Program("stubborn", STUBBORN, log)
        network.start(program)
        network.wait_until(lambda: log.read_text() == "up\n", "stubborn")
    assert not program.alive


def test_a_process_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Network() as network:
        network.start(Program("Trục tỉnh", ["-c", "raise SystemExit('no such table')"], tmp_path / "log"))
        with pytest.raises(NetworkFailed, match=r"Trục tỉnh: dừng với mã 1[\s\S]*no such table"):
            network.wait_until(lambda: False, "never")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_processes_end_even_when_the_demo_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from axis.demo.network import Network, Program\n"
        f"network = Network(); program = Program('x', {SLEEP!r}, Path({str(tmp_path / 'log')!r}))\n"
        "network.start(program); print(program.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while not _gone(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert _gone(child)


def test_free_ports_differ_and_are_nobody_elses() -> None:
    """A port that the system gives to any connection is taken again before its owner has started."""
    ports = [*free_ports(8), *free_ports(8)]
    assert len(set(ports)) == 16
    with socket.socket() as anybody:
        anybody.bind((HOST, 0))
        given = anybody.getsockname()[1]
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert given >= lowest
    assert max(ports) < lowest
