"""Where a site's rule is `gate`, the signatures inside PDFs refuse a package and hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from axis.app import context_of, utc_now
from axis.blobs import Blobs
from axis.config.load import load_file
from axis.devpki import DevPki
from axis.flow.pdfworker import PdfWorker
from axis.flow.recheck import recheck_held
from axis.sql.engine import open_store
from tests.parts import body, related, split
from tests.signers import SignersSite, bomb, by, changed, log_of, packed
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, kept_running, problem, until
from tests.unit.pdf.forge import plain

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignersSite]:
    made = SignersSite(tmp_path_factory.mktemp("gate"), more='pdf = "gate"', hurried=True)
    with kept_running(made):
        yield made


def test_a_good_one_passes_and_its_verdict_is_there_at_once(site: SignersSite) -> None:
    document = site.document(site.signed())
    facts = site.facts(document, OFFICE)
    assert facts["attached_pdfs"]["outcome"] == "valid"
    assert facts["attachments"][0]["signatures"]["pdfs"][0]["signatures"][1]["reason"] == "good"
    assert [entry["cause"] for entry in log_of(site, document)] == ["intake"]
    site.receive(HOME_AFFAIRS, document)


def test_an_unsigned_one_passes_marked(site: SignersSite) -> None:
    assert site.facts(site.document(plain()), OFFICE)["attached_pdfs"]["outcome"] == "unsigned"


def test_one_that_is_not_valid_refuses_the_package(site: SignersSite) -> None:
    before = site.state()
    archive = packed(bi_mat_pdf=changed(site.signed()))
    reply = site.send(site.package(OFFICE, [HOME_AFFAIRS], [site.signed(), archive]), OFFICE)
    assert (reply.status, problem(reply.body)) == (422, "attachment-signature-failed")
    told = reply.json()
    assert (told["content_id"], told["reason"]) == ("tep-1", "sig-digest")
    assert b"bi_mat" not in reply.body
    assert b".pdf" not in reply.body
    assert site.state() == before


def test_one_beside_the_envelope_refuses_it_too(site: SignersSite) -> None:
    """One is a file in the spool when it is judged, the other is in memory."""
    for filling in (300_000, 0):
        before = site.state()
        envelope, attached = split(site.package(OFFICE, [HOME_AFFAIRS], [changed(site.signed(filling=filling))]))
        reply = site.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
        assert (reply.status, problem(reply.body)) == (422, "attachment-signature-failed")
        assert site.state() == before
    envelope, attached = split(site.package(OFFICE, [HOME_AFFAIRS], [site.signed(filling=300_000)]))
    reply = site.ask("POST", "/v1/documents", body(envelope, attached), by=OFFICE, headers=related())
    assert site.facts(reply.json()["document"], OFFICE)["attached_pdfs"]["outcome"] == "valid"


def test_one_that_kills_its_judge_does_not_block_the_node(site: SignersSite) -> None:
    before = site.said("pdf_ended_its_judge")
    document = site.document(bomb())
    assert site.said("pdf_ended_its_judge") == before + 1
    assert site.facts(document, OFFICE)["attached_pdfs"]["outcome"] == "indeterminate"


@pytest.mark.faults
def test_unknown_revocation_holds_and_the_list_releases(site: SignersSite) -> None:
    site.take_lists_away()
    package = site.package(OFFICE, [HOME_AFFAIRS], [site.signed()])
    first = site.send(package, OFFICE)
    assert (first.status, first.json()["state"]) == (202, "held")
    document = first.json()["document"]
    facts = site.facts(document, OFFICE)
    assert (facts["attached_pdfs"]["outcome"], facts["attached_pdfs"]["again"]) == ("indeterminate", True)
    assert facts["verdict"]["indication"] == "TOTAL-PASSED"
    assert site.waiting(HOME_AFFAIRS, document) is None
    assert site.send(package, OFFICE).body == first.body, "a repeat keeps its receipt"
    site.kill()
    site.start()
    site.publish()
    until("released", lambda: site.facts(document, OFFICE)["state"] == "accepted", 120)
    assert site.receive(HOME_AFFAIRS, document)[1] == package
    assert site.facts(document, OFFICE)["attached_pdfs"] == {
        "outcome": "valid",
        "vi": "hợp lệ",
        "en": "valid",
        "again": False,
    }
    assert site.notice(OFFICE, document)["outcome"] == "released"


def test_a_signer_who_turns_out_revoked_refuses_what_was_held(site: SignersSite) -> None:
    late = site.signers_pki.signer("nguoi-moi")
    site.take_lists_away()
    receipt = site.take(site.package(OFFICE, [HOME_AFFAIRS], [by(plain(), late, "Nguoi")]), OFFICE)
    assert receipt["state"] == "held"
    site.signers_pki.revoke(late, datetime.now(UTC) - timedelta(minutes=1))
    site.publish()
    until("refused", lambda: site.facts(receipt["document"], OFFICE)["state"] == "refused", 120)
    notice = site.notice(OFFICE, receipt["document"])
    assert (notice["outcome"], notice["reason"]) == ("refused", "cert-revoked")
    assert site.facts(receipt["document"], OFFICE)["attached_pdfs"]["again"] is False


@pytest.mark.faults
def test_after_the_hold_budget_doubt_becomes_refusal(site: SignersSite) -> None:
    site.take_lists_away()
    receipt = site.take(site.package(OFFICE, [FINANCE], [site.signed()]), OFFICE)
    assert receipt["state"] == "held"
    assert site.stop() == 0
    assert asyncio.run(_recheck(site, timedelta(hours=71))) == 0
    assert asyncio.run(_recheck(site, timedelta(hours=73))) == 1
    DevPki(site.signers_pki.folder, datetime.now(UTC)).write_crl()
    site.start()
    facts = site.facts(receipt["document"], OFFICE)
    assert (facts["state"], facts["attached_pdfs"]["again"]) == ("refused", False)
    assert site.notice(OFFICE, receipt["document"])["reason"] == "cert-revocation-unknown"


async def _recheck(site: SignersSite, later: timedelta) -> int:
    config = load_file(site.config)
    store = open_store(config.store_url, Blobs(config.node.blobs, config.store.inline_max))
    pdfs = PdfWorker()
    try:
        ctx = context_of(config, store, {})
        ctx.pdfs = pdfs
        ctx.now = lambda: utc_now() + later
        return (await recheck_held(dict(config.principals), ctx)).moved
    finally:
        pdfs.close()
        await store.close()
