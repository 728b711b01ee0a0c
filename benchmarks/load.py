"""The load: a process of its own that sends prepared requests over keep-alive TLS connections and times the answers.

`Generator` is its handle. One job is a list of requests, sent by so many callers, each of which sends its next request
when its last one was answered; or one every so often, whoever is free, and then a request's time begins when it was
due, so that waiting behind a slow one counts. Large requests are sent in pieces: 13 MB that are encrypted at once stop
this process for 15 ms, which would count as the server's.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvloop

HOST = "127.0.0.1"
PIECE = 262_144
"""Octets that are sent in one go."""
MEMORY = Path("/dev/shm")
"""Where prepared requests lie, if there is such a place: the disk is the server's."""


def request(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """One HTTP/1.1 request as octets."""
    told = {"Host": HOST, **({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(frozen=True)
class Door:
    """Where the load goes: the port here, and the authority of its certificate (`None`: no TLS)."""

    port: int
    authority: Path | None


@dataclass(frozen=True)
class Answers:
    """What came of a job: its length in seconds, and of each request, in their order, the status, the seconds, and the
    body where bodies were asked for."""

    seconds: float
    statuses: list[int]
    times: list[float]
    bodies: list[bytes]


class Generator:
    """The process. `run` does one job; `between` is called when all callers are connected, and again at the end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()
        self._folder.cleanup()

    def run(
        self,
        door: Door,
        requests: Sequence[bytes],
        *,
        callers: int = 64,
        every: float = 0.0,
        keep: bool = False,
        between: Callable[[], None] = lambda: None,
    ) -> Answers:
        path = Path(self._folder.name) / "job"
        path.write_bytes(pickle.dumps(list(requests)))
        job = {"job": str(path), "port": door.port, "ca": door.authority and str(door.authority)}
        self._tell({**job, "callers": min(callers, len(requests)), "every": every, "keep": keep})
        self._hear()
        between()
        self._tell({})
        self._hear()
        between()
        return Answers(**pickle.loads(path.read_bytes()))

    def _tell(self, what: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()

    def _hear(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the load generator ended")


class _Job:
    def __init__(self, requests: list[bytes], every: float, keep: bool) -> None:
        self.requests, self.every, self.keep = requests, every, keep
        self.next, self.left, self.began = 0, len(requests), 0.0
        self.statuses, self.times = [0] * len(requests), [0.0] * len(requests)
        self.bodies = [b""] * len(requests) if keep else []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Caller(asyncio.Protocol):
    def __init__(self, job: _Job) -> None:
        self.job, self.number, self.since = job, -1, 0.0
        self.pieces: list[bytes] = []
        self.missing = -1
        self.transport: Any = None
        self.rest, self.paused = memoryview(b""), False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def go(self) -> None:
        job = self.job
        if job.next >= len(job.requests):
            return
        self.number, job.next = job.next, job.next + 1
        now = time.perf_counter()
        due = job.began + self.number * job.every if job.every else now
        self.since = due
        if due > now:
            asyncio.get_running_loop().call_later(due - now, self.send)
        else:
            self.send()

    def send(self) -> None:
        self.rest = memoryview(self.job.requests[self.number])
        self.send_on()

    def send_on(self) -> None:
        piece, self.rest = self.rest[:PIECE], self.rest[PIECE:]
        self.transport.write(piece)
        if self.rest and not self.paused:
            asyncio.get_running_loop().call_soon(self.send_on)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.rest:
            self.send_on()

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            whole = b"".join([*self.pieces, data])
            end = whole.find(b"\r\n\r\n")
            if end < 0:
                self.pieces = [whole]
                return
            head = whole[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self.job.statuses[self.number] = int(whole[9:12])
            self.pieces = [whole[end + 4 :]] if self.job.keep else []
            self.missing = length - (len(whole) - end - 4)
        else:
            self.missing -= len(data)
            if self.job.keep:
                self.pieces.append(data)
        if self.missing == 0:
            self.answered()

    def answered(self) -> None:
        job = self.job
        job.times[self.number] = time.perf_counter() - self.since
        if job.keep:
            job.bodies[self.number] = b"".join(self.pieces)
        self.pieces, self.missing = [], -1
        job.left -= 1
        if job.left == 0:
            job.ended.set_result(None)
        self.go()

    def connection_lost(self, error: Exception | None) -> None:
        if self.job.left and not self.job.ended.done():
            self.job.ended.set_exception(RuntimeError(f"the server closed a connection: {error!r}"))


async def _work(job: Mapping[str, Any], requests: list[bytes]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    todo = _Job(requests, job["every"], job["keep"])
    tls = ssl.create_default_context(cafile=job["ca"]) if job["ca"] else None
    callers = []
    for _ in range(job["callers"]):
        _, caller = await loop.create_connection(lambda: _Caller(todo), HOST, job["port"], ssl=tls)
        callers.append(caller)
    _say()
    sys.stdin.buffer.readline()
    todo.began = time.perf_counter()
    for caller in callers:
        caller.go()
    await todo.ended
    seconds = time.perf_counter() - todo.began
    for caller in callers:
        caller.transport.close()
    return {"seconds": seconds, "statuses": todo.statuses, "times": todo.times, "bodies": todo.bodies}


def _say() -> None:
    sys.stdout.write("{}\n")
    sys.stdout.flush()


def main() -> None:
    while line := sys.stdin.buffer.readline():
        job = json.loads(line)
        path = Path(job["job"])
        path.write_bytes(pickle.dumps(uvloop.run(_work(job, pickle.loads(path.read_bytes())))))
        _say()


if __name__ == "__main__":
    main()
