"""All places are taken, or all files are open: who rests makes room, who is at work is left alone, others wait."""

from __future__ import annotations

import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from axis.demo.network import HOST
from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import Field, field_of
from tests.faults.points import PLACES, conversation, head_of
from tests.site import HOME_AFFAIRS, OFFICE, until

pytestmark = pytest.mark.faults

BOUND = 16
HEAD_S = 12
SLACK_S = 20.0
SETTING = f'\n[limits]\nconnections = {BOUND}\nhead = "{HEAD_S}s"'
NEAR, FAR = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with field_of(tmp_path, {}, more=SETTING) as made:
        until("the first look is gone", lambda: not established(made))
        yield made


def connections(field: Field) -> list[list[str]]:
    """What the kernel says of the connections at the agencies' listener that the node has open (proc(5))."""
    port, ours = f":{field.site.port:04X}", field.open_files()
    assert field.site.process is not None
    rows = [line.split() for line in Path(f"/proc/{field.site.process.pid}/net/tcp").read_text().splitlines()[1:]]
    return [row for row in rows if row[1].endswith(port) and row[3] == "01" and f"socket:[{row[9]}]" in ours]


def established(field: Field) -> int:
    return len(connections(field))


def unheard(field: Field) -> bool:
    """Whether anything that was sent is not acknowledged yet, by kernels that take their time."""
    return any(not row[4].startswith("00000000:") for row in connections(field))


def metric(field: Field, name: str) -> int:
    with urlopen(f"{field.site.pages}/metrics") as told:
        (line,) = [one for one in told.read().decode().splitlines() if one.startswith(f"{name} ")]
    return int(float(line.rpartition(" ")[2]))


BUSY = 'axis_refusals_total{problem="busy"}'


def plain(field: Field, address: str = NEAR) -> socket.socket:
    return socket.create_connection((HOST, field.site.port), timeout=SLACK_S, source_address=(address, 0))


def line(field: Field, address: str = NEAR) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(field.site.pki.tls_ca))
    return context.wrap_socket(plain(field, address), server_hostname=HOST)


