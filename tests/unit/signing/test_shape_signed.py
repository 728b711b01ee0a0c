"""The shortcut lets in nothing that the long way refuses, whoever signs: here the signer himself is the stranger.

Each package is of the shape as nearly as can be, and signed again over what the shortcut would digest.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from lxml import etree

from axis.flow.usual import octets_in
from schemas.edxml import signatures, signed_parts
from schemas.layout import layout_of
from schemas.limits import XmlLimits
from schemas.write import serialise
from schemas.xml import gated
from signing.algorithm import ENVELOPED, EXC_C14N, SHA256_DIGEST
from signing.policy import IF_PRESENT, OWN_NETWORK, SignaturePolicy
from signing.sign import sign_enveloped, sign_parts
from signing.verify import InMemory, inspect, inspect_laid
from tests.pki import NOW, pki
from tests.unit.signing.test_shape import PDF, both_ways, is_recognised, package, read

SIGNATURE = re.compile(rb"<ds:Signature .*</ds:Signature>", re.DOTALL)
HEADER = re.compile(rb"<(edXML:MessageHeader)(.*?</edXML:MessageHeader>)", re.DOTALL)
TRANSFORM = b'<ds:Transform Algorithm="%b"/>'
PART = b"<ds:Transforms>" + TRANSFORM % EXC_C14N.encode() + b"</ds:Transforms>"
MIC = b"http://www.mic.gov.vn/TBT/QCVN_102_2016"


def signed(raw: bytes, digests: dict[str, bytes] | None = None, hash_name: str = "sha256") -> bytes:
    """Put these digests to their URIs, that of the properties to theirs, and sign again."""
    (name,) = re.findall(rb'<xades:SignedProperties Id="([^"]*)"', raw)
    node = etree.fromstring(SIGNATURE.findall(raw)[0])
    properties = node.find(".//{*}SignedProperties")
    assert properties is not None
    for uri, octets in {**(digests or {}), f"#{name.decode()}": _exclusive(properties)}.items():
        told = b64encode(hashlib.new(hash_name, octets).digest())
        raw = re.sub(rb'(URI="%b">.*?<ds:DigestValue>)[^<]*' % re.escape(uri.encode()), rb"\g<1>" + told, raw, count=1)
    info = etree.fromstring(SIGNATURE.findall(raw)[0])[0]
    value = b64encode(pki().good.signer().sign(_exclusive(info)))
    return re.sub(rb'(<ds:SignatureValue Id="[^"]*">)[^<]*', rb"\g<1>" + value, raw)


def _exclusive(node: etree._Element) -> bytes:
    return etree.tostring(node, method="c14n", exclusive=True, with_comments=False)


def header_as_it_came(raw: bytes) -> bytes:
    """The octets of the header, with the declaration that its canonical form has: what a shortcut might take."""
    (found,) = HEADER.findall(raw)
    return b'<%b xmlns:edXML="%b"%b' % (found[0], MIC, found[1])


def refused_both_ways(raw: bytes, policy: SignaturePolicy = OWN_NETWORK) -> None:
    short, long = both_ways(raw, policy)
    assert long.verified is None
    assert short == long


def test_what_is_signed_again_by_this_folder_is_recognised() -> None:
    """Else what follows would prove nothing."""
    for whole in (False, True):
        raw = signed(package(pki().good.signer(), whole=whole))
        assert is_recognised(raw)
        short, long = both_ways(raw)
        assert short == long
        assert long.verified is not None
    raw = package(pki().good.signer(), whole=False)
    assert signed(raw, {"#MessageHeader-1": header_as_it_came(raw)}).count(b"<ds:DigestValue>") == 6
    assert is_recognised(signed(raw, {"#MessageHeader-1": header_as_it_came(raw)}))


UNTIDY: dict[str, tuple[bytes, bytes]] = {
    "a line end of two octets": (b"Subject>V", b"Subject>\r\nV"),
    "a character reference": (b"Subject>V", b"Subject>&#86;"),
    "an angle that needs none": (b"Subject>V", b"Subject>>V"),
    "an empty tag": (b"<edXML:Subject>", b"<edXML:Paper/><edXML:Subject>"),
    "an attribute in other quotes": (b"<edXML:Subject>", b"<edXML:Subject a='1'>"),
    "an angle in an attribute": (b"<edXML:Subject>", b'<edXML:Subject a="&gt;">'),
    "two attributes, in no order": (b"<edXML:Subject>", b'<edXML:Subject b="1" a="2">'),
    "a tab in an attribute": (b"<edXML:Subject>", b'<edXML:Subject a="\t">'),
    "white space in a tag": (b"<edXML:Subject>", b"<edXML:Subject >"),
    "white space in an end tag": (b"</edXML:Subject>", b"</edXML:Subject >"),
    "a line before the Id": (b"<edXML:MessageHeader Id", b"<edXML:MessageHeader\n Id"),
    "an attribute before the Id": (b"<edXML:MessageHeader Id", b'<edXML:MessageHeader\na="1" Id'),
    "an attribute behind the Id": (b'Id="MessageHeader-1"', b"Id=\"MessageHeader-1\" a='1'"),
    "a declaration that nothing uses": (b"<edXML:Subject>", b'<edXML:Subject xmlns:q="urn:q">'),
    "a default namespace that nothing uses": (b"<edXML:Subject>", b'<edXML:Subject xmlns="urn:q">'),
    "CDATA": (b"Subject>V", b"Subject><![CDATA[V]]>"),
    "one of its own name inside": (
        b"<edXML:Subject>",
        b"<edXML:MessageHeader></edXML:MessageHeader><edXML:Subject>",
    ),
}


@pytest.mark.parametrize("change", UNTIDY)
def test_who_signs_octets_that_are_not_canonical_is_refused(change: str) -> None:
    raw = package(pki().good.signer(), whole=False).replace(*UNTIDY[change])
    refused_both_ways(signed(raw, {"#MessageHeader-1": header_as_it_came(raw)}))


def test_who_signs_octets_that_lack_a_declaration_is_refused() -> None:
    raw = package(pki().good.signer(), whole=False)
    raw = raw.replace(b"<edXML:edXMLEnvelope ", b'<edXML:edXMLEnvelope xmlns:q="%b" ' % MIC)
    raw = re.sub(rb"edXML:Subject>", b"q:Subject>", raw)
    refused_both_ways(signed(raw, {"#MessageHeader-1": header_as_it_came(raw)}))


def test_a_signature_in_a_cdata_section_is_text() -> None:
    """A good one there, where nothing is signed, and one that is none in its place."""
    raw = package(pki().good.signer(), whole=False)
    (good,) = SIGNATURE.findall(raw)
    none = b'<d:Signature xmlns:d="http://www.w3.org/2000/09/xmldsig#"><d:SignedInfo/></d:Signature>'
    hidden = b"</AttachmentName><Description><![CDATA[" + good + b"]]></Description>"
    refused_both_ways(raw.replace(good, none).replace(b"</AttachmentName>", hidden))


def change(before: bytes, after: bytes, *, whole: bool = False) -> Callable[[], bytes]:
    def make() -> bytes:
        raw = package(pki().good.signer(), whole=whole)
        bent = re.sub(before, after, raw, count=1, flags=re.DOTALL)
        assert bent != raw
        return signed(bent)

    return make


def test_a_second_signature_without_an_id_is_one_too_many_wherever_it_stands() -> None:
    raw = package(pki().good.signer(), whole=False)
    second = b'<%b:Signature xmlns:%b="http://www.w3.org/2000/09/xmldsig#"></%b:Signature>'
    for place in (b"<edXML:edXMLEnvelope ", b"<edXML:Subject>", b"<edXML:edXMLBody>", b"<AttachmentEncoded>"):
        for prefix in (b"ds", b"d"):
            assert not is_recognised(raw.replace(place, second.replace(b"%b", prefix) + place))


def value_only(before: bytes, after: bytes) -> Callable[[], bytes]:
    """Change the header and its digest; the value stays."""

    def make() -> bytes:
        raw = package(pki().good.signer(), whole=False)
        bent = raw.replace(before, after)
        again = signed(bent, {"#MessageHeader-1": header_as_it_came(bent)})
        (old,) = re.findall(rb"<ds:SignatureValue.*</ds:SignatureValue>", raw)
        return re.sub(rb"<ds:SignatureValue.*</ds:SignatureValue>", old, again)

    return make


def one_id() -> bytes:
    """Signature and properties have one Id."""
    raw = package(pki().good.signer(), whole=False)
    return signed(raw.replace(b"sp-", b"sig-"))


def as_attachment() -> bytes:
    """A part under the name of an attachment."""
    raw = package(pki().good.signer(), whole=False).replace(b"MessageHeader-1", b"id:0.pdf")
    raw = re.sub(rb'<ds:Reference URI="cid:0.pdf">.*?</ds:Reference>', b"", raw)
    raw = raw.replace(b'URI="#id:0.pdf"', b'URI="cid:0.pdf"')
    return signed(raw, {"cid:0.pdf": header_as_it_came(raw)})


def odd_id(name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        raw = package(pki().good.signer(), whole=False).replace(b"MessageHeader-1", name.encode())
        return signed(raw, {f"#{name}": header_as_it_came(raw)})

    return make


def trailing_bits() -> bytes:
    """The value ends in `==`; four bits of the letter before mean nothing."""
    raw = package(pki().good.signer(), whole=False)
    (value,) = re.findall(rb"([^>]*)==</ds:SignatureValue>", raw)
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(value[-1:]) ^ 1]
    return raw.replace(value + b"==", value[:-1] + bytes([other]) + b"==")


REFERENCE = rb'<ds:Reference URI="#MessageHeader-1">.*?</ds:Reference>'

WSU = b"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
TWICE = rb'\g<1><edXML:TraceHeader xmlns:w="%b" %b="MessageHeader-1"></edXML:TraceHeader>'

SIGNED: dict[str, Callable[[], bytes]] = {
    "a value of other content": value_only(b"Subject>V", b"Subject>W"),
    "a value with bits beyond its end": trailing_bits,
    "a certificate that the properties do not name": change(
        rb"(<xades:CertDigest>.*?<ds:DigestValue>)[^<]*", rb"\g<1>" + b64encode(bytes(32))
    ),
    "properties of another signature": change(rb'Target="#sig-', b'Target="#gis-'),
    "signature and properties of one Id": one_id,
    "properties that nothing refers to": change(rb'<ds:Reference Type="[^"]*SignedProperties" .*?</ds:Reference>', b""),
    "properties without their Type": change(rb' Type="[^"]*SignedProperties"', b""),
    "a part with a Type": change(
        rb'URI="#MessageHeader-1"', b'Type="http://uri.etsi.org/01903#SignedProperties" URI="#MessageHeader-1"'
    ),
    "a part without a transform": change(rb'(URI="#MessageHeader-1">)<ds:Transforms>.*?</ds:Transforms>', rb"\g<1>"),
    "a part twice": change(rb"(%b)" % REFERENCE, rb"\g<1>\g<1>"),
    "a part that is not signed": change(REFERENCE, b""),
    "a part as an attachment": as_attachment,
    "an attachment that is not signed": change(rb'<ds:Reference URI="cid:0.pdf">.*?</ds:Reference>', b""),
    "an attachment with a transform": change(rb'(URI="cid:0.pdf">)', rb"\g<1>" + PART),
    "an attachment with a Type": change(
        rb'URI="cid:0.pdf"', b'Type="http://uri.etsi.org/01903#SignedProperties" URI="cid:0.pdf"'
    ),
    "a whole that is not said to lack the signature": change(
        re.escape(TRANSFORM % ENVELOPED.encode()), b"", whole=True
    ),
    "an Id beyond ASCII": odd_id("phần-1"),
    "an Id with a colon": odd_id("a:b"),
    **{
        f"an Id twice: {name}": change(b"(</edXML:Bussiness>)", TWICE % (WSU, name.encode()))
        for name in ("Id", "ID", "id", "w:Id")
    },
}


@pytest.mark.parametrize("name", SIGNED)
def test_what_its_signer_bent_is_refused_both_ways(name: str) -> None:
    refused_both_ways(SIGNED[name]())


# --- what must be covered, and where


def signed_over(
    parts: tuple[str, ...] = ("MessageHeader", "Bussiness", "edXMLManifest"),
    *,
    attachment: bool = True,
    whole: bool = False,
    at: datetime = NOW,
) -> bytes:
    """A package of ours, signed anew over some of it."""
    parsed, must_cover = read(package(pki().good.signer(), whole=whole))
    place = signed_parts(parsed.root).place
    (old,) = signatures(parsed.root)
    place.remove(old)
    elements = [must_cover.elements[name] for name in parts]
    told = [("0.pdf", InMemory(PDF + bytes([0])).digest("sha256"))] if attachment else []
    if whole:
        sign_enveloped(place, pki().good.signer(), at)
    else:
        sign_parts(place, elements, told, pki().good.signer(), at)
    return serialise(parsed.root)


def test_all_that_is_used_must_be_signed_part_by_part() -> None:
    assert is_recognised(signed_over())
    for parts in (("MessageHeader",), ("MessageHeader", "Bussiness"), ("Bussiness", "edXMLManifest")):
        refused_both_ways(signed_over(parts))
    refused_both_ways(signed_over(attachment=False))


def test_what_travels_beside_a_whole_document_must_be_signed_too() -> None:
    raw, limits = signed_over(whole=True), XmlLimits()
    layout = layout_of(gated(raw, limits), limits)
    assert layout is not None
    parsed, must_cover = read(raw)
    for inline in (True, False):
        told = replace(must_cover, inline=must_cover.inline if inline else frozenset())
        short = inspect_laid(layout, octets_in(layout), inline, OWN_NETWORK, NOW)
        long = inspect(parsed.root, signatures(parsed.root), told, OWN_NETWORK, NOW)
        assert (short is not None) == (long.verified is not None) == inline


def test_nothing_else_stands_where_the_signature_does() -> None:
    raw, limits = package(pki().good.signer(), whole=False), XmlLimits()
    layout = layout_of(gated(raw, limits), limits)
    assert layout is not None
    longer = replace(layout, end=layout.end + len(b"</edXML:edXMLHeader>"))
    assert inspect_laid(longer, octets_in(layout), True, OWN_NETWORK, NOW) is None


def test_a_white_space_in_the_name_of_an_attachment_has_another_canonical_form() -> None:
    """A tab in an attribute is a space to whoever parses. Here its signer signs the tab."""
    raw, limits = package(pki().good.signer(), whole=False), XmlLimits()
    spaced = signed(raw.replace(b'URI="cid:0.pdf"', b'URI="cid:0 .pdf"'))
    info = _exclusive(etree.fromstring(SIGNATURE.findall(spaced)[0])[0]).replace(b"cid:0 .pdf", b"cid:0\t.pdf")
    value = b64encode(pki().good.signer().sign(info))
    tabbed = re.sub(rb'(<ds:SignatureValue Id="[^"]*">)[^<]*', rb"\g<1>" + value, spaced)
    layout = layout_of(gated(tabbed.replace(b"cid:0 .pdf", b"cid:0\t.pdf"), limits), limits)
    assert layout is not None
    assert inspect_laid(layout, {"0\t.pdf": octets_in(layout)["0.pdf"]}, True, OWN_NETWORK, NOW) is None


@pytest.mark.parametrize("place", [b"<ds:X509Certificate>", b"</ds:X509Certificate>"])
def test_white_space_in_a_certificate_is_left_to_the_long_way(place: bytes) -> None:
    """A carriage return in it has another canonical form, of which the digest of the package is."""
    raw = package(pki().good.signer(), whole=False).replace(
        place, place + b"\r\n" if place[1:2] == b"d" else b"\r\n" + place
    )
    assert not is_recognised(raw)
    short, long = both_ways(raw)
    assert short == long


# --- times


TIMES: dict[str, tuple[timedelta, SignaturePolicy]] = {
    "a little ahead": (timedelta(minutes=4), OWN_NETWORK),
    "ahead of our own clocks, tolerated": (timedelta(minutes=6), IF_PRESENT),
    "ahead of what is tolerated": (timedelta(minutes=6), OWN_NETWORK),
    "ahead of what a stricter policy tolerates": (
        timedelta(minutes=3),
        replace(OWN_NETWORK, name="strict", signing_time_ahead=timedelta(minutes=1)),
    ),
    "long before its certificate": (timedelta(days=-365 * 30), OWN_NETWORK),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_time_is_judged_alike_both_ways(name: str) -> None:
    ahead, policy = TIMES[name]
    short, long = both_ways(signed_over(at=NOW + ahead), policy)
    assert short == long


# --- what a policy bounds


def _sized(raw: bytes) -> int:
    found = both_ways(raw)[1].findings.covered
    return sum(one.octets for one in found if not one.uri.startswith("cid:"))


def test_the_octets_of_all_references_are_bounded_together() -> None:
    raw = package(pki().good.signer(), whole=False)
    just = replace(OWN_NETWORK, name="just", max_enveloped_bytes=_sized(raw))
    assert is_recognised(raw, just)
    refused_both_ways(raw, replace(just, name="hardly", max_enveloped_bytes=just.max_enveloped_bytes - 1))


POLICIES = {
    "no exclusive c14n": replace(OWN_NETWORK, c14n_algorithms=frozenset()),
    "no transforms": replace(OWN_NETWORK, transforms=frozenset({EXC_C14N})),
    "no SHA-256": replace(OWN_NETWORK, digest_algorithms=OWN_NETWORK.digest_algorithms - {SHA256_DIGEST}),
    "no such signatures": replace(OWN_NETWORK, signature_algorithms=frozenset()),
    "no curves": replace(OWN_NETWORK, curves=frozenset()),
    "one transform": replace(OWN_NETWORK, max_transforms=1),
    "no certificate": replace(OWN_NETWORK, max_certificates=0),
    "at the root": replace(OWN_NETWORK, max_depth=2),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_refuses_is_not_passed_by(name: str) -> None:
    raw = package(pki().good.signer(), whole=True)
    assert both_ways(raw)[0].verified is not None
    refused_both_ways(raw, POLICIES[name])


def test_a_policy_for_no_reference_but_those_to_parts_is_not_passed_by() -> None:
    raw = package(pki().good.signer(), whole=False)
    refused_both_ways(raw, replace(OWN_NETWORK, max_references_beyond_parts=0))


def test_the_deepest_place_that_a_policy_takes_is_taken() -> None:
    assert is_recognised(package(pki().good.signer(), whole=True), replace(OWN_NETWORK, max_depth=3))


def test_a_policy_for_few_attributes_is_not_passed_by() -> None:
    raw = package(pki().good.signer(), whole=False)
    assert both_ways(raw)[0].verified is not None
    refused_both_ways(raw, replace(OWN_NETWORK, max_attributes=1))


def test_a_hash_that_the_policy_does_not_take_is_refused_for_a_part() -> None:
    raw = package(pki().good.signer(), whole=False)
    bent = re.sub(
        rb'(URI="cid:0.pdf">)<ds:DigestMethod Algorithm="[^"]*"/><ds:DigestValue>[^<]*',
        rb'\1<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/><ds:DigestValue>'
        + b64encode(InMemory(PDF + bytes([0])).digest("sha512")),
        raw,
    )
    again = signed(bent)
    assert is_recognised(again)
    refused_both_ways(again, replace(OWN_NETWORK, digest_algorithms=frozenset({SHA256_DIGEST})))


def test_the_hash_that_names_the_certificate_is_one_that_the_policy_takes() -> None:
    raw = package(pki().good.signer(), whole=True)
    document = _exclusive(etree.fromstring(SIGNATURE.sub(b"", raw)))
    head, info, rest = re.split(rb"(<ds:SignedInfo>.*</ds:SignedInfo>)", raw, flags=re.DOTALL)
    bent = head + info.replace(b"xmlenc#sha256", b"xmlenc#sha512") + rest
    again = signed(bent, {"": document}, "sha512")
    assert is_recognised(again)
    refused_both_ways(again, POLICIES["no SHA-256"])
