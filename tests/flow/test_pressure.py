"""Too much, too often, too slowly, no room, no HTTP: refused early, as a problem, and nothing is left."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from axis.core.pressure import PATIENCE_S, Pressure
from axis.core.problems import Kind, Unavailable
from axis.demo.network import HOST
from axis.flow.admission import LOOK_S, MOST_STATUS, Admission
from tests.parts import body, related, split
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem, until

MORE = '[limits]\nat_once = 4\nper_second = 1\nburst = 40\nslowest = "1MB"'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("pressure"), MORE)
    with kept_running(made):
        yield made


def line(site: Site) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    return context.wrap_socket(socket.create_connection((HOST, site.port), timeout=60), server_hostname=HOST)


def head(site: Site, size: int, by: str = OFFICE, more: str = "") -> bytes:
    return (
        f"POST /v1/documents HTTP/1.1\r\nHost: axis\r\nAuthorization: Bearer {site.key(site.agencies[by])}\r\n"
        f"Content-Type: {related()['Content-Type']}\r\nContent-Length: {size}\r\n{more}\r\n"
    ).encode()


def answer(connection: ssl.SSLSocket) -> tuple[int, dict[str, str], bytes]:
    """One answer, read as octets."""
    octets = b""
    while b"\r\n\r\n" not in octets and (piece := connection.recv(65_536)):
        octets += piece
    told, _, rest = octets.partition(b"\r\n\r\n")
    first, *lines = told.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    while len(rest) < int(headers["content-length"]):
        rest += connection.recv(65_536)
    return int(first.split()[1]), headers, rest


@pytest.mark.slow
@pytest.mark.faults
def test_whoever_has_too_many_under_way_is_told_before_anything_is_read(site: Site) -> None:
    """Two bodies that do not come are half of four: the next of that connection is refused, another's is taken."""
    envelope, attached = split(site.package(OFFICE, [HOME_AFFAIRS]))
    whole = body(envelope, attached)
    with ExitStack() as stack:
        waiting = [stack.enter_context(closing(line(site))) for _ in range(2)]
        for one in waiting:
            one.sendall(head(site, len(whole)) + whole[:10])

        def refused() -> tuple[int, dict[str, str], bytes] | None:
            with closing(line(site)) as other:
                other.sendall(head(site, len(whole)))
                other.settimeout(0.5)
                try:
                    return answer(other)
                except TimeoutError:
                    return None

        status, headers, told = until("busy", refused)
        assert (status, problem(told), headers["retry-after"]) == (503, "busy", "2")
        assert headers["content-type"] == "application/problem+json"
        assert site.send(site.package(HOME_AFFAIRS, [OFFICE]), HOME_AFFAIRS).status == 202
        for one in waiting:
            one.sendall(whole[10:])
        assert [answer(one)[0] for one in waiting] == [202, 202]
    assert site.send(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE).status == 202


@pytest.mark.slow
@pytest.mark.faults
def test_whoever_asks_before_sending_is_told_to_go_on_only_when_the_body_is_wanted(site: Site) -> None:
    envelope, attached = split(site.package(FINANCE, [HOME_AFFAIRS]))
    whole = body(envelope, attached)
    asking = "Expect: 100-continue\r\n"
    with closing(line(site)) as connection:
        connection.sendall(head(site, len(whole), FINANCE, asking))
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(whole)
        assert answer(connection)[0] == 202
    for size, by, more, status in (
        (1 << 40, FINANCE, asking, 413),
        (9, "nobody", asking, 401),
        (9, FINANCE, "Expect: 200-ok\r\n", 400),
    ):
        octets = head(site, size, FINANCE, more)
        if by == "nobody":
            octets = octets.replace(b"Bearer axk_", b"Bearer axk_0")
        with closing(line(site)) as connection:
            connection.sendall(octets)
            assert answer(connection)[0] == status, "the first thing that is said"


