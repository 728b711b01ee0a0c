"""Two nodes, mutual TLS between them: documents go on, statuses come back, and nothing is lost or doubled."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.core.canonical import canonical
from axis.core.notice import MOST_EACH
from axis.demo.client import Reply
from axis.demo.network import HOST
from axis.devpki import Identity
from schemas.codes import AgencyCode
from schemas.envelope import Business, MessageKind, Organization, StatusMessage
from schemas.write import serialise, write_status
from tests.flow.receiver import Receiver, text
from tests.parts import body, related, split, taken_apart
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem, row, signed_by, until

pytestmark = pytest.mark.slow

WARD = "000.00.41.H99"
SCHOOL = "000.00.42.H99"
ECHO = "000.00.43.H99"
QUARTER = "000.00.45.H99"
LOST = "000.00.44.H99"
MANY = tuple(f"H99.45.{place:03}.KHU.PHO.DAN.CU.SO.{place:03}.A" for place in range(450))
"""Below the quarter, with codes as long as the law allows: one document for all of them is one delivery."""
BELOW = {WARD: "phuong", SCHOOL: "truong", QUARTER: "khu-pho"}
QUICK = '[delivery]\nfirst_retry = "200ms"\nretry_ceiling = "1s"\nlease = "10s"'


class Line(threading.Thread):
    """What lies between two nodes: it passes octets on, and can lose the answer to what was sent whole."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._target = port
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])
        self.lose_after: int | None = None
        self.lost = 0

    def run(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((HOST, self._target))
        except OSError:
            client.close()
            return
        sent = [0]

        def forth() -> None:
            try:
                while octets := client.recv(65_536):
                    sent[0] += len(octets)
                    server.sendall(octets)
                server.shutdown(socket.SHUT_WR)
            except OSError:
                return

        threading.Thread(target=forth, daemon=True).start()
        try:
            while octets := server.recv(65_536):
                if self.lose_after is not None and sent[0] > self.lose_after:
                    self.lost += 1
                    break
                client.sendall(octets)
        except OSError:
            pass
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._server.close()


@dataclass
class Two:
    """The province's node and the one below it; `passport` is what the province shows below."""

    upper: Site
    lower: Site
    line: Line
    passport: Identity
    portal: Receiver

    def relay(
        self, package: bytes, recipients: Sequence[str] | None, hops: object = (), certificate: Identity | None = None
    ) -> Reply:
        """Hand a package to the lower node as the province would."""
        headers = {"Content-Type": "application/xml", "Axis-Trace": json.dumps(hops)}
        if recipients is not None:
            headers["Axis-Recipients"] = ",".join(recipients)
        return self.lower.ask("POST", "/v1/relay", package, certificate=certificate or self.passport, headers=headers)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("two")
    upper = Site(folder / "upper", QUICK, name="truc-tinh")
    lists = shutil.copytree(upper.pki.crls, folder / "lists")
    lower = Site(folder / "lower", QUICK, name="truc-xa", agencies=BELOW, shared=upper.pki, crls=lists, hurried=True)
    line = Line(lower.port)
    passports = {site.name: upper.pki.tls_client(f"{site.name}-ra") for site in (upper, lower)}
    for site, other in ((upper, lower), (lower, upper)):
        site.registry += "".join(row(code, identity) for code, identity in other.signers.items())
        site.registry += row(ECHO) + row(LOST) + "".join(row(code) for code in MANY)
    upper.signers.update(lower.signers)
    lower.signers.update(upper.signers)
    portal = Receiver(upper.pki.tls_server("portal"), text(200, b'{"ok": true}'))
    _neighbour(upper, lower, line.port, passports, list(BELOW), [*BELOW, ECHO])
    own = passports[upper.name]
    upper.endpoints += (
        f'[[endpoint]]\nname = "portal"\nadapter = "node"\nagencies = ["{LOST}"]\nurl = "{portal.base}"\n'
        f'ca = "{upper.pki.tls_ca}"\ncertificate = "{own.certificate}"\nkey = "{own.key}"\n'
        f'[[route]]\nprefix = "{LOST}"\nendpoint = "portal"\n'
    )
    upper.configure()
    _neighbour(lower, upper, upper.port, passports, ["*"], ["*"])
    line.start()
    try:
        with portal, kept_running(upper, lower):
            yield Two(upper, lower, line, own, portal)
    finally:
        line.close()


def _neighbour(
    site: Site, other: Site, port: int, passports: dict[str, Identity], agencies: list[str], prefixes: list[str]
) -> None:
    own = passports[site.name]
    site.endpoints = (
        f'[[endpoint]]\nname = "{other.name}"\nadapter = "node"\nagencies = {json.dumps(agencies)}\n'
        f'url = "https://{HOST}:{port}"\nca = "{site.pki.tls_ca}"\ncertificate = "{own.certificate}"\n'
        f'key = "{own.key}"\ncertificates = ["sha256:{passports[other.name].fingerprint}"]\n'
    ) + "".join(f'[[route]]\nprefix = "{prefix}"\nendpoint = "{other.name}"\n' for prefix in prefixes)
    site.configure()


def _below(two: Two, document_id: str, by: str = WARD) -> str:
    """The lower node's own reference of a document, once it is in the mailbox."""

    def look() -> str | None:
        items = two.lower.inbox(by)
        return next((str(one["document"]) for one in items if one["document_id"] == document_id), None)

    return until(f"{document_id} below", look)


def _codes(facts: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["receiver"], one["code"]) for one in facts["statuses"]}


