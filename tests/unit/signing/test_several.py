"""Several signatures side by side: each is judged on its own, and the package is worth what the worst of them is."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from lxml import etree

from axis.flow.context import Context
from axis.flow.judge import _conclude as judge_in_daemon
from signing.chain import CertificateCache
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK, Mode
from signing.several import joined
from signing.sign import sign_enveloped
from signing.verdict import (
    Indication,
    Reason,
    SignatureRole,
    SubIndication,
    Verdict,
    indication_of,
    verdict_from_dict,
)
from signing.verify import certify, conclude, inspect
from tests.pki import NOW, YEAR, pki
from tests.unit.signing.forge import (
    DS,
    XADES,
    Package,
    Q,
    by_parts,
    countersign,
    enveloped,
    parse,
    refused,
    several,
    sign_again,
    sign_beside,
    unsigned_package,
)
from tests.unit.signing.test_interop import check_with_xmlsec1

FORMAT = SubIndication.FORMAT_FAILURE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


def two() -> Package:
    return several(pki().good.signer(), pki().rsa.signer())


# --- good ones


def test_two_good_signatures_by_parts_pass_and_are_both_told() -> None:
    judgement = two().judge()
    verdict = judgement.verdict
    assert verdict.passed, verdict.checks[-1]
    assert (verdict.role, verdict.place) == (SignatureRole.PRIMARY, "Signature[1]")
    (other,) = verdict.others
    assert other.passed
    assert (other.role, other.place) == (SignatureRole.PARALLEL, "Signature[2]")
    assert verdict.signer is not None
    assert other.signer is not None
    assert (verdict.signer.certificate, other.signer.certificate) == (pki().good.sha256, pki().rsa.sha256)
    assert [item.uri for item in other.covered[:4]] == [item.uri for item in verdict.covered[:4]]
    assert judgement.verified is not None


def test_xmlsec1_verifies_each_of_them(tmp_path: Path) -> None:
    package = several(pki().good.signer(), pki().rsa.signer("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"))
    assert package.judge().verdict.passed
    for kept in (0, 1):
        alone = package.again()
        for number, signature in enumerate(alone.signatures):
            # xmlsec1 verifies the first signature that it meets; the other one stays in the document.
            if number == kept:
                alone.place.insert(0, signature)
        assert check_with_xmlsec1(alone, tmp_path)
    bent = package.again()
    bent.place.insert(0, bent.signatures[1])
    value = bent.signature[1]
    value.text = "AAAA" + (value.text or "")[4:]
    assert not check_with_xmlsec1(bent, tmp_path), "the oracle looks at another signature"


def test_a_signature_of_the_whole_document_may_come_last() -> None:
    """It covers those before it; one more after it changes what it covers."""
    package = unsigned_package(inline=True)
    sign_beside(package)
    sign_enveloped(package.place, pki().good.signer(), NOW)
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]
    assert verdict.profile == "enveloped", "a hop that adds something would break the second"
    sign_beside(package, pki().ed25519.signer())
    refused(package, SubIndication.HASH_FAILURE, Reason.DIGEST)


def test_two_signatures_of_the_whole_document_break_the_first() -> None:
    package = enveloped()
    sign_enveloped(package.place, pki().rsa.signer(), NOW)
    verdict = refused(package, SubIndication.HASH_FAILURE, Reason.DIGEST).verdict
    assert verdict.others[0].passed


def test_ids_of_two_signers_in_one_second_do_not_clash() -> None:
    assert len({signature.get("Id") for signature in two().signatures}) == 2


def test_one_signature_is_told_as_before() -> None:
    judgement = by_parts().judge()
    assert judgement.each == ()
    assert judgement.verdict.others == ()
    assert judgement.verdict.role is SignatureRole.PRIMARY


def test_what_is_stored_is_read_back_and_so_is_what_was_stored_before() -> None:
    verdict = two().judge().verdict
    stored = json.loads(json.dumps(verdict.to_dict()))
    assert verdict_from_dict(stored) == verdict
    assert len(stored["others"]) == 1
    for name in ("others", "role", "place"):
        del stored[name]
    assert verdict_from_dict(stored) == replace(verdict, others=(), place="")


# --- how many, and where


def test_four_are_accepted_and_five_are_not() -> None:
    signers = [pki().holder(f"H{number}").signer() for number in range(5)]
    assert several(*signers[:4]).judge().verdict.passed
    judgement = refused(several(*signers), FORMAT, Reason.STRUCTURE)
    assert judgement.verdict.checks[-1].observed == "5 signatures"
    one = replace(OWN_NETWORK, max_signatures=1)
    refused(two(), FORMAT, Reason.STRUCTURE, policy=one)
    assert one.sha256 != OWN_NETWORK.sha256


def without_ids(signature: etree._Element) -> etree._Element:
    made = parse(etree.tostring(signature))
    for node in made.iter("*"):
        node.attrib.pop("Id", "")
    return made


STRAYS: dict[str, Callable[[Package, etree._Element], None]] = {
    "in the Object": lambda package, stray: package.signature[3].append(stray),
    "in the KeyInfo": lambda package, stray: package.signature[2].append(stray),
    "in the SignedInfo": lambda package, stray: package.signature[0].append(stray),
    "beside the envelope": lambda package, stray: package.root.append(stray),
    "in the attachment": lambda package, stray: package.root[-1].append(stray),
    "in the signed header": lambda package, stray: package.header.append(stray),
    "in the trace": lambda package, stray: package.place[1].append(stray),
}


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("where", STRAYS)
def test_d12_a_signature_anywhere_else_is_refused(where: str, bare: bool) -> None:
    for package in (by_parts(), two()):
        stray = without_ids(package.signature) if not bare else etree.Element(DS + "Signature", Algorithm="x")
        STRAYS[where](package, stray)
        judgement = refused(package, FORMAT, Reason.STRUCTURE)
        assert judgement.verified is None
        # A caller that finds every element of that name is told the same.
        read = package.again()
        found = list(read.root.iter(DS + "Signature"))
        for policy in (OWN_NETWORK, IF_PRESENT, LEGACY):
            assert not conclude(inspect(read.root, found, read.must_cover, policy, NOW), None).verdict.passed


# --- an attacker's


def test_d12_an_attackers_signature_first_or_last_is_never_a_pass() -> None:
    evil = pki().from_other_root
    for signers in ((evil, pki().good), (pki().good, evil), (evil, pki().good, evil)):
        if signers.count(evil) == 1:
            package = several(*(holder.signer() for holder in signers))
        else:
            package = several(*(holder.signer() for holder in signers[:2]))
            sign_beside(package, evil.signer(), NOW.replace(minute=1))
        judgement = package.judge()
        verdict = judgement.verdict
        assert (verdict.indication, verdict.reason) == (Indication.INDETERMINATE, Reason.UNTRUSTED)
        assert len(verdict.others) == len(signers) - 1
        own = [one for one in judgement.each if one.passed]
        assert [one.signer.certificate for one in own if one.signer] == [pki().good.sha256]


@pytest.mark.parametrize("part", ["header", "business", "manifest", "a.pdf"])
@pytest.mark.parametrize("first", [True, False])
def test_one_that_covers_less_is_not_saved_by_the_other(part: str, first: bool) -> None:
    package = unsigned_package()
    names = [name for name in ("header", "business", "manifest") if name != part]

    def less() -> None:
        elements = [getattr(package, name) for name in names]
        sign_beside(package, pki().rsa.signer(), elements=elements, attachments=() if part == "a.pdf" else ("a.pdf",))

    if first:
        less()
    sign_beside(package, pki().good.signer())
    if not first:
        less()
    judgement = refused(package, CONSTRAINTS, Reason.COVERAGE)
    assert judgement.verified is None
    lacking = judgement.each[0 if first else 1]
    assert lacking.not_covered == (part if part != "a.pdf" else "cid:a.pdf",)
    assert judgement.each[1 if first else 0].passed


def test_two_that_cover_all_between_them_cover_nothing() -> None:
    package = unsigned_package()
    sign_beside(package, pki().good.signer(), elements=[package.header], attachments=())
    sign_beside(package, pki().rsa.signer(), elements=[package.business, package.manifest])
    refused(package, CONSTRAINTS, Reason.COVERAGE)


def test_xsw_a_forged_header_that_the_attackers_own_signature_covers() -> None:
    """The sender signed the header that moved aside; the attacker signs the one that is read."""
    package = by_parts()
    signed = package.header
    forged = copy.deepcopy(signed)
    forged[0].text = "000.66.66.H99"
    forged.set("Id", "forged")
    package.place.replace(signed, forged)
    etree.SubElement(package.root, "{urn:x}aside", nsmap={"e": Q[1:-1]}).append(signed)
    sign_beside(package, pki().rsa.signer())
    judgement = refused(package, CONSTRAINTS, Reason.COVERAGE)
    assert judgement.verified is None
    assert [one.passed for one in judgement.each] == [False, True]


def test_15_an_id_that_stands_in_two_signatures_is_refused() -> None:
    package = by_parts()
    package.place.append(parse(etree.tostring(package.signature)))
    refused(package, FORMAT, Reason.DUPLICATE_ID)
    refused(package, FORMAT, Reason.DUPLICATE_ID, policy=LEGACY)
    package = two()
    properties = package.signatures[1].find(f".//{XADES}SignedProperties")
    assert properties is not None
    properties.set("Id", "header")
    refused(package, FORMAT, Reason.DUPLICATE_ID)


def properties_of(signature: etree._Element) -> etree._Element:
    found = signature.find(f"{DS}Object/{XADES}QualifyingProperties")
    assert found is not None
    return found


def swap_properties(package: Package) -> None:
    first, second = (properties_of(signature) for signature in package.signatures)
    one, other = first.getparent(), second.getparent()
    assert one is not None
    assert other is not None
    one.append(second)
    other.append(first)


def test_properties_that_were_swapped_between_two_signatures_count_for_neither() -> None:
    package = two()
    swap_properties(package)
    judgement = refused(package, FORMAT, Reason.STRUCTURE)
    assert [one.reason for one in judgement.each] == [Reason.STRUCTURE] * 2
    for signature in package.signatures:
        properties_of(signature).set("Target", f"#{signature.get('Id')}")
    judgement = refused(package, FORMAT, Reason.REFERENCE)
    assert [one.reason for one in judgement.each] == [Reason.REFERENCE] * 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{DS}SignatureValue", Reason.REFERENCE),
        (f"{DS}KeyInfo", Reason.REFERENCE),
        (f"{DS}SignedInfo", Reason.REFERENCE),
        (f".//{XADES}SignedProperties", Reason.REFERENCE),
        (".", Reason.REFERENCE),
    ],
)
@pytest.mark.parametrize("into", [0, 1])
def test_a_reference_into_another_signature_is_refused(path: str, reason: Reason, into: int) -> None:
    """Signed again, so that nothing but the place of what it references is wrong."""
    package = two()
    if into == 0:
        package.place.append(package.signatures[0])
    target = package.signatures[1].find(path)
    assert target is not None
    if not target.get("Id"):
        target.set("Id", "inside")
    first = package.signature
    reference = parse(etree.tostring(first[0][2]))
    reference.set("URI", f"#{target.get('Id')}")
    first[0].insert(3, reference)
    octets = etree.tostring(target, method="c14n", exclusive=True)
    reference[-1].text = b64encode(sha256(octets).digest()).decode()
    sign_again(package, pki().good.signer() if into == 1 else pki().rsa.signer())
    judgement = package.judge()
    assert judgement.each[0].reason is reason
    assert not judgement.verdict.passed


def test_a_countersigned_type_is_for_countersignatures_alone() -> None:
    package = by_parts()
    package.signature[0][2].set("Type", "http://uri.etsi.org/01903#CountersignedSignature")
    sign_again(package)
    refused(package, FORMAT, Reason.STRUCTURE)


# --- what outweighs what


def test_the_worst_decides_and_the_first_of_the_worst() -> None:
    """Failed before every doubt, a doubt that nothing mends before one that waits, any of them before a pass."""
    passed, wait = two().judge().verdict, SubIndication.TRY_LATER

    def told(sub: SubIndication | None, reason: Reason, place: str) -> Verdict:
        good = replace(passed, others=(), place=place)
        return good if sub is None else replace(good, indication=indication_of(sub), sub_indication=sub, reason=reason)

    good = told(None, Reason.GOOD, "a")
    waits = told(wait, Reason.REVOCATION_UNKNOWN, "b")
    doubt = told(SubIndication.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED, "c")
    failed = told(SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE, "d")
    dialect = told(SubIndication.NOT_VERIFIABLE, Reason.NAMESPACE, "e")
    order = [good, dialect, waits, doubt, failed]
    for low, lighter in enumerate(order):
        for heavier in order[low:]:
            for pair in ((lighter, heavier), (heavier, lighter)):
                verdict = joined(pair)
                assert verdict.sub_indication is heavier.sub_indication
                assert verdict.reason is heavier.reason
                assert verdict.place == pair[0].place
                assert joined(pair, 1).place == pair[1].place
    same = replace(doubt, reason=Reason.CHAIN, place="f")
    assert joined((good, doubt, same)).reason is Reason.UNTRUSTED
    assert joined((good, same, doubt)).reason is Reason.CHAIN
    # What was found holds no longer than the shortest of it.
    later = replace(good, valid_until=NOW + YEAR)
    for pair in ((replace(good, valid_until=NOW), later), (later, replace(good, valid_until=NOW))):
        assert joined(pair).valid_until == NOW


def test_one_whose_revocation_is_unknown_lets_the_package_wait() -> None:
    verdict = two().judge(trust=pki().trust_without_lists).verdict
    assert verdict.sub_indication is SubIndication.TRY_LATER
    revoked = several(pki().good.signer(), pki().revoked.signer()).judge().verdict
    assert (revoked.indication, revoked.reason) == (Indication.TOTAL_FAILED, Reason.REVOKED)
    assert revoked.checks[-1].id == "other-signature"
    assert revoked.checks[-1].observed == "Signature[2]: cert-revoked"


def test_a_foreign_block_beside_a_good_signature_is_not_verifiable_at_best() -> None:
    package = by_parts()
    etree.SubElement(package.place, "{urn:other}DigitalSignature").text = "x"
    refused(package, FORMAT, Reason.NAMESPACE)
    for policy in (IF_PRESENT, LEGACY):
        refused(package, SubIndication.NOT_VERIFIABLE, Reason.NAMESPACE, policy=policy)
    bad = several(pki().revoked.signer())
    etree.SubElement(bad.place, "{urn:other}DigitalSignature").text = "x"
    refused(bad, SubIndication.REVOKED, Reason.REVOKED, policy=LEGACY)
    etree.SubElement(bad.place, "{urn:other}DigitalSignature").text = "x"
    bad.place.insert(0, bad.signatures[1])
    refused(bad, SubIndication.REVOKED, Reason.REVOKED, policy=LEGACY)


def test_whoever_forgets_the_other_certificates_gets_no_pass() -> None:
    package = two().again()
    inspection = inspect(package.root, package.signatures, package.must_cover, OWN_NETWORK, NOW)
    assert len(inspection.others) == 1
    first = certify(inspection, pki().trust, NOW)
    assert conclude(inspection, first.certificate).verdict.reason is Reason.PROCESSING
    # Nor does the same certificate count for another signature.
    swapped = conclude(inspection, first.certificate, others=(first,))
    assert swapped.verdict.reason is Reason.PROCESSING
    second = certify(inspection.others[0], pki().trust, NOW)
    assert conclude(inspection, first.certificate, others=(second,)).verdict.passed
    assert inspection.policy.mode is Mode.REQUIRED


class Errands:
    """Brings the missing lists, once for each certificate, as the keeper of evidence does."""

    def __init__(self) -> None:
        self.ctx = cast(
            Context,
            SimpleNamespace(
                trust=pki().trust_without_lists,
                certificates=CertificateCache(),
                evidence=self,
                paths=None,
                now=lambda: NOW,
                judged_at=lambda: NOW,
            ),
        )
        self.wanted: list[bytes] = []

    async def bring(self, leaf: bytes) -> bool:
        self.wanted.append(leaf)
        self.ctx.trust = pki().trust
        return True


async def test_the_daemon_judges_and_fetches_for_every_certificate() -> None:
    package = two()
    countersign(package.signatures[1], pki().ed25519.signer(), at=NOW)
    for evidence in (True, False):
        errands = Errands()
        if not evidence:
            errands.ctx.evidence = None
        read = package.again()
        inspection = inspect(read.root, read.signatures, read.must_cover, OWN_NETWORK, NOW)
        judgement, _ = await judge_in_daemon(inspection, OWN_NETWORK, NOW, errands.ctx)
        assert len(judgement.each) == 3
        if evidence:
            assert {*errands.wanted} == {pki().good.der, pki().rsa.der, pki().ed25519.der}
            assert all(one.passed for one in (judgement.verdict, *judgement.each))
        else:
            assert judgement.verdict.sub_indication is SubIndication.TRY_LATER
            assert [one.sub_indication for one in judgement.each] == [SubIndication.TRY_LATER] * 3
