"""Deliveries keep their order in a lane; what is pushed is pushed again until the other side has it or refuses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from axis.log.findings import LogReport
from schemas.edxml import read_message
from schemas.envelope import Business, MessageKind, StatusMessage
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from tests.flow.receiver import Answer, Got, Receiver, Slowly, endless, raw, status
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem, pushed, row, signed_by, until

pytestmark = pytest.mark.slow

HEALTH = "000.00.15.H99"
NAME = "so-y-te"
LEASE = '[delivery]\nlease = "3s"\nfirst_retry = "200ms"\nretry_ceiling = "1s"'


@pytest.fixture(scope="module")
def far() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(far: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Beside the mailboxes one agency that is called, and may call."""
    made = Site(tmp_path_factory.mktemp("delivery"), LEASE)
    made.signers[HEALTH] = made.pki.signer(HEALTH)
    made.registry = row(HEALTH, made.signers[HEALTH])
    bearer = made.folder / "bearer"
    bearer.touch(0o600)
    bearer.write_text("mat-khau-0123\n")
    key = sha256(made.key(NAME).encode()).hexdigest()
    made.endpoints = pushed(NAME, HEALTH, far.url, f'bearer_file = "{bearer}"\napi_keys = ["sha256:{key}"]\n')
    made.configure()
    with kept_running(made):
        yield made


def _push(site: Site, far: Receiver, *answers: Answer, size: int = 100, **options: Any) -> tuple[str, bytes, bytes]:
    """Send a document to the agency that is called, which will answer so; its ref, a text to know it by, its octets."""
    document_id = f"{OFFICE},2026/11/23,{site.made}/DAY"
    mark = document_id.encode() + b"<"
    far.plan[mark] = list(answers)
    package = site.package(OFFICE, [HEALTH], [bytes([5]) * size], document_id=document_id, **options)
    return site.take(package, OFFICE)["document"], mark, package


def _delivery(site: Site, document: str) -> dict[str, Any]:
    deliveries = site.facts(document, OFFICE)["deliveries"]
    found: dict[str, Any] = next(one for one in deliveries if one["cargo"] == "document")
    return found


