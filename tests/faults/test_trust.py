"""Time and trust that go wrong under a running node: its clock, its roots and lists, the certificates on its lines."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from axis.demo.client import bearer
from axis.demo.network import HOST
from axis.devpki import DevPki, Identity
from tests.faults.field import HEALTH, Field, field_of
from tests.flow.receiver import status
from tests.mutations.edit import Edit, Mutation
from tests.site import AGENCIES, HOME_AFFAIRS, OFFICE, TABLES, Site, kept_running, problem, until

pytestmark = pytest.mark.faults

HOUR, TEN_YEARS = timedelta(hours=1), timedelta(days=3653)
LIFETIME = '\nlifetime = "60s"'
OURS = Edit(
    "axis/app.py",
    "    return datetime.now(UTC)\n",
    "    import os\n\n"
    '    told = Path(os.environ["AXIS_TEST_INSIDE"], "clock").read_text()\n'
    '    if told.startswith("at "):\n'
    "        return datetime.fromisoformat(told[3:])\n"
    "    return datetime.now(UTC) + timedelta(seconds=float(told))\n",
)
"""A wall clock that a file sets."""
HURRIED = Edit("axis/flow/clock.py", "SLACK: Final = timedelta(seconds=60)", "SLACK: Final = timedelta(seconds=2)")
MANY = 33
"""Uploads of each of the three agencies."""


@contextmanager
def clocked(folder: Path, *more: Edit) -> Iterator[Field]:
    with field_of(folder, {}, mutation=Mutation("", (OURS, *more)), more=LIFETIME, start=False) as field:
        set_clock(field, "0")
        field.site.start()
        assert readiness(field)["ready"]
        yield field


def set_clock(field: Field, told: str) -> None:
    fresh = field.inside / "clock.new"
    fresh.write_text(told)
    fresh.rename(field.inside / "clock")


def readiness(field: Field) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{field.site.pages}/readyz", timeout=30) as answer:
            code, body = answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        code, body = error.code, json.loads(error.read())
    assert code == (200 if body["ready"] else 503)
    return dict(body)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, TEN_YEARS], ids=["forward", "back", "ten years"])
def test_a_clock_that_jumps_is_told_and_spends_nobodys_time(jump: timedelta, tmp_path: Path) -> None:
    """F64. The receiver is away: by the wrong clock its delivery is older than any may be, or due in an hour."""
    with clocked(tmp_path) as field:
        package = field.package((HOME_AFFAIRS, HEALTH))
        field.listener.plan[package.document_id.encode()] = [status(503)] * 1_000

        def attempts() -> int:
            return len(field.listener.about(package.document_id.encode()))

        field.insist(package)
        until("it is attempted", attempts)
        set_clock(field, str(jump.total_seconds()))
        until("it is not ready", lambda: not readiness(field)["ready"])
        assert abs(readiness(field)["clock_off_s"] - jump.total_seconds()) < 30
        until("it is told", lambda: field.site.said("clock_strayed") == 1)
        assert field.empty(HOME_AFFAIRS) == 1
        before = attempts()
        # An hour on, the round that looks for what is too old comes by meanwhile.
        until("attempts go on", lambda: attempts() >= before + (8 if jump is HOUR else 2))
        if jump is TEN_YEARS:
            kept = stored(field)
            reply = field.site.send(field.package((HOME_AFFAIRS,)).octets, OFFICE)
            assert (reply.status, problem(reply.body)) == (422, "signature-failed")
            assert stored(field) == kept
        set_clock(field, "0.9")  # and a leap second
        until("it is ready again", lambda: readiness(field)["ready"])
        field.listener.plan.clear()
        field.insist(field.package((HOME_AFFAIRS, HEALTH)))
        field.settled()
        assert field.site.said("delivery_expired") == 0
        until("that is told too", lambda: field.site.said("clock_back") == 1)
        assert field.site.said("clock_strayed") == 1
        set_clock(field, str(jump.total_seconds()))
        assert field.site.stop() == 0
        ((kind, at),) = field.site.rows("SELECT kind, at FROM log_intent ORDER BY id DESC LIMIT 1")
        assert kind == "stopped"
        assert abs(datetime.fromisoformat(at) - datetime.now(UTC)) < HOUR / 2, "its last entry too"


def stored(field: Field) -> list[list[tuple[Any, ...]]]:
    """What there is but for the attempts at it, which go on meanwhile."""
    whole = [field.site.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES if table != "delivery"]
    return [*whole, field.site.rows("SELECT id FROM delivery ORDER BY seq")]


def test_a_clock_that_stands_is_told(tmp_path: Path) -> None:
    """F65. Two seconds of slack instead of a minute."""
    with clocked(tmp_path, HURRIED) as field:
        field.insist(field.package())
        set_clock(field, f"at {datetime.now(UTC).isoformat()}")
        until("it is not ready", lambda: not readiness(field)["ready"])
        assert readiness(field)["clock_off_s"] < 0
        until("it is told", lambda: field.site.said("clock_strayed") == 1)
        set_clock(field, "0")
        until("it is ready again", lambda: readiness(field)["ready"])
        field.settled()


def test_a_stale_list_within_its_grace_is_used_and_said_to_be_stale(tmp_path: Path) -> None:
    """F66. The lists ended 35 days ago; the operator allows sixty."""
    site = Site(tmp_path / "node", 'grace = "60d"')
    DevPki(site.pki.folder, datetime.now(UTC)).write_crl(datetime.now(UTC) - timedelta(days=400))
    with kept_running(site, forked=False):
        receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        assert receipt["state"] == "accepted"
        (said,) = [one for one in site.facts(receipt["document"], OFFICE)["notes"] if one.startswith("revocation=")]
        assert timedelta(days=34) < timedelta(seconds=int(said[17:-2])) < timedelta(days=36)
        site.receive(HOME_AFFAIRS, receipt["document"])


def test_a_retry_under_new_certificates_gets_the_first_receipt(tmp_path: Path) -> None:
    """F74. The connection's and the signer's are both rolled over between an upload and its retry."""
    site = Site(tmp_path / "node")
    with kept_running(site, forked=False):
        old, package = site.doors[OFFICE], site.package(OFFICE, [HOME_AFFAIRS])
        first = under(site, old, package)
        assert first.status == 202, first.body
        site.speaking[OFFICE] = [site.signers[OFFICE]]
        site.signers[OFFICE] = site.pki.signer("van-phong-2")
        site.doors[OFFICE] = site.pki.tls_client("van-phong-2")
        site.configure()
        assert site.stop() == 0
        site.start()
        assert under(site, old, package).status == 401, "the old certificate would still do"
        again = under(site, site.doors[OFFICE], package)
        assert (again.status, again.body) == (202, first.body)
        assert site.rows("SELECT count(*) FROM document") == [(1,)]
        fresh = under(site, site.doors[OFFICE], site.package(OFFICE, [HOME_AFFAIRS]))
        assert fresh.status == 202, fresh.body
        assert site.receive(HOME_AFFAIRS, first.json()["document"])[1] == package


def under(site: Site, door: Identity, package: bytes) -> Any:
    xml = {"Content-Type": "application/xml"}
    return site.ask("POST", "/v1/documents", package, certificate=door, headers=xml)


def test_a_new_certificate_is_for_new_connections_and_uploads_end_under_the_old_one(tmp_path: Path) -> None:
    """F75. First half of the pair is replaced, then all of it, while uploads stand in the middle of their bodies."""
    site = Site(tmp_path / "node", hurried=True)
    old, fresh = site.server, site.pki.tls_server("moi")
    with kept_running(site, forked=False), ExitStack() as stack:
        under_way = []
        for agency in AGENCIES:
            for _ in range(MANY):
                package = site.package(agency, [HOME_AFFAIRS if agency == OFFICE else OFFICE])
                under_way.append((begun(stack, site, agency, package), package))
        assert shown(site) == old.fingerprint
        put(fresh.certificate, old.certificate)
        until("half a pair is told", lambda: site.said("certificate_not_reloaded") == 1)
        assert shown(site) == old.fingerprint
        put(fresh.key, old.key)
        until("new connections get the new one", lambda: shown(site) == fresh.fingerprint)
        receipts = set()
        for connection, package in under_way:
            assert connection.sock is not None
            assert fingerprint(connection.sock) == old.fingerprint
            connection.send(package[len(package) // 2 :])
            answer = connection.getresponse()
            assert answer.status == 202
            receipts.add(json.loads(answer.read())["document"])
        assert len(receipts) == 3 * MANY
        assert site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)["state"] == "accepted"
        assert (
            site.said("certificate_not_reloaded") == site.said("certificate_reloaded") == site.said("node_ready") == 1
        )


def begun(stack: ExitStack, site: Site, by: str, package: bytes) -> http.client.HTTPSConnection:
    """An upload whose request the node has, and half of its body."""
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    connection = stack.enter_context(closing(http.client.HTTPSConnection(HOST, site.port, timeout=60, context=context)))
    connection.putrequest("POST", "/v1/documents")
    headers = {"Content-Type": "application/xml", "Content-Length": str(len(package)), "Expect": "100-continue"}
    for name, value in {**headers, **bearer(site.key(site.agencies[by]))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    heard = b""
    while not heard.endswith(b"\r\n\r\n"):
        heard += connection.sock.recv(1)
    assert heard.startswith(b"HTTP/1.1 100 ")
    connection.send(package[: len(package) // 2])
    return connection


def put(source: Path, target: Path) -> None:
    fresh = target.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_bytes(source.read_bytes())
    fresh.rename(target)


def shown(site: Site) -> str:
    """The certificate that a new connection gets."""
    context = ssl.create_default_context(cafile=str(site.pki.tls_ca))
    with closing(http.client.HTTPSConnection(HOST, site.port, timeout=60, context=context)) as connection:
        connection.connect()
        return fingerprint(connection.sock)


def fingerprint(line: Any) -> str:
    der = line.getpeercert(binary_form=True)
    assert der
    return sha256(der).hexdigest()


def test_a_root_that_is_taken_away_lets_in_nothing_new_and_what_waits_goes_on(tmp_path: Path) -> None:
    """F76."""
    site = Site(tmp_path / "node", hurried=True)
    other = DevPki.create(tmp_path / "other", datetime.now(UTC))
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(site.pki.root.read_bytes() + other.root.read_bytes())
    site.config.write_text(site.config.read_text().replace(str(site.pki.root), str(anchors)))
    with kept_running(site, forked=False):
        package = site.package(OFFICE, [HOME_AFFAIRS])
        first = site.send(package, OFFICE)
        assert first.json()["state"] == "accepted"
        document, before = first.json()["document"], site.said("trust_reloaded")
        put(other.root, anchors)
        until("the roots are read again", lambda: site.said("trust_reloaded") > before)
        kept = site.state()
        reply = site.send(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
        assert (reply.status, reply.json()["reason"]) == (422, "cert-untrusted")
        assert site.state() == kept
        assert site.send(package, OFFICE).body == first.body, "a repeat gets another answer"
        assert site.facts(document, OFFICE)["verdict"]["indication"] == "TOTAL-PASSED"
        assert site.receive(HOME_AFFAIRS, document)[1] == package
