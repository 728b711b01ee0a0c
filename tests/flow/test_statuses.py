"""The nine statuses: who may set which, when, and how they come back to the sender."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from axis.demo.client import Reply
from schemas.codes import AgencyCode
from schemas.edxml import read_message
from schemas.envelope import Organization, StatusMessage
from schemas.limits import XmlLimits
from schemas.status import BY_WIRE
from schemas.write import serialise, write_status
from schemas.xml import parse_xml
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, problem

pytestmark = pytest.mark.slow

BY_RECIPIENT = ("03", "04", "05", "06", "02", "15", "16")
XML = {"Content-Type": "application/xml"}


def _delivered(site: Site, recipients: tuple[str, ...] = (HOME_AFFAIRS,)) -> dict[str, Any]:
    """A document that its recipients have; the 01 of the axis is taken over by the sender."""
    receipt = site.take(site.package(OFFICE, recipients), OFFICE)
    for by in recipients:
        site.receive(by, receipt["document"])
    told = site.told(OFFICE, receipt["document"])
    assert [item["status"]["code"] for item, _ in told] == ["01"] * len(recipients)
    return receipt


def problem_name(found: dict[str, Any]) -> str:
    return str(found["type"]).rpartition("/")[2].rpartition(":")[2]


def _at(minutes: int) -> str:
    """A time in the past, to the second."""
    return (datetime.now(UTC) - timedelta(hours=2) + timedelta(minutes=minutes)).replace(microsecond=0).isoformat()


def _good(reply: Reply) -> dict[str, Any]:
    assert reply.status == 202, reply.body
    return reply.json()


def _refused(reply: Reply, status: int, slug: str) -> None:
    assert (reply.status, problem(reply.body)) == (status, slug), reply.body


def _read(octets: bytes) -> StatusMessage:
    message = read_message(parse_xml(octets, XmlLimits()).root).message
    assert isinstance(message, StatusMessage)
    return message


def test_the_five_come_back_to_the_sender_in_order_as_xml(site: Site) -> None:
    receipt = _delivered(site)
    sent = {}
    for minute, code in enumerate(("03", "04", "05", "06")):
        sent[code] = _good(
            site.status(
                HOME_AFFAIRS,
                receipt["document"],
                code,
                at=_at(minute),
                description=f"{BY_WIRE[code].label} <&> \"'",
                staff={"department": "Văn thư", "staff": "Chị A", "mobile": "0900", "email": "a@h99.example.vn"},
            )
        )
        assert (sent[code]["standing"], sent[code]["attestation"]) == ("applied", "connection")
    told = site.told(OFFICE, receipt["document"])
    assert [item["status"]["code"] for item, _ in told] == ["03", "04", "05", "06"]
    facts = site.facts(receipt["document"], OFFICE)
    for item, octets in told:
        code = item["status"]["code"]
        message = _read(octets)
        assert (message.reporter.code.text, message.addressee.text) == (HOME_AFFAIRS, OFFICE)
        assert (message.wire_code, message.description) == (code, f"{BY_WIRE[code].label} <&> \"'")
        assert (message.document_id, message.code) == (facts["document_id"], facts["number"])
        assert message.at == datetime.fromisoformat(sent[code]["at"])
        assert message.staff is not None and message.staff.staff == "Chị A"
    assert site.told(OFFICE, receipt["document"]) == [], "each status comes once"


def test_01_is_set_by_the_axis_on_acknowledgement_and_only_once(site: Site) -> None:
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    item = site.waiting(HOME_AFFAIRS, receipt["document"])
    assert item is not None
    path = f"/v1/deliveries/{item['delivery']}/ack"
    first = site.post(path, HOME_AFFAIRS).json()
    assert first["state"] == "delivered"
    assert (first["arrived"]["code"], first["arrived"]["attestation"]) == ("01", "axis")
    before = site.state()
    assert site.post(path, HOME_AFFAIRS).json() == first
    own = _good(site.status(HOME_AFFAIRS, receipt["document"], "01", at=_at(0)))
    assert (own["status"], own["standing"]) == (first["arrived"]["status"], "repeated")
    assert site.state() == before
    assert [one["status"]["code"] for one, _ in site.told(OFFICE, receipt["document"])] == ["01"]


def test_eight_at_once_say_the_same_thing_once(site: Site) -> None:
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    item = site.waiting(HOME_AFFAIRS, receipt["document"])
    assert item is not None
    at = _at(0)
    with ThreadPoolExecutor(8) as pool:
        path = f"/v1/deliveries/{item['delivery']}/ack"
        acks = list(pool.map(lambda _: site.post(path, HOME_AFFAIRS), range(8)))
        said = list(pool.map(lambda _: site.status(HOME_AFFAIRS, receipt["document"], "03", at=at), range(8)))
    assert {reply.status for reply in acks} == {200}
    assert len({reply.body for reply in acks}) == 1
    assert {reply.status for reply in said} == {202}
    assert len({reply.json()["status"] for reply in said}) == 1
    assert [one["status"]["code"] for one, _ in site.told(OFFICE, receipt["document"])] == ["01", "03"]


@pytest.mark.parametrize("code", BY_RECIPIENT)
def test_a_code_of_the_recipient_is_taken_from_it_and_from_nobody_else(code: str, site: Site) -> None:
    document = _delivered(site)["document"]
    why = {"description": "lý do"}
    before = site.state()
    _refused(site.status(OFFICE, document, code, receiver=HOME_AFFAIRS, **why), 403, "not-your-agency")
    not_receiver = site.status(OFFICE, document, code, **why)
    _refused(not_receiver, 409, "illegal-status")
    assert not_receiver.json()["detail"] == "only a receiver of the document may set this status"
    _refused(site.status(FINANCE, document, code, **why), 404, "not-found")
    assert site.state() == before
    assert _good(site.status(HOME_AFFAIRS, document, code, **why))["receiver"] == HOME_AFFAIRS
    assert [item["status"]["code"] for item, _ in site.told(OFFICE, document)] == [code]


def test_13_is_set_by_the_sender_and_answered_by_the_recipient(site: Site) -> None:
    document = _delivered(site)["document"]
    before, logged = site.state(), site.logged("status-refused")
    not_sender = site.status(HOME_AFFAIRS, document, "13")
    _refused(not_sender, 409, "illegal-status")
    assert not_sender.json()["detail"] == "only the sender of the document may set this status"
    _refused(site.status(OFFICE, document, "13", receiver=FINANCE), 409, "illegal-status")
    assert site.state() == before
    assert site.logged("status-refused") == logged + 2
    asked = _good(site.status(OFFICE, document, "13", receiver=HOME_AFFAIRS, at=_at(0)))
    assert (asked["standing"], asked["reporter"], asked["receiver"]) == ("applied", OFFICE, HOME_AFFAIRS)
    ((item, octets),) = site.told(HOME_AFFAIRS, document)
    assert item["status"]["code"] == "13"
    assert (_read(octets).reporter.code.text, _read(octets).addressee.text) == (OFFICE, HOME_AFFAIRS)
    assert _good(site.status(HOME_AFFAIRS, document, "16", description="đã xử lý", at=_at(1)))["standing"] == "applied"
    assert _good(site.status(OFFICE, document, "13", receiver=HOME_AFFAIRS, at=_at(2)))["standing"] == "applied"
    assert _good(site.status(HOME_AFFAIRS, document, "15", at=_at(3)))["standing"] == "applied"
    assert [item["status"]["code"] for item, _ in site.told(OFFICE, document)] == ["16", "15"]


def test_a_refusal_names_its_reason(site: Site) -> None:
    document = _delivered(site)["document"]
    before = site.state()
    for code in ("02", "16"):
        for description in (None, "", " \t"):
            reply = site.status(HOME_AFFAIRS, document, code, description=description)
            _refused(reply, 400, "bad-request")
            assert reply.json()["fields"] == ["description"]
    assert site.state() == before


def test_a_status_of_the_future_is_refused_and_clocks_may_differ_by_minutes(site: Site) -> None:
    document = _delivered(site)["document"]
    before = site.state()
    now = datetime.now(UTC)
    for at in (now + timedelta(minutes=6), now + timedelta(days=4000)):
        reply = site.status(HOME_AFFAIRS, document, "03", at=at.isoformat())
        _refused(reply, 400, "bad-request")
        assert reply.json()["fields"] == ["at"]
    assert site.state() == before
    _good(site.status(HOME_AFFAIRS, document, "03", at=(now + timedelta(minutes=3)).isoformat()))


BAD_BODIES: dict[str, Any] = {
    "an unknown field": {"code": "03", "state": "done"},
    "no code": {"description": "x"},
    "a code that is a number": {"code": 3},
    "a code that is a word": {"code": "ba"},
    "a code of three digits": {"code": "103"},
    "a time without a zone": {"code": "03", "at": "2026-11-01T08:00:00"},
    "a time that is none": {"code": "03", "at": "hôm qua"},
    "a time before time": {"code": "03", "at": "0001-01-01T00:00:00+07:00"},
    "a time after time": {"code": "03", "at": "9999-12-31T23:59:59-07:00"},
    "a time that is a number": {"code": "03", "at": int(time.time())},
    "a time that is a number in text": {"code": "03", "at": str(int(time.time()))},
    "a receiver that is no code": {"code": "03", "receiver": "../etc"},
    "a text that XML cannot hold": {"code": "03", "description": "a\x01b"},
    "a name that XML cannot hold": {"code": "03", "staff": {"staff": "a\ufffeb"}},
    "a text that is too long": {"code": "03", "description": "x" * 501},
    "a list": ["03"],
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_is_not_understood_is_refused(name: str, site: Site) -> None:
    document = _delivered(site)["document"]
    before = site.state()
    _refused(site.post(f"/v1/documents/{document}/statuses", HOME_AFFAIRS, BAD_BODIES[name]), 400, "bad-request")
    assert site.state() == before


def test_a_body_that_is_no_json_is_refused(site: Site) -> None:
    document = _delivered(site)["document"]
    path = f"/v1/documents/{document}/statuses"
    before = site.state()
    for octets in (b"", b"{", b"[" * 5000, b'{"code": NaN}', b'{"code":"\\ud800"}', b"\xff"):
        reply = site.ask("POST", path, octets, by=HOME_AFFAIRS, headers={"Content-Type": "application/json"})
        _refused(reply, 400, "bad-request")
    _refused(site.ask("POST", path, b'{"code":"03"}', by=HOME_AFFAIRS, headers=XML), 415, "unsupported-media")
    large = b'{"description":"' + b"x" * 70_000 + b'"}'
    reply = site.ask("POST", path, large, by=HOME_AFFAIRS, headers={"Content-Type": "application/json"})
    _refused(reply, 413, "too-large")
    assert site.state() == before


def _batch(site: Site, by: str, *items: Any) -> list[dict[str, Any]]:
    reply = site.post("/v1/statuses", by, {"statuses": list(items)})
    assert reply.status == 200, reply.body
    results: list[dict[str, Any]] = reply.json()["results"]
    return results


def test_of_a_batch_each_status_has_its_own_answer(site: Site) -> None:
    one, other = (_delivered(site)["document"] for _ in range(2))
    results = _batch(
        site,
        HOME_AFFAIRS,
        {"document": one, "code": "03", "at": _at(0)},
        {"document": other, "code": "02"},
        {"document": "a" * 26, "code": "03"},
        {"document": one, "code": "04", "at": _at(1)},
        {"document": other, "code": "13"},
        {"document": one, "code": "03", "at": _at(0)},
        {"document": other, "code": "03", "colour": "red"},
        "03",
    )
    said = [one["status"]["standing"] if "status" in one else problem_name(one["problem"]) for one in results]
    assert said == [
        *("applied", "bad-request", "not-found", "applied", "illegal-status", "repeated", "bad-request"),
        "bad-request",
    ]
    assert results[1]["problem"]["fields"] == ["description"]
    assert results[6]["problem"]["fields"] == ["colour"]
    assert [item["status"]["code"] for item, _ in site.told(OFFICE, one)] == ["03", "04"]
    assert site.told(OFFICE, other) == []


def test_a_stranger_reports_nothing_by_a_batch(site: Site) -> None:
    document = _delivered(site)["document"]
    before = site.state()
    (result,) = _batch(site, FINANCE, {"document": document, "code": "03"})
    assert problem_name(result["problem"]) == "not-found"
    assert site.state() == before


@pytest.mark.parametrize(
    "body",
    [{}, [], {"statuses": {}}, {"statuses": []}, {"statuses": ["x"] * 101}, {"statuses": ["x"], "more": 1}],
    ids=["nothing", "a list", "an object", "none", "too many", "another member"],
)
def test_what_is_no_batch_is_refused(site: Site, body: Any) -> None:
    _refused(site.post("/v1/statuses", HOME_AFFAIRS, body), 400, "bad-request")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("code", 3, 'code: is wrong; it is two digits in quotes, "03"'),
        ("code", None, 'code: is missing; it is two digits in quotes, "03"'),
        ("at", "2026-11-23T08:30:00", 'at: is wrong; it is a time with its zone, "2026-11-23T08:30:00+07:00"'),
        ("at", "2020-01-01T00:00:00Z", "the status lies before its document was issued"),
        ("receiver", "???", "an agency code is 1 to 35"),
        ("staff", "An", "staff: is wrong; it is an object with any of department, staff, email, mobile"),
        ("note", "x", "note: there is no such field"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_what_it_is_to_be(site: Site, field: str, value: object, told: str) -> None:
    document = _delivered(site)["document"]
    body = {"code": "04", field: value}
    reply = site.post(
        f"/v1/documents/{document}/statuses", HOME_AFFAIRS, {key: one for key, one in body.items() if one is not None}
    )
    _refused(reply, 400, "bad-request")
    assert reply.json()["fields"] == [field] and told in reply.json()["detail"]


def test_a_batch_that_is_too_large_is_refused(site: Site) -> None:
    reply = site.post("/v1/statuses", HOME_AFFAIRS, {"statuses": [{"description": "x" * 300_000}]})
    _refused(reply, 413, "too-large")


def test_a_code_that_nobody_knows_is_refused(site: Site) -> None:
    document = _delivered(site)["document"]
    before = site.state()
    for code in ("07", "14", "99", "0", "00"):
        reply = site.status(HOME_AFFAIRS, document, code)
        _refused(reply, 400, "bad-request")
        assert reply.json()["fields"] == ["code"]
    assert site.state() == before
    assert _good(site.status(HOME_AFFAIRS, document, "3"))["code"] == "03"


def test_a_repeat_is_acknowledged_and_reaches_nobody_twice(site: Site) -> None:
    document = _delivered(site)["document"]
    at = _at(0)
    first = _good(site.status(HOME_AFFAIRS, document, "03", at=at))
    before, entries = site.state(), site.logged("status")
    again = _good(site.status(HOME_AFFAIRS, document, "03", at=at))
    assert again == {**first, "standing": "repeated"}
    assert (site.state(), site.logged("status")) == (before, entries)
    later = _good(site.status(HOME_AFFAIRS, document, "03", at=_at(1)))
    assert (later["standing"], later["status"] != first["status"]) == ("repeated", True)
    assert [item["status"]["status"] for item, _ in site.told(OFFICE, document)] == [first["status"]]


def test_a_late_status_is_history_and_a_contradiction_is_shown(site: Site) -> None:
    document = _delivered(site)["document"]
    expected = [("06", "applied"), ("03", "late"), ("05", "late"), ("02", "conflict"), ("15", "conflict")]
    for minute, (code, standing) in enumerate(expected):
        recorded = _good(site.status(HOME_AFFAIRS, document, code, at=_at(minute), description="x"))
        assert recorded["standing"] == standing, code
    shown = [(one["code"], one["standing"]) for one in site.facts(document, OFFICE)["statuses"]]
    assert shown == [("01", "applied"), *expected], "nothing is dropped"
    told = [(item["status"]["code"], item["status"]["standing"]) for item, _ in site.told(OFFICE, document)]
    assert told == expected


def test_shuffled_statuses_arrive_each_once_and_the_highest_stands(site: Site) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(4):
        document = _delivered(site, (HOME_AFFAIRS, FINANCE))["document"]
        steps = [(by, code) for by in (HOME_AFFAIRS, FINANCE) for code in ("03", "04", "05", "06") for _ in range(2)]
        chance.shuffle(steps)
        times = {code: _at(int(code)) for code in ("03", "04", "05", "06")}
        for by, code in steps:
            _good(site.status(by, document, code, at=times[code]))
        told = Counter((item["status"]["receiver"], item["status"]["code"]) for item, _ in site.told(OFFICE, document))
        assert told == Counter({(by, code): 1 for by in (HOME_AFFAIRS, FINANCE) for code in ("03", "04", "05", "06")})
        for by in (HOME_AFFAIRS, FINANCE):
            reached = "01"
            for one in site.facts(document, by)["statuses"][1:]:
                assert one["standing"] == ("applied" if one["code"] > reached else "late")
                reached = max(reached, one["code"])
            assert reached == "06"


def _message(facts: dict[str, Any], reporter: str, addressee: str, code: str, **more: Any) -> bytes:
    message = StatusMessage(
        reporter=Organization(AgencyCode.parse(reporter)),
        addressee=AgencyCode.parse(addressee),
        document_id=facts["document_id"],
        code=facts["number"],
        wire_code=code,
        at=more.pop("at", datetime.now(UTC).replace(microsecond=0)),
        **more,
    )
    return serialise(write_status(message))


def test_a_status_may_come_as_xml_through_the_same_door_as_documents(site: Site) -> None:
    document = _delivered(site)["document"]
    facts = site.facts(document, HOME_AFFAIRS)
    package = _message(facts, HOME_AFFAIRS, OFFICE, "03", description="đã nhận")
    first = _good(site.send(package, HOME_AFFAIRS))
    assert (first["code"], first["standing"], first["receiver"]) == ("03", "applied", HOME_AFFAIRS)
    before = site.state()
    assert _good(site.send(package, HOME_AFFAIRS)) == {**first, "standing": "repeated"}
    assert site.state() == before
    by_number = _message({"document_id": None, "number": facts["number"]}, HOME_AFFAIRS, OFFICE, "05")
    assert _good(site.send(by_number, HOME_AFFAIRS))["standing"] == "applied"
    recall = _message(facts, OFFICE, HOME_AFFAIRS, "13")
    assert _good(site.send(recall, OFFICE))["reporter"] == OFFICE
    assert [item["status"]["code"] for item, _ in site.told(OFFICE, document)] == ["03", "05"]
    assert [item["status"]["code"] for item, _ in site.told(HOME_AFFAIRS, document)] == ["13"]


def test_a_signed_status_must_be_signed_well(site: Site) -> None:
    document = _delivered(site)["document"]
    facts = site.facts(document, HOME_AFFAIRS)
    root = parse_xml(_message(facts, HOME_AFFAIRS, OFFICE, "03"), XmlLimits()).root
    site.sign(root, HOME_AFFAIRS)
    good = serialise(root)
    before, refused = site.state(), site.logged("refused")
    _refused(site.send(good.replace(b">03<", b">06<"), HOME_AFFAIRS), 422, "signature-failed")
    other = parse_xml(_message(facts, HOME_AFFAIRS, OFFICE, "03"), XmlLimits()).root
    site.sign(other, FINANCE)
    _refused(site.send(serialise(other), HOME_AFFAIRS), 403, "certificate-agency-mismatch")
    assert site.state() == before
    assert site.logged("refused") == refused + 2
    assert _good(site.send(good, HOME_AFFAIRS))["code"] == "03"


def test_an_xml_status_of_a_stranger_or_of_nonsense_is_refused(site: Site) -> None:
    document = _delivered(site)["document"]
    facts = site.facts(document, HOME_AFFAIRS)
    unknown = {**facts, "document_id": "không có", "number": "0/KHONG"}
    before = site.state()
    refused = [
        (FINANCE, _message(facts, FINANCE, OFFICE, "03"), 404, "not-found"),
        (FINANCE, _message(facts, HOME_AFFAIRS, OFFICE, "03"), 403, "not-your-agency"),
        (HOME_AFFAIRS, _message(unknown, HOME_AFFAIRS, OFFICE, "03"), 404, "not-found"),
        (HOME_AFFAIRS, _message(facts, HOME_AFFAIRS, FINANCE, "03"), 404, "not-found"),
        (HOME_AFFAIRS, _message(facts, HOME_AFFAIRS, OFFICE, "13"), 404, "not-found"),
        (OFFICE, _message(facts, OFFICE, HOME_AFFAIRS, "03"), 404, "not-found"),
        (HOME_AFFAIRS, _message(facts, HOME_AFFAIRS, OFFICE, "07"), 422, "schema-violation"),
        (HOME_AFFAIRS, _message(facts, HOME_AFFAIRS, OFFICE, "02"), 422, "schema-violation"),
        (
            HOME_AFFAIRS,
            _message(facts, HOME_AFFAIRS, OFFICE, "03", at=datetime.now(UTC) + timedelta(hours=1)),
            422,
            "schema-violation",
        ),
    ]
    for by, package, status, slug in refused:
        _refused(site.send(package, by), status, slug)
    assert site.state() == before
