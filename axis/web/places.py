"""Who may be connected to a listener: a place for each connection, from when it is accepted until it is lost.

The servers of asyncio ask nobody before they accept, and know nothing of a connection before its handshake is done. So
the sockets are listened on here, and what is accepted is handed to the loop afterwards.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import socket
import ssl
import struct
import sys
import termios
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from axis.core.crowd import Resting, leaving, origin, overstaying
from axis.core.problems import Kind

log = structlog.get_logger()

BACKLOG: Final = 128
"""Connections that the kernel holds until they are looked at; the library's default."""
PAUSE_S: Final = 0.1
"""After accepting went wrong. Mostly there are no more files, and some are closed within that."""
LOOK_S: Final = 0.1
"""How long one look at all places counts. It costs a millisecond or two, and a flood brings thousands of connections a
second."""
SHARE: Final = 32
"""One place in so many is given up by one look at most: who holds how many has changed by then."""
SILENT_SHARE: Final = 8
"""One place in so many is left to those of one address who owe a handshake or a head, where others need it."""
HASTE_S: Final = 1.0
"""Who is silent for no longer is never taken for one: whole offices connect at once, from one address."""
TOLD_S: Final = 5.0
"""The log tells the same at most so often."""
_ACKED: Final = slice(120, 128)
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Guest(Protocol):
    """What speaks on a connection once it stands."""

    @property
    def resting_since(self) -> float | None:
        """Since when it waits for the next request, with the last answer in the hands of the kernel; `None` while
        anything is under way."""

    @property
    def silent_since(self) -> float | None:
        """Since when a head is owed, none or a part of which has come; `None` while none is."""

    def leave(self) -> None:
        """Close the connection now."""


@dataclass(eq=False, slots=True)
class Place:
    """One connection, accepted and not lost. Whoever speaks on it sits down as its `guest`."""

    number: int
    line: socket.socket
    address: str
    give_back: Callable[[], None]
    """The connection is lost. May be called again."""
    came: float = 0.0
    guest: Guest | None = None
    greeting: asyncio.Task[None] | None = None
    """Sees it through its handshake."""

    @property
    def silent(self) -> Resting | None:
        """Where it owes a handshake or a head."""
        since = self.came if self.guest is None else self.guest.silent_since
        return None if since is None else Resting(since, self.address, self.number)

    def leave(self) -> None:
        if self.guest is not None:
            self.guest.leave()
        elif self.greeting is not None:
            self.greeting.cancel()

    @property
    def resting(self) -> Resting | None:
        since = None if self.guest is None else self.guest.resting_since
        return None if since is None else Resting(since, self.address, self.number)