def test_a_document_for_both_sides_reaches_all_and_every_status_comes_back(two: Two) -> None:
    package = two.upper.package(OFFICE, [HOME_AFFAIRS, WARD, SCHOOL])
    receipt = two.upper.take(package, OFFICE)
    document, known = receipt["document"], receipt["document_id"]
    assert two.upper.receive(HOME_AFFAIRS, document)[1] == package
    below = _below(two, known)
    assert below != document, "each node has references of its own"
    for by in (WARD, SCHOOL):
        assert two.lower.receive(by, _below(two, known, by))[1] == package
        assert two.lower.facts(below, by)["package_sha256"] == receipt["package_sha256"]
    deliveries = two.upper.facts(document, OFFICE)["deliveries"]
    sent = [one for one in deliveries if one["cargo"] == "document"]
    assert sorted((one["endpoint"], tuple(one["recipients"])) for one in sent) == [
        ("so-noi-vu", (HOME_AFFAIRS,)),
        ("truc-xa", (WARD, SCHOOL)),
    ], "one delivery serves everybody behind a neighbour"
    for code in ("03", "06"):
        assert two.upper.status(HOME_AFFAIRS, document, code).status == 202
        assert two.lower.status(WARD, below, code, description="từ phường").status == 202
    assert two.lower.status(SCHOOL, below, "02", description="không thuộc thẩm quyền").status == 202
    expected = {(by, code) for by in (HOME_AFFAIRS, WARD) for code in ("01", "03", "06")} | {
        (SCHOOL, "01"),
        (SCHOOL, "02"),
    }
    until("all statuses above", lambda: _codes(two.upper.facts(document, OFFICE)) == expected)
    told = two.upper.told(OFFICE, document)
    while len(told) < len(expected):
        told += two.upper.told(OFFICE, document)
    assert {(item["status"]["receiver"], item["status"]["code"]) for item, _ in told} == expected
    assert len(told) == len(expected), "each status once"
    attested = {one["receiver"]: one["attestation"] for one in two.upper.facts(document, OFFICE)["statuses"]}
    assert attested[WARD] == "neighbour"


def test_a_document_goes_up_by_the_default_route_and_its_status_comes_down(two: Two) -> None:
    package = two.lower.package(WARD, [FINANCE])
    receipt = two.lower.take(package, WARD)

    def above() -> str | None:
        items = two.upper.inbox(FINANCE)
        return next((one["document"] for one in items if one["document_id"] == receipt["document_id"]), None)

    document = until("the document above", above)
    assert two.upper.receive(FINANCE, document)[1] == package
    assert two.upper.status(FINANCE, document, "03").status == 202
    until(
        "two statuses below",
        lambda: _codes(two.lower.facts(receipt["document"], WARD)) == {(FINANCE, "01"), (FINANCE, "03")},
    )


