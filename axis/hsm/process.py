"""The node's side of a token: one process that owns it, started again when it dies, asked one thing at a time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from axis.hsm.wire import PASSING, Gone, TokenError, Trouble, receive, send

COMMAND: Final = ("-P", "-m", "axis.hsm.server")
TIMEOUT_S: Final = 10.0
"""How long one request may take, with its waiting and one repetition. A smart card signs RSA in about a second."""
MOST_WAITING: Final = 256
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 30.0
HEALTHY_S: Final = 60.0
"""A process that lived so long was well: the back-off begins anew."""
PATIENCE_S: Final = 1.0
"""How long a request waits for its next process to be due; with a token that stays away it fails at once."""
LOOK_S: Final = 1.0
"""How often the watch looks whether the process lives."""
END_S: Final = 2.0

OPENED: Final = "token_opened"
ENDED: Final = "token_process_ended"
"""What is told: names of the operational log, with their facts."""


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which token, and where its PIN is. The PIN itself is read by the process that owns the token, by nobody else."""

    module: Path
    token: str
    pin_file: Path


@dataclass(slots=True)
class _Child:
    """One started process and the socket to it."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    began: float
    number: int = 0

    def ask(self, head: Mapping[str, Any], octets: bytes, deadline: float) -> tuple[dict[str, Any], bytes]:
        """One request and its answer. `Gone`, `TimeoutError`, `ValueError` for a broken answer, `TokenError`."""
        self.number += 1
        self.channel.settimeout(_left(deadline))
        send(self.channel, {**head, "number": self.number}, octets)
        self.channel.settimeout(_left(deadline))
        reply, result = receive(self.channel)
        if reply.pop("number", None) != self.number:
            raise ValueError("an answer to another question")
        if "trouble" in reply:
            raise TokenError(Trouble(reply["trouble"]), str(reply["told"]), str(reply["remedy"]))
        return reply, result

    def end(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@dataclass
class TokenProcess:
    """A token that any thread may ask. Use it with `with`; entering starts the process and logs in, or `TokenError`.

    A request whose process dies is repeated once by a new one: to sign the same octets again does no harm. A PIN that
    was refused is never tried again: three wrong ones lock most tokens.
    """

    settings: TokenSettings
    timeout_s: float = TIMEOUT_S
    most_waiting: int = MOST_WAITING
    tell: Callable[[str, Mapping[str, Any]], None] = field(default=lambda event, facts: None, repr=False)
    starts: int = 0
    """How many processes there have been."""
    _child: _Child | None = field(default=None, repr=False)
    _refused: TokenError | None = field(default=None, repr=False)
    _last: TokenError | None = field(default=None, repr=False)
    _failures: int = 0
    _not_before: float = 0.0
    _waiting: int = 0
    _owner: int = field(default_factory=os.getpid, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _count: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _watch: threading.Thread | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self.timeout_s
        with self._turn:
            try:
                self._started(deadline)
            except TimeoutError:
                raise self._late() from None
            except (Gone, ValueError) as error:
                raise self._broke(error) from None
        self._watch = threading.Thread(target=self._keep, name="token-watch", daemon=True)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._watch is not None:
            self._watch.join()
        with self._turn:
            child, self._child = self._child, None
            if child is not None:
                child.channel.close()  # its end of input: it leaves by itself
                try:
                    child.process.wait(END_S)
                except subprocess.TimeoutExpired:
                    child.end()

    @property
    def pid(self) -> int | None:
        """The process that owns the token at this moment."""
        child = self._child
        return child.process.pid if child else None

    def ask(self, head: Mapping[str, Any], octets: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Ask the token. Blocks for `timeout_s` at most; `TokenError`."""
        deadline = time.monotonic() + self.timeout_s
        with self._my_turn(deadline):
            again = True
            while True:
                try:
                    return self._ask(head, octets, deadline)
                except TimeoutError:
                    raise self._late() from None
                except (Gone, ValueError) as error:
                    if not again:
                        raise self._broke(error) from None
                except TokenError as error:
                    if not again or error.trouble not in PASSING:
                        raise
                again = False

    def _ask(self, head: Mapping[str, Any], octets: bytes, deadline: float) -> tuple[dict[str, Any], bytes]:
        child = self._started(deadline)
        try:
            return child.ask(head, octets, deadline)
        except TokenError as error:
            if error.trouble in PASSING:
                self._drop(error)
            raise
        except BaseException as error:
            # An interrupted exchange leaves an answer on its way, which must never reach the next question.
            self._drop(error)
            raise

    def _started(self, deadline: float) -> _Child:
        """The living process; where there is none, a new one, not before its time. Only with the turn."""
        if os.getpid() != self._owner:
            raise TokenError(
                Trouble.DEVICE, "a token belongs to the process that opened it", "open it anew after a fork"
            )
        if self._refused is not None:
            raise self._refused
        if self._stop.is_set():
            raise TokenError(Trouble.DEVICE, "the token is closed")
        if self._child is not None:
            return self._child
        wait = self._not_before - time.monotonic()
        if wait > 0:
            if wait > PATIENCE_S or time.monotonic() + wait >= deadline:
                raise self._last or self._late()
            if self._stop.wait(wait):
                raise TokenError(Trouble.DEVICE, "the token is closed")
        child = self._spawn()
        settings = self.settings
        opening = {"module": str(settings.module), "token": settings.token, "pin_file": str(settings.pin_file)}
        try:
            child.ask(opening, b"", deadline)
        except BaseException as error:
            self._fail(child, error)
            raise
        self._child = child
        self.tell(OPENED, {"token": settings.token, "pid": child.process.pid, "starts": self.starts})
        return child

    def _spawn(self) -> _Child:
        if find_spec("pkcs11") is None:
            raise TokenError(Trouble.MODULE, "python-pkcs11 is not installed", "pip install 'truc-lien-thong[hsm]'")
        ours, theirs = socket.socketpair()
        try:
            # Its standard input is the socket: nothing about the token stands in arguments or environment.
            process = subprocess.Popen([sys.executable, *COMMAND], stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
        except OSError as error:
            ours.close()
            raise TokenError(Trouble.DEVICE, f"the token's process does not start: {error.strerror}") from None
        finally:
            theirs.close()
        self.starts += 1
        return _Child(process, ours, time.monotonic())

    def _drop(self, why: BaseException) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._fail(child, why)

    def _fail(self, child: _Child, why: BaseException) -> None:
        """End a process that did not do its work, and choose when there may be another one."""
        child.end()
        if time.monotonic() - child.began >= HEALTHY_S:
            self._failures = 0
        # The first one is replaced at once: someone waits for its answer.
        wait = min(FIRST_WAIT_S * 2 ** (self._failures - 1), LONGEST_WAIT_S) if self._failures else 0.0
        self._failures += 1
        self._not_before = time.monotonic() + wait
        if isinstance(why, TokenError):
            self._last = why
            if why.trouble is Trouble.PIN:
                self._refused = why
        else:
            self._last = self._late() if isinstance(why, TimeoutError) else self._broke(why)
        facts = {"pid": child.process.pid, "code": child.process.returncode, "wait_s": round(wait, 1)}
        self.tell(ENDED, {"token": self.settings.token, "error": self._last.told, **facts})

    def _late(self) -> TokenError:
        return TokenError(
            Trouble.TIMEOUT, f"the token did not answer within {self.timeout_s:g} s", "is the device busy or unplugged?"
        )

    def _broke(self, why: BaseException) -> TokenError:
        told = f"the token's process broke: {str(why) or type(why).__name__}"
        return TokenError(Trouble.DEVICE, told, "its last words stand on the standard error")

    @contextmanager
    def _my_turn(self, deadline: float) -> Iterator[None]:
        with self._count:
            if self._waiting >= self.most_waiting:
                raise TokenError(
                    Trouble.BUSY, f"{self._waiting} requests wait for the token already", "try again later"
                )
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise self._late()
            try:
                yield
            finally:
                self._turn.release()
        finally:
            with self._count:
                self._waiting -= 1

    def _keep(self) -> None:
        """The watch: a process that died while nobody asked is replaced before somebody does."""
        while not self._stop.wait(LOOK_S):
            if not self._turn.acquire(blocking=False):
                continue  # somebody asks: that finds out by itself
            try:
                child = self._child
                if child is not None and child.process.poll() is not None:
                    self._drop(Gone(f"exit code {child.process.returncode}"))
                if self._child is None and self._refused is None and time.monotonic() >= self._not_before:
                    self._started(time.monotonic() + self.timeout_s)
            except (TokenError, Gone, TimeoutError, ValueError):
                continue  # told by `_fail`, which also chose the next try
            finally:
                self._turn.release()
