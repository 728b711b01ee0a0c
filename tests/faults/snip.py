"""A line to PostgreSQL that breaks at COMMIT, again and again: for each kind of transaction, in each way it can.

Unlike `Line` it hangs up at once, so that whoever writes hears of a lost connection and of nothing else. What became of
the transaction only the server knows.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

from tests.faults.line import WRITES, Line, Said, hang_up, message, messages


class Way(Enum):
    """What becomes of a COMMIT."""

    LOST = auto()
    """It does not reach the server: nothing is stored."""
    UNHEARD = auto()
    """The server has committed, and what it answers is lost."""
    RACE = auto()
    """It is on its way when the line breaks: nobody can say; perhaps the answer gets through."""


class Snip(Line):
    """Break each of `kinds` once in each way, so often that what is done again gets through; `fired` counts them.

    A kind is named by the first words of statements that are all in it; a transaction is of the first that it fits.
    """

    def __init__(
        self,
        target: Path,
        kinds: Mapping[str, Sequence[bytes]],
        ways: Sequence[Way] = tuple(Way),
        of: bytes = WRITES,
        every: int = 2,
    ) -> None:
        """`of` is a part of the name of the connections that are broken, at `every` so many."""
        super().__init__(target)
        self._of = of
        self._every = every
        self.fired: Counter[tuple[str, Way]] = Counter()
        self.breaks = True
        self._kinds = kinds
        self._ways = ways
        self._came: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def left(self) -> list[tuple[str, Way]]:
        """What was not broken yet."""
        return [(kind, way) for kind in self._kinds for way in self._ways if not self.fired[kind, way]]

    def _way(self, said: Said) -> Way | None:
        """How the transaction that ends now is to end, `None` where it may end well."""
        with self._lock:
            kind = next((name for name, words in self._kinds.items() if _has(said.ran, words)), None)
            left = [way for way in self._ways if kind is not None and not self.fired[kind, way]]
            if kind is None or not left or not self.breaks:
                return None
            self._came[kind] += 1
            if self._came[kind] % self._every:
                return None
            self.fired[kind, left[0]] += 1
            return left[0]

    def _join(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(self.target))
        unheard = threading.Event()
        threading.Thread(target=self._answers, args=(far, near, unheard), daemon=True).start()
        with suppress(OSError):
            self._says(near, far, unheard)
        if not unheard.is_set():
            hang_up(near, far)

    def _says(self, near: socket.socket, far: socket.socket, unheard: threading.Event) -> None:
        said = Said()
        for kind, body in messages(near):
            about = said.hear(kind, body) if said.writes else b""
            if not kind:
                said.writes = self._of in body
            way = self._way(said) if kind in (b"E", b"Q") and about == b"COMMIT" else None
            if way is Way.LOST:
                return
            if way is Way.UNHEARD:
                unheard.set()
            far.sendall(message(kind, body))
            if way is not None and kind == b"E":
                far.sendall(message(b"S", b""))
                return

    def _answers(self, far: socket.socket, near: socket.socket, unheard: threading.Event) -> None:
        with suppress(OSError):
            while octets := far.recv(65_536):
                if not unheard.is_set():
                    near.sendall(octets)
                elif b"COMMIT\0" in octets:
                    break
        hang_up(near, far)


def _has(ran: Sequence[bytes], words: Sequence[bytes]) -> bool:
    return all(any(one.startswith(word) for one in ran) for word in words)