def test_a_package_in_parts_goes_on_in_parts(two: Two) -> None:
    """One attachment is a file at both nodes, one a row; below it is fetched octet for octet as it was sent above."""
    large, small = os.urandom(300_000), b"phu luc"
    envelope, attached = split(two.upper.package(OFFICE, [HOME_AFFAIRS, WARD], [large, small]))
    reply = two.upper.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
    assert reply.status == 202, reply.body
    receipt = reply.json()
    below = _below(two, receipt["document_id"])
    assert two.lower.facts(below, WARD)["package_sha256"] == receipt["package_sha256"]
    item = until("it waits", lambda: two.lower.waiting(WARD, below))
    got = two.lower.get(f"/v1/deliveries/{item['delivery']}/package", WARD)
    found = taken_apart(got.body, got.headers["content-type"])
    assert [octets for _, octets in found] == [envelope, large, small]
    assert two.lower.facts(below, WARD)["verdict"]["indication"] == "TOTAL-PASSED"
    two.lower.receive(WARD, below)
    assert two.upper.receive(HOME_AFFAIRS, receipt["document"])[1] == got.body, "the same octets at every node"
    until("01 above", lambda: (WARD, "01") in _codes(two.upper.facts(receipt["document"], OFFICE)))


def test_the_trace_names_the_nodes_on_the_way(two: Two) -> None:
    receipt = two.upper.take(two.upper.package(OFFICE, [WARD]), OFFICE)
    below = _below(two, receipt["document_id"])
    ((hops,),) = two.lower.rows("SELECT hops FROM document WHERE ref = ?", below)
    assert [(hop["node"], hop["at"]) for hop in json.loads(hops)] == [("truc-tinh", receipt["accepted_at"])]
    ((own,),) = two.upper.rows("SELECT hops FROM document WHERE ref = ?", receipt["document"])
    assert json.loads(own) == []
    two.lower.receive(WARD, below)
    until("01 above", lambda: two.upper.facts(receipt["document"], OFFICE)["statuses"])
    ((told,),) = two.upper.rows("SELECT hops FROM status_report WHERE document = ?", receipt["document"])
    assert [hop["node"] for hop in json.loads(told)] == ["truc-xa"]


AT = "2026-11-23T01:00:00.000000Z"
TRACES: dict[str, tuple[object, int, str]] = {
    "its own name": ([["truc-tinh", AT], ["truc-xa", AT]], 422, "routing-loop"),
    "ten hops": ([[f"truc-{place}", AT] for place in range(10)], 422, "routing-loop"),
    "no list": ({"truc-tinh": AT}, 400, "bad-request"),
    "no pairs": ([["truc-tinh"]], 400, "bad-request"),
    "no time": ([["truc-tinh", "hôm qua"]], 400, "bad-request"),
    "a time without a zone": ([["truc-tinh", "2026-11-23T01:00:00"]], 400, "bad-request"),
    "a time before time": ([["truc-tinh", "0001-01-01T00:00:00+07:00"]], 400, "bad-request"),
    "a number": (5, 400, "bad-request"),
    "a name that fills the log": ([["x" * 64, AT]], 400, "bad-request"),
    "a name of another kind": ([[["truc-tinh"], AT]], 400, "bad-request"),
    "a name that breaks the line": ([["truc\r\nAxis-Recipients: x", AT]], 400, "bad-request"),
    "half a letter": ([["\ud800", AT]], 400, "bad-request"),
}


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_that_loops_or_cannot_be_read_is_refused(name: str, two: Two) -> None:
    trace, status, slug = TRACES[name]
    package = two.upper.package(OFFICE, [WARD])
    stored = "SELECT ref FROM document ORDER BY 1", "SELECT id FROM delivery WHERE cargo = 'document' ORDER BY 1"
    before = [two.lower.rows(one) for one in stored]  # what came before may still be on its way: its states may change
    reply = two.relay(package, [WARD], trace)
    assert (reply.status, problem(reply.body)) == (status, slug), reply.body
    assert [two.lower.rows(one) for one in stored] == before


