"""A line between one process and its PostgreSQL that can be cut: then nothing gets through, in either direction, and
nobody is told. What was sent meanwhile arrives, late, when the line is whole again, as from a network that was away.

It reads what a process says over its writing connection (PostgreSQL's protocol, version 3, without TLS), so that it can
be cut at a moment of a transaction.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Final, Self

WRITES: Final = b": writes\0"
"""How the name ends that a process gives its writing connection."""


class When(Enum):
    """Where in a transaction."""

    SENT = auto()
    """The server has got the statement, and not the word that says that its answer is waited for."""
    COMMIT = auto()
    """Everything was answered, and COMMIT is not there yet."""
    ANSWER = auto()
    """The server has got COMMIT; what it answers gets lost."""


@dataclass(frozen=True)
class Moment:
    """In the next transaction that has this statement."""

    statement: bytes
    when: When


@dataclass
class Said:
    """What is known of one connection: prepared statements, the one that is bound, those of this transaction."""

    writes: bool = False
    prepared: dict[bytes, bytes] = field(default_factory=dict)
    bound: bytes = b""
    ran: list[bytes] = field(default_factory=list)

    def hear(self, kind: bytes, body: bytes) -> bytes:
        """The statement that this message is about."""
        match kind:
            case b"P":
                name, self.bound, _ = body.split(b"\0", 2)
                self.prepared[name] = self.bound
            case b"B":
                self.bound = self.prepared[body.split(b"\0", 2)[1]]
            case b"Q":
                self.bound = body.rstrip(b"\0")
        if self.bound.startswith(b"BEGIN"):
            self.ran.clear()
        if kind in (b"E", b"Q"):
            self.ran.append(self.bound)
        return self.bound


class Line:
    """A port of this machine in front of the socket of a PostgreSQL. `held` counts the octets that met the cut."""

    def __init__(self, target: Path) -> None:
        self.held = 0
        self.target = target
        self._whole = threading.Event()
        self._whole.set()
        self._moment: Moment | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))

    def url(self, database: str) -> str:
        port = self._listener.getsockname()[1]
        return f"postgresql+psycopg://axis@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"

    @property
    def is_cut(self) -> bool:
        return not self._whole.is_set()

    def cut(self, moment: Moment | None = None) -> None:
        """Now, or at that moment."""
        self._moment = moment
        if moment is None:
            self._whole.clear()

    def mend(self) -> None:
        self._moment = None
        self._whole.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._wait(1)
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(self.target))
        threading.Thread(target=self._back, args=(far, near), daemon=True).start()
        try:
            self._there(near, far)
        except OSError:
            hang_up(near, far)
        self._wait(0)
        hang_up(far)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while octets := far.recv(65_536):
                self._wait(len(octets))
                near.sendall(octets)
        self._wait(0)
        hang_up(near)

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        said = Said()
        last = False  # it is cut, and this is still to be said to its end
        for kind, body in messages(near):
            about = said.hear(kind, body) if said.writes else b""
            if not kind:
                said.writes = WRITES in body
            if self._strikes(said, kind, about):
                last = self._moment is not None and self._moment.when is When.ANSWER
                self._whole.clear()
            if not last:
                self._wait(len(body))
            far.sendall(message(kind, body))
            last = last and kind not in (b"S", b"Q")

    def _strikes(self, said: Said, kind: bytes, about: bytes) -> bool:
        moment = self._moment
        if moment is None or self.is_cut or not any(one.startswith(moment.statement) for one in said.ran):
            return False
        return kind == b"S" if moment.when is When.SENT else about == b"COMMIT"

    def _wait(self, octets: int) -> None:
        if self.is_cut:
            self.held += octets
        self._whole.wait()


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def messages(near: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """What the process says, message by message. The first has no kind."""
    with near.makefile("rb") as read:
        kind = b""
        while len(length := read.read(4)) == 4:
            yield kind, read.read(struct.unpack("!I", length)[0] - 4)
            kind = read.read(1)


def hang_up(*ends: socket.socket) -> None:
    for one in ends:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
