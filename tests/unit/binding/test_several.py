"""Several signers of one document: through the real intake, into a real store. Somebody must speak for the sender."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from axis.core.binding import Binding
from axis.core.problems import Kind
from axis.devpki import DevPki, Identity
from schemas.codes import AgencyCode
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from signing.sign import load_signer
from signing.verdict import Reason, SignatureRole, SubIndication
from tests.site import HOME_AFFAIRS, OFFICE
from tests.unit.binding.test_judge import CODE, OTHER, Desk, desk
from tests.unit.signing.forge import countersign


def document(node: Desk, *signers: Identity, countersigner: Identity | None = None, whole: bool = False) -> bytes:
    """Of the office, signed by each in this order; the last one signature may be over the whole."""
    node.site.signers.update({f"s{number}": signer for number, signer in enumerate(signers)})

    def more(root: etree._Element) -> None:
        for number in range(1, len(signers)):
            node.site.sign(root, f"s{number}", whole=whole and number == len(signers) - 1)
        if countersigner is not None:
            key = load_signer(countersigner.key.read_bytes(), countersigner.certificate.read_bytes())
            countersign(next(root.iter("{*}Signature")), key, node.today)

    return node.site.package(OFFICE, [HOME_AFFAIRS], signer="s0", after=more)


def bound_to(node: Desk, who: Identity, agency: AgencyCode = CODE) -> Binding:
    return replace(node.row(None, None, who), agency=agency)


async def test_the_first_who_speaks_for_the_sender_is_the_primary_one(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        sender, other = node.new, node.site.pki.signer("other")
        node.bind(bound_to(node, sender), bound_to(node, other, OTHER))
        for signers, places in (((sender, other), ("1", "2")), ((other, sender), ("2", "1"))):
            octets = document(node, *signers)
            verdict = (await node.judged(octets)).verdict
            assert verdict.passed, verdict.checks[-1]
            assert verdict.signer is not None
            assert verdict.signer.certificate == sender.fingerprint
            assert verdict.signer.speaks_for == (OFFICE,)
            (told,) = verdict.others
            assert told.signer is not None
            assert told.signer.speaks_for == (HOME_AFFAIRS,)
            assert told.role is SignatureRole.PARALLEL
            assert (verdict.place, told.place) == tuple(f"Signature[{place}]" for place in places)
            assert await node.send(octets) == "accepted"


async def test_where_nobody_speaks_for_the_sender_the_document_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        one, other = node.new, node.site.pki.signer("other")
        node.bind(bound_to(node, one, OTHER), bound_to(node, other, OTHER))
        octets = document(node, one, other)
        verdict = (await node.judged(octets)).verdict
        assert (verdict.reason, verdict.place) == (Reason.NOT_BOUND, "Signature[1]")
        assert verdict.others[0].passed
        assert await node.send(octets) == Kind.CERTIFICATE_MISMATCH


async def test_a_countersignature_of_the_sender_does_not_speak_for_him(tmp_path: Path) -> None:
    """It says nothing of the content: only that the other one's signature was seen."""
    async with desk(tmp_path / "node") as node:
        sender, other = node.new, node.site.pki.signer("other")
        node.bind(bound_to(node, sender), bound_to(node, other, OTHER))
        verdict = (await node.judged(document(node, other, countersigner=sender))).verdict
        assert verdict.reason is Reason.NOT_BOUND
        assert verdict.others[0].signer is not None
        assert verdict.others[0].signer.speaks_for == (OFFICE,)
        octets = document(node, sender, countersigner=other)
        verdict = (await node.judged(octets)).verdict
        assert verdict.passed, verdict.checks[-1]
        assert verdict.others[0].signer is not None
        assert verdict.others[0].signer.speaks_for == (HOME_AFFAIRS,)
        assert verdict.others[0].role is SignatureRole.COUNTERSIGNATURE
        assert await node.send(octets) == "accepted"


async def test_a_stranger_beside_the_sender_is_no_pass_whichever_comes_first(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        stranger = DevPki.create(tmp_path / "another", node.today).signer("stranger")
        node.bind(node.row(None, None))
        for signers in ((node.new, stranger), (stranger, node.new)):
            octets = document(node, *signers)
            verdict = (await node.judged(octets)).verdict
            assert (verdict.sub_indication, verdict.reason) == (
                SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
                Reason.UNTRUSTED,
            )
            # It is the sender's signature that the verdict is told of, and what is wrong is told of the other one.
            assert verdict.signer is not None
            assert verdict.signer.certificate == node.new.fingerprint
            assert [one.reason for one in verdict.others] == [Reason.UNTRUSTED]
            assert await node.send(octets) == Kind.SIGNATURE_FAILED


async def test_a_countersignature_of_a_stranger_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        stranger = DevPki.create(tmp_path / "another", node.today).signer("stranger")
        node.bind(node.row(None, None))
        octets = document(node, node.new, countersigner=stranger)
        verdict = (await node.judged(octets)).verdict
        assert verdict.passed
        assert verdict.others[0].reason is Reason.UNTRUSTED
        assert await node.send(octets) == "accepted"


@pytest.mark.parametrize("whole", [False, True])
async def test_content_is_what_every_signature_covers(tmp_path: Path, whole: bool) -> None:
    async with desk(tmp_path / "node") as node:
        node.bind(node.row(None, None))
        octets = document(node, node.new, node.site.pki.signer("other"), whole=whole)
        judged = await node.judged(octets)
        assert judged.verdict.passed, judged.verdict.checks[-1]
        assert judged.content is not None
        assert judged.content.envelope.sender.code == CODE
        assert judged.verdict.profile == ("enveloped" if whole else "parts")
        changed = octets.replace("thử nghiệm".encode(), "thử nghiêm".encode())
        judged = await node.judged(changed)
        assert judged.content is None
        assert judged.verdict.reason is Reason.DIGEST
        assert len(list(parse_xml(octets, XmlLimits()).root.iter("{*}Signature"))) == 2


async def test_what_is_stored_tells_every_signature(tmp_path: Path) -> None:
    async with desk(tmp_path / "node") as node:
        other = node.site.pki.signer("other")
        node.bind(node.row(None, None), bound_to(node, other, OTHER))
        octets = document(node, node.new, other, countersigner=other)
        expected = (await node.judged(octets)).verdict
        assert await node.send(octets) == "accepted"
        (stored,) = await node.ctx.store.views.recent(1)
        assert stored.verdict == expected
        assert [one.role for one in expected.others] == [SignatureRole.COUNTERSIGNATURE, SignatureRole.PARALLEL]
