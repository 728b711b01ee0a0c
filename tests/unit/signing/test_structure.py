"""What is signed is what is used: Ids, coverage, places, canonicalisation."""

from __future__ import annotations

import pytest
from lxml import etree

from signing.policy import LEGACY, OWN_NETWORK
from signing.sign import sign_parts
from signing.verdict import Reason, SubIndication
from signing.verify import verify
from tests.pki import NOW, pki
from tests.unit.signing.bend import (
    find,
    transforms,
)
from tests.unit.signing.forge import (
    ENVELOPED,
    EXC,
    INC,
    Package,
    by_parts,
    enveloped,
    parse,
    reference_to,
    refused,
    resign,
    sign_again,
    unsigned_package,
)

FORMAT = SubIndication.FORMAT_FAILURE
NO_CERTIFICATE = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
CRYPTO = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
NOT_FOUND = SubIndication.SIGNED_DATA_NOT_FOUND
NOT_VERIFIABLE = SubIndication.NOT_VERIFIABLE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


@pytest.mark.parametrize("name", ["Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id", None])
def test_d10_an_id_that_occurs_twice_is_refused_whatever_it_is_called(name: str | None) -> None:
    wsu = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id"
    package = by_parts()
    package.root[-1].set(name or wsu, "header")
    refused(package, FORMAT, Reason.DUPLICATE_ID)
    refused(package, FORMAT, Reason.DUPLICATE_ID, policy=LEGACY)


def test_d10_two_elements_with_ids_that_nobody_references_are_refused_too() -> None:
    package = by_parts()
    package.root[-1].set("id", "z")
    package.place[1].set("Id", "z")
    refused(package, FORMAT, Reason.DUPLICATE_ID)


@pytest.mark.parametrize("part", ["#header", "#business", "#manifest", "cid:a.pdf"])
def test_d23_what_is_used_and_not_signed_is_named(part: str) -> None:
    package = by_parts()
    reference = reference_to(package, part)
    reference.getparent().remove(reference)  # type: ignore[union-attr]
    sign_again(package)
    judgement = refused(package, CONSTRAINTS, Reason.COVERAGE)
    assert judgement.verdict.not_covered == (part if part.startswith("cid:") else part[1:],)
    assert judgement.verified is None


def test_18_a_signature_over_itself_covers_nothing() -> None:
    package = by_parts()
    for part in ("#business", "#manifest", "cid:a.pdf"):
        reference = reference_to(package, part)
        reference.getparent().remove(reference)  # type: ignore[union-attr]
    find(package, "ds:KeyInfo").set("Id", "key")
    reference_to(package, "#header").set("URI", "#key")
    resign(package)
    refused(package, FORMAT, Reason.REFERENCE)


def test_d30_void_canonicalisation() -> None:
    """A relative namespace makes C14N fail (CVE-2025-66568); the failure is no empty string."""
    package = by_parts()
    etree.SubElement(package.header, "{relative}x")
    refused(package, FORMAT, Reason.C14N)
    whole = enveloped()
    etree.SubElement(whole.root[-1], "{relative}x")
    refused(whole, FORMAT, Reason.C14N)
    inside = by_parts()
    raw = etree.tostring(inside.root).replace(b"<ds:SignedInfo", b'<ds:SignedInfo xmlns:r="relative"')
    refused(Package(parse(raw)), FORMAT, Reason.C14N)


def test_enveloped_transforms_are_exactly_two() -> None:
    for names, reason in (
        ((), Reason.TRANSFORM),
        ((EXC,), Reason.TRANSFORM),
        ((EXC, ENVELOPED), Reason.TRANSFORM),
        ((ENVELOPED, ENVELOPED), Reason.TRANSFORM),
        ((ENVELOPED, EXC, EXC), Reason.TRANSFORM),
        ((ENVELOPED, "http://www.w3.org/2006/12/xml-c14n11"), Reason.C14N),
    ):
        package = enveloped()
        transforms("", *names)(package)
        resign(package)
        refused(package, FORMAT, reason)
    for good in ((ENVELOPED,), (ENVELOPED, INC), (ENVELOPED, EXC)):
        package = enveloped()
        transforms("", *good)(package)
        resign(package)
        assert package.judge().verdict.passed


def test_d12_d13_one_signature_at_one_place() -> None:
    for extra in ("first", "last", "nested", "elsewhere"):
        package = by_parts()
        copy = parse(etree.tostring(package.signature))
        for node in copy.iter("*"):
            node.attrib.pop("Id", None)
        match extra:
            case "first":
                package.place.insert(0, copy)
            case "last":
                package.place.append(copy)
            case "nested":
                find(package, "ds:Object").append(copy)
            case _:
                package.root[-1].append(copy)
        refused(package, FORMAT, Reason.STRUCTURE)
    moved = by_parts()
    must_cover, signature = moved.must_cover, moved.signature
    moved.root.append(signature)
    verdict = verify(moved.root, [signature], must_cover, OWN_NETWORK, pki().trust, NOW).verdict
    assert verdict.reason is Reason.STRUCTURE


QCVN = "urn:example:edxml"


def test_a_signature_over_parts_needs_no_attachments() -> None:
    package = unsigned_package()
    package.attachments = {}
    sign_parts(package.place, [package.header, package.business, package.manifest], [], pki().good.signer(), NOW)
    assert package.judge().verdict.passed