@dataclass(slots=True)
class Places:
    """At most `bound` connections of one listener. Whom there is no place for counts in `refused`, as BUSY."""

    bound: int
    refused: Counter[Kind] = field(default_factory=Counter)
    clock: Callable[[], float] = time.monotonic
    _open: dict[int, Place] = field(default_factory=dict)
    _held: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0
    _leaving: deque[Resting] = field(default_factory=deque)
    _stale_at: float = 0.0
    _nobody_until: float = 0.0
    _silent: deque[Resting] = field(default_factory=deque)
    _silent_stale_at: float = 0.0
    full: Seldom = field(default_factory=lambda: Seldom("connections_full"))

    @property
    def taken(self) -> int:
        """How many connections are open, those in their handshake among them."""
        return len(self._open)

    def take(self, line: socket.socket, address: str) -> Place | None:
        """A place for what was accepted from `address`: a free one, or that of a connection that is closed for it: one
        that says nothing, of another address that has more than its share of those, or one that rests. `None` where
        there is neither."""
        address = origin(address)
        if len(self._open) >= self.bound:
            if self._silent_one_left(address):
                self.refused[Kind.BUSY] += 1
                self.full.happened("silent_closed", bound=self.bound)
            elif not self._make_room():
                self.refused[Kind.BUSY] += 1
                self.full.happened("refused", bound=self.bound)
                return None
            self.full.happened("made_room", bound=self.bound)
        self._numbers = number = self._numbers + 1
        place = self._open[number] = Place(number, line, address, lambda: self._give_back(number), self.clock())
        self._held[address] += 1
        return place

    def _give_back(self, number: int) -> None:
        place = self._open.pop(number, None)
        if place is None:
            return
        place.guest = None
        self._held[place.address] -= 1
        if not self._held[place.address]:
            del self._held[place.address]

    def _silent_one_left(self, newcomer: str) -> bool:
        """Close one that owes a handshake or a head, of an address that has more than its share of those; never for a
        newcomer of that address: it would pay for a flood of its own, or open the door to it."""
        now = self.clock()
        if now >= self._silent_stale_at:
            share = max(1, self.bound // SILENT_SHARE)
            silent = (one for place in self._open.values() if (one := place.silent) is not None)
            late = [one for one in silent if one.since <= now - HASTE_S]
            self._silent = deque(overstaying(late, share, max(1, len(self._open) // SHARE)))
            self._silent_stale_at = now + LOOK_S
        for _ in range(len(self._silent)):
            one = self._silent.popleft()
            place = self._open.get(one.number)
            if place is None or place.silent != one:
                continue
            if one.address == newcomer:
                self._silent.append(one)
                continue
            place.leave()
            self._give_back(one.number)
            return True
        return False

    def _make_room(self) -> bool:
        now = self.clock()
        if now < self._nobody_until:
            return False
        if now >= self._stale_at:
            self._leaving.clear()
        if self._one_left():
            return True
        self._leaving.extend(self._look())
        self._stale_at = now + LOOK_S
        if self._one_left():
            return True
        self._nobody_until = now + LOOK_S
        return False

    def _look(self) -> list[Resting]:
        """Who goes next, at least one where anybody rests. The kernel is asked only about those who would go."""
        resting = {rest for place in self._open.values() if (rest := place.resting) is not None}
        while resting:
            found = leaving(resting, self._held, max(1, len(self._open) // SHARE))
            if going := [rest for rest in found if _all_sent(self._open[rest.number].line)]:
                return going
            resting.difference_update(found)
        return []

    def _one_left(self) -> bool:
        """Close the next that has to go, unless it has begun something since it was looked at."""
        while self._leaving:
            rest = self._leaving.popleft()
            place = self._open.get(rest.number)
            if place is not None and place.guest is not None and place.guest.resting_since == rest.since:
                place.guest.leave()
                self._give_back(rest.number)  # the loop closes it within its next round
                return True
        return False


@dataclass(slots=True)
class Seldom:
    """An event of the log that may come thousands of times a second: told at once, then as numbers, every five seconds
    for as long as it goes on."""

    event: str
    _counts: Counter[str] = field(default_factory=Counter)
    _facts: dict[str, Any] = field(default_factory=dict)
    _due: asyncio.TimerHandle | None = None

    def happened(self, what: str, **facts: Any) -> None:
        self._counts[what] += 1
        self._facts = facts
        if self._due is None:
            self._tell()

    def _tell(self) -> None:
        self._due = None
        if self._counts:
            log.warning(self.event, **self._facts, **self._counts)
            self._counts.clear()
            self._due = asyncio.get_running_loop().call_later(TOLD_S, self._tell)

    def end(self) -> None:
        """Tell what was not told yet."""
        if self._due is not None:
            self._due.cancel()
            self._tell()
        if self._due is not None:
            self._due.cancel()
            self._due = None


@dataclass(slots=True)
class Door:
    """What comes to the listening sockets gets a place and a protocol, which `welcome` makes and seats there."""

    places: Places
    welcome: Callable[[Place], asyncio.BaseProtocol]
    tls: ssl.SSLContext | None
    handshake: float | None
    listeners: list[socket.socket]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _greeted: set[asyncio.Task[None]] = field(default_factory=set)
    _troubles: Seldom = field(default_factory=lambda: Seldom("accept_failed"))

    def open(self) -> None:
        self._tasks = [asyncio.create_task(self._accept(one)) for one in self.listeners]

    def show(self, tls: ssl.SSLContext) -> None:
        """New connections get these TLS settings; those that stand, or are in their handshake, keep theirs."""
        self.tls = tls

    async def close(self) -> None:
        """Nothing is accepted any more, and handshakes under way end. Connections that stand are their guests'
        business. May be called again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self.listeners:
            one.close()
        for task in self._greeted:
            task.cancel()
        await asyncio.gather(*self._greeted, return_exceptions=True)
        self._troubles.end()
        self.places.full.end()

    async def _accept(self, listener: socket.socket) -> None:
        """Never ends by itself: without it the node would be there for nobody, and nobody would be told."""
        loop = asyncio.get_running_loop()
        while True:
            pause_s = 0.0  # others have their turn, however many come
            try:
                self._enter(*await loop.sock_accept(listener))
                for _ in range(BACKLOG):
                    self._enter(*listener.accept())
            except BlockingIOError:
                pass
            except OSError as error:
                self._troubles.happened("times", error=(error.strerror or str(error)).lower())
                pause_s = PAUSE_S
            except Exception:  # the edge of the service: a bug costs one connection, never those that come after it
                log.exception("accept_broke")
                pause_s = PAUSE_S
            await asyncio.sleep(pause_s)

    def _enter(self, line: socket.socket, address: tuple[Any, ...]) -> None:
        line.setblocking(False)
        place = self.places.take(line, address[0])
        if place is None:
            _refuse(line)
            return
        task = place.greeting = asyncio.create_task(self._greet(place))
        self._greeted.add(task)
        task.add_done_callback(self._greeted.discard)

    async def _greet(self, place: Place) -> None:
        """Hand a connection to the loop and see it through its handshake. Afterwards the guest gives the place back."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: self.welcome(place), place.line, ssl=self.tls, ssl_handshake_timeout=self.handshake
            )
        except OSError:  # it spoke no TLS, not in time, or went away
            place.give_back()
        except Exception:  # the edge of the service: nobody waits for this task, and the place must come back
            log.exception("greeting_broke")
            place.give_back()
        except asyncio.CancelledError:
            place.give_back()
            raise


@asynccontextmanager
async def accepting(
    host: str,
    port: int,
    places: Places,
    welcome: Callable[[Place], asyncio.BaseProtocol],
    tls: ssl.SSLContext | None,
    handshake_s: float,
) -> AsyncIterator[Door]:
    """Accept connections inside, or until the door is closed; a caller has `handshake_s` for TLS. `OSError` where
    nothing can listen there."""
    door = Door(places, welcome, tls, None if tls is None else handshake_s, await _listeners(host, port))
    door.open()
    try:
        yield door
    finally:
        await door.close()


async def _listeners(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of `host`, as `create_server` of asyncio opens them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, kind, protocol, _name, address in dict.fromkeys(found):
            try:
                one = socket.socket(family, kind, protocol)
            except OSError:  # a kind of address that this kernel does not know
                continue
            listeners.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                one.bind(address)
            except OSError as error:
                told = f"cannot listen at {host}, port {port}: {(error.strerror or str(error)).lower()}"
                raise OSError(error.errno, told) from None
            one.listen(BACKLOG)
        if not listeners:
            raise OSError(errno.EADDRNOTAVAIL, f"cannot listen at {host}: it has no address here")
    except BaseException:
        for one in listeners:
            one.close()
        raise
    return listeners


def _refuse(line: socket.socket) -> None:
    """By a reset: an orderly end would leave something in the kernel for a minute, for each of a flood."""
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    line.close()


def _all_sent(line: socket.socket) -> bool:
    """Say whether the other side has everything that was written (SIOCOUTQ, tcp(7)): who reads an answer slowly does
    not rest. Where the kernel does not tell, yes."""
    try:
        return fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, bytes(4)) == bytes(4)
    except OSError:
        return True
    except ValueError:  # closed a moment ago
        return False


def acknowledged(line: socket.socket) -> int:
    """How many octets the other side has taken of all that was ever sent (`tcpi_bytes_acked`, tcp(7)): whoever reads
    nothing has no room for more after a while. 0 where the connection was closed a moment ago."""
    try:
        told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.stop)
    except OSError:
        return 0
    return int.from_bytes(told[_ACKED], sys.byteorder)