def test_a_trace_of_nothing_but_brackets_is_refused(two: Two) -> None:
    headers = {"Content-Type": "application/xml", "Axis-Trace": "[" * 7000, "Axis-Recipients": WARD}
    package = two.upper.package(OFFICE, [WARD])
    reply = two.lower.ask("POST", "/v1/relay", package, certificate=two.passport, headers=headers)
    assert (reply.status, problem(reply.body)) == (400, "bad-request")


@pytest.mark.parametrize("twice", ["Axis-Recipients", "Axis-Trace"])
def test_whom_a_copy_is_for_and_whence_it_comes_is_said_once(twice: str, two: Two) -> None:
    """The first was read, the school in the second was left out, and the neighbour got a receipt."""
    package = two.upper.package(OFFICE, [WARD, SCHOOL])
    said = [("Content-Type", "application/xml"), ("Content-Length", str(len(package)))]
    said += [("Axis-Recipients", WARD), ("Axis-Trace", json.dumps([["truc-tinh", AT]]))]
    said += [("Axis-Recipients", SCHOOL) if twice == "Axis-Recipients" else ("Axis-Trace", "[]")]
    context = ssl.create_default_context(cafile=str(two.lower.pki.tls_ca))
    context.load_cert_chain(two.passport.certificate, two.passport.key)
    known = "SELECT count(*) FROM document"
    before = two.lower.rows(known)
    with closing(http.client.HTTPSConnection(HOST, two.lower.port, timeout=30, context=context)) as connection:
        connection.putrequest("POST", "/v1/relay")
        for name, value in said:
            connection.putheader(name, value)
        connection.endheaders(package)
        answer = connection.getresponse()
        assert (answer.status, problem(answer.read())) == (400, "bad-request")
    assert two.lower.rows(known) == before


def test_nine_hops_are_not_too_many(two: Two) -> None:
    reply = two.relay(two.upper.package(OFFICE, [WARD]), [WARD], [[f"truc-{place}", AT] for place in range(9)])
    assert reply.status == 202, reply.body
    two.lower.receive(WARD, reply.json()["document"])


def test_a_neighbour_is_held_to_the_same_rules(two: Two) -> None:
    upper = two.upper
    refused = [
        (two.relay(upper.package(OFFICE, [WARD], signed=False), [WARD]), 422, "signature-missing"),
        (two.relay(upper.package(OFFICE, [WARD], signer=FINANCE), [WARD]), 403, "certificate-agency-mismatch"),
        (two.relay(upper.package(OFFICE, [WARD]), [SCHOOL]), 400, "bad-request"),
        (two.relay(upper.package(OFFICE, [WARD]), ["../etc"]), 400, "bad-request"),
        (two.relay(upper.package(OFFICE, [HOME_AFFAIRS, WARD]), [HOME_AFFAIRS]), 422, "routing-loop"),
        (two.relay(upper.package(OFFICE, [WARD]), [WARD], certificate=two.lower.doors[WARD]), 403, "forbidden"),
    ]
    for reply, status, slug in refused:
        assert (reply.status, problem(reply.body)) == (status, slug), reply.body
    by_the_wrong_door = two.lower.ask(
        "POST", "/v1/documents", upper.package(OFFICE, [WARD]), certificate=two.passport,
        headers={"Content-Type": "application/xml"},
    )  # fmt: skip
    assert (by_the_wrong_door.status, problem(by_the_wrong_door.body)) == (403, "forbidden")
    assert two.lower.ask("GET", "/v1/inbox", certificate=two.passport).status == 403


def test_a_neighbour_may_bring_only_what_lies_behind_it(two: Two) -> None:
    """Below the province the lower node speaks for its own agencies; a forged From of another is no use to it."""
    certificate = Identity(
        two.upper.pki.folder / "tls" / "truc-xa-ra.pem", two.upper.pki.folder / "tls" / "truc-xa-ra.key", ""
    )
    package = two.upper.package(OFFICE, [FINANCE])
    before = two.upper.state()
    headers = {"Content-Type": "application/xml", "Axis-Trace": "[]", "Axis-Recipients": FINANCE}
    reply = two.upper.ask("POST", "/v1/relay", package, certificate=certificate, headers=headers)
    assert (reply.status, problem(reply.body)) == (403, "not-your-agency")
    assert two.upper.state() == before


