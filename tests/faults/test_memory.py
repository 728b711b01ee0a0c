"""What a node may use: it is killed for its memory under a large document, and answers while something is judged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from axis.devpki import Identity
from tests.faults.field import Field, field_of
from tests.faults.points import conversation, head_of
from tests.site import HOME_AFFAIRS, OFFICE, Site, problem, until
from tests.unit.revocation.test_worker import pathological

pytestmark = pytest.mark.faults

GROUPS = Path("/sys/fs/cgroup/memory")
LARGE = 30_000_000
SPARE = 100_000


@contextmanager
def little_memory(field: Field) -> Iterator[Path]:
    """Inside, the node may hold so much more than it has now; what it takes beyond that is its end (cgroups(7))."""
    group = GROUPS / f"axis-test-{field.site.port}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no memory cgroup can be made here")
    assert field.site.process is not None
    try:
        (group / "memory.limit_in_bytes").write_text(str(SPARE))
        (group / "cgroup.procs").write_text(str(field.site.process.pid))
        yield group
    finally:
        field.end()
        until("nobody is in it", lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_node_that_is_killed_for_its_memory_keeps_its_promise(tmp_path: Path) -> None:
    """F86."""
    with field_of(tmp_path, {}) as field:
        field.insist(field.package())
        package = field.package((HOME_AFFAIRS,), size=LARGE)
        with little_memory(field) as group:
            with conversation(field, package) as line:
                try:
                    line.sendall(head_of(field, package) + package.octets)
                    line.recv(20)
                except OSError:
                    pass
            field.dies()
            assert int((group / "memory.failcnt").read_text()) > 0, "its memory was no trouble"
        field.site.start()
        assert field.spooled() == []
        field.insist(package)
        field.settled()


def slow_signer(site: Site) -> Identity:
    """Have the node believe in an authority whose certificates take minutes to judge; one of them."""
    leaf, trust = pathological()
    for path, ders in ((site.pki.root, trust.anchors), (site.pki.issuing, trust.intermediates)):
        blocks = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders]
        path.write_bytes(path.read_bytes() + b"".join(blocks))
    for place, octets in enumerate(trust.crls):
        (site.pki.crls / f"slow-{place}.crl").write_bytes(octets)
    certificate, key = site.folder / "slow.pem", site.folder / "slow.key"
    certificate.write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Identity(certificate, key, leaf.sha256)


def test_the_node_answers_while_something_is_judged_for_long(tmp_path: Path) -> None:
    """F87. Two seconds of processor time for that one, and others are served meanwhile."""
    site = Site(tmp_path)
    site.signers["slow"] = slow_signer(site)
    site.speaking = {OFFICE: [site.signers["slow"]]}
    site.configure()
    site.start()
    try:
        site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        slow = site.package(OFFICE, [HOME_AFFAIRS], signer="slow")
        waits_s: list[float] = []
        with ThreadPoolExecutor(1) as beside:
            began = time.monotonic()
            answer = beside.submit(site.send, slow, OFFICE)
            while not answer.done():
                asked = time.monotonic()
                with urlopen(f"{site.pages}/healthz", timeout=30) as page:
                    assert page.status == 200
                site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
                waits_s.append(time.monotonic() - asked)
            took_s = time.monotonic() - began
        assert took_s > 1.5, "it was judged at once"
        assert (answer.result().status, problem(answer.result().body)) == (500, "internal")
        assert max(waits_s) < 1.0, "others waited for it"
        assert len(waits_s) > 5
        assert site.stop() == 0
        site.audit()
    finally:
        if site.running:
            site.kill()
