"""What packages in parts cost in memory: the node holds pieces of them, however large they are, however many come."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from axis.cli.send import Draft, make_parts
from axis.demo.client import Reply, bearer
from axis.demo.network import HOST
from schemas.codes import AgencyCode
from schemas.multipart import boundary_within, content_type_with
from tests.site import HOME_AFFAIRS, OFFICE, Site, kept_running, until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

MB = 1 << 20
MOST_ABOVE_IDLE = 64 * MB


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "memory", '[limits]\nmax_bytes = "256MB"')
    with kept_running(made, forked=False):
        made.take(made.package(OFFICE, [HOME_AFFAIRS]), OFFICE)  # everything that is loaded late is loaded
        yield made


def package(site: Site, number: int, size: int, head: bytes) -> Path:
    """A signed document with one attachment of `size` octets that begins with `head`, in a file, in parts."""
    attachment = site.folder / f"tep-{number}.bin"
    piece = bytes(range(256)) * 4096
    with attachment.open("wb") as file:
        file.write(head + number.to_bytes(4, "big"))
        for _ in range(size // len(piece)):
            file.write(piece)
    sender, to = AgencyCode.parse(OFFICE), (AgencyCode.parse(HOME_AFFAIRS),)
    draft = Draft(sender, to, str(number), "LON", "V/v tệp lớn", date(2026, 11, 23), (attachment,))
    signer = site.signers[OFFICE]
    made = make_parts(draft, signer.certificate, signer.key, datetime.now(UTC), None)
    attachment.unlink()
    return made.rename(site.folder / f"{number}.parts")


def send(site: Site, body: Path) -> Reply:
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    with (
        closing(http.client.HTTPSConnection(HOST, site.port, timeout=300, context=context)) as line,
        body.open("rb") as f,
    ):
        boundary = boundary_within(f.read(80))
        assert boundary is not None
        f.seek(0)
        headers = {"Content-Type": content_type_with(boundary), "Content-Length": str(body.stat().st_size)}
        line.request("POST", "/v1/documents", f, {**headers, **bearer(site.key(site.agencies[OFFICE]))})
        answer = line.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())


def fetch(site: Site, document: str) -> int:
    """Fetch a document piece by piece, and say how long it is."""
    item = until("it waits", lambda: site.waiting(HOME_AFFAIRS, document))
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    with closing(http.client.HTTPSConnection(HOST, site.port, timeout=300, context=context)) as line:
        headers = bearer(site.key(site.agencies[HOME_AFFAIRS]))
        line.request("GET", f"/v1/deliveries/{item['delivery']}/package", headers=headers)
        answer, size = line.getresponse(), 0
        while piece := answer.read(MB):
            size += len(piece)
        return size


def memory(site: Site, name: str) -> int:
    """`VmRSS` or `VmHWM` of the node, in octets."""
    assert site.process is not None
    lines = Path(f"/proc/{site.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


def from_now_on(site: Site) -> int:
    """Forget the peak, and say what the idle node has."""
    assert site.process is not None
    Path(f"/proc/{site.process.pid}/clear_refs").write_text("5")
    return memory(site, "VmRSS")


def test_one_of_200_megabytes_costs_pieces(site: Site) -> None:
    body = package(site, 1, 200 * MB, b"")
    idle = from_now_on(site)
    reply = send(site, body)
    assert reply.status == 202, reply.body
    taken = memory(site, "VmHWM") - idle
    assert fetch(site, reply.json()["document"]) == body.stat().st_size
    given = memory(site, "VmHWM") - idle
    print(f"one of 200 MB: idle {idle / MB:.0f}, taken +{taken / MB:.1f}, given out +{given / MB:.1f} MB")
    assert max(taken, given) <= MOST_ABOVE_IDLE


def test_sixteen_of_20_megabytes_at_once_cost_pieces(site: Site) -> None:
    bodies = [package(site, number, 20 * MB, b"") for number in range(16)]
    idle = from_now_on(site)
    with ThreadPoolExecutor(16) as senders:
        replies = list(senders.map(lambda body: send(site, body), bodies))
    assert {reply.status for reply in replies} == {202}
    taken = memory(site, "VmHWM") - idle
    with ThreadPoolExecutor(16) as readers:
        sizes = list(readers.map(lambda reply: fetch(site, reply.json()["document"]), replies))
    assert sizes == [body.stat().st_size for body in bodies]
    given = memory(site, "VmHWM") - idle
    print(f"sixteen of 20 MB: idle {idle / MB:.0f}, taken +{taken / MB:.1f}, given out +{given / MB:.1f} MB")
    assert max(taken, given) <= MOST_ABOVE_IDLE


def test_a_pdf_of_80_megabytes_is_judged_elsewhere(site: Site) -> None:
    """Its octets go to the judge's process by the name of their file."""
    body = package(site, 1, 80 * MB, b"%PDF-1.7\n")
    idle = from_now_on(site)
    document = send(site, body).json()["document"]
    until("judged", lambda: site.facts(document, OFFICE)["attached_pdfs"]["outcome"], 120)
    above = memory(site, "VmHWM") - idle
    print(f"a PDF of 80 MB: +{above / MB:.1f} MB")
    assert above <= MOST_ABOVE_IDLE