def _said(reporter: str, addressee: str, document_id: str, code: str, minutes: int = 0) -> bytes:
    """A status as one node hands it to another, of some minutes ago."""
    message = StatusMessage(
        reporter=Organization(AgencyCode.parse(reporter)),
        addressee=AgencyCode.parse(addressee),
        document_id=document_id,
        code=None,
        wire_code=code,
        at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes),
        description="không thuộc thẩm quyền",
    )
    return serialise(write_status(message))


def test_a_neighbour_does_not_report_for_an_agency_that_is_connected_here(two: Two) -> None:
    """The province may relay for everybody, and still the school says itself what becomes of what it got."""
    package = two.lower.package(WARD, [SCHOOL, OFFICE])
    receipt = two.lower.take(package, WARD)
    recorded = "SELECT count(*) FROM status_report"
    before = two.lower.rows(recorded)
    for reporter, addressee, code in ((SCHOOL, WARD, "02"), (SCHOOL, WARD, "06"), (WARD, SCHOOL, "13")):
        reply = two.relay(_said(reporter, addressee, receipt["document_id"], code), None)
        assert (reply.status, problem(reply.body)) == (403, "not-your-agency"), (reporter, code)
    early = two.relay(_said(SCHOOL, WARD, f"{WARD},2026/11/23,not yet/TN", "02"), None)
    assert (early.status, problem(early.body)) == (403, "not-your-agency"), "nor of a document that is still to come"
    assert two.lower.rows(recorded) == before
    assert two.relay(_said(OFFICE, WARD, receipt["document_id"], "03"), None).status == 202
    two.lower.receive(SCHOOL, receipt["document"])
    two.lower.told(WARD, receipt["document"])


def test_statuses_that_came_before_their_document_mean_what_they_would_have_meant_after_it(two: Two) -> None:
    early = f"{WARD},2026/11/23,early/TN"
    meant = (
        ("05", 9, "applied"),
        ("05", 8, "repeated"),
        ("03", 7, "late"),
        ("03", 6, "repeated"),
        ("06", 5, "applied"),
        ("05", 4, "repeated"),
    )
    for code, minutes, _ in meant:
        assert two.relay(_said(OFFICE, WARD, early, code, minutes), None).status == 202
    receipt = two.lower.take(two.lower.package(WARD, [OFFICE], document_id=early), WARD)
    asked = "SELECT wire, standing FROM status_report WHERE document = ? ORDER BY seq"
    assert two.lower.rows(asked, receipt["document"])[: len(meant)] == [(code, standing) for code, _, standing in meant]


def test_a_neighbour_cannot_look_into_what_it_did_not_bring(two: Two) -> None:
    """It has authority over every agency behind it, and still no business with documents among others."""
    inside = two.lower.take(two.lower.package(WARD, [SCHOOL]), WARD)["document"]
    brought = two.relay(two.upper.package(OFFICE, [WARD]), [WARD]).json()["document"]
    for path in ("/v1/documents/{}", "/v1/documents/{}/package", "/v1/receipts/{}"):
        reply = two.lower.ask("GET", path.format(inside), certificate=two.passport)
        assert (reply.status, problem(reply.body)) == (404, "not-found"), path
        assert two.lower.ask("GET", path.format(brought), certificate=two.passport).status == 200


def test_a_route_that_leads_back_is_refused_and_shown(two: Two) -> None:
    receipt = two.upper.take(two.upper.package(OFFICE, [ECHO]), OFFICE)

    def failed() -> dict[str, Any] | None:
        delivery, *_ = two.upper.facts(receipt["document"], OFFICE)["deliveries"]
        return delivery if delivery["state"] == "failed" else None

    assert until("the delivery failed", failed)["problem"] == "destination-refused"
    notice = two.upper.notice(OFFICE, receipt["document"])
    assert (notice["outcome"], notice["node"], notice["recipients"]) == ("undelivered", two.upper.name, [ECHO])
    known = two.lower.rows("SELECT count(*) FROM document WHERE document_id = ?", receipt["document_id"])
    assert known == [(0,)]


