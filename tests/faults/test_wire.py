"""A bad network between agencies and their axis: packets are lost, late, out of order, or stop coming at all."""

from __future__ import annotations

import random
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from axis.demo.network import HOST
from tests.faults.field import HEALTH, LARGE, Field, again, field_of
from tests.faults.test_full import established
from tests.faults.wire import FAR, NEAR, Wire, on_a_wire
from tests.history.package import Package
from tests.mutations.edit import Edit, Mutation
from tests.site import HOME_AFFAIRS, until

pytestmark = pytest.mark.faults

HURRIED = Mutation("", (Edit("axis/web/framing.py", "IDLE_S: Final = 120.0", "IDLE_S: Final = 2.0"),))


def seed() -> int:
    found = random.SystemRandom().randrange(1 << 32)
    print(f"seed {found}")
    return found


def at_the_far_end(field: Field, patch: pytest.MonkeyPatch) -> None:
    """Have the node listen at the near end, and every agency that asks it go over the wire."""
    field.site.server = field.site.pki.tls_server("day", ("127.0.0.1", NEAR, FAR))
    again(field)
    written = field.site.config.read_text()
    field.site.config.write_text(written.replace(f'agencies = "{HOST}:', f'agencies = "{NEAR}:'))
    patch.setattr("tests.site.HOST", FAR)
    field.site.start()


def converse(field: Field) -> None:
    """Documents small and large, each sent and sent again; one is fetched and acknowledged."""

    def send(package: Package) -> None:
        receipt = field.insist(package)
        assert field.insist(package) == receipt, "accepted twice"

    packages = [field.package((HOME_AFFAIRS, HEALTH), size=size) for size in (2_000, 2_000, LARGE)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(send, packages))
    (item, *_) = until("something lies there", lambda: field.listed(HOME_AFFAIRS))
    assert until("it is fetched", lambda: field.fetch(HOME_AFFAIRS, item))
    assert until("it is acknowledged", lambda: field.ack(HOME_AFFAIRS, item["delivery"]))


@pytest.mark.parametrize("trouble", ["lost", "late"])
def test_a_bad_network_makes_everything_slower_and_nothing_twice(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F40: three packets of ten are lost. F41: each takes 500 ms, 400 more or less, and overtakes others."""

    def body(wire: Wire) -> None:
        with field_of(tmp_path, {}, start=False) as field:
            at_the_far_end(field, monkeypatch)
            if trouble == "lost":
                wire.loss = 0.3
            else:
                wire.delay_s, wire.jitter_s = 0.5, 0.4
            field.patience_s = 90
            converse(field)
            wire.loss = wire.delay_s = wire.jitter_s = 0.0
            field.settled()
            assert (wire.lost if trouble == "lost" else wire.overtaken) > 20, "the fault never fired"

    on_a_wire(body, seed())


def test_a_caller_that_vanishes_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F43. No FIN, no reset: from one moment on nothing comes from the other side, and nothing gets there."""

    def body(wire: Wire) -> None:
        with field_of(tmp_path, {}, start=False, mutation=HURRIED) as field:
            at_the_far_end(field, monkeypatch)
            field.insist(field.package((HOME_AFFAIRS,)))
            until("nobody is there", lambda: not established(field))
            context = ssl.create_default_context(cafile=str(field.site.pki.tls_ca))
            plain = socket.create_connection((FAR, field.site.port), timeout=20)
            with closing(context.wrap_socket(plain, server_hostname=FAR)) as one:
                one.sendall(b"GET /v1/inbox HTTP/1.1\r\nHost: axis\r\n\r\n")
                assert one.recv(65_536).startswith(b"HTTP/1.1 401 ")
                assert established(field) == 1
                wire.down = True
                until("it is let go", lambda: not established(field), 45)
                assert wire.lost > 0, "the fault never fired"
                wire.down = False
            field.settled()

    on_a_wire(body, seed())
