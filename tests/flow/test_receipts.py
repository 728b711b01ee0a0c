"""Receipts: signed, the same octets for ever, kept by the log; and what the same document id may mean again."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256

import pytest
from lxml import etree

from axis.core.canonical import canonical
from axis.core.times import parse_rfc3339
from axis.log.receipts import check_receipts
from schemas.envelope import Business, MessageKind, Replacement
from signing.keys import load_ed25519, raw_public, verify_bytes
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, problem, until

pytestmark = pytest.mark.slow


def _public(site: Site) -> bytes:
    return raw_public(load_ed25519((site.folder / "keys" / "receipt.pem").read_bytes()))


def test_a_receipt_proves_who_took_what_and_when(site: Site) -> None:
    package = site.package(OFFICE, [HOME_AFFAIRS, FINANCE])
    reply = site.send(package, OFFICE)
    assert reply.status == 202
    assert reply.headers["cache-control"] == "no-store"
    said = reply.json()
    assert reply.headers["location"] == f"/v1/documents/{said['document']}"
    assert reply.body == canonical(said), "not canonical JSON"
    public = _public(site)
    signature = base64.b64decode(said.pop("signature"))
    assert said["key_id"] == public.hex()
    assert verify_bytes(public, canonical(said), signature)
    assert not verify_bytes(public, canonical({**said, "bytes": said["bytes"] + 1}), signature)
    assert (said["type"], said["node"], said["state"]) == ("axis-receipt", site.name, "accepted")
    assert (said["bytes"], said["bytes_sha256"]) == (len(package), sha256(package).hexdigest())
    facts = site.facts(said["document"], OFFICE)
    assert (said["document_id"], said["package_sha256"]) == (facts["document_id"], facts["package_sha256"])
    assert said["accepted_at"] == facts["accepted_at"]
    assert parse_rfc3339(said["merge_by"]) - parse_rfc3339(said["accepted_at"]) == timedelta(seconds=5)


def test_the_log_holds_what_a_receipt_promises(site: Site) -> None:
    receipt = site.send(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE).body
    folder = site.folder / "data" / "log"

    def kept() -> bool:
        report = site.verified()
        assert report.ok and report.checkpoint is not None
        return check_receipts([receipt], folder, report.checkpoint.size, _public(site)) == ()

    until("an entry of the acceptance", kept)
    size = site.verified().entries
    forged = receipt.replace(b'"accepted"', b'"held"', 1)
    assert check_receipts([forged], folder, size, _public(site)), "any receipt would do"


def test_the_receipt_can_be_asked_for_again_by_its_sender_only(site: Site) -> None:
    first = site.send(site.package(OFFICE, [HOME_AFFAIRS]), OFFICE)
    path = f"/v1/receipts/{first.json()['document']}"
    again = site.get(path, OFFICE)
    assert (again.status, again.body, again.headers["axis-state"]) == (200, first.body, "accepted")
    for other in (HOME_AFFAIRS, FINANCE):
        reply = site.get(path, other)
        assert (reply.status, problem(reply.body)) == (404, "not-found")


@pytest.mark.faults
def test_a_repeated_message_gets_the_first_receipt_before_and_after_a_restart(site: Site) -> None:
    small, large = (site.package(OFFICE, [HOME_AFFAIRS], [bytes([7]) * size]) for size in (100, 200_000))
    first = [site.send(package, OFFICE) for package in (small, large)]
    assert [reply.status for reply in first] == [202, 202]
    before, repeated = site.state(), site.logged("repeated")
    for package, receipt in zip((small, large), first, strict=True):
        assert site.send(package, OFFICE).body == receipt.body
    assert site.stop() == 0
    site.start()
    for package, receipt in zip((small, large), first, strict=True):
        assert site.send(package, OFFICE).body == receipt.body
        assert site.get(f"/v1/receipts/{receipt.json()['document']}", OFFICE).body == receipt.body
    site.kill()
    site.start()
    assert site.send(large, OFFICE).body == first[1].body
    assert site.state() == before
    assert site.logged("repeated") == repeated + 5
    for receipt, package in zip(first, (small, large), strict=True):
        assert site.receive(HOME_AFFAIRS, receipt.json()["document"])[1] == package
        assert site.waiting(HOME_AFFAIRS, receipt.json()["document"]) is None, "delivered twice"


@pytest.mark.parametrize("size", [100, 200_000])
def test_the_same_message_sent_by_eight_at_once_is_one_document(size: int, site: Site) -> None:
    package = site.package(OFFICE, [HOME_AFFAIRS], [bytes([3]) * size])
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: site.send(package, OFFICE), range(8)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.body for reply in replies}) == 1
    document_id = replies[0].json()["document_id"]
    assert site.rows("SELECT count(*) FROM document WHERE document_id = ?", document_id) == [(1,)]


def test_an_id_that_was_used_for_other_content_is_a_conflict(site: Site) -> None:
    used = f"{OFFICE},2026/11/23,conflict/TN"
    first = site.send(site.package(OFFICE, [HOME_AFFAIRS], document_id=used), OFFICE)
    before, refused = site.state(), site.logged("refused")
    for size in (100, 200_000):
        other = site.package(OFFICE, [HOME_AFFAIRS], [bytes(size)], document_id=used)
        reply = site.send(other, OFFICE)
        assert (reply.status, problem(reply.body)) == (409, "duplicate-conflict")
    assert site.state() == before
    assert site.logged("refused") == refused + 2
    assert site.get(f"/v1/receipts/{first.json()['document']}", OFFICE).body == first.body


def test_the_same_id_from_another_sender_is_another_document(site: Site) -> None:
    shared = "2026/11/23,shared"
    receipts = [
        site.take(site.package(sender, [HOME_AFFAIRS], document_id=shared), sender) for sender in (OFFICE, FINANCE)
    ]
    assert receipts[0]["document"] != receipts[1]["document"]


def test_recall_update_and_replacement_carry_the_id_of_what_they_change(site: Site) -> None:
    used = f"{OFFICE},2026/11/23,changed/TN"
    original = site.take(site.package(OFFICE, [HOME_AFFAIRS], document_id=used), OFFICE)
    changes = {
        "update": Business(kind=MessageKind.UPDATE, document_id=used, reason="sai ngày"),
        "replace": Business(kind=MessageKind.REPLACE, replacements=(Replacement(used),)),
        "recall": Business(kind=MessageKind.RECALL, document_id=used, reason="gửi nhầm"),
    }
    seen = {original["document"]}
    for kind, business in changes.items():
        for _ in range(2):  # a second update of the same document is another document, and no conflict
            package = site.package(OFFICE, [HOME_AFFAIRS], document_id=used, business=business)
            reply = site.send(package, OFFICE)
            assert reply.status == 202, reply.body
            assert reply.json()["kind"] == kind
            assert site.send(package, OFFICE).body == reply.body
            seen.add(reply.json()["document"])
    assert len(seen) == 7


def test_a_hostile_trace_inside_the_package_changes_nothing(site: Site) -> None:
    """The trace in the package may be written by anyone: it is neither signed nor believed."""

    def trace(root: etree._Element) -> None:
        block = next(root.iter("{*}TraceHeaderList"))
        hop = etree.SubElement(block, block.tag.replace("TraceHeaderList", "TraceHeader"))
        etree.SubElement(hop, block.tag.replace("TraceHeaderList", "OrganId")).text = site.name

    package = site.package(OFFICE, [HOME_AFFAIRS], after=trace)
    receipt = site.take(package, OFFICE)
    assert receipt["verdict"] == "TOTAL-PASSED"
    assert site.receive(HOME_AFFAIRS, receipt["document"])[1] == package
    assert json.loads(site.get(f"/v1/receipts/{receipt['document']}", OFFICE).body) == receipt
