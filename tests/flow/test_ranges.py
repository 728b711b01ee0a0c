"""A large package whose download breaks off is gone on with, by curl and by our own client."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.demo.client import Reply
from axis.demo.network import HOST
from axis.web.ranges import AT_ONCE
from tests.parts import body, related, split
from tests.site import HOME_AFFAIRS, OFFICE, Site, kept_running, problem, until
from tests.tools import need

pytestmark = pytest.mark.slow

LARGE = os.urandom(900_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("ranges"))
    with kept_running(made):
        yield made


@pytest.fixture(params=["inline", "parts"])
def item(site: Site, request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """The path of a delivery's package, and the whole of it."""
    package = site.package(OFFICE, [HOME_AFFAIRS], [LARGE])
    if request.param == "inline":
        taken = site.send(package, OFFICE)
    else:
        envelope, attached = split(package)
        taken = site.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
    assert taken.status == 202, taken.body
    waiting = until("it waits", lambda: site.waiting(HOME_AFFAIRS, taken.json()["document"]))
    path = f"/v1/deliveries/{waiting['delivery']}/package"
    whole = site.get(path, HOME_AFFAIRS)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["etag"] == f'"{taken.json()["package_sha256"]}"'
    return path, whole.body


def asked(site: Site, path: str, **headers: str) -> Reply:
    return site.ask("GET", path, by=HOME_AFFAIRS, headers={one.replace("_", "-"): headers[one] for one in headers})


def test_a_part_is_those_very_octets(site: Site, item: tuple[str, bytes]) -> None:
    path, whole = item
    size = len(whole)
    for first, last in ((0, 0), (0, 99), (300_000, 700_000), (size - 1, size - 1), (10, size - 1)):
        reply = asked(site, path, Range=f"bytes={first}-{last}")
        assert (reply.status, reply.body) == (206, whole[first : last + 1])
        assert reply.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert asked(site, path, Range="bytes=-500").body == whole[-500:]
    assert asked(site, path, Range="bytes=5-", If_Range='"of another"').body == whole, "then it needs all"
    behind = asked(site, path, Range=f"bytes={size}-")
    assert (behind.status, problem(behind.body), behind.json()["bytes"]) == (416, "range-not-satisfiable", size)
    assert asked(site, path, Range="bytes=0-1", range="bytes=5-6").status == 400, "which of them is meant?"


def test_curl_goes_on_where_it_stopped(site: Site, item: tuple[str, bytes], tmp_path: Path) -> None:
    path, whole = item
    target, header = tmp_path / "got", tmp_path / "header"
    target.write_bytes(whole[:123_456])
    header.write_text(f"Authorization: Bearer {site.key(site.agencies[HOME_AFFAIRS])}\n")
    url = f"https://{HOST}:{site.port}{path}"
    command = [need("curl"), "-sS", "--fail", "--cacert", str(site.pki.tls_ca), "-H", f"@{header}", "-C", "-"]
    subprocess.run([*command, "-o", str(target), url], check=True, timeout=60)
    assert target.read_bytes() == whole


class Frail(threading.Thread):
    """A line to the node that breaks whenever it has brought so many octets."""

    def __init__(self, port: int, each: int) -> None:
        super().__init__(daemon=True)
        self.target, self.each, self.broken = port, each, 0
        self.listener = socket.create_server((HOST, 0))
        self.port = int(self.listener.getsockname()[1])

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((HOST, self.target))
                threading.Thread(target=self.forth, args=(near, far), daemon=True).start()
                self.back(near, far)

    def forth(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while octets := near.recv(65_536):
                far.sendall(octets)

    def back(self, near: socket.socket, far: socket.socket) -> None:
        left = self.each
        with suppress(OSError), near, far:
            while octets := far.recv(min(65_536, left)):
                near.sendall(octets)
                left -= len(octets)
                if not left:
                    self.broken += 1
                    near.shutdown(socket.SHUT_RDWR)
                    return


def test_our_own_client_goes_on_over_a_line_that_breaks_again_and_again(
    site: Site, item: tuple[str, bytes], tmp_path: Path
) -> None:
    path, whole = item
    line = Frail(site.port, 300_000)
    line.start()
    key = tmp_path / "key"
    key.write_text(site.key(site.agencies[HOME_AFFAIRS]))
    where = ["--url", f"https://{HOST}:{line.port}", "--ca", str(site.pki.tls_ca), "--api-key-file", str(key)]
    result = CliRunner().invoke(main, ["fetch", path.split("/")[3], "-o", str(tmp_path / "got"), *where])
    line.listener.close()
    assert result.exit_code == 0, result.output
    assert line.broken >= 3
    assert hashlib.sha256((tmp_path / "got").read_bytes()).digest() == hashlib.sha256(whole).digest()


def test_the_end_of_a_package_that_is_damaged_at_its_beginning_is_not_given(site: Site) -> None:
    package = site.package(OFFICE, [HOME_AFFAIRS], [LARGE[::-1]])
    document = site.take(package, OFFICE)["document"]
    sha256 = hashlib.sha256(package).hexdigest()
    file = site.folder / "data" / "blobs" / sha256[:2] / sha256
    path, end = f"/v1/documents/{document}/package", {"Range": "bytes=-1"}
    assert site.ask("GET", path, by=OFFICE, headers=end).body == package[-1:]
    file.write_bytes(b"?" + package[1:])
    reply = site.ask("GET", path, by=OFFICE, headers=end)
    file.write_bytes(package)
    assert (reply.status, problem(reply.body)) == (503, "stored-damaged")
    assert site.ask("GET", path, by=OFFICE, headers=end).body == package[-1:]


@pytest.mark.faults
def test_who_does_not_read_its_parts_gets_no_more_of_them_and_keeps_nobody_else_from_one(site: Site) -> None:
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS], [bytes(30_000_000)]), OFFICE)["document"]
    path, end = f"/v1/documents/{document}/package", {"Range": "bytes=-1"}
    key = site.key(site.agencies[OFFICE])
    head = f"GET {path} HTTP/1.1\r\nHost: axis\r\nRange: bytes=1-\r\nAuthorization: Bearer {key}\r\n\r\n"
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            line = socket.create_connection((HOST, site.port), timeout=30)
            mute = stack.enter_context(context.wrap_socket(line, server_hostname=HOST))
            mute.sendall(head.encode())
            assert mute.recv(12) == b"HTTP/1.1 206"
        refused = site.ask("GET", path, by=OFFICE, headers=end)
        assert (refused.status, problem(refused.body)) == (503, "busy")
        assert site.ask("GET", path, by=HOME_AFFAIRS, headers=end).status == 206
    until("its places are free", lambda: site.ask("GET", path, by=OFFICE, headers=end).status == 206)