@pytest.mark.slow
@pytest.mark.faults
def test_what_is_not_http_is_answered_with_a_problem_that_quotes_nothing(site: Site) -> None:
    for octets in (
        b"SECRET / HTTP/9.9\r\n\r\n",
        b"POST /v1/documents HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nSECRET",
        b"POST /v1/documents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\nSECRET",
        b"GET /v1/inbox HTTP/1.1\r\nHost: a\r\nX-A: SECRET\0\r\n\r\n",
        b"GET /" + b"SECRET" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        with closing(line(site)) as connection:
            connection.sendall(octets)
            status, headers, told = answer(connection)
            assert (status, headers["content-type"]) == (400, "application/problem+json"), octets[:60]
            assert json.loads(told)["type"] == "urn:axis:problem:bad-request"
            assert b"SECRET" not in told
            assert connection.recv(1) == b"", "nobody knows where the next request would begin"


@pytest.mark.slow
@pytest.mark.faults
def test_whoever_comes_too_often_is_told_when_to_come_again(site: Site) -> None:
    package = site.package(OFFICE, [HOME_AFFAIRS])
    for _ in range(80):
        reply = site.send(package, OFFICE)
        if reply.status != 202:
            break
    assert (reply.status, problem(reply.body), reply.headers["retry-after"]) == (429, "rate-limited", "1")
    assert site.get("/v1/inbox", OFFICE).status == 200, "only bringing is counted"
    assert site.send(site.package(HOME_AFFAIRS, [OFFICE]), HOME_AFFAIRS).status == 202, "each connection by itself"


@pytest.mark.slow
@pytest.mark.faults
def test_a_body_that_comes_too_slowly_is_cut_and_leaves_nothing(site: Site) -> None:
    before = site.state()
    spool = site.folder / "data" / "blobs" / "spool"
    with closing(line(site)) as connection:
        connection.sendall(head(site, 9_000_000, FINANCE))
        envelope, _ = split(site.package(FINANCE, [HOME_AFFAIRS]))
        start = body(envelope, []).rpartition(b"--ranh-gioi--")[0]
        start += b"--ranh-gioi\r\nContent-Type: image/png\r\nContent-ID: <tep-0>\r\n\r\n" + bytes(400_000)
        connection.sendall(start)
        until("something is spooled", lambda: list(spool.glob("*")))
        connection.settimeout(PATIENCE_S + 20)
        status, headers, told = answer(connection)
    assert (status, problem(told), "retry-after" in headers) == (408, "too-slow", True)
    until("the spool is empty", lambda: not list(spool.glob("*")))
    assert site.state() == before


@pytest.mark.slow
@pytest.mark.faults
def test_a_node_without_room_takes_no_documents_and_lets_go_of_those_it_has(tmp_path: Path) -> None:
    """The water mark is raised above any disk between two starts."""
    made = Site(tmp_path / "full")
    with kept_running(made):
        document = made.take(made.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["document"]
        assert made.stop() == 0
        made.more = '[limits]\nmin_free = "900000000GB"'
        made.configure()
        made.start()
        before = made.state()
        small, (envelope, attached) = made.package(OFFICE, [HOME_AFFAIRS]), split(made.package(OFFICE, [HOME_AFFAIRS]))
        replies = [
            made.send(small, OFFICE),
            made.send(made.package(OFFICE, [HOME_AFFAIRS], [bytes(100_000)]), OFFICE),
            made.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related()),
        ]
        assert {(one.status, problem(one.body), one.headers["retry-after"]) for one in replies} == {
            (503, "store-unavailable", "60")
        }
        assert made.state() == before
        made.receive(HOME_AFFAIRS, document)
        assert made.status(HOME_AFFAIRS, document, "03").status == 202


# --- without a node


def test_below_the_water_mark_documents_wait_and_statuses_go_on() -> None:
    room = [99]
    door = Admission(Pressure(min_free=50), free=lambda: room[0])
    door.enter("a", MOST_STATUS + 1)
    room[0] = 49
    with pytest.raises(Unavailable) as error:
        door.enter("a", MOST_STATUS + 1)
    assert (error.value.problem.kind, error.value.retry_after_s) == (Kind.STORE_UNAVAILABLE, 60)
    door.enter("a", MOST_STATUS)
    with pytest.raises(Unavailable):
        door.refuse_without_room()


def test_who_leaves_makes_room_for_the_next() -> None:
    door = Admission(Pressure(at_once=4))
    for name in ("a", "a", "b"):
        door.enter(name, 1)
    with pytest.raises(Unavailable):
        door.enter("a", 1)
    door.leave("a")
    door.enter("a", 1)
    door.enter("b", 1)
    with pytest.raises(Unavailable) as error:
        door.enter("c", 1)
    assert error.value.problem.kind is Kind.BUSY
    for name in ("a", "a", "b"):
        door.leave(name)
    door.enter("c", 1)


def test_the_disk_is_looked_at_anew_in_a_moment_where_there_is_ample_room_and_else_each_time() -> None:
    time, room = [1.0], [100]
    looks = []
    door = Admission(Pressure(min_free=50), lambda: time[0], lambda: looks.append(time[0]) or room[0])  # type: ignore[func-returns-value]
    for _ in range(3):
        door.refuse_without_room()
    assert looks == [1.0]
    time[0], room[0] = 1.0 + LOOK_S, 99
    for _ in range(3):
        door.refuse_without_room()
    assert looks == [1.0, *[1.0 + LOOK_S] * 3]
    room[0] = 49
    for _ in range(2):
        with pytest.raises(Unavailable):
            door.refuse_without_room()
    assert len(looks) == 6


async def pieces(*sizes: int, forever: bool = False) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)
    if forever:
        await asyncio.get_running_loop().create_future()


async def test_only_waiting_counts_against_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node may take its time between two pieces; a body that stops is cut after the patience that is left."""
    monkeypatch.setattr("axis.flow.admission.PATIENCE_S", 0.2)
    loop = asyncio.get_running_loop()
    door = Admission(Pressure(slowest=1_000), clock=loop.time)
    got = []
    async for piece in door.paced(pieces(1, 1, 1)):
        got.append(piece)
        await asyncio.sleep(0.15)
    assert len(got) == 3
    stopped = door.paced(pieces(500, 10, forever=True))
    assert [len(await anext(stopped)), len(await anext(stopped))] == [500, 10]
    with pytest.raises(Unavailable) as error:
        await anext(stopped)
    assert error.value.problem.kind is Kind.TOO_SLOW