def test_a_200_without_a_receipt_is_no_handover(two: Two) -> None:
    """Anything on the way can say 200 to everything: a portal, a proxy with a default page."""
    receipt = two.upper.take(two.upper.package(OFFICE, [LOST]), OFFICE)
    until("a second attempt", lambda: len(two.portal.got) >= 2)
    (delivery,) = two.upper.facts(receipt["document"], OFFICE)["deliveries"]
    assert delivery["state"] in ("queued", "leased")
    assert delivery["problem"] == "destination-unavailable"


def test_an_answer_that_was_lost_makes_no_second_document(two: Two) -> None:
    """The neighbour has it, we do not know: handed over again, it answers with its first receipt."""
    package = two.upper.package(OFFICE, [WARD], [bytes(range(256)) * 400])
    repeated = two.lower.logged("repeated")
    two.line.lose_after = 60_000  # more than a handshake, less than this package
    try:
        receipt = two.upper.take(package, OFFICE)
        until("three answers lost", lambda: two.line.lost >= 3)
    finally:
        two.line.lose_after = None
    until("delivered", lambda: two.upper.facts(receipt["document"], OFFICE)["deliveries"][0]["state"] == "delivered")
    assert two.upper.facts(receipt["document"], OFFICE)["deliveries"][0]["attempts"] >= 4
    known = two.lower.rows("SELECT count(*) FROM document WHERE document_id = ?", receipt["document_id"])
    assert known == [(1,)]
    assert two.lower.logged("repeated") >= repeated + 3
    below = _below(two, receipt["document_id"])
    assert two.lower.receive(WARD, below)[1] == package
    assert two.lower.waiting(WARD, below) is None


def test_what_comes_again_for_further_recipients_reaches_those_as_well(two: Two) -> None:
    package = two.upper.package(OFFICE, [WARD, SCHOOL, HOME_AFFAIRS])
    first = two.relay(package, [WARD])
    again = two.relay(package, [WARD, SCHOOL])
    assert (first.status, again.body) == (202, first.body)
    document = first.json()["document"]
    for by in (WARD, SCHOOL):
        assert two.lower.receive(by, document)[1] == package


@pytest.mark.faults
def test_a_neighbour_that_is_away_for_a_while_gets_everything_in_order(two: Two) -> None:
    two.lower.kill()
    used = f"{OFFICE},2026/11/23,away/TN"
    first = two.upper.take(two.upper.package(OFFICE, [WARD], document_id=used), OFFICE)
    recall = Business(kind=MessageKind.RECALL, document_id=used, reason="gửi nhầm")
    second = two.upper.take(two.upper.package(OFFICE, [WARD], business=recall, document_id=used), OFFICE)
    until("an attempt", lambda: two.upper.facts(first["document"], OFFICE)["deliveries"][0]["attempts"] >= 2)
    shown = two.upper.facts(first["document"], OFFICE)["deliveries"][0]
    assert shown["problem"] == "destination-unavailable"
    assert two.upper.facts(second["document"], OFFICE)["deliveries"][0]["attempts"] == 0
    two.upper.kill()
    two.upper.start()
    two.lower.start()
    below = _below(two, used)
    assert two.lower.facts(below, WARD)["kind"] == "new"
    two.lower.receive(WARD, below)
    changed = _below(two, used)
    assert (changed != below, two.lower.facts(changed, WARD)["kind"]) == (True, "recall")
    two.lower.receive(WARD, changed)


def test_what_a_neighbour_holds_comes_through_later_and_the_sender_hears_of_it(two: Two) -> None:
    """The lower node cannot tell yet whether a certificate is revoked: its word travels back, signed by itself."""
    upper, lower = two.upper, two.lower
    assert lower.crls is not None
    before = lower.said("trust_reloaded")
    for path in lower.crls.iterdir():
        path.unlink()
    until("no lists below", lambda: lower.said("trust_reloaded") > before)
    packages = [upper.package(OFFICE, [WARD]) for _ in range(2)]
    receipts = [upper.take(package, OFFICE) for package in packages]
    assert [receipt["state"] for receipt in receipts] == ["accepted"] * 2, "above everything is known"
    known = {receipt["document_id"] for receipt in receipts}
    where = "SELECT document_id FROM document WHERE state = 'held'"
    until("held below", lambda: {one for (one,) in lower.rows(where)} == known)
    assert not known & {one["document_id"] for one in lower.inbox(WARD)}
    shutil.copytree(upper.pki.crls, lower.crls, dirs_exist_ok=True)
    for receipt, package in zip(receipts, packages, strict=True):
        assert lower.receive(WARD, _below(two, receipt["document_id"]))[1] == package
        notice = upper.notice(OFFICE, receipt["document"])
        assert (notice["outcome"], notice["node"], notice["document_id"]) == (
            "released",
            lower.name,
            receipt["document_id"],
        )
        assert signed_by(lower, notice) and not signed_by(upper, notice)


