"""Everything that POST /v1/documents refuses: by a stable name, with nothing stored, and one log entry at the most."""

from __future__ import annotations

import base64
import copy
import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from axis.demo.client import Reply
from axis.devpki import DevPki
from schemas.names import NAMESPACE
from schemas.structure import signature_place, signed_parts
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem, row

pytestmark = pytest.mark.slow

Q = f"{{{NAMESPACE}}}"
CLOSED, SUCCESSOR, ROUTELESS, NOBODY = "000.00.30.H99", HOME_AFFAIRS, "000.00.31.H99", "000.00.32.H99"
CHILD = "000.01.01.H99"
XML = {"Content-Type": "application/xml"}
MAX_BYTES = 400_000
SECRET = "Trích yếu không được lộ"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("refusals")
    closed = f'valid_to = 2025-07-01\nsuccessors = ["{SUCCESSOR}"]'
    registry = row(CLOSED, more=closed) + row(ROUTELESS)
    made = Site(folder, '[limits]\nmax_bytes = "400000B"\nmax_recipients = 3', registry=registry)
    _bad_signers(made, folder)
    with kept_running(made):
        yield made


def _bad_signers(site: Site, folder: Path) -> None:
    """Certificates of the office that are no good. All but the stranger's are registered for it."""
    now = datetime.now(UTC)
    for name, at in (("expired", -timedelta(days=2000)), ("future", timedelta(days=3))):
        site.signers[name] = DevPki(site.pki.folder, now + at).signer(f"van-phong-{name}")
    site.signers["revoked"] = site.pki.signer("van-phong-revoked")
    site.pki.revoke(site.signers["revoked"], now - timedelta(hours=1))
    site.pki.write_crl(now)
    site.signers["stranger"] = DevPki.create(folder / "another", now).signer("van-phong-stranger")
    site.speaking[OFFICE] = [site.signers[name] for name in ("expired", "future", "revoked", "stranger")]
    site.configure()


@dataclass
class Case:
    """What is sent, and what must be answered. `logged`: a refusal of an authenticated caller is in the log."""

    status: int
    slug: str
    make: Callable[[Site], bytes]
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=lambda: XML)
    by: str = OFFICE
    logged: bool = True


def package(**options: Any) -> Callable[[Site], bytes]:
    """From the office to home affairs, unless told otherwise."""
    options = {"subject": SECRET, **options}
    sender, recipients = options.pop("sender", OFFICE), options.pop("recipients", [HOME_AFFAIRS])
    return lambda site: site.package(sender, recipients, **options)


def octets(raw: bytes) -> Callable[[Site], bytes]:
    return lambda site: raw


def without(name: str) -> Callable[[etree._Element], None]:
    def bend(root: etree._Element) -> None:
        for element in list(root.iter(Q + name)):
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)

    return bend


def wrap(root: etree._Element) -> None:
    """The signed header moves aside, still intact, and a forged one stands in its place."""
    signed = signed_parts(root).header
    forged = copy.deepcopy(signed)
    del forged.attrib["Id"]
    place = signature_place(root)
    place.replace(signed, forged)
    aside = etree.Element(Q + "Extension")
    aside.append(signed)
    place.insert(1, aside)


def sign_twice(root: etree._Element) -> None:
    place = signature_place(root)
    place.append(copy.deepcopy(place[-1]))


def sign_five_times(root: etree._Element) -> None:
    place = signature_place(root)
    for _ in range(4):
        again = copy.deepcopy(place[-1])
        for element in again.iter():
            element.attrib.pop("Id", "")
        place.append(again)


def beside(signer: str, *, first_whole: bool = False, whole: bool = False) -> Callable[[Site], bytes]:
    """A package of the office that somebody else signed as well, after it."""

    def make(site: Site) -> bytes:
        after = partial(site.sign, signer=signer, whole=whole)
        return site.package(OFFICE, [HOME_AFFAIRS], subject=SECRET, whole=first_whole, after=after)

    return make


def text(name: str, value: str) -> Callable[[etree._Element], None]:
    def bend(root: etree._Element) -> None:
        element = next(root.iter(Q + name))
        element.text = value

    return bend


def repeat_recipient(root: etree._Element) -> None:
    to = next(root.iter(Q + "To"))
    to.addnext(copy.deepcopy(to))


def bend_value(root: etree._Element) -> None:
    value = next(root.iter("{*}SignatureValue"))
    assert value.text
    value.text = ("B" if value.text[0] != "B" else "C") + value.text[1:]


def deep(levels: int) -> bytes:
    return b"<a>" * levels + b"</a>" * levels


SCHEMA = "schema-violation"
MALFORMED = "malformed-xml"
SIGNATURE = "signature-failed"

