"""The shortcut for the shape that our network writes says what the long way says, and is taken where it should be.

Every forged package of this folder is judged both ways too: `forge.Package.judge` compares.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import etree

from axis.flow.usual import octets_in
from schemas.attachment import decode, encoded_attachments, matched
from schemas.codes import AgencyCode
from schemas.edxml import read_message, signatures, signed_parts
from schemas.envelope import AttachmentInfo, DocumentNumber, DocumentType, Envelope, Organization, SignerInfo
from schemas.errors import SchemaError
from schemas.layout import layout_of
from schemas.limits import XmlLimits
from schemas.write import serialise, write_document
from schemas.xml import Parsed, gated, parse_xml
from signing.algorithm import PSS_SHA256, RSA_SHA256, RSA_SHA384
from signing.policy import OWN_NETWORK, SignaturePolicy
from signing.sign import KeySigner, sign_enveloped, sign_parts
from signing.verdict import Indication
from signing.verify import InMemory, Inspection, MustCover, inspect, inspect_laid
from tests.pki import NOW, pki

PDF = b"%PDF-1.7 " + bytes(range(256)) * 8


def package(
    signer: KeySigner, *, whole: bool, attachments: int = 1, subject: str = "Về việc tổ chức họp", pdf: bytes = PDF
) -> bytes:
    envelope = Envelope(
        sender=Organization(AgencyCode.parse("000.00.01.H99"), name="Sở Thử nghiệm"),
        recipients=(Organization(AgencyCode.parse("000.00.02.H99"), name="Ủy ban thử nghiệm"),),
        number=DocumentNumber("12", "CV-STN"),
        subject=subject,
        document_id="000.00.01.H99,2026/01/02,12/CV-STN",
        issued_on=NOW.date(),
        issued_at="H99",
        type=DocumentType(type=2, name="Công văn"),
        signer=SignerInfo("TL.", "Chánh Văn phòng", "Nguyễn Văn Thử"),
        attachments=tuple(AttachmentInfo(f"{place}.pdf", f"{place}.pdf") for place in range(attachments)),
    )
    root = write_document(envelope, [pdf + bytes([place]) for place in range(attachments)])
    parts, place = signed_parts(root), signed_parts(root).place
    if whole:
        sign_enveloped(place, signer, NOW)
    else:
        elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
        told = [(f"{place}.pdf", InMemory(pdf + bytes([place])).digest("sha256")) for place in range(attachments)]
        sign_parts(place, elements, told, signer, NOW)
    return serialise(root)


def read(raw: bytes) -> tuple[Parsed, MustCover]:
    parsed = parse_xml(raw, XmlLimits())
    parts = signed_parts(parsed.root)
    named = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
    message = read_message(parsed.root).message
    assert isinstance(message, Envelope)
    held = {info.content_id: InMemory(decode(item)) for info, item in matched(message, encoded_attachments(parsed))}
    elements = {name: element for name, element in named.items() if element is not None}
    return parsed, MustCover(elements, held, parts.place, frozenset(held))


def shortcut(raw: bytes, policy: SignaturePolicy = OWN_NETWORK) -> Inspection | None:
    """What the short way says of octets; `None` for nothing."""
    limits = XmlLimits()
    layout = layout_of(gated(raw, limits), limits)
    return None if layout is None else inspect_laid(layout, octets_in(layout), True, policy, NOW, layout.cuts)


def both_ways(raw: bytes, policy: SignaturePolicy = OWN_NETWORK) -> tuple[Inspection, Inspection]:
    """What is said by the short way, or by the long way where that says nothing; and by the long way."""
    short = shortcut(raw, policy)
    if short is not None:
        try:
            parse_xml(raw, XmlLimits())
        except SchemaError as error:
            raise AssertionError("no XML, and recognised") from error
    parsed, must_cover = read(raw)
    long = inspect(parsed.root, signatures(parsed.root), must_cover, policy, NOW, parsed.cuts)
    return short or long, long


def is_recognised(raw: bytes, policy: SignaturePolicy = OWN_NETWORK) -> bool:
    return shortcut(raw, policy) is not None


SIGNERS: dict[str, Callable[[], KeySigner]] = {
    "P-256": pki().good.signer,
    "RSA PKCS#1": lambda: pki().rsa.signer(RSA_SHA256),
    "RSA PKCS#1 SHA-384": lambda: pki().rsa.signer(RSA_SHA384),
    "RSA PSS": lambda: pki().rsa.signer(PSS_SHA256),
    "Ed25519": pki().ed25519.signer,
}


@pytest.mark.parametrize("whole", [False, True], ids=["parts", "whole"])
@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("attachments", [0, 1, 3])
def test_what_our_network_writes_is_recognised_and_found_good_as_by_the_long_way(
    signer: str, whole: bool, attachments: int
) -> None:
    raw = package(SIGNERS[signer](), whole=whole, attachments=attachments)
    assert is_recognised(raw)
    short, long = both_ways(raw)
    assert short == long
    assert short.verified is not None


@pytest.mark.parametrize("whole", [False, True], ids=["parts", "whole"])
@pytest.mark.parametrize("size", [20_000, 48_000, 80_000], ids=["small", "just inside the tree", "cut out of it"])
def test_attachments_of_any_size_are_no_reason_for_the_long_way(whole: bool, size: int) -> None:
    raw = package(pki().good.signer(), whole=whole, attachments=4, pdf=(PDF * 40)[:size])
    assert is_recognised(raw)
    short, long = both_ways(raw)
    assert short == long
    spoiled = raw.replace(b"JVBERi0xLjcg", b"JVBERi0xLjcx", 1)  # one octet of an attachment
    assert not is_recognised(spoiled)
    assert both_ways(spoiled)[0] == both_ways(spoiled)[1]


def test_text_that_needs_escaping_is_found_good_too() -> None:
    raw = package(pki().good.signer(), whole=False, subject="A & B < C > D \"E\" 'F' = G\u00a0\u2028")
    short, long = both_ways(raw)
    assert short == long
    assert short.verified is not None


CHANGES: dict[str, tuple[bytes, bytes]] = {
    "another subject": (b"Subject>V", b"Subject>W"),
    "another recipient": (b"000.00.02.H99", b"000.00.03.H99"),
    "another kind of business": (b"<edXML:BussinessDocType>0", b"<edXML:BussinessDocType>1"),
    "another digest": (b"<ds:DigestValue>", b"<ds:DigestValue>A"),
    "another value": (b"</ds:SignatureValue>", b"AAAA</ds:SignatureValue>"),
    "another time": (b"<xades:SigningTime>2", b"<xades:SigningTime>1"),
    "another signature method": (b"ecdsa-sha256", b"ecdsa-sha384"),
    "a transform more": (b"<ds:Transforms>", b'<ds:Transforms><ds:Transform Algorithm="urn:x"/>'),
    "a comment in the signature": (b"<ds:KeyInfo>", b"<!-- --><ds:KeyInfo>"),
    "an Id twice": (b"<edXML:From>", b'<edXML:From Id="MessageHeader-1">'),
    "an Id twice, under another name": (b"<edXML:From>", b'<edXML:From ID="MessageHeader-1">'),
    "an Id twice, spaced": (b"<edXML:From>", b"<edXML:From Id = 'MessageHeader-1'>"),
    "an Id more": (b"<edXML:From>", b'<edXML:From Id="other">'),
    "a second signature": (b"</edXML:edXMLHeader>", b'<Signature xmlns="urn:x"><a/></Signature></edXML:edXMLHeader>'),
    "properties of another": (b'Target="#sig-', b'Target="#gis-'),
    "an unsigned property": (b"</xades:SignedProperties>", b"</xades:SignedProperties><xades:UnsignedProperties/>"),
    "a manifest of other references": (b' URI="#edXMLManifest-1"', b' URI="#Bussiness-1"'),
    "white space between": (b"<ds:KeyInfo>", b"\n<ds:KeyInfo>"),
    "another prefix": (b"ds:", b"dd:"),
    "an object more": (b"</ds:Signature>", b"<ds:Object/></ds:Signature>"),
    "a header in the signature": (b"<ds:Object>", b'<edXML:MessageHeader Id="MessageHeader-1"/><ds:Object>'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_changed_the_two_ways_agree(change: str) -> None:
    before, after = CHANGES[change]
    raw = package(pki().good.signer(), whole=False)
    assert before in raw or change == "a comment in the signature"
    try:
        short, long = both_ways(raw.replace(before, after))
    except SchemaError:
        return  # the gate or the reader has it
    assert short == long


def test_random_changes_of_octets_are_judged_alike_by_both_ways() -> None:
    chance = random.Random(20261129)
    packages = [package(pki().good.signer(), whole=whole, attachments=1) for whole in (False, True)]
    judged = 0
    for _ in range(600):
        octets = bytearray(chance.choice(packages))
        at = chance.randrange(len(octets))
        match chance.randrange(3):
            case 0:
                octets[at] ^= 1 << chance.randrange(7)
            case 1:
                del octets[at : at + chance.randint(1, 3)]
            case _:
                octets[at:at] = octets[at : at + chance.randint(1, 40)]
        try:
            short, long = both_ways(bytes(octets))
        except SchemaError:
            continue
        judged += 1
        assert short == long, bytes(octets)
    assert judged > 150


@pytest.mark.parametrize(
    "policy",
    [
        SignaturePolicy("no exclusive c14n", OWN_NETWORK.mode, c14n_algorithms=frozenset()),
        SignaturePolicy("no such signatures", OWN_NETWORK.mode, signature_algorithms=frozenset({RSA_SHA256})),
        SignaturePolicy("no such digests", OWN_NETWORK.mode, digest_algorithms=frozenset()),
        SignaturePolicy("no curve", OWN_NETWORK.mode, curves=frozenset()),
        SignaturePolicy("hardly an octet", OWN_NETWORK.mode, max_enveloped_bytes=10),
        SignaturePolicy("depth", OWN_NETWORK.mode, max_depth=2),
        SignaturePolicy("old signers", OWN_NETWORK.mode, signing_time_ahead=timedelta(days=-10000)),
    ],
    ids=lambda policy: policy.name,
)
def test_a_policy_that_refuses_is_not_passed_by(policy: SignaturePolicy) -> None:
    raw = package(pki().good.signer(), whole=False)
    assert both_ways(raw)[1].verified is not None
    short, long = both_ways(raw, policy)
    assert short == long
    assert short.verdict is not None
    assert short.verdict.indication is not Indication.TOTAL_PASSED
    assert not is_recognised(raw, policy)


def test_what_is_read_are_octets_that_were_signed() -> None:
    """An outer declaration that the signer never saw changes nothing in what is read."""
    raw = package(pki().good.signer(), whole=False)
    bent = raw.replace(b"<edXML:edXMLHeader>", b'<edXML:edXMLHeader xmlns:x="urn:x">')
    short, long = both_ways(bent)
    assert short == long
    assert short.verified is not None
    for octets in short.verified.parts.values():
        assert b"urn:x" not in octets
        assert etree.fromstring(octets) is not None