def test_what_stays_undelivered_below_is_told_to_the_sender_above(two: Two) -> None:
    """Given up by an operator of the lower node: its word goes up, signed by itself, and ends at the sender."""
    receipt = two.upper.take(two.upper.package(OFFICE, [WARD, SCHOOL]), OFFICE)
    below = _below(two, receipt["document_id"])
    deliveries = two.lower.rows("SELECT id FROM delivery WHERE document = ? AND endpoint = ?", below, BELOW[WARD])
    ((delivery,),) = deliveries
    order = ["give-up", delivery, "-c", str(two.lower.config), "--reason", "phường đã giải thể"]
    result = CliRunner().invoke(main, ["queue", *order])
    assert result.exit_code == 0, result.output
    assert two.lower.waiting(WARD, below) is None
    notice = two.upper.notice(OFFICE, receipt["document"])
    assert (notice["outcome"], notice["reason"], notice["node"]) == ("undelivered", "given-up", two.lower.name)
    assert (notice["document_id"], notice["recipients"]) == (receipt["document_id"], [WARD])
    assert signed_by(two.lower, notice) and not signed_by(two.upper, notice)
    assert two.lower.receive(SCHOOL, below), "the other recipient has a lane of its own"
    going_up = "SELECT count(*) FROM delivery WHERE endpoint = ? AND state IN ('queued', 'leased')"
    until("01 is above", lambda: two.lower.rows(going_up, two.upper.name) == [(0,)])


NOTICES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "brackets": b"[" * 20_000,
    "a list": b"[]",
    "another type": b'{"type":"axis-receipt"}',
    "no more than its type": b'{"type":"axis-notice"}',
}


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_that_is_none_is_refused(name: str, two: Two) -> None:
    before = two.lower.state()
    json_type = {"Content-Type": "application/json"}
    reply = two.lower.ask("POST", "/v1/relay", NOTICES[name], certificate=two.passport, headers=json_type)
    assert (reply.status, problem(reply.body)) == (400, "bad-request")
    assert two.lower.state() == before


def _notice(receipt: dict[str, Any], **facts: Any) -> bytes:
    """What the lower node would say of a document of the office that it was handed."""
    names = ("sender", "document_id", "package_sha256", "document", "accepted_at")
    told = {name: receipt[name] for name in names if name in receipt}
    said = {"v": 1, "type": "axis-notice", "node": "truc-xa", "kind": "new", "sender": OFFICE, "signature": "AAAA"}
    return canonical({**said, **told, "outcome": "undelivered", "cargo": "document", "reason": "given-up", **facts})


def test_a_neighbour_tells_of_no_recipient_but_those_that_it_was_handed_the_document_for(two: Two) -> None:
    """It would have told the sender that others, here or behind somebody else, do not get it: they do."""
    receipt = two.upper.take(two.upper.package(OFFICE, [HOME_AFFAIRS, FINANCE, WARD]), OFFICE)
    until("handed over", lambda: _below(two, receipt["document_id"]))
    passport = two.lower.pki.folder / "tls" / "truc-xa-ra"
    certificate = Identity(passport.with_suffix(".pem"), passport.with_suffix(".key"), "")
    bad = {
        "another": ({"recipients": [HOME_AFFAIRS]}, 404),
        "another beside its own": ({"recipients": [WARD, HOME_AFFAIRS]}, 404),
        "nobody": ({"recipients": []}, 400),
        "a status": ({"recipients": [WARD], "cargo": "status", "code": "03"}, 400),
        "in our name": ({"recipients": [WARD], "node": "truc-tinh"}, 400),
        "no code": ({"recipients": ["../etc"]}, 400),
        "no list": ({"recipients": 5}, 400),
    }
    json_type = {"Content-Type": "application/json"}
    for name, (facts, status) in bad.items():
        octets = _notice(receipt, **facts)
        reply = two.upper.ask("POST", "/v1/relay", octets, certificate=certificate, headers=json_type)
        assert reply.status == status, (name, reply.body)
    assert two.upper.rows("SELECT count(*) FROM notice WHERE document = ?", receipt["document"]) == [(0,)]
    octets = _notice(receipt, recipients=[WARD])
    assert two.upper.ask("POST", "/v1/relay", octets, certificate=certificate, headers=json_type).status == 202
    assert two.upper.notice(OFFICE, receipt["document"])["recipients"] == [WARD]


