"""Places over real sockets, with guests that rest when told to: how often is looked, who is closed, what is counted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from axis.core.problems import Kind
from axis.devpki import DevPki
from axis.tls import server_context
from axis.web.places import HASTE_S, LOOK_S, Place, Places, Seldom, accepting

HERE = "127.0.0.1"
OTHERS, ELSEWHERE = "127.0.0.2", "127.0.0.3"


@dataclass
class Someone:
    """A guest. `asked` counts how often somebody wanted to know whether it rests."""

    since: float | None = None
    asked: int = 0
    left: bool = False
    silent_since: float | None = None

    @property
    def resting_since(self) -> float | None:
        self.asked += 1
        return self.since

    def leave(self) -> None:
        self.left = True


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with closing(one), closing(other):
        yield one, other


@pytest.fixture
def site_tls(tmp_path: Path) -> ssl.SSLContext:
    paper = DevPki.create(tmp_path, datetime.now(UTC)).tls_server("truc")
    return server_context(paper.certificate, paper.key, ())


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def seated(room: Places, line: socket.socket, *since: float | None) -> list[Someone]:
    found = []
    for one in since:
        place = room.take(line, HERE)
        assert place is not None
        place.guest = guest = Someone(one)
        found.append(guest)
    return found


def test_a_place_is_given_back_once(pair: tuple[socket.socket, socket.socket]) -> None:
    room = Places(2)
    first, second = room.take(pair[0], HERE), room.take(pair[0], HERE)
    assert first is not None
    assert second is not None
    for _ in range(2):
        first.give_back()
    assert room.taken == 1
    assert room.take(pair[0], HERE) is not None
    assert room.taken == 2


def test_nobody_is_looked_for_once_for_a_flood(pair: tuple[socket.socket, socket.socket]) -> None:
    """A thousand newcomers while all are at work cost one look, and the next one comes a tenth of a second later."""

    async def go() -> None:
        clock = Clock()
        room = Places(16, clock=clock)
        guests = await seated(room, pair[0], *[None] * 16)
        for _ in range(1_000):
            assert room.take(pair[0], HERE) is None
        assert [one.asked for one in guests] == [1] * 16
        assert room.refused == {Kind.BUSY: 1_000}
        guests[3].since = 5.0
        assert room.take(pair[0], HERE) is None
        clock.now += LOOK_S
        assert room.take(pair[0], HERE) is not None
        assert [one.left for one in guests].index(True) == 3
        assert room.taken == 16

    asyncio.run(go())


def test_one_look_serves_several_newcomers_and_passes_over_who_has_begun(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    async def go() -> None:
        room = Places(128, clock=Clock())
        guests = await seated(room, pair[0], *map(float, range(128)))
        for _ in range(4):
            assert room.take(pair[0], HERE) is not None
        assert [one.left for one in guests[:5]] == [True] * 4 + [False]
        assert guests[100].asked == 1
        assert room.take(pair[0], HERE) is not None
        guests[5].since = None
        guests[6].since = 7_000.0
        assert room.take(pair[0], HERE) is not None
        assert [place for place, one in enumerate(guests) if one.left] == [0, 1, 2, 3, 4, 7]

    asyncio.run(go())


def test_who_has_not_got_its_whole_answer_does_not_rest(pair: tuple[socket.socket, socket.socket]) -> None:
    """Over TCP: what the kernel still holds of an answer would be waited for, what we hold would be lost."""

    async def go() -> None:
        with socket.create_server((HERE, 0)) as listener, socket.create_connection(listener.getsockname()) as far:
            near, _ = listener.accept()
            with closing(near):
                near.setblocking(False)
                room = Places(2)
                (reads_slowly,) = await seated(room, near, 1.0)
                (rests,) = await seated(room, pair[0], 2.0)
                with suppress(BlockingIOError):
                    while True:
                        near.send(bytes(65_536))
                assert room.take(pair[0], HERE) is not None
                assert (reads_slowly.left, rests.left) == (False, True)
                assert room.take(pair[0], HERE) is None
                far.setblocking(False)
                room._nobody_until = 0
                while room.take(pair[0], HERE) is None:
                    room._nobody_until = 0
                    try:
                        far.recv(1 << 20)
                    except BlockingIOError:
                        await asyncio.sleep(0)
                assert reads_slowly.left

    asyncio.run(go())


def test_those_of_one_address_who_say_nothing_do_not_keep_others_out(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """They go, those who came first before the others, for newcomers of elsewhere, until they have their share."""

    async def go() -> None:
        clock = Clock()
        room = Places(16, clock=clock)
        silent = await seated(room, pair[0], *[None] * 13)
        for number, one in enumerate(silent):
            one.silent_since = 100.0 + number / 100
        (at_work,) = await seated(room, pair[0], None)
        office = room.take(pair[0], OTHERS)
        rests = room.take(pair[0], OTHERS)
        assert office is not None
        assert rests is not None
        office.guest, rests.guest = Someone(silent_since=1.0), Someone(since=1.0)
        assert room.take(pair[0], ELSEWHERE) is not None, "nobody has been silent for long: who rests makes room"
        assert rests.guest is None
        clock.now += HASTE_S + 1
        for _ in range(11):
            newcomer = room.take(pair[0], ELSEWHERE)
            assert newcomer is not None
            newcomer.guest = Someone()
            clock.now += LOOK_S
        assert [one.left for one in silent] == [True] * 11 + [False] * 2
        assert room.take(pair[0], ELSEWHERE) is None, "two are their share"
        assert (at_work.left, office.guest.left, room.taken) == (False, False, 16)
        assert room.refused == {Kind.BUSY: 12}

    asyncio.run(go())


def test_a_newcomer_is_not_let_in_at_the_cost_of_its_own_address(pair: tuple[socket.socket, socket.socket]) -> None:
    """All of a proxy's callers have its address: with it nothing is as if there were no share."""

    async def go() -> None:
        clock = Clock()
        room = Places(16, clock=clock)
        silent = await seated(room, pair[0], *[None] * 16)
        for one in silent:
            one.silent_since = 1.0
        assert room.take(pair[0], HERE) is None
        assert not any(one.left for one in silent)
        assert room.take(pair[0], ELSEWHERE) is not None, "one look serves both"
        assert [one.left for one in silent].count(True) == 1
        assert room.taken == 16

    asyncio.run(go())


