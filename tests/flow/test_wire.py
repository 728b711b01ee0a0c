"""Requests as somebody writes them who means harm: each has one meaning, and its answer is as long as it says."""

from __future__ import annotations

import gzip
import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from axis.demo.network import HOST
from tests.parts import body, related, split
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("wire"))
    listed = made.config.read_text().replace("\n[trust]", '\noperator_names = ["truc.example"]\n[trust]')
    made.config.write_text(listed)
    with kept_running(made):
        yield made


def bearer_of(site: Site, by: str) -> str:
    return f"Authorization: Bearer {site.key(site.agencies[by])}"


def line(site: Site) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    return context.wrap_socket(socket.create_connection((HOST, site.port), timeout=30), server_hostname=HOST)


def said(site: Site, *requests: Sequence[str], body: bytes = b"") -> bytes:
    """What comes back for requests that are written one behind the other on one connection, until its end."""
    lines = [[*request[:1], "Host: truc", *request[1:]] for request in requests]
    lines[-1].append("Connection: close")
    octets = b"".join("\r\n".join([*each, "", ""]).encode() for each in lines) + body
    with line(site) as connection:
        connection.sendall(octets)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def test_an_answer_to_head_has_no_octets_of_the_package(site: Site) -> None:
    """They are the sender's to choose, and whoever reads on would take them for the answer to the next request: of a
    proxy's connection, of another agency's."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS], [forged + b"x" * 100_000]), OFFICE)["document"]
    item = site.waiting(HOME_AFFAIRS, document)
    assert item is not None
    key = bearer_of(site, HOME_AFFAIRS)
    for path in (f"/v1/deliveries/{item['delivery']}/package", f"/v1/documents/{document}/package"):
        size = len(site.get(path, HOME_AFFAIRS).body)
        assert size > 100_000
        answer = said(site, [f"HEAD {path} HTTP/1.1", key], ["GET /v1/inbox?limit=1 HTTP/1.1", key])
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert f"\r\nContent-Length: {size}\r\n".encode() in head
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
        assert rest.count(b"HTTP/1.1 ") == 1, "one answer behind the other, and nothing between"
    site.receive(HOME_AFFAIRS, document)


@pytest.mark.parametrize(("first", "second"), [(HOME_AFFAIRS, FINANCE), (HOME_AFFAIRS, HOME_AFFAIRS)])
def test_who_shows_two_keys_is_nobody(first: str, second: str, site: Site) -> None:
    answer = said(site, ["GET /v1/inbox HTTP/1.1", bearer_of(site, first), bearer_of(site, second)])
    assert answer.startswith(b"HTTP/1.1 401 "), answer[:40]


def test_a_key_opens_nothing_beside_the_certificate_of_somebody_else(site: Site) -> None:
    own, other = site.doors[HOME_AFFAIRS], site.doors[FINANCE]
    assert site.ask("GET", "/v1/inbox", by=HOME_AFFAIRS, certificate=own).status == 200
    assert site.ask("GET", "/v1/inbox", by=HOME_AFFAIRS, certificate=other).status == 401


def test_a_compressed_package_is_not_taken_behind_a_header_that_says_otherwise(site: Site) -> None:
    """What is measured at the door is the octets that come, not what they unfold to."""
    package = gzip.compress(site.package(OFFICE, [HOME_AFFAIRS]))
    before = site.state()
    answer = said(
        site,
        [
            "POST /v1/documents HTTP/1.1",
            bearer_of(site, OFFICE),
            "Content-Type: application/xml",
            "Content-Encoding: identity",
            "Content-Encoding: gzip",
            f"Content-Length: {len(package)}",
        ],
        body=package,
    )
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:40]
    assert site.state() == before


def test_a_package_that_is_not_fetched_to_its_end_leaves_no_file_open(site: Site) -> None:
    """Nor does one whose line breaks: a few thousand of them would be all files that the node may have."""
    envelope, attached = split(site.package(OFFICE, [HOME_AFFAIRS], [os.urandom(8_000_000)]))
    reply = site.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
    document = reply.json()["document"]
    asked = f"GET /v1/documents/{document}/package HTTP/1.1\r\nHost: axis\r\n{bearer_of(site, HOME_AFFAIRS)}\r\n\r\n"
    for _ in range(3):
        with closing(line(site)) as connection:
            connection.sendall(asked.encode())
            assert connection.recv(20).startswith(b"HTTP/1.1 200 ")
    until("no file is open", lambda: not site.open_blobs())
    site.receive(HOME_AFFAIRS, document)


def test_a_line_that_turns_into_rubbish_is_a_caller_that_went_away(site: Site) -> None:
    """Not our mistake: it would be told to whoever is on duty."""
    before = site.said("caller_went_away")
    begun = f"POST /v1/documents HTTP/1.1\r\nHost: axis\r\n{bearer_of(site, OFFICE)}\r\n"
    with closing(socket.create_connection((HOST, site.port), timeout=30)) as plain:
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
        secure = context.wrap_bio(coming, going, server_hostname=HOST)
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(going.read())
                coming.write(plain.recv(65_536))
        secure.write(f"{begun}Content-Type: application/xml\r\nContent-Length: 1000\r\n\r\n<edXML".encode())
        plain.sendall(going.read())
        time.sleep(0.3)
        plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        until("it went away", lambda: site.said("caller_went_away") > before)
    assert site.said("request_broke") == 0


MEANT_HARM = {
    "two lengths": ["POST /v1/statuses HTTP/1.1", "Content-Length: 2", "Content-Length: 3"],
    "a length and pieces": ["POST /v1/statuses HTTP/1.1", "Content-Length: 2", "Transfer-Encoding: chunked"],
    "two encodings": ["POST /v1/statuses HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    "a signed length": ["POST /v1/statuses HTTP/1.1", "Content-Length: +2"],
    "two types": ["POST /v1/documents HTTP/1.1", "Content-Type: application/xml", "Content-Type: text/plain"],
    "a space before the colon": ["GET /v1/inbox HTTP/1.1", "Accept : */*"],
    "a folded line": ["GET /v1/inbox HTTP/1.1", "Accept: a\r\n b"],
    "two hosts": ["GET /v1/inbox HTTP/1.1", "Host: another"],
}


@pytest.mark.parametrize("name", MEANT_HARM)
def test_a_request_with_two_meanings_has_none(name: str, site: Site) -> None:
    answer = said(site, [*MEANT_HARM[name], bearer_of(site, OFFICE)])
    assert answer.split(b" ", 2)[1] == b"400", answer[:60]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET //v1/inbox", b"404"),
        ("GET /v1/inbox/", b"404"),
        ("GET /v1/./inbox", b"404"),
        ("GET /v1/documents/../inbox", b"404"),
        ("GET /v1/documents/%2e%2e/inbox", b"404"),
        ("GET /v1/inbox;a", b"404"),
        ("GET /v1/inbox%00", b"404"),
        ("GET /v1/log/tile/0/%2e%2e/%2e%2e/x", b"404"),
        ("TRACE /v1/inbox", b"405"),
        ("DELETE /v1/inbox", b"405"),
    ],
)
def test_a_path_is_what_it_says(line: str, status: bytes, site: Site) -> None:
    answer = said(site, [f"{line} HTTP/1.1", bearer_of(site, OFFICE), "X-HTTP-Method-Override: GET"])
    assert answer.split(b" ", 2)[1] == status, answer[:60]


def shown(site: Site, host: str, path: str) -> tuple[int, bytes]:
    """What the operator's listener answers to a browser that was led there under a name."""
    with closing(http.client.HTTPConnection(HOST, site.operator, timeout=30)) as connection:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("host", ["evil.example:{}", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", ""])
def test_the_operators_pages_are_not_shown_under_another_name(host: str, site: Site) -> None:
    """A stranger's page in the operator's browser, whose name has come to lead to this machine."""
    document = site.take(site.package(OFFICE, [FINANCE]), OFFICE)["document"]
    for path in ("/", "/documents", f"/documents/{document}", "/operator/queue/destinations"):
        status, body = shown(site, host.format(site.operator), path)
        assert (status, document.encode() in body) == (400, False), path
    assert shown(site, host.format(site.operator), "/healthz")[0] == 200, "probes come by all sorts of names"


def test_they_are_shown_by_address_and_under_names_that_are_listed(site: Site) -> None:
    document = site.take(site.package(OFFICE, [FINANCE]), OFFICE)["document"]
    for host in (f"127.0.0.1:{site.operator}", "localhost:9999", "[::1]:9443", "Truc.example:80"):
        status, body = shown(site, host, "/documents")
        assert (status, document.encode() in body) == (200, True), host


def test_a_get_does_nothing_whatever_method_it_names_beside(site: Site) -> None:
    document = site.take(site.package(OFFICE, [FINANCE]), OFFICE)["document"]
    item = site.waiting(FINANCE, document)
    assert item is not None
    line = f"GET /v1/deliveries/{item['delivery']}/ack HTTP/1.1"
    answer = said(site, [line, bearer_of(site, FINANCE), "X-HTTP-Method-Override: POST"])
    assert answer.split(b" ", 2)[1] == b"405"
    assert site.waiting(FINANCE, document) == item
