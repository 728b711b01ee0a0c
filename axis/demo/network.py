"""Starts the demo's processes, waits until they answer, sees when one dies, and leaves none behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Final, Self

HOST: Final = "127.0.0.1"
READY_S: Final = 45.0
_GRACE_S: Final = 8.0
_PROBE_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1
_PORTS_OF_THE_SYSTEM: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")

_handed_out: set[int] = set()


class NetworkFailed(Exception):
    """A process could not be started, did not answer in time, or died; the text says which, and where its log is."""


@dataclass(slots=True)
class Program:
    """One process of the demo. `name` is for people, `log` gets what it writes."""

    name: str
    arguments: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Network:
    """All processes together; leaving the context ends them, however it is left."""

    def __init__(self, interrupt: Callable[[], None] = lambda: None) -> None:
        """`interrupt` is asked wherever somebody waits; it raises when the waiting is to end."""
        self._interrupt = interrupt
        self._programs: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, program: Program) -> None:
        """Start a process of this interpreter in a session of its own, so that Ctrl-C reaches only the demo itself."""
        with program.log.open("ab") as log:
            program.process = subprocess.Popen(
                [sys.executable, *program.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads here)
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._programs.append(program)

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Ask `ready` until it says yes. `NetworkFailed` when a process dies meanwhile, or after `READY_S`."""
        deadline = time.monotonic() + READY_S
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise NetworkFailed(f"{what}: không trả lời sau {READY_S:.0f} giây")
            time.sleep(_PROBE_S)

    def check(self) -> None:
        """`NetworkFailed` when a process has died, with the end of its log; or whatever `interrupt` raises."""
        self._interrupt()
        for program in self._programs:
            if not program.alive:
                code = program.process.returncode if program.process else None
                raise NetworkFailed(f"{program.name}: dừng với mã {code}; {program.log}:\n{last_lines(program.log)}")

    def stop(self, names: frozenset[str] | None = None) -> None:
        """End the processes (all, or those named): asked first, after the grace time killed with what they started."""
        going = [program for program in self._programs if names is None or program.name in names]
        for program in going:
            if program.alive and program.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    program.process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for program in going:
            process = program.process
            if process is None:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._programs = [program for program in self._programs if program not in going]


_LIBC: Final = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Linux ends the child when the demo itself is killed in a way that lets it clean up nothing."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now, none of them handed out by this process before.

    They lie below those that the system gives to outgoing connections and to listeners without a wish: one of
    these could otherwise take the port while its owner is still starting, or is started again.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        shelf = _shelf()
        first = random.SystemRandom().randrange(len(shelf))
        for port in chain(shelf[first:], shelf[:first]):
            if len(ports) == count:
                break
            if port in _handed_out:
                continue
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind((HOST, port))
                ports.append(port)
    if len(ports) < count:
        raise NetworkFailed(f"only {len(ports)} of {count} ports are free")
    _handed_out.update(ports)
    return ports


def _shelf() -> range:
    """Ports that need no privilege and that the system hands to nobody by itself."""
    try:
        first_own = int(_PORTS_OF_THE_SYSTEM.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first_own = 32768
    return range(10240, first_own) if first_own > 12288 else range(10240, 65536)


def last_lines(path: Path, count: int = 12) -> str:
    """The end of a log, for a person who wants to know what went wrong."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "  (no log)"
    return "\n".join(f"  {line[:300]}" for line in lines[-count:])
