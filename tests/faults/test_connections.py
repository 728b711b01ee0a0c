"""What connections can do to a node: break in the middle, go away during a commit, lead to a stranger."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from axis.devpki import DevPki
from tests.faults.field import LARGE, Field, field_of
from tests.faults.points import PLACES, conversation, head_of
from tests.flow.receiver import Receiver
from tests.site import OFFICE, Site, row, until

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with field_of(tmp_path_factory.mktemp("connections"), PLACES) as field:
        yield field


@pytest.fixture
def field(shared: Field) -> Field:
    shared.quiet()
    return shared


def stored(field: Field, document_id: str) -> int:
    return len(field.site.rows("SELECT ref FROM document WHERE document_id = ?", document_id))


def test_a_reset_in_the_middle_of_the_answer(field: Field) -> None:
    """F42. The sender asks again and has one receipt."""
    package = field.package()
    with conversation(field, package) as connection:
        connection.sendall(head_of(field, package) + package.octets)
        assert connection.recv(20).startswith(b"HTTP/1.1 202")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert stored(field, package.document_id) == 1
    field.insist(package)
    field.submit(package)
    field.settled()


def test_a_client_that_goes_away_in_the_middle_of_its_body(field: Field) -> None:
    """F46. It declared more than it sent."""
    package = field.package(size=4 * LARGE)
    with conversation(field, package) as connection:
        connection.sendall(head_of(field, package) + package.octets[: len(package.octets) // 2])
        until("half of it is spooled", lambda: any(path.stat().st_size for path in field.spooled()))
    until("the spool is empty", lambda: not field.spooled(), 60)
    assert stored(field, package.document_id) == 0
    field.insist(package)
    field.settled()


def test_a_client_that_goes_away_during_the_commit(field: Field) -> None:
    """F47. The commit lands; the sender asks again and has the receipt of what was stored."""
    package = field.package()
    with field.armed("before commit", pause_s=1.0):
        with conversation(field, package) as connection:
            connection.sendall(head_of(field, package) + package.octets)
            until("the commit has begun", (field.inside / "fired").exists)
        until("it is stored", lambda: stored(field, package.document_id))
    field.insist(package)
    assert stored(field, package.document_id) == 1
    field.settled()


AGENCIES = {"expired": "000.00.31.H99", "elsewhere": "000.00.32.H99", "stranger": "000.00.33.H99"}


def test_an_address_whose_certificate_is_wrong_is_given_nothing(tmp_path: Path) -> None:
    """F53. Expired, of another host, of an authority that is not believed."""
    site = Site(tmp_path, '[delivery]\nlease = "3s"\nfirst_retry = "200ms"\nretry_ceiling = "1s"')
    long_ago = DevPki(site.pki.folder, datetime.now(UTC) - timedelta(days=900))
    papers = {
        "expired": long_ago.tls_server("het-han"),
        "elsewhere": site.pki.tls_server("noi-khac", ("noi-khac.example.vn",)),
        "stranger": site.pki.tls_server("nguoi-la"),
    }
    with ExitStack() as stack:
        far = {name: stack.enter_context(Receiver(papers[name])) for name in AGENCIES}
        for name, code in AGENCIES.items():
            site.signers[code] = site.pki.signer(code)
            site.registry += row(code, site.signers[code])
            believed = "" if name == "stranger" else f'ca = "{site.pki.tls_ca}"\n'
            site.endpoints += (
                f'[[endpoint]]\nname = "{name}"\nadapter = "http-push"\nagencies = ["{code}"]\n'
                f'url = "{far[name].url}"\n{believed}[[route]]\nprefix = "{code}"\nendpoint = "{name}"\n'
            )
        site.configure()
        site.start()
        stack.callback(site.kill)
        document = site.take(site.package(OFFICE, list(AGENCIES.values())), OFFICE)["document"]

        def tried() -> bool:
            found = site.facts(document, OFFICE)["deliveries"]
            return len(found) == 3 and all(one["attempts"] >= 2 for one in found)

        until("each was tried twice", tried)
        assert {one["state"] for one in site.facts(document, OFFICE)["deliveries"]} <= {"queued", "leased"}
        assert [one.got for one in far.values()] == [[], [], []]
        log = site.log.read_bytes()
        for said in (b"certificate has expired", b"not valid for", b"unable to get local issuer"):
            assert said in log, said
