"""A network of its own whose packets get lost, come late and in another order, or do not come at all.

The kernel's own tools for that are not everywhere (netem); this asks for a TUN device only. It needs root. A thread
gets a network namespace of its own (`unshare(2)` is per thread), and so has every process and thread that it starts.
What is sent to `FAR` goes into the device, and comes back from there as if it came from `FAR` to `NEAR`, both ends of
every connection being in the namespace; the check sums of TCP do not change when source and destination change places.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import pytest

from tests.tools import need

T = TypeVar("T")

NEAR: Final = "10.99.0.1"
FAR: Final = "10.99.0.2"
_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


class Wire:
    """`loss` is the part of the packets that is dropped, `delay_s` and `jitter_s` what the others wait. While it is
    `down` all are dropped. `lost`, `late` and `overtaken` are counted."""

    def __init__(self, seed: int, ip: str) -> None:
        self.loss, self.delay_s, self.jitter_s, self.down = 0.0, 0.0, 0.0, False
        self.lost = self.overtaken = self.passed = 0
        self._chance = random.Random(seed)
        self._device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._device, _TUNSETIFF, struct.pack("16sH", b"wire0", _IFF_TUN | _IFF_NO_PI))
        for command in (
            [ip, "link", "set", "lo", "up"],
            [ip, "address", "add", f"{NEAR}/24", "dev", "wire0"],
            [ip, "link", "set", "wire0", "up"],
        ):
            subprocess.run(command, check=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._device)

    def _run(self) -> None:
        waiting: list[tuple[float, int, bytes]] = []
        number = newest = 0
        while not self._over.is_set():
            rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            if select.select([self._device], [], [], min(rest, 0.05))[0]:
                packet = os.read(self._device, 65_536)
                number += 1
                if self.down or self._chance.random() < self.loss:
                    self.lost += 1
                    continue
                due = time.monotonic() + max(0.0, self.delay_s + self._chance.uniform(-1, 1) * self.jitter_s)
                heapq.heappush(waiting, (due, number, _turned(packet)))
            while waiting and waiting[0][0] <= time.monotonic():
                _, one, packet = heapq.heappop(waiting)
                self.overtaken += one < newest
                newest = max(newest, one)
                self.passed += 1
                os.write(self._device, packet)


def _turned(packet: bytes) -> bytes:
    """An IPv4 packet on its way back: source and destination have changed places."""
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


def on_a_wire(body: Callable[[Wire], T], seed: int) -> T:
    """What `body` returns, run in a thread whose network is a `Wire`. Skips where none can be made."""
    ip = need("ip")
    outcome: list[T] = []
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
                raise PermissionError(ctypes.get_errno(), "unshare")
            wire = Wire(seed, ip)
        except (OSError, subprocess.SubprocessError) as error:
            trouble.append(Unwired(repr(error)))
            return
        try:
            outcome.append(body(wire))
        except BaseException as error:
            trouble.append(error)
        finally:
            wire.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in trouble:
        if isinstance(error, Unwired):
            pytest.skip(f"no network of one's own can be made here, which needs root and /dev/net/tun: {error}")
        raise error
    return outcome[0]


class Unwired(Exception):
    """No network of one's own can be made here."""
