"""Packages in parts: taken, judged, given out and pushed as they came, and one document with the inline form."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import pytest

from axis.demo.client import Reply
from axis.demo.network import HOST
from schemas.multipart import MOST_PARTS
from schemas.structure import Element
from tests.flow.receiver import Receiver
from tests.parts import BOUNDARY, Raw, body, part, related, split, taken_apart
from tests.signers import SignersSite, changed
from tests.site import HOME_AFFAIRS, OFFICE, Site, kept_running, problem, pushed, row, until

pytestmark = pytest.mark.slow

HEALTH, NAME = "000.00.15.H99", "so-y-te"
MAX_BYTES = 3_000_000
LARGE = os.urandom(700_000)
SMALL = b"noi dung phu luc"


@pytest.fixture(scope="module")
def far() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(far: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignersSite]:
    made = SignersSite(tmp_path_factory.mktemp("parts"), f'[limits]\nmax_bytes = "{MAX_BYTES}B"', hurried=True)
    made.registry += row(HEALTH)
    made.endpoints += pushed(NAME, HEALTH, far.url)
    made.configure()
    with kept_running(made):
        yield made
    spool = made.folder / "data" / "blobs" / "spool"
    assert not list(spool.glob("*")), "what was spooled is gone when it was answered"


def send(site: Site, octets: bytes, by: str = OFFICE, headers: Mapping[str, str] | None = None) -> Reply:
    return site.ask("POST", "/v1/documents", octets, by=by, headers=headers or related())


def made(site: Site, *attached: bytes, to: str = HOME_AFFAIRS) -> tuple[bytes, bytes, list[Raw]]:
    """A new package: inline, its envelope, its attachments."""
    package = site.package(OFFICE, [to], attached)
    return package, *split(package)


def test_a_package_in_parts_is_taken_and_given_out_as_it_came(site: Site) -> None:
    _, envelope, attached = made(site, LARGE, SMALL, b"")
    reply = send(site, body(envelope, attached))
    assert reply.status == 202, reply.body
    receipt = reply.json()
    assert receipt["verdict"] == "TOTAL-PASSED"
    assert (receipt["bytes"], receipt["bytes_sha256"]) == (len(envelope), hashlib.sha256(envelope).hexdigest())
    item = until("it waits", lambda: site.waiting(HOME_AFFAIRS, receipt["document"]))
    assert item["form"] == "parts"
    got = site.get(f"/v1/deliveries/{item['delivery']}/package", HOME_AFFAIRS)
    assert got.headers["axis-package-sha256"] == receipt["package_sha256"]
    assert int(got.headers["content-length"]) == len(got.body)
    found = taken_apart(got.body, got.headers["content-type"])
    assert [octets for _, octets in found] == [envelope, LARGE, SMALL, b""]
    assert [head.content_id for head, _ in found] == [None, *(one.id for one in attached)]
    for head, octets in found:
        assert (head.length, head.sha256) == (len(octets), {hashlib.sha256(octets).hexdigest()})
    assert site.get(f"/v1/documents/{receipt['document']}/package", OFFICE).body == got.body
    facts = site.facts(receipt["document"], HOME_AFFAIRS)
    assert [one["size"] for one in facts["attachments"]] == [len(LARGE), len(SMALL), 0]
    assert send(site, got.body, headers={"Content-Type": got.headers["content-type"]}).body == reply.body
    blob = site.folder / "data" / "blobs" / hashlib.sha256(LARGE).hexdigest()[:2] / hashlib.sha256(LARGE).hexdigest()
    assert blob.read_bytes() == LARGE


def test_however_it_travels_it_is_one_document_with_one_receipt(site: Site) -> None:
    package, envelope, attached = made(site, LARGE, b"hai")
    first = send(site, body(envelope, attached))
    assert first.status == 202, first.body
    before = site.state()
    again = [
        send(site, body(envelope, attached, "khac"), headers=related("khac")),
        send(site, body(envelope, attached[::-1])),
        send(site, package, headers={"Content-Type": "application/xml"}),
    ]
    assert [reply.body for reply in again] == [first.body] * 3
    assert site.state() == before
    package, envelope, attached = made(site, SMALL)
    inline = site.send(package, OFFICE)
    assert send(site, body(envelope, attached)).body == inline.body
    _, octets = site.receive(HOME_AFFAIRS, inline.json()["document"])
    assert octets == package, "what came first is given out"


def test_another_attachment_under_the_same_id_is_another_document(site: Site) -> None:
    package, envelope, attached = made(site, LARGE)
    site.take(package, OFFICE)
    other = bytes(reversed(LARGE))
    reply = send(site, body(envelope, [Raw(attached[0].id, other)]))
    assert (reply.status, problem(reply.body), reply.json()["reason"]) == (422, "signature-failed", "sig-digest")


def test_an_envelope_without_attachments_is_a_package(site: Site) -> None:
    _, envelope, attached = made(site)
    reply = send(site, body(envelope, attached))
    assert reply.status == 202, reply.body
    assert site.receive(HOME_AFFAIRS, reply.json()["document"])[1] == envelope


def test_what_is_pushed_has_the_form_in_which_it_came(site: Site, far: Receiver) -> None:
    _, envelope, attached = made(site, LARGE, SMALL, to=HEALTH)
    receipt = send(site, body(envelope, attached)).json()
    got = until("it is pushed", lambda: far.about(receipt["document_id"].encode() + b"<"))[0]
    found = taken_apart(got.body, got.headers["content-type"])
    assert [octets for _, octets in found] == [envelope, LARGE, SMALL]
    assert got.headers["axis-sha256"] == receipt["bytes_sha256"]
    assert got.headers["axis-package-sha256"] == receipt["package_sha256"]


@pytest.mark.faults
def test_pdfs_beside_the_envelope_are_judged_as_those_inside(site: SignersSite) -> None:
    good, bad = site.signed(filling=300_000), changed(site.signed())
    _, envelope, attached = made(site, good, bad)
    document = send(site, body(envelope, attached)).json()["document"]
    assert len(attached[0].octets) > 131_072 > len(attached[1].octets), "one is a file, one a row"
    large, small = site.attached(document)
    assert (large["outcome"], small["outcome"], small["reason"]) == ("valid", "invalid", "sig-digest")


@dataclass
class Case:
    status: int
    slug: str
    code: str | None
    octets: Callable[[bytes, list[Raw]], bytes]
    headers: Mapping[str, str] | None = None


def without_end(envelope: bytes, attached: list[Raw]) -> bytes:
    return body(envelope, attached).removesuffix(f"--{BOUNDARY}--\r\n".encode())


XML, OCTETS = "Content-Type: application/xml", "Content-Type: application/octet-stream"
NESTED = "Content-Type: multipart/mixed; boundary=a"
END = f"--{BOUNDARY}--\r\n".encode()

REFUSED = {
    "an unknown part": Case(
        422, "attachment", "attachment-mismatch", lambda e, a: body(e, [*a, Raw("la", b"x")])
    ),
    "a missing part": Case(422, "attachment", "attachment-mismatch", lambda e, a: body(e, a[:1])),
    "no part at all": Case(422, "attachment", "attachment-mismatch", lambda e, a: body(e, [])),
    "a part under another name": Case(
        422, "attachment", "attachment-mismatch", lambda e, a: body(e, [a[0], Raw("tep-9", a[1].octets)])
    ),
    "a part twice": Case(400, "malformed-parts", "part-doubled", lambda e, a: body(e, [*a, a[0]])),
    "two parts changed about": Case(
        422, "signature-failed", None, lambda e, a: body(e, [Raw(a[0].id, a[1].octets), Raw(a[1].id, a[0].octets)])
    ),
    "an octet more": Case(422, "signature-failed", None, lambda e, a: body(e, [a[0], Raw(a[1].id, SMALL + b"x")])),
    "an envelope that was changed": Case(
        422, "signature-failed", None, lambda e, a: body(e.replace(b"TN</", b"TM</"), a)
    ),
    "no id": Case(
        400, "malformed-parts", "part-id", lambda e, a: part(e, XML) + part(b"x", OCTETS) + END
    ),
    "no envelope first": Case(
        400, "malformed-parts", "part-type", lambda e, a: part(a[0].octets, OCTETS, "Content-ID: <tep-0>") + END
    ),
    "parts of parts": Case(
        400, "malformed-parts", "part-type", lambda e, a: part(e, XML) + part(b"x", NESTED) + END
    ),
    "base64": Case(
        400,
        "malformed-parts",
        "part-encoding",
        lambda e, a: part(e, XML) + part(b"eA==", OCTETS, "Content-Transfer-Encoding: base64") + END,
    ),
    "no final boundary": Case(400, "malformed-parts", "part-end", without_end),
    "nothing": Case(400, "malformed-parts", "part-end", lambda e, a: b""),
    "an epilogue": Case(400, "malformed-parts", "part-epilogue", lambda e, a: body(e, a) + b"--"),
    "too many parts": Case(
        400,
        "malformed-parts",
        "part-count",
        lambda e, a: body(e, [Raw(f"tep-{place}", b"") for place in range(MOST_PARTS)]),
    ),
    "a flood of headers": Case(
        400, "malformed-parts", "part-headers", lambda e, a: part(e, XML, *["X-A: a"] * 100_000) + END
    ),
    "a wrong length": Case(
        400,
        "malformed-parts",
        "part-length",
        lambda e, a: part(e, XML, "Content-Length: 7") + END,
    ),
    "a wrong digest": Case(
        400,
        "malformed-parts",
        "part-digest",
        lambda e, a: part(e, XML, f"Repr-Digest: sha-256=:{'A' * 43}=:") + END,
    ),
    "no boundary": Case(400, "malformed-parts", "part-type", body, {"Content-Type": "multipart/related"}),
    "another first part than start names": Case(
        400, "malformed-parts", "part-id", body, {"Content-Type": f'{related()["Content-Type"]}; start="<goc>"'}
    ),
    "another kind of parts": Case(
        415, "unsupported-media", None, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    ),
    "too much": Case(
        413, "too-large", None, lambda e, a: body(e, [a[0], Raw("tep-1", bytes(MAX_BYTES))])
    ),
    "no xml": Case(400, "malformed-xml", "xml-malformed", lambda e, a: body(b"<edXML>", a)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_is_not_right_is_refused_and_nothing_is_stored(site: Site, name: str) -> None:
    case = REFUSED[name]
    _, envelope, attached = made(site, LARGE, SMALL)
    before = site.state()
    reply = send(site, case.octets(envelope, attached), headers=case.headers)
    assert (reply.status, problem(reply.body)) == (case.status, case.slug), reply.body
    if case.code is not None:
        assert reply.json()["code"] == case.code
    assert site.state() == before


def test_attachments_inside_the_envelope_and_beside_it_are_refused(site: Site) -> None:
    package, _, attached = made(site, SMALL)
    reply = send(site, body(package, attached))
    assert (reply.status, reply.json()["code"]) == (422, "attachment-mismatch")


def test_a_signature_over_the_whole_document_does_not_cover_what_lies_beside_it(site: Site) -> None:
    def take_out(root: Element) -> None:
        root.remove(next(root.iter("{*}AttachmentEncoded")))

    envelope = site.package(OFFICE, [HOME_AFFAIRS], [SMALL], whole=True, before=take_out)
    reply = send(site, body(envelope, [Raw("tep-0", SMALL)]))
    assert (reply.status, problem(reply.body), reply.json()["reason"]) == (422, "signature-failed", "sig-coverage")


def begun(site: Site, octets: bytes, many: int) -> closing[ssl.SSLSocket]:
    """A connection on which the first so `many` octets of a body came, and the others do not."""
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    head = (
        f"POST /v1/documents HTTP/1.1\r\nHost: axis\r\nAuthorization: Bearer {site.key(site.agencies[OFFICE])}\r\n"
        f"Content-Type: {related()['Content-Type']}\r\nContent-Length: {len(octets)}\r\n\r\n"
    )
    line = context.wrap_socket(socket.create_connection((HOST, site.port)), server_hostname=HOST)
    line.sendall(head.encode() + octets[:many])
    return closing(line)


def test_a_body_that_breaks_off_leaves_nothing(site: Site) -> None:
    _, envelope, attached = made(site, LARGE, SMALL)
    octets = body(envelope, attached)
    before = site.state()
    spool = site.folder / "data" / "blobs" / "spool"
    with begun(site, octets, 600_000):
        until("something is spooled", lambda: list(spool.glob("*")))
    until("the spool is empty", lambda: not list(spool.glob("*")))
    assert site.state() == before


@pytest.mark.faults
def test_a_node_that_is_killed_under_a_body_takes_it_whole_afterwards(site: Site) -> None:
    """Once while the body comes, and once when it was answered: the repeat finds what is durable, or nothing."""
    _, envelope, attached = made(site, os.urandom(900_000), SMALL)
    octets = body(envelope, attached)
    before = site.state()
    spool = site.folder / "data" / "blobs" / "spool"
    with begun(site, octets, 800_000):
        until("something is spooled", lambda: list(spool.glob("*")))
        site.kill()
    assert list(spool.glob("*")), "the kill came in time"
    site.start()
    assert not list(spool.glob("*"))
    assert site.state() == before
    first = send(site, octets)
    assert first.status == 202
    site.kill()
    site.start()
    assert send(site, octets).body == first.body
    _, got = site.receive(HOME_AFFAIRS, first.json()["document"])
    assert attached[0].octets in got


def test_a_blob_that_was_damaged_is_never_given_out_whole(site: Site) -> None:
    octets = os.urandom(400_000)
    _, envelope, attached = made(site, octets)
    document = send(site, body(envelope, attached)).json()["document"]
    item = until("it waits", lambda: site.waiting(HOME_AFFAIRS, document))
    digest = hashlib.sha256(octets).hexdigest()
    blob = site.folder / "data" / "blobs" / digest[:2] / digest
    blob.chmod(0o600)
    blob.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    try:
        with pytest.raises(http.client.IncompleteRead) as broken:
            site.get(f"/v1/deliveries/{item['delivery']}/package", HOME_AFFAIRS)
        assert octets[:300_000] not in broken.value.partial
    finally:
        blob.write_bytes(octets)
    assert site.said("answer_broken_off") == 1
    assert taken_apart(*_both(site, item["delivery"]))[1][1] == octets


def _both(site: Site, delivery: str) -> tuple[bytes, str]:
    reply = site.get(f"/v1/deliveries/{delivery}/package", HOME_AFFAIRS)
    return reply.body, reply.headers["content-type"]
