"""Revocation evidence is missing or stale: held, invisible, released or refused, and bounded in time."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from axis.app import context_of, utc_now
from axis.blobs import Blobs
from axis.config.load import load_file
from axis.devpki import DevPki
from axis.flow.recheck import recheck_held
from axis.sql.engine import open_store
from signing.verdict import REASONS, Reason
from tests.parts import body, related, split
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, problem, signed_by, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("held"), hurried=True)
    with kept_running(made):
        yield made


def _lists(site: Site) -> list[Path]:
    return sorted(site.pki.crls.glob("*.crl"))


def _reloaded(site: Site, before: int) -> None:
    until("the trust files read again", lambda: site.said("trust_reloaded") > before)


def _take_lists_away(site: Site) -> None:
    before = site.said("trust_reloaded")
    for path in _lists(site):
        path.unlink()
    _reloaded(site, before)


def _publish(site: Site, at: datetime | None = None) -> None:
    before = site.said("trust_reloaded")
    DevPki(site.pki.folder, datetime.now(UTC)).write_crl(at)
    _reloaded(site, before)


def _is_invisible(site: Site, document: str) -> None:
    for by in (HOME_AFFAIRS, FINANCE):
        assert site.waiting(by, document) is None
        for path in (f"/v1/documents/{document}", f"/v1/documents/{document}/package", f"/v1/receipts/{document}"):
            reply = site.get(path, by)
            assert (reply.status, problem(reply.body)) == (404, "not-found")
        reply = site.status(by, document, "03")
        assert (reply.status, problem(reply.body)) == (404, "not-found")


def test_a_held_document_is_released_when_the_list_comes(site: Site) -> None:
    _take_lists_away(site)
    package = site.package(OFFICE, [HOME_AFFAIRS])
    reply = site.send(package, OFFICE)
    assert reply.status == 202, reply.body
    receipt = reply.json()
    assert (receipt["state"], receipt["verdict"]) == ("held", "INDETERMINATE")
    facts = site.facts(receipt["document"], OFFICE)
    assert (facts["state"], facts["deliveries"]) == ("held", [])
    assert facts["verdict"]["sub_indication"] == "TRY_LATER"
    with urllib.request.urlopen(f"{site.pages}/", timeout=30) as page:
        listed = page.read().decode().split('<table id="held">')[1].split("</table>")[0]
    assert f'href="/documents/{receipt["document"]}"' in listed
    assert REASONS[Reason.REVOCATION_UNKNOWN].vi in listed
    _is_invisible(site, receipt["document"])
    early = site.status(OFFICE, receipt["document"], "13", receiver=HOME_AFFAIRS)
    assert (early.status, problem(early.body)) == (404, "not-found"), "nobody has it yet"
    assert site.send(package, OFFICE).body == reply.body

    site.kill()  # what is held survives
    site.start()
    assert site.facts(receipt["document"], OFFICE)["state"] == "held"

    _publish(site)
    _, octets = site.receive(HOME_AFFAIRS, receipt["document"])
    assert octets == package
    assert site.facts(receipt["document"], OFFICE)["verdict"]["indication"] == "TOTAL-PASSED"
    again = site.get(f"/v1/receipts/{receipt['document']}", OFFICE)
    assert (again.json()["state"], again.headers["axis-state"]) == ("held", "accepted")
    notice = site.notice(OFFICE, receipt["document"])
    assert (notice["outcome"], notice["document_id"]) == ("released", receipt["document_id"])
    assert signed_by(site, notice) and not signed_by(site, {**notice, "outcome": "refused"})
    assert site.logged("released") >= 1


def test_a_held_document_in_parts_is_judged_again_with_its_attachments(site: Site) -> None:
    _take_lists_away(site)
    large = os.urandom(200_000)
    envelope, attached = split(site.package(OFFICE, [HOME_AFFAIRS], [large, b"phu luc"]))
    reply = site.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
    assert (reply.status, reply.json()["state"]) == (202, "held"), reply.body
    _publish(site)
    _, octets = site.receive(HOME_AFFAIRS, reply.json()["document"])
    assert large in octets
    assert envelope in octets
    assert site.facts(reply.json()["document"], OFFICE)["verdict"]["indication"] == "TOTAL-PASSED"
    site.notice(OFFICE, reply.json()["document"])


def test_the_receipt_of_a_held_document_stays_the_same_when_it_is_released(site: Site) -> None:
    _take_lists_away(site)
    package = site.package(OFFICE, [HOME_AFFAIRS])
    first = site.send(package, OFFICE)
    document = first.json()["document"]
    assert site.get(f"/v1/receipts/{document}", OFFICE).body == first.body
    _publish(site)
    site.receive(HOME_AFFAIRS, document)
    assert site.get(f"/v1/receipts/{document}", OFFICE).body == first.body
    assert site.send(package, OFFICE).body == first.body


def test_a_stale_list_does_not_acquit_but_still_convicts(site: Site) -> None:
    _publish(site, datetime.now(UTC) - timedelta(days=400))
    held = site.take(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    assert held["state"] == "held"
    site.signers["revoked"] = site.pki.signer("van-phong-revoked")
    site.pki.revoke(site.signers["revoked"], datetime.now(UTC) - timedelta(days=500))
    _publish(site, datetime.now(UTC) - timedelta(days=400))
    before = site.state()
    reply = site.send(site.package(OFFICE, [HOME_AFFAIRS], signer="revoked"), OFFICE)
    assert (reply.status, reply.json()["reason"]) == (422, "cert-revoked")
    assert site.state() == before
    _publish(site)
    site.receive(HOME_AFFAIRS, held["document"])


@pytest.mark.faults
def test_a_document_whose_signer_turns_out_revoked_is_never_shown(site: Site) -> None:
    _take_lists_away(site)
    site.signers["late"] = site.pki.signer("van-phong-late")
    site.speaking[OFFICE] = [site.signers["late"]]
    site.configure()
    assert site.stop() == 0
    site.start()
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS], signer="late"), OFFICE)
    assert receipt["state"] == "held"
    site.pki.revoke(site.signers["late"], datetime.now(UTC) - timedelta(minutes=1))
    _publish(site)
    until("refused", lambda: site.facts(receipt["document"], OFFICE)["state"] == "refused")
    facts = site.facts(receipt["document"], OFFICE)
    assert facts["verdict"]["reason"] == "cert-revoked"
    assert [one["cargo"] for one in facts["deliveries"]] == ["notice"]
    notice = site.notice(OFFICE, receipt["document"])
    assert (notice["outcome"], notice["reason"]) == ("refused", "cert-revoked")
    assert (notice["node"], notice["package_sha256"]) == (site.name, receipt["package_sha256"])
    assert signed_by(site, notice)
    _is_invisible(site, receipt["document"])


@pytest.mark.faults
def test_what_was_accepted_stays_accepted_when_its_signer_is_revoked_later(site: Site) -> None:
    site.signers["once good"] = site.pki.signer("van-phong-once-good")
    site.speaking[OFFICE] = [site.signers["once good"]]
    site.configure()
    assert site.stop() == 0
    site.start()
    package = site.package(OFFICE, [HOME_AFFAIRS], signer="once good")
    first = site.send(package, OFFICE)
    assert first.json()["state"] == "accepted"
    site.pki.revoke(site.signers["once good"], datetime.now(UTC) - timedelta(minutes=1))
    _publish(site)
    assert site.send(package, OFFICE).body == first.body, "a repeat gets another answer"
    reply = site.send(site.package(OFFICE, [HOME_AFFAIRS], signer="once good"), OFFICE)
    assert (reply.status, reply.json()["reason"]) == (422, "cert-revoked")
    assert site.receive(HOME_AFFAIRS, first.json()["document"])[1] == package


def test_somebody_else_s_signature_is_not_worth_waiting_for(site: Site) -> None:
    """Missing evidence cannot mend a certificate of another agency."""
    _take_lists_away(site)
    before = site.state()
    reply = site.send(site.package(OFFICE, [HOME_AFFAIRS], signer=FINANCE), OFFICE)
    assert (reply.status, problem(reply.body)) == (403, "certificate-agency-mismatch")
    assert site.state() == before
    _publish(site)


@pytest.mark.faults
def test_after_the_hold_budget_doubt_becomes_refusal(site: Site) -> None:
    """The clock is moved by rechecking over the same store with a clock of our own, while the node is down."""
    _take_lists_away(site)
    package = site.package(OFFICE, [HOME_AFFAIRS])
    first = site.take(package, OFFICE)
    assert site.stop() == 0
    assert asyncio.run(_recheck(site, timedelta(hours=71))) == 0
    assert asyncio.run(_recheck(site, timedelta(hours=73))) == 1
    assert asyncio.run(_recheck(site, timedelta(hours=73))) == 0
    site.start()
    assert site.facts(first["document"], OFFICE)["state"] == "refused"
    assert site.notice(OFFICE, first["document"])["outcome"] == "refused"
    _is_invisible(site, first["document"])
    second = site.take(package, OFFICE)
    assert second["state"] == "held"
    assert second["document"] != first["document"], "a refused document does not stand in the way of a new attempt"
    _publish(site)
    assert site.receive(HOME_AFFAIRS, second["document"])[1] == package
    _is_invisible(site, first["document"])


async def _recheck(site: Site, later: timedelta) -> int:
    config = load_file(site.config)
    store = open_store(config.store_url, Blobs(config.node.blobs, config.store.inline_max))
    try:
        ctx = context_of(config, store, {})
        ctx.now = lambda: utc_now() + later
        return (await recheck_held(dict(config.principals), ctx)).moved
    finally:
        await store.close()
