"""Nodes that are forked from a process which has imported their program: for tests of what a node says and does.

Where the process is what is tested (its start, memory, environment, command line), a test starts a true one.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

HEARS = ("env", "--default-signal=INT,QUIT,HUP,USR1,USR2")
"""Whoever runs the tests may ignore these, and so would a node: a shell, of what is in the background; `axis serve`,
where a test has called it in its own process."""

_ZYGOTE = Path(__file__).with_name("zygote.py")


@cache
def _zygote(of: int) -> socket.socket:
    """The zygote of this process, `of`: it ends with us, when its socket is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # The signals as a node gets them, see `tests.site`.
        process = subprocess.Popen(
            [*HEARS, sys.executable, "-P", _ZYGOTE, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


class Forked:
    """A node's process that is not our child; it can be asked and told what `subprocess.Popen` can."""

    def __init__(self, arguments: Sequence[str], log: BinaryIO, code: str | None = None) -> None:
        """`axis` with these arguments, or `code` in its place."""
        request = {
            "arguments": [*arguments],
            "code": code,
            "folder": str(Path.cwd()),
            "environment": dict(os.environ),
        }
        told, ends = os.pipe()
        try:
            socket.send_fds(_zygote(os.getpid()), [json.dumps(request).encode()], [log.fileno(), ends])
        finally:
            os.close(ends)
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._line())
        self.returncode: int | None = None

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            octet = self._told.read(1)
            assert octet, "the process that forks nodes has ended"
            line += octet
        return line

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("axis serve", timeout or 0)
        return code

    def _ended(self, patience_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], patience_s)[0]:
            self.returncode = int(self._line())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