def ask(connection: ssl.SSLSocket, field: Field) -> bool:
    """One request; say whether it was answered."""
    key = field.site.key(field.site.agencies[OFFICE])
    try:
        connection.sendall(f"GET /v1/inbox HTTP/1.1\r\nHost: axis\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        return connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def resting(stack: ExitStack, field: Field, *addresses: str) -> list[ssl.SSLSocket]:
    """Connections that have had an answer each, one after the other."""
    made = []
    for address in addresses:
        made.append(stack.enter_context(closing(line(field, address))))
        assert ask(made[-1], field)
    until("all is heard", lambda: not unheard(field))
    return made


def silent(stack: ExitStack, field: Field, count: int) -> list[socket.socket]:
    """Connections that say nothing."""
    return [stack.enter_context(closing(plain(field))) for _ in range(count)]


def ended(connection: socket.socket, within_s: float) -> bool:
    """Say whether the other side ends a connection on which nothing is said any more."""
    connection.settimeout(within_s)
    try:
        return connection.recv(1) == b""
    except (ConnectionResetError, ssl.SSLEOFError):
        return True
    except (TimeoutError, ssl.SSLWantReadError):
        return False


def turned_away(field: Field, within_s: float = 5) -> bool:
    """Say whether a newcomer hears an end before it has said anything, perhaps before it knows of a beginning."""
    try:
        with closing(plain(field)) as one:
            return ended(one, within_s)
    except ConnectionResetError:
        return True


def gone(connections: Sequence[socket.socket]) -> int:
    return sum(ended(one, 0.01) for one in connections)


@contextmanager
def half_sent(field: Field) -> Iterator[Callable[[], None]]:
    """A submission of which one half is under way inside. Calling it sends the other half: it must be taken."""
    package = field.package((HOME_AFFAIRS,))
    whole = head_of(field, package) + package.octets
    with conversation(field, package) as connection:
        connection.sendall(whole[: -len(package.octets) // 2])

        def rest() -> None:
            connection.sendall(whole[-len(package.octets) // 2 :])
            assert connection.recv(20).startswith(b"HTTP/1.1 202 ")

        yield rest
    field.insist(package)


def test_the_bound_holds_and_who_has_rested_longest_makes_room(field: Field) -> None:
    """F12. Every newcomer is served; nobody is refused."""
    with ExitStack() as stack:
        first = resting(stack, field, *[NEAR] * BOUND)
        assert established(field) == metric(field, "axis_connections") == BOUND
        again = resting(stack, field, *[NEAR] * 6)
        assert established(field) == metric(field, "axis_connections") == BOUND
        assert [ended(one, 5) for one in first[:6]] == [True] * 6
        assert gone((*first[6:], *again)) == 0
        assert all(ask(one, field) for one in (*first[6:], *again))
    until("they are gone", lambda: not established(field))
    assert metric(field, "axis_connections") == 0
    assert metric(field, BUSY) == 0
    assert field.site.said("connections_full") == 1, "told at once, and then not so soon again"
    field.settled()


def test_the_address_that_holds_most_makes_room_for_others(field: Field) -> None:
    """F12. Three of an office that rested first stay; a pool of thirteen gives up its own, for itself too."""
    with ExitStack() as stack:
        few = resting(stack, field, *[FAR] * 3)
        pool = resting(stack, field, *[NEAR] * (BOUND - 3))
        resting(stack, field, FAR, NEAR, FAR)
        assert [ended(one, 5) for one in pool[:3]] == [True] * 3
        assert gone((*few, *pool[3:])) == 0
        assert established(field) == BOUND


def test_a_request_under_way_and_a_head_half_read_are_never_chosen(field: Field) -> None:
    """F12. The only one that rests goes; then newcomers hear an end before TLS."""
    with ExitStack() as stack:
        bodies = [stack.enter_context(half_sent(field)) for _ in range(3)]
        (rests,) = resting(stack, field, NEAR)
        begun = resting(stack, field, *[NEAR] * (BOUND - 4))
        for one in begun:
            one.sendall(b"GET /v1/inbox HTTP/1.1\r\nHost: axis\r\n")
        until("all places are taken", lambda: established(field) == BOUND)
        newcomer = stack.enter_context(closing(line(field)))
        assert ended(rests, 5)
        newcomer.sendall(b"GET ")
        assert [turned_away(field) for _ in range(5)] == [True] * 5
        assert established(field) == BOUND
        assert metric(field, BUSY) == 5
        key = field.site.key(field.site.agencies[OFFICE])
        for one in begun:
            one.sendall(f"Authorization: Bearer {key}\r\n\r\n".encode())
            one.settimeout(SLACK_S)
            assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")
        for rest in bodies:
            rest()
        resting(stack, field, *[NEAR] * 5)
    field.settled()


def full(field: Field, stack: ExitStack) -> list[socket.socket]:
    """Somebody who says nothing has all places."""
    taken = silent(stack, field, BOUND)
    until("all places are taken", lambda: established(field) >= BOUND)
    return taken


def refuses(field: Field) -> None:
    """More who say nothing hear an end at once, not when their time is over."""
    with ExitStack() as stack:
        full(field, stack)
        assert all(turned_away(field, HEAD_S / 3) for _ in range(BOUND)), "never: there is a bound"


def test_a_flood_that_never_speaks_is_refused_and_who_is_at_work_is_served_to_the_end(field: Field) -> None:
    """F44, F12. Two thousand connections, while somebody sends a document."""
    with half_sent(field) as rest:
        before = len(field.open_files())
        refused = 0
        began = time.monotonic()
        with ExitStack() as flood:
            held = silent(flood, field, BOUND - 1)
            until("all places are taken", lambda: established(field) == BOUND)
            while refused < 2_000:
                assert turned_away(field), "refused before TLS"
                refused += 1
            assert time.monotonic() - began < HEAD_S - 1, "the machine is too slow for this test"
            assert established(field) == BOUND
            assert len(field.open_files()) - before < BOUND + 10
            rest()
            assert gone(held) == 0
    until("a newcomer is served", lambda: field.submit(field.last))
    assert metric(field, BUSY) >= 2_000
    assert field.site.said("connections_full") <= 3
    assert field.site.said("request_broke") == 0
    field.settled()


def test_silent_ones_go_when_their_time_is_over_and_newcomers_come(field: Field) -> None:
    """F44. Nobody has to close anything."""
    with ExitStack() as stack:
        taken = full(field, stack)
        assert all(ended(one, HEAD_S + SLACK_S) for one in taken)
        field.insist(field.package((HOME_AFFAIRS,)))
    field.settled()


def limited(field: Field, to: int) -> None:
    """So many files at most, from now on."""
    assert field.site.process is not None
    _soft, hard = resource.prlimit(field.site.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(field.site.process.pid, resource.RLIMIT_NOFILE, (to, hard))


def out_of_files(field: Field) -> None:
    """No more than four connections fit. Who has one goes on; once there are more files, who waits is served."""
    assert field.site.process is not None
    limits = resource.prlimit(field.site.process.pid, resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        (one,) = resting(stack, field, NEAR)
        numbers = {int(path.name) for path in Path(f"/proc/{field.site.process.pid}/fd").iterdir()}
        limited(field, max(numbers) + 4)
        waiting = silent(stack, field, 12)
        until("there are no more files", lambda: field.site.said("accept_failed"))
        assert ask(one, field)
        assert ask(one, field)
        limited(field, limits[0])
        until("newcomers are served", lambda: established(field) == 1 + len(waiting), 3)
        resting(stack, field, NEAR)
        assert field.site.said("accept_failed") == 1, "told once in a while"


def test_a_node_without_more_files_serves_whom_it_has_and_goes_on_afterwards(field: Field) -> None:
    """F12."""
    out_of_files(field)
    field.insist(field.package((HOME_AFFAIRS,)))
    field.settled()


@pytest.mark.parametrize(("broken", "begin"), [*zip(BY_FAULT["F12"], (refuses, out_of_files), strict=True)])
def test_without_its_defence_it_shows(broken: Broken, begin: Callable[[Field], None], tmp_path: Path) -> None:
    with (
        field_of(tmp_path, {}, mutation=broken.mutation, more=SETTING) as field,
        pytest.raises(AssertionError, match=broken.says),
    ):
        begin(field)


def test_an_orderly_end_does_not_wait_for_handshakes(tmp_path: Path) -> None:
    """F78. Nobody comes in any more, who never spoke hears an end, whose request is under way gets its answer."""
    with field_of(tmp_path, PLACES, more=SETTING) as field, ExitStack() as stack:
        until("the first look is gone", lambda: not established(field))
        assert field.site.process is not None
        package = field.package((HOME_AFFAIRS,))
        waiting = silent(stack, field, 5)
        for one in waiting[1:]:
            one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        with field.armed("before commit", pause_s=2.0), conversation(field, package) as connection:
            connection.sendall(head_of(field, package) + package.octets)
            until("the commit has begun", (field.inside / "fired").exists)
            assert established(field) == 1 + len(waiting)
            field.site.process.terminate()
            assert all(ended(one, HEAD_S / 2) for one in waiting)
            with pytest.raises(ConnectionRefusedError):
                plain(field).close()
            assert connection.recv(20).startswith(b"HTTP/1.1 202 ")
        assert field.site.process.wait(30) == 0
        field.site.start()
        field.insist(package)
        field.settled()


def test_the_node_allows_itself_the_files_that_it_needs(tmp_path: Path) -> None:
    """F12. Started with a few, it raises its soft limit."""
    with field_of(tmp_path, {}, more=SETTING, start=False) as field:
        field.site.watcher = ("sh", "-c", 'ulimit -Sn 200; exec "$@"', "sh")
        field.site.start()
        assert field.site.process is not None
        soft, hard = resource.prlimit(field.site.process.pid, resource.RLIMIT_NOFILE)
        assert BOUND + 256 < soft <= hard