def test_a_neighbour_does_not_tell_of_one_document_without_end(two: Two) -> None:
    """So many for each of its recipients, then no more; what was taken is still known when it comes again."""
    receipt = two.upper.take(two.upper.package(OFFICE, [HOME_AFFAIRS, WARD]), OFFICE)
    until("handed over", lambda: _below(two, receipt["document_id"]))
    passport = two.lower.pki.folder / "tls" / "truc-xa-ra"
    certificate = Identity(passport.with_suffix(".pem"), passport.with_suffix(".key"), "")

    def told(number: int) -> tuple[int, bytes]:
        octets = _notice(receipt, recipients=[WARD], at=str(number))
        headers = {"Content-Type": "application/json"}
        reply = two.upper.ask("POST", "/v1/relay", octets, certificate=certificate, headers=headers)
        return reply.status, reply.body

    most = 2 * MOST_EACH
    assert [told(number)[0] for number in range(most)] == [202] * most
    status, body = told(most)
    assert (status, problem(body)) == (400, "bad-request")
    assert told(0)[0] == 202
    assert two.upper.rows("SELECT count(*) FROM notice WHERE document = ?", receipt["document"]) == [(most,)]


def test_a_notice_about_what_was_never_handed_over_is_refused(two: Two) -> None:
    """A neighbour cannot make a sender believe something of a document that did not go its way."""
    inside = two.lower.take(two.lower.package(WARD, [SCHOOL]), WARD)
    notice = {
        "v": 1,
        "type": "axis-notice",
        "node": "truc-tinh",
        "document": inside["document"],
        "outcome": "refused",
        "reason": "cert-revoked",
        "sender": WARD,
        "kind": "new",
        "document_id": inside["document_id"],
        "package_sha256": inside["package_sha256"],
        "signature": "AAAA",
    }
    before = two.lower.state()
    json_type = {"Content-Type": "application/json"}
    reply = two.lower.ask("POST", "/v1/relay", canonical(notice), certificate=two.passport, headers=json_type)
    assert (reply.status, problem(reply.body)) == (404, "not-found")
    assert two.lower.state() == before


def test_hundreds_of_recipients_behind_a_neighbour_are_one_delivery(two: Two) -> None:
    receipt = two.upper.take(two.upper.package(OFFICE, MANY), OFFICE)

    def handed_over() -> bool:
        (delivery,) = two.upper.facts(receipt["document"], OFFICE)["deliveries"]
        assert delivery["state"] != "failed", delivery["problem"]
        return bool(delivery["state"] == "delivered")

    until("the document handed over", handed_over)
    made = two.lower.rows(
        "SELECT count(*) FROM delivery JOIN document ON document.ref = delivery.document WHERE document_id = ?",
        receipt["document_id"],
    )
    assert made == [(len(MANY),)]


@pytest.mark.parametrize("whole", [False, True])
def test_twenty_megabytes_pass_byte_for_byte(whole: bool, two: Two) -> None:
    attachments = [bytes([place]) * 7_500_000 for place in range(2)]
    package = two.upper.package(OFFICE, [WARD], attachments, whole=whole)
    assert len(package) > 20_000_000
    receipt = two.upper.take(package, OFFICE)
    below = _below(two, receipt["document_id"])
    assert two.lower.receive(WARD, below)[1] == package
    assert two.lower.facts(below, WARD)["package_sha256"] == receipt["package_sha256"]


def test_both_logs_verify_while_the_nodes_run(two: Two) -> None:
    for site in (two.upper, two.lower):
        assert site.verified().ok
