"""Connections that never finish what they begin: a handshake, a head, a body, or the rest between two requests."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from axis.demo.network import HOST, free_ports
from axis.web.framing import listening
from axis.web.places import Places
from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import Field, field_of
from tests.mutations.edit import Edit, Mutation
from tests.site import HOME_AFFAIRS, OFFICE, until

pytestmark = pytest.mark.faults

MANY = 500
HEAD_S = 8
BEGUN = b"POST /v1/documents HTTP/1.1\r\nHost: axis\r\nX-Slow: "
SLACK_S = 20.0
"""For two busy cores to get to it; asyncio's own patience with a handshake is sixty seconds."""


def setting(head_s: int) -> str:
    return f'\n[limits]\nhead = "{head_s}s"'


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with field_of(tmp_path, {}, more=setting(HEAD_S)) as made:
        yield made


@contextmanager
def lines(field: Field, count: int) -> Iterator[list[ssl.SSLSocket]]:
    """Connections with their handshake done."""
    context = ssl.create_default_context(cafile=str(field.site.pki.tls_ca))
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            plain = stack.enter_context(closing(socket.create_connection((HOST, field.site.port), timeout=20)))
            made.append(stack.enter_context(closing(context.wrap_socket(plain, server_hostname=HOST))))
        yield made


def served(field: Field) -> set[str]:
    """The connections that the node has open, as the inodes of its sockets."""
    return {name for name in field.open_files() if name.startswith("socket:")}


def still_open(connections: Sequence[ssl.SSLSocket]) -> list[ssl.SSLSocket]:
    """Those which take another octet of their head, and have not heard of an end."""
    found = []
    for one in connections:
        one.setblocking(False)
        try:
            one.sendall(b"a")
            one.recv(1)  # what comes is the end, or nothing
        except ssl.SSLWantReadError:
            found.append(one)
        except OSError:
            continue
    return found


def trickle(field: Field, connections: Sequence[ssl.SSLSocket], patience_s: float) -> None:
    """Send every connection an octet a second until the node has ended them all."""
    left, deadline = list(connections), time.monotonic() + patience_s
    while left := still_open(left):
        assert time.monotonic() < deadline, f"never: they are let go, {len(left)} are there"
        time.sleep(1)


def test_five_hundred_heads_that_never_end_are_let_go_and_others_are_served_meanwhile(field: Field) -> None:
    """F44."""
    before = len(served(field))
    with lines(field, MANY) as slow:
        for one in slow:
            one.sendall(BEGUN)
        held = len(still_open(slow))
        assert held >= MANY // 2, "the fault would be none"
        assert len(served(field)) - before >= held - 1  # who asked first whether the node is there may have gone
        field.insist(field.package((HOME_AFFAIRS,)))
        assert field.empty(HOME_AFFAIRS) == 1
        trickle(field, slow, HEAD_S + SLACK_S)
        until("the node has let go of them", lambda: len(served(field)) <= before + 2)
    assert field.site.said("head_too_slow") == MANY
    assert field.site.said("request_broke") == 0
    field.settled()


def test_a_handshake_that_never_ends_is_let_go(field: Field) -> None:
    """F44. One says nothing, one stops in the middle of its hello."""
    before = served(field)
    with ExitStack() as stack:
        silent = [
            stack.enter_context(closing(socket.create_connection((HOST, field.site.port), timeout=20)))
            for _ in range(10)
        ]
        for one in silent[1:]:
            one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        until("the node has them", lambda: len(served(field) - before) >= 10)
        for one in silent:
            hear_the_end(one, HEAD_S + SLACK_S)
        until("the node has let go of them", lambda: not served(field) - before)
    field.settled()


def test_a_later_head_counts_and_a_rest_between_two_requests_does_not(tmp_path: Path) -> None:
    """F44. The same connection: a request, a rest longer than any head may take, a request, a head without end."""
    with field_of(tmp_path, {}, more=setting(1)) as field, lines(field, 1) as (one,):
        for rest_s in (2.0, 0.0):
            one.sendall(f"GET /v1/log/checkpoint HTTP/1.1\r\nHost: axis\r\n{key(field)}\r\n".encode())
            assert one.recv(65_536).startswith(b"HTTP/1.1 ")
            time.sleep(rest_s)
        assert field.site.said("head_too_slow") == 0
        one.sendall(BEGUN)
        trickle(field, [one], SLACK_S)
        assert field.site.said("head_too_slow") == 1


def key(field: Field) -> str:
    return f"Authorization: Bearer {field.site.key(field.site.agencies[OFFICE])}\r\n"


def test_a_rest_between_two_requests_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """F44. Otherwise one good request would buy an hour."""
    monkeypatch.setattr("axis.web.framing.IDLE_S", 0.3)
    (port,) = free_ports(1)

    async def rested() -> float:
        async with listening(web.Application(), HOST, port, None, timedelta(seconds=20), Places(16)):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET / HTTP/1.1\r\nHost: axis\r\n\r\n")
            began = time.monotonic()
            async with asyncio.timeout(10):
                assert (await reader.read()).startswith(b"HTTP/1.1 404")
            writer.close()
            return time.monotonic() - began

    assert asyncio.run(rested()) >= 0.3


HURRIED = Edit("axis/core/pressure.py", "PATIENCE_S: Final = 30.0", "PATIENCE_S: Final = 1.0")


def cut(field: Field, path: str) -> None:
    """A status that is announced and does not come: 408."""
    with lines(field, 1) as (one,):
        head = f"POST {path} HTTP/1.1\r\nHost: axis\r\n{key(field)}Content-Type: application/json\r\n"
        one.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        one.settimeout(SLACK_S / 2)
        try:
            told = one.recv(65_536)
        except TimeoutError:
            raise AssertionError("never: it is told") from None
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"urn:axis:problem:too-slow" in told


def test_a_small_body_that_never_ends_is_cut_too(tmp_path: Path) -> None:
    """F45. What is small enough for memory is not counted by its rate."""
    with field_of(tmp_path, {}, mutation=Mutation("", (HURRIED,))) as field:
        for path in ("/v1/statuses", f"/v1/documents/{'0' * 26}/statuses"):
            cut(field, path)
        field.insist(field.package((HOME_AFFAIRS,)))
        field.settled()


def test_without_its_time_a_small_body_is_waited_for(tmp_path: Path) -> None:
    (broken,) = BY_FAULT["F45"]
    with (
        field_of(tmp_path, {}, mutation=Mutation("", (HURRIED, *broken.mutation.edits))) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        cut(field, "/v1/statuses")


def hear_the_end(connection: socket.socket, patience_s: float) -> None:
    """The other side ends a connection on which nothing more is said."""
    connection.settimeout(patience_s)
    try:
        assert connection.recv(1) == b""
    except ConnectionResetError:
        return
    except TimeoutError:
        raise AssertionError("never: they are let go") from None


def begin_a_handshake(field: Field) -> None:
    with closing(socket.create_connection((HOST, field.site.port), timeout=20)) as silent:
        hear_the_end(silent, SLACK_S / 2)


def begin_heads(field: Field) -> None:
    with lines(field, 3) as slow:
        for one in slow:
            one.sendall(BEGUN)
        trickle(field, slow, SLACK_S / 2)


@pytest.mark.parametrize(("broken", "begin"), [*zip(BY_FAULT["F44"], (begin_heads, begin_a_handshake), strict=True)])
def test_without_its_defence_they_stay(broken: Broken, begin: Callable[[Field], None], tmp_path: Path) -> None:
    with (
        field_of(tmp_path, {}, mutation=broken.mutation, more=setting(1)) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        begin(field)
