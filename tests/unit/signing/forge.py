"""Forged signatures: a signed document that can be bent and then signed again, so that it fails for the right reason.

What is recomputed here uses lxml directly and not `signing`, so that a fault there cannot forge its own alibi.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lxml import etree

from signing.chain import Trust
from signing.policy import OWN_NETWORK, SignaturePolicy
from signing.sign import KeySigner, sign_enveloped, sign_parts
from signing.verdict import Reason, SubIndication
from signing.verify import InMemory, Judgement, MustCover, verify
from tests.pki import NOW, pki

DS = "{http://www.w3.org/2000/09/xmldsig#}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
Q = "{urn:example:edxml}"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
INC = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
COUNTERSIGNED = "http://uri.etsi.org/01903#CountersignedSignature"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
PDF = b"%PDF-1.7 the attachment"

DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="urn:example:edxml" xmlns:u="urn:unused" xml:lang="vi">
  <e:edXMLEnvelope xmlns:e="urn:example:edxml">
    <e:edXMLHeader>
      <e:MessageHeader Id="header"><e:From>000.00.01.H99</e:From><e:To>000.20.31.H99</e:To></e:MessageHeader>
      <e:TraceHeaderList><e:Bussiness Id="business"><e:Type>0</e:Type></e:Bussiness><e:TraceHeader/></e:TraceHeaderList>
    </e:edXMLHeader>
    <e:edXMLBody><e:edXMLManifest Id="manifest"><e:Reference>cid:a.pdf</e:Reference></e:edXMLManifest></e:edXMLBody>
  </e:edXMLEnvelope>
  <AttachmentEncoded>{inline}</AttachmentEncoded>
</edXML>
"""


def parse(raw: bytes | str) -> etree._Element:
    octets = raw.encode() if isinstance(raw, str) else raw
    return etree.fromstring(octets, etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=False))


@dataclass
class Package:
    """A document and its attachments. `header`, `business` and `manifest` are found by position, as a reader would."""

    root: etree._Element
    attachments: Mapping[str, bytes] = field(default_factory=lambda: {"a.pdf": PDF})
    inline: bool = False

    @property
    def place(self) -> etree._Element:
        return self._at("edXMLEnvelope", "edXMLHeader")

    @property
    def header(self) -> etree._Element:
        return self._at("edXMLEnvelope", "edXMLHeader", "MessageHeader")

    @property
    def business(self) -> etree._Element:
        return self._at("edXMLEnvelope", "edXMLHeader", "TraceHeaderList", "Bussiness")

    @property
    def manifest(self) -> etree._Element:
        return self._at("edXMLEnvelope", "edXMLBody", "edXMLManifest")

    @property
    def signature(self) -> etree._Element:
        return self.signatures[0]

    @property
    def signatures(self) -> list[etree._Element]:
        return [
            child
            for child in self.place
            if isinstance(child.tag, str) and etree.QName(child).localname in ("Signature", "DigitalSignature")
        ]

    @property
    def must_cover(self) -> MustCover:
        return MustCover(
            {"header": self.header, "business": self.business, "manifest": self.manifest},
            {name: InMemory(octets) for name, octets in self.attachments.items()},
            self.place,
            frozenset(self.attachments) if self.inline else frozenset(),
        )

    def again(self) -> Package:
        """The package as it is read from the wire."""
        return Package(parse(self.wire), self.attachments, self.inline)

    @property
    def wire(self) -> bytes:
        return etree.tostring(self.root)

    def judge(self, policy: SignaturePolicy = OWN_NETWORK, trust: Trust | None = None, at: datetime = NOW) -> Judgement:
        package = self.again()
        before = etree.tostring(package.root.getroottree())
        told = (package.root, package.signatures, package.must_cover, policy, trust or pki().trust, at)
        result = verify(*told)
        assert etree.tostring(package.root.getroottree()) == before, "the tree was changed"
        return result

    def _at(self, *names: str) -> etree._Element:
        element = self.root
        for name in names:
            found = element.find(Q + name)
            assert found is not None, name
            element = found
        return element


def unsigned_package(*, inline: bool = False) -> Package:
    text = b64encode(PDF).decode() if inline else ""
    return Package(parse(DOCUMENT.format(inline=text)), inline=inline)


def by_parts(signer: KeySigner | None = None, at: datetime = NOW) -> Package:
    """A package signed as our network signs: header, business and manifest by Id, the attachment by `cid:`."""
    package = unsigned_package()
    elements = [package.header, package.business, package.manifest]
    attachments = [("a.pdf", hashlib.sha256(PDF).digest())]
    sign_parts(package.place, elements, attachments, signer or pki().good.signer(), at)
    return package


def enveloped(signer: KeySigner | None = None, at: datetime = NOW) -> Package:
    """A package signed as a whole, with its attachment inside."""
    package = unsigned_package(inline=True)
    sign_enveloped(package.place, signer or pki().good.signer(), at)
    return package


def resign(package: Package, signer: KeySigner | None = None) -> None:
    """Compute again what can be computed: digests of references that lead somewhere, then the signature value."""
    signature = package.signature
    for reference in signature.iter(DS + "Reference"):
        octets = _octets(package, reference)
        value = reference.find(DS + "DigestValue")
        method = reference.find(DS + "DigestMethod")
        if octets is None or value is None or method is None:
            continue
        name = (method.get("Algorithm") or "").rpartition("#")[2]
        if name in hashlib.algorithms_available:
            value.text = b64encode(hashlib.new(name, octets).digest()).decode()
    sign_again(package, signer)


def sign_again(package: Package, signer: KeySigner | None = None) -> None:
    """Compute the signature value only."""
    signed_info = package.signature.find(DS + "SignedInfo")
    value = package.signature.find(DS + "SignatureValue")
    assert signed_info is not None
    assert value is not None
    octets = etree.tostring(signed_info, method="c14n", exclusive=True, with_comments=False)
    value.text = b64encode((signer or pki().good.signer()).sign(octets)).decode()