@pytest.mark.parametrize(
    ("own", "far", "alike"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_addresses_that_one_subscriber_chooses_among_are_one(
    own: str, far: str, alike: bool, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A flood from a network of IPv6 makes no room for a newcomer of that network, only for others."""

    async def go() -> None:
        clock = Clock()
        room = Places(16, clock=clock)
        for number in range(16):
            place = room.take(pair[0], own.replace("::1", f"::{number + 1}") if "." not in own else own)
            assert place is not None
            place.guest = Someone(silent_since=1.0)
        clock.now += LOOK_S
        assert (room.take(pair[0], far) is None) is alike
        clock.now += LOOK_S
        assert room.take(pair[0], "203.0.113.1") is not None, "the flood is one, and has more than its share"

    asyncio.run(go())


def test_a_handshake_that_others_need_the_place_of_is_ended_and_its_line_closed(site_tls: ssl.SSLContext) -> None:
    async def go() -> None:
        clock = Clock()
        room = Places(16, clock=clock)
        async with accepting(HERE, 0, room, Echo, site_tls, 60.0) as door, asyncio.timeout(20):
            port = door.listeners[0].getsockname()[1]
            mute = [await asyncio.open_connection(HERE, port) for _ in range(16)]
            while room.taken < 16:  # noqa: ASYNC110
                await asyncio.sleep(0)
            clock.now += HASTE_S
            _, stranger = await asyncio.open_connection(HERE, port, local_addr=(OTHERS, 0))
            assert await mute[0][0].read(1) == b""
            assert room.taken == 16
            for _, line in (*mute, (None, stranger)):
                line.close()
            while room.taken:  # noqa: ASYNC110
                await asyncio.sleep(0)

    asyncio.run(go())


def test_what_comes_often_is_told_at_once_and_then_as_a_number() -> None:
    async def go() -> list[tuple[int, int]]:
        seldom = Seldom("connections_full")
        with capture_logs() as told:
            for _ in range(100):
                seldom.happened("refused", bound=16)
            assert len(told) == 1
            assert seldom._due is not None
            seldom._due.cancel()
            seldom._tell()
            seldom.happened("refused", bound=16)
            seldom.end()
        return [(one["refused"], one["bound"]) for one in told]

    assert asyncio.run(go()) == [(1, 16), (99, 16), (1, 16)]


class Echo(asyncio.Protocol):
    def __init__(self, place: Place) -> None:
        self.place = place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.place.give_back()


@asynccontextmanager
async def echoing(host: str, room: Places) -> AsyncIterator[list[int]]:
    """The ports."""
    async with accepting(host, 0, room, Echo, None, 1.0) as door:
        yield [one.getsockname()[1] for one in door.listeners]


async def greeted(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HERE, port)
    try:
        return await reader.read(5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_the_system_may_choose_the_port_and_a_name_has_all_its_addresses() -> None:
    async def go() -> None:
        found = {row[4][0] for row in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
        async with echoing("localhost", Places(16)) as ports:
            assert len(ports) == len(found)
            assert all(ports)
        async with echoing(HERE, Places(16)) as (port,):
            assert await greeted(port) == b"hello"
        with pytest.raises(ConnectionRefusedError):
            await greeted(port)

    asyncio.run(go())


def test_an_address_that_is_taken_is_told_as_one_that_nobody_can_listen_at() -> None:
    async def go() -> None:
        async with echoing(HERE, Places(16)) as (port,):
            with pytest.raises(OSError, match=f"cannot listen at {HERE}, port {port}: address already in use"):
                async with accepting(HERE, port, Places(16), Echo, None, 1.0):
                    pass

    asyncio.run(go())


def test_without_tls_too_the_bound_holds_until_somebody_goes() -> None:
    """On asyncio's own loop."""

    async def go() -> None:
        room = Places(2)
        async with echoing(HERE, room) as (port,), asyncio.timeout(20):
            lines = [await asyncio.open_connection(HERE, port) for _ in range(2)]
            assert [await reader.read(5) for reader, _ in lines] == [b"hello"] * 2
            assert await greeted(port) == b""
            assert room.refused == {Kind.BUSY: 1}
            lines[0][1].close()
            while await greeted(port) != b"hello":
                assert room.taken <= 2
            lines[1][1].close()

    asyncio.run(go())