def _in_state(site: Site, document: str, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = _delivery(site, document)
        return found if found["state"] == state else None

    return until(f"the delivery {state}", look)


def _once(got: list[Got]) -> None:
    """Every attempt was the same request: same id, same octets."""
    assert len({one.headers["axis-delivery"] for one in got}) == 1
    assert len({one.body for one in got}) == 1


@pytest.mark.parametrize("answer", [200, 201, 202, 204])
def test_what_is_pushed_is_what_was_sent(answer: int, site: Site, far: Receiver) -> None:
    document, mark, package = _push(site, far, status(answer), size=300_000 if answer == 202 else 100)
    delivery = _in_state(site, document, "delivered")
    (got,) = far.about(mark)
    assert got.body == package
    assert got.path == "/inbox"
    assert got.headers["axis-delivery"] == delivery["delivery"]
    assert got.headers["axis-document"] == document
    assert got.headers["axis-recipients"] == HEALTH
    assert got.headers["axis-sha256"] == sha256(package).hexdigest()
    assert got.headers["authorization"] == "Bearer mat-khau-0123"
    assert "cookie" not in got.headers
    ((item, _),) = site.told(OFFICE, document)
    assert (item["status"]["code"], item["status"]["attestation"]) == ("01", "axis")


def test_a_delivery_that_fails_for_now_is_made_again_under_the_same_id(site: Site, far: Receiver) -> None:
    answers = [status(500), status(503, Retry_After="1"), status(429), status(401), status(404), status(200)]
    document, mark, package = _push(site, far, *answers, size=200_000)
    delivery = _in_state(site, document, "delivered")
    got = far.about(mark)
    assert (len(got), delivery["attempts"]) == (6, 6)
    _once(got)
    assert got[0].body == package
    assert len(site.told(OFFICE, document)) == 1


@pytest.mark.parametrize("read", [0, 1_000_000])
def test_who_answers_before_it_has_all_has_not_got_it(read: int, site: Site, far: Receiver) -> None:
    """What stands before a receiver may say 200 to a head; the sender would hear that half a document has arrived."""
    answered = threading.Event()

    def early(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(read)
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", hold=answered)(handler)

    try:
        with far.cut(early):
            document, mark, package = _push(site, far, size=12_000_000)
            until("an attempt is over", lambda: _delivery(site, document)["problem"])
    finally:
        answered.set()
    assert _delivery(site, document)["state"] != "delivered"
    _in_state(site, document, "delivered")
    assert [one.body for one in far.about(mark)] == [package]
    assert len(site.told(OFFICE, document)) == 1


def test_who_sends_nothing_but_interim_answers_is_not_listened_to(site: Site, far: Receiver) -> None:
    """The node has one loop: whoever is asked meanwhile would wait until the attempt is over."""
    sent: list[float] = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        began = time.monotonic()
        with suppress(OSError):
            while True:
                handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 400)
        sent.append(time.monotonic() - began)

    with far.cut(flood):
        document, mark, _ = _push(site, far)
        until("the first is over", lambda: sent)
    assert min(sent) < 1.5, "it was listened to for half of a lease"
    _in_state(site, document, "delivered")
    few = [raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]
    document, mark, _ = _push(site, far, *few)
    assert _in_state(site, document, "delivered")["attempts"] == 1
    assert len(far.about(mark)) == 1


@pytest.mark.parametrize("code", [400, 409, 410, 413, 422])
def test_a_destination_that_refuses_ends_the_delivery_for_all_to_see(code: int, site: Site, far: Receiver) -> None:
    failed = site.logged("failed")
    document, mark, _ = _push(site, far, status(code))
    delivery = _in_state(site, document, "failed")
    assert (delivery["problem"], delivery["attempts"]) == ("destination-refused", 1)
    assert site.logged("failed") == failed + 1
    sentinel, _, _ = _push(site, far)
    _in_state(site, sentinel, "delivered")
    assert len(far.about(mark)) == 1, "a refused delivery was tried again"
    assert site.facts(document, OFFICE)["statuses"] == []
    notice = site.notice(OFFICE, document)
    assert (notice["outcome"], notice["reason"]) == ("undelivered", "destination-refused")
    assert (notice["cargo"], notice["recipients"], notice["delivery"]) == ("document", [HEALTH], delivery["delivery"])
    assert signed_by(site, notice)


def test_a_redirect_is_never_followed(site: Site, far: Receiver) -> None:
    elsewhere = far.url.replace("/inbox", "/elsewhere")
    answers = [status(code, Location=elsewhere) for code in (301, 302, 303, 307, 308)]
    document, mark, _ = _push(site, far, *answers, status(200))
    assert _in_state(site, document, "delivered")["attempts"] == 6
    _once(far.about(mark))
    assert [one for one in far.got if one.path != "/inbox"] == []


@pytest.mark.faults
def test_answers_that_are_no_answers_are_waited_out(site: Site, far: Receiver) -> None:
    garbage = [
        raw(b""),
        raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
        raw(b"HTTP/1.1 200\r\nContent-Length: -5\r\n\r\n"),
        raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        raw(bytes(range(256)) * 40),
    ]
    document, mark, _ = _push(site, far, *garbage, status(200))
    delivery = _in_state(site, document, "delivered")
    _once(far.about(mark))
    assert 6 <= delivery["attempts"] <= len(far.about(mark)), "who hung up on a kept connection got it again at once"
    assert len(site.told(OFFICE, document)) == 1


def test_an_answer_without_end_is_cut_off_and_counts_by_its_first_line(site: Site, far: Receiver) -> None:
    document, mark, _ = _push(site, far, endless)
    assert _in_state(site, document, "delivered")["attempts"] == 1
    assert len(far.about(mark)) == 1


def test_an_answer_that_comes_after_the_lease_is_too_late_and_the_delivery_is_made_again(
    site: Site, far: Receiver
) -> None:
    """Meanwhile others do not wait."""
    released = threading.Event()
    document, mark, _ = _push(site, far, raw(hold=released), status(200))
    try:
        until("the first attempt", lambda: far.about(mark))
        quick, _, _ = _push(site, far)
        _in_state(site, quick, "delivered")
        assert _delivery(site, document)["state"] == "leased"
        assert _in_state(site, document, "delivered")["attempts"] == 2
    finally:
        released.set()
    _once(far.about(mark))
    assert len(site.told(OFFICE, document)) == 1, "arrived once"


@pytest.mark.faults
def test_what_goes_slowly_for_longer_than_a_lease_is_one_attempt(site: Site, far: Receiver) -> None:
    """A commune's line: its octets move, so nobody begins again from the first of them."""
    size = 12_000_000
    slowly = Slowly(pause_s=0.35)
    with far.cut(slowly):
        document, _, package = _push(site, far, size=size)
        assert _in_state(site, document, "delivered")["attempts"] == 1
    assert slowly.took_s > 6, "it took more than two leases"
    assert slowly.got == [package]


@pytest.mark.faults
def test_who_stops_taking_loses_the_attempt(site: Site, far: Receiver) -> None:
    document, mark, _ = _push(site, far, size=100)  # the lane's first, so that nothing else is under way
    _in_state(site, document, "delivered")
    stops = Slowly(pause_s=0.1, stops_behind=4_000_000)
    with far.cut(stops):
        document, mark, package = _push(site, far, size=12_000_000)
        until("it has stopped", stops.stopped.is_set)
        began = time.monotonic()
        until("it is not waited for", lambda: _delivery(site, document)["state"] == "queued")
        assert time.monotonic() - began < 3
    _in_state(site, document, "delivered")
    assert far.about(mark)[-1].body == package


@pytest.mark.faults
def test_a_node_that_dies_during_an_attempt_makes_it_again_under_the_same_id(site: Site, far: Receiver) -> None:
    released = threading.Event()
    document, mark, _ = _push(site, far, raw(hold=released), status(200))
    try:
        until("the first attempt", lambda: far.about(mark))
        site.kill()
        site.start()
        assert _in_state(site, document, "delivered")["attempts"] == 2
    finally:
        released.set()
    _once(far.about(mark))


def test_a_failed_delivery_parks_what_follows_it_in_its_lane_and_nothing_else(site: Site, far: Receiver) -> None:
    document, _, _ = _push(site, far, status(410))
    _in_state(site, document, "failed")
    facts = site.facts(document, OFFICE)
    concerned = Business(kind=MessageKind.RECALL, document_id=facts["document_id"], reason="gửi nhầm")
    recall, recall_mark, _ = _push(site, far, business=concerned)
    reply = site.status(OFFICE, document, "13", receiver=HEALTH)
    assert reply.status == 202, reply.body
    sentinel, _, _ = _push(site, far)
    _in_state(site, sentinel, "delivered")
    assert far.about(recall_mark) == []
    behind = [one for one in site.facts(document, OFFICE)["deliveries"][1:] if one["endpoint"] == NAME]
    parked = [*behind, _delivery(site, recall)]
    assert [one["state"] for one in parked] == ["queued", "queued"]
    assert [one["attempts"] for one in parked] == [0, 0]


def test_an_agency_that_is_called_gets_its_statuses_called_too(site: Site, far: Receiver) -> None:
    package = site.package(HEALTH, [HOME_AFFAIRS])
    shown = {"Authorization": f"Bearer {site.key(NAME)}", "Content-Type": "application/xml"}
    reply = site.ask("POST", "/v1/documents", package, headers=shown)
    assert reply.status == 202, reply.body
    facts = reply.json()
    site.receive(HOME_AFFAIRS, facts["document"])
    for code in ("03", "06"):
        assert site.status(HOME_AFFAIRS, facts["document"], code).status == 202
    mark = facts["document_id"].encode()
    until("three statuses", lambda: len(far.about(mark, "status")) >= 3)
    got = far.about(mark, "status")
    assert [one.headers["axis-status"] for one in got] == ["01", "03", "06"]
    for one in got:
        message = read_message(parse_xml(one.body, XmlLimits()).root).message
        assert isinstance(message, StatusMessage)
        assert (message.wire_code, message.reporter.code.text) == (one.headers["axis-status"], HOME_AFFAIRS)
        assert one.headers["axis-document"] == facts["document"]


def test_a_recall_waits_until_its_document_is_acknowledged(site: Site) -> None:
    used = f"{OFFICE},2026/11/23,order/TN"
    document = site.take(site.package(OFFICE, [HOME_AFFAIRS, FINANCE], document_id=used), OFFICE)["document"]
    business = Business(kind=MessageKind.RECALL, document_id=used, reason="gửi nhầm")
    recall = site.take(
        site.package(OFFICE, [HOME_AFFAIRS, FINANCE], business=business, document_id=f"{used}/2"), OFFICE
    )
    assert site.waiting(HOME_AFFAIRS, document) is not None
    assert site.waiting(HOME_AFFAIRS, recall["document"]) is None
    deliveries = {one["endpoint"]: one for one in site.facts(recall["document"], OFFICE)["deliveries"]}
    early = deliveries["so-noi-vu"]["delivery"]
    before = site.state()
    reply = site.post(f"/v1/deliveries/{early}/ack", HOME_AFFAIRS)
    assert (reply.status, problem(reply.body)) == (404, "not-found"), "what is parked cannot be taken early"
    assert site.state() == before
    site.kill()
    site.start()
    assert site.waiting(HOME_AFFAIRS, recall["document"]) is None
    site.receive(HOME_AFFAIRS, document)
    assert site.receive(HOME_AFFAIRS, recall["document"])[0] == early
    assert site.waiting(FINANCE, recall["document"]) is None, "each recipient has a lane of its own"
    site.receive(FINANCE, document)
    site.receive(FINANCE, recall["document"])


def test_the_secret_of_a_destination_stands_in_no_log(site: Site) -> None:
    report: LogReport = site.verified()
    assert report.ok
    assert b"mat-khau-0123" not in (site.folder / "node.log").read_bytes()
    assert b"axk_" not in (site.folder / "node.log").read_bytes()


def test_an_attempt_that_breaks_off_leaves_no_file_open(site: Site, far: Receiver) -> None:
    """A destination that hangs up again and again would take all files that the node may have."""

    def hang_up(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(20_000)
        request.connection.shutdown(socket.SHUT_RDWR)
        request.close_connection = True

    with far.cut(hang_up):
        document, _, _ = _push(site, far, size=4_000_000)
        until("some attempts", lambda: _delivery(site, document)["attempts"] > 2)
    _in_state(site, document, "delivered")
    until("no file is open", lambda: not site.open_blobs())