def sign_beside(
    package: Package,
    signer: KeySigner | None = None,
    at: datetime = NOW,
    elements: Sequence[etree._Element] | None = None,
    attachments: Sequence[str] = ("a.pdf",),
) -> etree._Element:
    """One more signature by parts, over the same as `by_parts` or what is named."""
    covered = [(name, hashlib.sha256(package.attachments[name]).digest()) for name in attachments]
    parts = [package.header, package.business, package.manifest] if elements is None else elements
    return sign_parts(package.place, parts, covered, signer or pki().rsa.signer(), at)


def several(*signers: KeySigner) -> Package:
    """A package with one signature by parts of each."""
    package = unsigned_package()
    for signer in signers:
        sign_beside(package, signer)
    return package


def countersign(
    signature: etree._Element,
    signer: KeySigner | None = None,
    at: datetime = NOW,
    *,
    of: etree._Element | None = None,
    type_: str | None = COUNTERSIGNED,
    more: str = "",
    properties: bool = True,
    name: str = "counter",
) -> etree._Element:
    """Put a countersignature into `signature`, over its value, or over `of`. `more` are further references, with their
    digests. Nothing of `signing` makes it but the key."""
    made_by = signer or pki().rsa.signer()
    target = signature[1] if of is None else of
    references = _reference(f"#{target.get('Id')}", _exclusive(target), type_) if target.get("Id") else ""
    certificate = hashlib.sha256(made_by.certificate).digest()
    signed = (
        f'<xades:SignedProperties xmlns:xades="{XADES[1:-1]}" Id="sp-{name}"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{at.strftime('%Y-%m-%dT%H:%M:%SZ')}</xades:SigningTime><xades:SigningCertificateV2>"
        f'<xades:Cert><xades:CertDigest><ds:DigestMethod xmlns:ds="{DS[1:-1]}" Algorithm="{SHA256}"/>'
        f'<ds:DigestValue xmlns:ds="{DS[1:-1]}">{b64encode(certificate).decode()}</ds:DigestValue></xades:CertDigest>'
        "</xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties></xades:SignedProperties>"
    )
    if properties:
        references += _reference(f"#sp-{name}", _exclusive(parse(signed)), SIGNED_PROPERTIES)
    box = (
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES[1:-1]}" Target="#{name}">{signed}'
        "</xades:QualifyingProperties></ds:Object>"
    )
    made = parse(
        f'<xades:CounterSignature xmlns:xades="{XADES[1:-1]}"><ds:Signature xmlns:ds="{DS[1:-1]}" Id="{name}">'
        f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXC}"/>'
        f'<ds:SignatureMethod Algorithm="{made_by.algorithm}"/>{references}{more}</ds:SignedInfo>'
        f'<ds:SignatureValue Id="sv-{name}"/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
        f"{b64encode(made_by.certificate).decode()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        f"{box if properties else ''}</ds:Signature></xades:CounterSignature>"
    )
    place = signature.find(f"{DS}Object/{XADES}QualifyingProperties")
    assert place is not None
    for tag in ("UnsignedProperties", "UnsignedSignatureProperties"):
        found = place.find(XADES + tag)
        place = etree.SubElement(place, XADES + tag) if found is None else found
    place.append(made)
    made[0][1].text = b64encode(made_by.sign(_exclusive(made[0][0]))).decode()
    return made[0]


def _reference(uri: str, octets: bytes, type_: str | None) -> str:
    named = f' Type="{type_}"' if type_ else ""
    return (
        f'<ds:Reference{named} URI="{uri}"><ds:Transforms><ds:Transform Algorithm="{EXC}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>'
        f"{b64encode(hashlib.sha256(octets).digest()).decode()}</ds:DigestValue></ds:Reference>"
    )


def _exclusive(found: etree._Element) -> bytes:
    return etree.tostring(found, method="c14n", exclusive=True, with_comments=False)


def refused(package: Package, sub_indication: SubIndication, reason: Reason, **more: object) -> Judgement:
    """Judge, and assert the verdict: these words and no pass."""
    judgement = package.judge(**more)  # type: ignore[arg-type]
    verdict = judgement.verdict
    told = verdict.checks[-1] if verdict.checks else None
    assert (verdict.sub_indication, verdict.reason) == (sub_indication, reason), told
    assert not verdict.passed
    return judgement


def reference_to(package: Package, uri: str | None) -> etree._Element:
    for reference in package.signature.iter(DS + "Reference"):
        if reference.get("URI") == uri:
            return reference
    raise AssertionError(uri)


def element(tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    made = etree.Element(tag, attributes, nsmap={"ds": DS[1:-1]})
    made.text = text
    return made


def _octets(package: Package, reference: etree._Element) -> bytes | None:
    uri = reference.get("URI")
    names = [transform.get("Algorithm") for transform in reference.iter(DS + "Transform")]
    if uri is None:
        return None
    if uri == "":
        copy = package.again()
        found = copy.signature
        parent = found.getparent()
        assert parent is not None
        previous = found.getprevious()
        if previous is None:
            parent.text = (parent.text or "") + (found.tail or "")
        else:
            previous.tail = (previous.tail or "") + (found.tail or "")
        parent.remove(found)
        return etree.tostring(copy.root.getroottree(), method="c14n", exclusive=EXC in names, with_comments=False)
    if uri.startswith("cid:"):
        return package.attachments.get(uri[4:])
    for target in package.root.iter("*"):
        if uri == f"#{target.get('Id')}":
            return etree.tostring(target, method="c14n", exclusive=True, with_comments=False)
    return None