CASES: dict[str, Case] = {
    "plain text": Case(415, "unsupported-media", package(), headers={"Content-Type": "text/plain"}, logged=False),
    "a form": Case(
        415, "unsupported-media", package(), headers={"Content-Type": "multipart/form-data; boundary=x"}, logged=False
    ),
    "gzip": Case(
        415,
        "unsupported-media",
        lambda site: gzip.compress(site.package(OFFICE, [HOME_AFFAIRS])),
        headers={**XML, "Content-Encoding": "gzip"},
        logged=False,
    ),
    "broken gzip": Case(415, "unsupported-media", package(), headers={**XML, "Content-Encoding": "gzip"}, logged=False),
    "an encoding that nobody knows": Case(
        415, "unsupported-media", package(), headers={**XML, "Content-Encoding": "rot13"}, logged=False
    ),
    "nothing": Case(400, MALFORMED, octets(b""), {"code": "xml-empty"}),
    "half a package": Case(
        400, MALFORMED, lambda site: site.package(OFFICE, [HOME_AFFAIRS])[:-20], {"code": "xml-malformed"}
    ),
    "a document type": Case(
        400, MALFORMED, octets(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), {"code": "xml-doctype"}
    ),
    "UTF-16": Case(400, MALFORMED, octets("<a>ă</a>".encode("utf-16")), {"code": "xml-encoding"}),
    "a NUL": Case(400, MALFORMED, octets(b"<a>1234567890\0</a>"), {"code": "xml-nul"}),
    "65 levels": Case(400, MALFORMED, octets(deep(65)), {"code": "xml-limit"}),
    "40,000 levels": Case(400, MALFORMED, octets(deep(40_000)), {"code": "xml-limit"}),
    "an instruction": Case(400, MALFORMED, octets(b"<?php a ?><a/>"), {"code": "xml-pi"}),
    "JSON": Case(400, MALFORMED, octets(b'{"a": 1}'), {"code": "xml-malformed"}),
    "another XML": Case(422, SCHEMA, octets(b"<html><body/></html>"), {"code": "not-edxml"}),
    "no subject": Case(422, SCHEMA, package(before=without("Subject")), {"code": "missing"}),
    "no recipient": Case(422, SCHEMA, package(before=without("To")), {"code": "missing"}),
    "no sender": Case(422, SCHEMA, package(before=without("From")), {"code": "missing"}),
    "a code that is none": Case(422, SCHEMA, package(before=text("OrganId", "mã;sai")), {"code": "agency-code"}),
    "a kind that nobody knows": Case(422, SCHEMA, package(before=text("BussinessDocType", "9")), {"code": "kind"}),
    "a recipient twice": Case(422, SCHEMA, package(before=repeat_recipient), {"code": "repeated"}),
    "base64 that is none": Case(
        422, "attachment", package(after=text("ContentTransferEncoded", "****")), {"code": "attachment-base64"}
    ),
    "an attachment that is not listed": Case(
        422, "attachment", package(before=without("Reference")), {"code": "attachment-mismatch"}
    ),
    "in another's name": Case(403, "not-your-agency", package(sender=FINANCE)),
    "a sender that nobody knows": Case(422, "unknown-agency", package(sender=CHILD, signer=OFFICE)),
    "a recipient that nobody knows": Case(
        422, "unknown-agency", package(recipients=[HOME_AFFAIRS, NOBODY]), {"agency": NOBODY}
    ),
    "a closed recipient": Case(
        422, "inactive-agency", package(recipients=[CLOSED]), {"agency": CLOSED, "successors": [SUCCESSOR]}
    ),
    "no route": Case(422, "no-route", package(recipients=[ROUTELESS]), {"agency": ROUTELESS}),
    "to itself": Case(422, SCHEMA, package(recipients=[HOME_AFFAIRS, OFFICE])),
    "too many recipients": Case(413, "too-large", package(recipients=[HOME_AFFAIRS, FINANCE, ROUTELESS, CLOSED])),
    "unsigned": Case(422, "signature-missing", package(signed=False), {"reason": "unsigned"}),
    "subject changed": Case(422, SIGNATURE, package(after=text("Subject", "khác")), {"reason": "sig-digest"}),
    "new made a recall": Case(422, SIGNATURE, package(after=text("BussinessDocType", "1")), {"reason": "sig-digest"}),
    "whole, then changed": Case(
        422, SIGNATURE, package(whole=True, after=text("Subject", "khác")), {"reason": "sig-digest"}
    ),
    "another attachment": Case(
        422, SIGNATURE, package(after=text("ContentTransferEncoded", "AAAA")), {"reason": "sig-digest"}
    ),
    "another value": Case(
        422,
        SIGNATURE,
        package(after=bend_value),
        {"reason": "sig-value", "sub_indication": "SIG_CRYPTO_FAILURE"},
    ),
    "one signature twice": Case(422, SIGNATURE, package(after=sign_twice), {"reason": "sig-duplicate-id"}),
    "five signatures": Case(422, SIGNATURE, package(after=sign_five_times), {"reason": "sig-structure"}),
    "a stranger beside the sender": Case(422, SIGNATURE, beside("stranger"), {"reason": "cert-untrusted"}),
    "beside it one revoked": Case(422, SIGNATURE, beside("revoked"), {"reason": "cert-revoked"}),
    "two over the whole": Case(422, SIGNATURE, beside(FINANCE, first_whole=True, whole=True), {"reason": "sig-digest"}),
    "wrapped": Case(422, SIGNATURE, package(after=wrap), {"reason": "sig-coverage", "not_covered": ["MessageHeader"]}),
    "revoked": Case(422, SIGNATURE, package(signer="revoked"), {"reason": "cert-revoked", "sub_indication": "REVOKED"}),
    "expired": Case(422, SIGNATURE, package(signer="expired"), {"reason": "cert-expired"}),
    "signed before its certificate": Case(422, SIGNATURE, package(signer="future"), {"reason": "sig-time"}),
    "another root": Case(422, SIGNATURE, package(signer="stranger"), {"reason": "cert-untrusted"}),
    "another agency's certificate": Case(
        403, "certificate-agency-mismatch", package(signer=FINANCE), {"reason": "cert-agency-mismatch"}
    ),
    "too large": Case(413, "too-large", package(attachments=[bytes(MAX_BYTES)]), logged=False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refused_package_is_named_and_nothing_of_it_stays(name: str, site: Site) -> None:
    case = CASES[name]
    sent = case.make(site)
    before, logged = site.state(), site.logged("refused")
    reply = site.ask("POST", "/v1/documents", sent, by=case.by, headers=case.headers)
    facts = _refused(reply, case.status, case.slug)
    assert {key: facts.get(key) for key in case.facts} == case.facts
    assert SECRET not in reply.body.decode(), "a refusal quotes the document"
    assert site.state() == before
    assert site.logged("refused") == logged + case.logged


def _refused(reply: Reply, status: int, slug: str) -> dict[str, Any]:
    assert (reply.status, problem(reply.body)) == (status, slug), reply.body
    assert reply.headers["content-type"].startswith("application/problem+json")
    facts = reply.json()
    assert facts["status"] == status and facts["title"] and facts["title_vi"]
    return facts


def test_the_same_package_unbent_is_accepted(site: Site) -> None:
    """Else the table above might refuse everything."""
    receipt = site.take(package()(site), OFFICE)
    assert receipt["verdict"] == "TOTAL-PASSED"
    assert site.take(package(whole=True)(site), OFFICE)["verdict"] == "TOTAL-PASSED"
    assert site.take(beside(FINANCE)(site), OFFICE)["verdict"] == "TOTAL-PASSED"
    assert site.take(beside(FINANCE, whole=True)(site), OFFICE)["verdict"] == "TOTAL-PASSED"


CREDENTIALS: dict[str, Mapping[str, str]] = {
    "none": {},
    "another key": {"Authorization": f"Bearer {Site.key('nobody')}"},
    "half a key": {"Authorization": f"Bearer {Site.key('van-phong')[:-1]}"},
    "a key with a space behind it": {"Authorization": f"Bearer {Site.key('van-phong')} x"},
    "a key without its scheme": {"Authorization": Site.key("van-phong")},
    "a password": {"Authorization": "Basic dmFuLXBob25nOng="},
    "a key in another header": {"X-Api-Key": Site.key("van-phong")},
    "a certificate in a header": {
        "X-Client-Fingerprint": "FINGERPRINT",
        "X-SSL-Client-Verify": "SUCCESS",
        "X-Forwarded-Client-Cert": "Hash=FINGERPRINT",
    },
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_who_does_not_prove_who_it_is_learns_and_leaves_nothing(name: str, site: Site) -> None:
    """Not even in the log: nobody without credentials can fill it."""
    sent, said = package()(site), CREDENTIALS[name]
    before, logged = site.state(), site.logged("refused")
    for method, path in (("POST", "/v1/documents"), ("GET", "/v1/inbox"), ("GET", f"/v1/documents/{'a' * 26}")):
        body = sent if method == "POST" else b""
        claims = {key: text.replace("FINGERPRINT", site.doors[OFFICE].fingerprint) for key, text in said.items()}
        reply = site.ask(method, path, body, headers={**XML, **claims})
        _refused(reply, 401, "unauthenticated")
        assert reply.headers["www-authenticate"] == "Bearer"
        shown = {"": "neither", "Bearer": "does not know that API key"}
        said_so = shown.get(claims.get("Authorization", "").partition(" ")[0], "is shown as Authorization: Bearer axk_")
        assert said_so in reply.json()["detail"]
    assert (site.state(), site.logged("refused")) == (before, logged)


def test_a_key_and_a_certificate_must_be_of_one_connection(site: Site) -> None:
    sent = package()(site)
    before = site.state()
    reply = site.ask("POST", "/v1/documents", sent, by=OFFICE, certificate=site.doors[FINANCE], headers=XML)
    _refused(reply, 401, "unauthenticated")
    assert "different connections" in reply.json()["detail"]
    wrong = {**XML, "Authorization": f"Bearer {Site.key('nobody')}"}
    _refused(
        site.ask("POST", "/v1/documents", sent, certificate=site.doors[OFFICE], headers=wrong), 401, "unauthenticated"
    )
    stranger = site.pki.tls_client("la")
    _refused(site.ask("POST", "/v1/documents", sent, certificate=stranger, headers=XML), 401, "unauthenticated")
    assert site.state() == before
    assert site.ask("POST", "/v1/documents", sent, certificate=site.doors[OFFICE], headers=XML).status == 202
    assert site.ask("GET", "/v1/inbox", by=OFFICE, certificate=site.doors[OFFICE]).status == 200


@pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
def test_a_digest_that_stands_beside_a_package_is_held_to(name: str, site: Site) -> None:
    """Cut or changed on its way it might still be well-formed, and under a loose profile nobody would see."""
    sent = package()(site)
    before = site.state()

    def stated(octets: bytes) -> dict[str, str]:
        return {**XML, name: f"sha-256=:{base64.b64encode(hashlib.sha256(octets).digest()).decode()}:"}

    reply = site.ask("POST", "/v1/documents", sent, by=OFFICE, headers=stated(sent + b" "))
    _refused(reply, 400, "bad-request")
    assert name.lower() in reply.json()["detail"] and hashlib.sha256(sent).hexdigest() in reply.json()["detail"]
    assert site.state() == before
    other = {**XML, name: "sha-512=:AAAA:"}
    for headers in (stated(sent), other):
        assert site.ask("POST", "/v1/documents", sent, by=OFFICE, headers=headers).status == 202


def test_a_path_that_is_none_is_told_from_a_document_that_is_none(site: Site) -> None:
    wrong, none = (site.get(path, OFFICE) for path in ("/v1/document", f"/v1/documents/{'a' * 26}"))
    assert (wrong.status, none.status) == (404, 404)
    assert "no such path" in wrong.json()["detail"] and "detail" not in none.json()


def test_a_body_that_is_too_large_is_refused_however_it_is_framed(site: Site) -> None:
    before = site.state()
    pieces = [bytes(50_000) for _ in range(MAX_BYTES // 50_000 + 1)]
    reply = site.ask("POST", "/v1/documents", pieces, by=OFFICE, headers=XML)
    assert _refused(reply, 413, "too-large")["max_bytes"] == MAX_BYTES
    declared = {**XML, "Content-Length": str(MAX_BYTES + 1)}
    reply = site.ask("POST", "/v1/documents", b"<", by=OFFICE, headers=declared)
    _refused(reply, 413, "too-large")
    assert site.state() == before


def test_a_package_just_within_the_limit_is_taken_chunked_as_well(site: Site) -> None:
    sent = site.package(OFFICE, [HOME_AFFAIRS], [bytes(range(256)) * 1100])
    assert 128 * 1024 < len(sent) < MAX_BYTES
    pieces = [sent[start : start + 10_000] for start in range(0, len(sent), 10_000)]
    reply = site.ask("POST", "/v1/documents", pieces, by=OFFICE, headers=XML)
    assert reply.status == 202, reply.body
    assert site.receive(HOME_AFFAIRS, reply.json()["document"])[1] == sent


def test_an_agency_is_no_neighbour(site: Site) -> None:
    before = site.state()
    reply = site.ask("POST", "/v1/relay", package()(site), by=OFFICE, headers=XML)
    _refused(reply, 403, "forbidden")
    assert site.state() == before


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/documents", 405, "method-not-allowed"),
        ("PUT", "/v1/inbox", 405, "method-not-allowed"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/documents/..%2f..%2fetc", 404, "not-found"),
        ("GET", f"/v1/documents/{'A' * 26}", 404, "not-found"),
        ("GET", "/v1/log/tile/0/../../../../axis.db", 404, "not-found"),
        ("GET", "/v1/log/tile/0/000.p", 404, "not-found"),
    ],
)
def test_what_is_not_there_is_said_in_one_form(method: str, path: str, status: int, slug: str, site: Site) -> None:
    _refused(site.ask(method, path, by=OFFICE), status, slug)
