"""What a verifier must refuse: reliability.md §3.2 (D) and signing.md §5 (nos. 12-50), each re-signed where that is
possible, so that it dies for its own reason and not for a wrong digest."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from signing.algorithm import ECDSA_SHA256, PSS_SHA256, RSA_SHA256
from signing.policy import IF_PRESENT, LEGACY
from signing.sign import sign_parts
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, curve_key, issue, pki, rsa_key
from tests.unit.signing.forge import (
    DS,
    ENVELOPED,
    EXC,
    INC,
    XADES,
    Package,
    by_parts,
    element,
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
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


def find(package: Package, path: str) -> etree._Element:
    found = package.signature.find(path, {"ds": DS[1:-1], "xades": XADES[1:-1]})
    assert found is not None, path
    return found


def drop(package: Package, path: str) -> None:
    found = find(package, path)
    parent = found.getparent()
    assert parent is not None
    parent.remove(found)


def twice(path: str) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        found = find(package, path)
        found.addnext(parse(etree.tostring(found)))

    return bend


def without(path: str) -> Callable[[Package], None]:
    return lambda package: drop(package, path)


def attribute(path: str, name: str, value: str) -> Callable[[Package], None]:
    return lambda package: find(package, path).set(name, value)


def text(path: str, change: Callable[[str], str]) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        found = find(package, path)
        found.text = change(found.text or "")

    return bend


def insert(path: str, position: int, *made: etree._Element) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        for item in made:
            find(package, path).insert(position, parse(etree.tostring(item)))

    return bend


def into(path: str, node: Callable[[], etree._Element]) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        found = find(package, path)
        added = node()
        added.tail, found.text = found.text, ""
        found.append(added)

    return bend


def transforms(uri: str, *names: str) -> Callable[[Package], None]:
    """Give the Reference to `uri` these transforms, and no Transforms element where there are none."""

    def bend(package: Package) -> None:
        reference = reference_to(package, uri)
        if reference[0].tag == DS + "Transforms":
            reference.remove(reference[0])
        if names:
            holder = element(DS + "Transforms")
            for name in names:
                etree.SubElement(holder, DS + "Transform", Algorithm=name)
            reference.insert(0, holder)

    return bend


def uri(old: str, new: str | None) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        reference = reference_to(package, old)
        if new is None:
            del reference.attrib["URI"]
        else:
            reference.set("URI", new)

    return bend


def xpath(package: Package) -> None:
    transforms("#header", "http://www.w3.org/TR/1999/REC-xpath-19991116")(package)
    etree.SubElement(reference_to(package, "#header")[0][0], DS + "XPath").text = "count(//*//*//*) > 0"


def inclusive_namespaces(namespace: str, prefixes: str) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        transform = reference_to(package, "#header")[0][0]
        etree.SubElement(transform, f"{{{namespace}}}InclusiveNamespaces", PrefixList=prefixes)

    return bend


def second_object(package: Package) -> None:
    package.signature.append(element(DS + "Object", "x"))


def many_references(package: Package) -> None:
    reference = reference_to(package, "#header")
    for number in range(80):
        copy = parse(etree.tostring(reference))
        copy.set("URI", f"#x{number}")
        reference.addnext(copy)


def manifest_object(package: Package) -> None:
    drop(package, "ds:Object")
    holder = element(DS + "Object", Id="o")
    etree.SubElement(holder, DS + "Manifest").append(parse(etree.tostring(reference_to(package, "#header"))))
    package.signature.append(holder)


def old_hashes(package: Package) -> None:
    for method in package.signature.iter(DS + "DigestMethod"):
        method.set("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")


def hmac_length(package: Package) -> None:
    method = find(package, "ds:SignedInfo/ds:SignatureMethod")
    etree.SubElement(method, DS + "HMACOutputLength").text = "1"


def key_info(*made: etree._Element) -> Callable[[Package], None]:
    def bend(package: Package) -> None:
        info = find(package, "ds:KeyInfo")
        for child in list(info):
            info.remove(child)
        info.extend(parse(etree.tostring(item)) for item in made)

    return bend


def x509_data(*ders: bytes, more: tuple[etree._Element, ...] = ()) -> etree._Element:
    data = element(DS + "X509Data")
    data.extend(more)
    for der in ders:
        etree.SubElement(data, DS + "X509Certificate").text = b64encode(der).decode()
    return data


def issuer_serial(number: int) -> etree._Element:
    made = element(DS + "X509IssuerSerial")
    etree.SubElement(made, DS + "X509IssuerName").text = "CN=x"
    etree.SubElement(made, DS + "X509SerialNumber").text = str(number)
    return made


def no_properties(package: Package) -> None:
    drop(package, "ds:Object")
    for reference in list(package.signature.iter(DS + "Reference")):
        if reference.get("Type"):
            reference.getparent().remove(reference)  # type: ignore[union-attr]


def properties_reference(package: Package) -> etree._Element:
    return next(item for item in package.signature.iter(DS + "Reference") if item.get("Type"))


def untyped_properties(package: Package) -> None:
    del properties_reference(package).attrib["Type"]


def unsigned_properties(package: Package) -> None:
    reference = properties_reference(package)
    reference.getparent().remove(reference)  # type: ignore[union-attr]


def two_certificates_unnamed(package: Package) -> None:
    no_properties(package)
    key_info(x509_data(pki().rsa.der, pki().good.der))(package)


def junk(alphabet: str) -> Callable[[str], str]:
    return lambda value: value[:8] + alphabet + value[8:]


def stray_bits(value: str) -> str:
    """`...A=` says the same octets as `...B=` to a lax decoder."""
    assert value.endswith("=")
    position = len(value.rstrip("=")) - 1
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return value[:position] + letters[letters.index(value[position]) + 1] + value[position + 1 :]


VALUE = "ds:SignatureValue"
INFO = "ds:SignedInfo"
DIGEST_VALUE = f"{INFO}/ds:Reference/ds:DigestValue"
CERTIFICATE = "ds:KeyInfo/ds:X509Data/ds:X509Certificate"

CASES: dict[str, tuple[Callable[[Package], object], SubIndication, Reason]] = {
    # --- grammar: D15-D18, D31, D48, signing.md 12, 21, 22
    "D15 no references": (
        lambda p: [find(p, INFO).remove(r) for r in list(find(p, INFO))[2:]],
        FORMAT,
        Reason.STRUCTURE,
    ),
    "D15 empty SignedInfo": (lambda p: find(p, INFO).clear(), FORMAT, Reason.STRUCTURE),
    "D16 two SignedInfo": (twice(INFO), FORMAT, Reason.STRUCTURE),
    "21 two SignatureValue": (twice(VALUE), FORMAT, Reason.STRUCTURE),
    "21 two KeyInfo": (twice("ds:KeyInfo"), FORMAT, Reason.STRUCTURE),
    "D17 comment in SignatureValue": (into(VALUE, lambda: etree.Comment("x")), FORMAT, Reason.STRUCTURE),
    "D17 comment in DigestValue": (into(DIGEST_VALUE, lambda: etree.Comment("x")), FORMAT, Reason.STRUCTURE),
    "22 comment in certificate": (into(CERTIFICATE, lambda: etree.Comment("x")), FORMAT, Reason.STRUCTURE),
    "22 comment between children": (lambda p: p.signature.append(etree.Comment("x")), FORMAT, Reason.STRUCTURE),
    "22 instruction in SignedInfo": (
        lambda p: find(p, INFO).append(etree.ProcessingInstruction("x", "y")),
        FORMAT,
        Reason.STRUCTURE,
    ),
    "22 element in DigestValue": (into(DIGEST_VALUE, lambda: etree.Element("x")), FORMAT, Reason.STRUCTURE),
    "D18 two DigestMethod": (twice(f"{INFO}/ds:Reference/ds:DigestMethod"), FORMAT, Reason.STRUCTURE),
    "D18 two DigestValue": (twice(DIGEST_VALUE), FORMAT, Reason.STRUCTURE),
    "D18 two SignatureMethod": (twice(f"{INFO}/ds:SignatureMethod"), FORMAT, Reason.STRUCTURE),
    "D18 two CanonicalizationMethod": (twice(f"{INFO}/ds:CanonicalizationMethod"), FORMAT, Reason.STRUCTURE),
    "D31 unknown attribute on Signature": (attribute(".", "x", "1"), FORMAT, Reason.STRUCTURE),
    "D31 foreign Id on Reference": (attribute(f"{INFO}/ds:Reference", "ID", "y"), FORMAT, Reason.STRUCTURE),
    "D31 xml:base on SignedInfo": (
        attribute(INFO, "{http://www.w3.org/XML/1998/namespace}base", "http://x/"),
        FORMAT,
        Reason.STRUCTURE,
    ),
    "12 text between": (lambda p: setattr(p.signature[0], "tail", "x"), FORMAT, Reason.STRUCTURE),
    "12 no SignatureValue": (without(VALUE), FORMAT, Reason.STRUCTURE),
    "12 order": (lambda p: p.signature.append(p.signature[0]), FORMAT, Reason.STRUCTURE),
    "18 second Object": (second_object, FORMAT, Reason.STRUCTURE),
    "D24 Manifest in Object": (manifest_object, FORMAT, Reason.STRUCTURE),
    "D52 80 references": (many_references, FORMAT, Reason.LIMIT),
    "D52 5000 nodes": (
        lambda p: find(p, INFO).extend([etree.Element(DS + "Reference") for _ in range(5000)]),
        FORMAT,
        Reason.LIMIT,
    ),
    "D52 200 kB SignedInfo": (uri("#header", "#" + "a" * 200_000), FORMAT, Reason.LIMIT),
    "D52 endless SignatureValue": (text(VALUE, lambda value: "A" * 100_000), FORMAT, Reason.STRUCTURE),
    "9 attributes": (
        lambda p: [p.business.set(f"a{number}", "") for number in range(100)],
        FORMAT,
        Reason.LIMIT,
    ),
    # --- Ids: D10, D11, D19
    "D19 missing id": (uri("#header", "#absent"), NOT_FOUND, Reason.REFERENCE),
    "D11 other case": (uri("#header", "#Header"), NOT_FOUND, Reason.REFERENCE),
    "D11 other normalisation": (uri("#header", "#he\u0301ader"), FORMAT, Reason.REFERENCE),
    # --- URIs: D20-D24
    "D20 no URI": (uri("#header", None), FORMAT, Reason.REFERENCE),
    "D20 bare hash": (uri("#header", "#"), FORMAT, Reason.REFERENCE),
    "D20 query": (uri("#header", "?x"), FORMAT, Reason.REFERENCE),
    "D20 xpointer": (uri("#header", "#xpointer(id('header'))"), FORMAT, Reason.REFERENCE),
    "D20 xpointer root": (uri("#header", "#xpointer(/)"), FORMAT, Reason.REFERENCE),
    "16 quotes": (uri("#header", "#header' or '1'='1"), FORMAT, Reason.REFERENCE),
    "16 escape": (uri("#header", "#he%61der"), FORMAT, Reason.REFERENCE),
    "D21 http": (uri("#header", "http://127.0.0.1:9/x"), FORMAT, Reason.REFERENCE),
    "D22 file": (uri("#header", "file:///etc/passwd"), FORMAT, Reason.REFERENCE),
    "D22 path": (uri("#header", "/etc/passwd"), FORMAT, Reason.REFERENCE),
    "D22 data": (uri("#header", "data:,x"), FORMAT, Reason.REFERENCE),
    "20 cid of another package": (uri("cid:a.pdf", "cid:b.pdf"), NOT_FOUND, Reason.REFERENCE),
    "20 empty cid": (uri("cid:a.pdf", "cid:"), FORMAT, Reason.REFERENCE),
    "19 one target twice": (uri("#business", "#header"), FORMAT, Reason.REFERENCE),
    "D24 Type of a Manifest": (
        lambda p: reference_to(p, "#header").set("Type", "http://www.w3.org/2000/09/xmldsig#Manifest"),
        FORMAT,
        Reason.REFERENCE,
    ),
    # --- transforms and canonicalisation: D25-D29
    "D25 XSLT": (transforms("#header", "http://www.w3.org/TR/1999/REC-xslt-19991116"), FORMAT, Reason.TRANSFORM),
    "D26 XPath": (xpath, FORMAT, Reason.TRANSFORM),
    "D26 XPath Filter 2": (
        transforms("#header", "http://www.w3.org/2002/06/xmldsig-filter2"),
        FORMAT,
        Reason.TRANSFORM,
    ),
    "D27 base64": (transforms("#header", "http://www.w3.org/2000/09/xmldsig#base64"), FORMAT, Reason.TRANSFORM),
    "D27 decrypt": (transforms("#header", "http://www.w3.org/2002/07/decrypt#XML"), FORMAT, Reason.TRANSFORM),
    "D27 unknown": (transforms("#header", "urn:unknown"), FORMAT, Reason.TRANSFORM),
    "D27 four": (transforms("#header", EXC, EXC, EXC, EXC), FORMAT, Reason.TRANSFORM),
    "D27 500": (transforms("#header", *[EXC] * 500), FORMAT, Reason.TRANSFORM),
    "D27 a thousand": (transforms("#header", *[EXC] * 1000), FORMAT, Reason.LIMIT),
    "29 enveloped on a part": (transforms("#header", ENVELOPED, EXC), FORMAT, Reason.TRANSFORM),
    "29 two canonicalisations": (transforms("#header", EXC, INC), FORMAT, Reason.TRANSFORM),
    "29 on an attachment": (transforms("cid:a.pdf", EXC), FORMAT, Reason.TRANSFORM),
    "D28 InclusiveNamespaces elsewhere": (inclusive_namespaces(DS[1:-1], "e"), FORMAT, Reason.TRANSFORM),
    "D28 too many prefixes": (inclusive_namespaces(EXC, "e " * 17), FORMAT, Reason.TRANSFORM),
    "D28 default namespace": (inclusive_namespaces(EXC, "#default"), FORMAT, Reason.TRANSFORM),
    "D28 not a prefix": (inclusive_namespaces(EXC, "e /etc"), FORMAT, Reason.TRANSFORM),
    "D29 with comments": (transforms("#header", EXC + "WithComments"), FORMAT, Reason.C14N),
    "D29 C14N 1.1": (transforms("#header", "http://www.w3.org/2006/12/xml-c14n11"), FORMAT, Reason.C14N),
    "D29 SignedInfo with comments": (
        attribute(f"{INFO}/ds:CanonicalizationMethod", "Algorithm", EXC + "WithComments"),
        FORMAT,
        Reason.C14N,
    ),
    "D29 SignedInfo unknown": (
        attribute(f"{INFO}/ds:CanonicalizationMethod", "Algorithm", "urn:x"),
        FORMAT,
        Reason.C14N,
    ),
    "30 what QCVN writes": (transforms("#header", "http://www.w3.org/TR/xml-exc-c14n#"), FORMAT, Reason.TRANSFORM),
    # --- algorithms and values: D33-D38, D53
    "D33 HMAC": (
        attribute(f"{INFO}/ds:SignatureMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        CRYPTO,
        Reason.ALGORITHM,
    ),
    "D34 HMACOutputLength": (hmac_length, CRYPTO, Reason.ALGORITHM),
    "D35 RSA-SHA1": (
        attribute(f"{INFO}/ds:SignatureMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        CRYPTO,
        Reason.ALGORITHM,
    ),
    "D35 SHA-1 digests": (old_hashes, CRYPTO, Reason.ALGORITHM),
    "D35 MD5": (
        attribute(f"{INFO}/ds:Reference/ds:DigestMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5"),
        CRYPTO,
        Reason.ALGORITHM,
    ),
    "D37 RSA named, key on a curve": (
        attribute(f"{INFO}/ds:SignatureMethod", "Algorithm", RSA_SHA256),
        CRYPTO,
        Reason.ALGORITHM,
    ),
    "D53 junk in SignatureValue": (text(VALUE, junk("*")), FORMAT, Reason.STRUCTURE),
    "D53 URL-safe alphabet": (text(VALUE, lambda value: "-_" + value[2:]), FORMAT, Reason.STRUCTURE),
    "D53 white-space flood": (text(VALUE, lambda value: value + " " * 20_000), FORMAT, Reason.STRUCTURE),
    "D53 surplus padding": (text(VALUE, lambda value: value + "="), FORMAT, Reason.STRUCTURE),
    "41 no padding": (text(VALUE, lambda value: value.rstrip("=")), FORMAT, Reason.STRUCTURE),
    "41 empty": (text(VALUE, lambda value: ""), FORMAT, Reason.STRUCTURE),
    "38 one octet more": (
        text(VALUE, lambda value: b64encode(b64decode(value) + b"\0").decode()),
        SubIndication.SIG_CRYPTO_FAILURE,
        Reason.VALUE,
    ),
    # --- KeyInfo: D40-D45
    "D40 none": (without("ds:KeyInfo"), NO_CERTIFICATE, Reason.KEYINFO),
    "D40 KeyValue only": (key_info(element(DS + "KeyValue")), NO_CERTIFICATE, Reason.KEYINFO),
    "D41 KeyValue too": (
        key_info(x509_data(pki().good.der), element(DS + "KeyValue")),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "D42 two certificates, none named": (two_certificates_unnamed, NO_CERTIFICATE, Reason.KEYINFO),
    "D42 the same certificate twice": (
        key_info(x509_data(pki().good.der, pki().good.der)),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "46 six certificates": (key_info(x509_data(*[pki().good.der] * 6)), NO_CERTIFICATE, Reason.KEYINFO),
    "D43 KeyName": (key_info(element(DS + "KeyName", "x")), NO_CERTIFICATE, Reason.KEYINFO),
    "D43 RetrievalMethod": (key_info(element(DS + "RetrievalMethod", URI="http://x/")), NO_CERTIFICATE, Reason.KEYINFO),
    "D43 KeyInfoReference": (
        key_info(element("{http://www.w3.org/2009/xmldsig11#}KeyInfoReference", URI="#x")),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "D43 subject only": (
        key_info(x509_data(more=(element(DS + "X509SubjectName", "CN=user05"),))),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "D43 serial of another": (
        key_info(x509_data(pki().good.der, more=(issuer_serial(7),))),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "D45 EncryptedKey": (
        key_info(element("{http://www.w3.org/2001/04/xmlenc#}EncryptedKey")),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "41 junk in the certificate": (text(CERTIFICATE, junk("!")), NO_CERTIFICATE, Reason.KEYINFO),
    "47 truncated certificate": (text(CERTIFICATE, lambda value: value[:400]), NO_CERTIFICATE, Reason.KEYINFO),
    "47 octets after the certificate": (
        key_info(x509_data(pki().good.der + b"\0")),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    # --- XAdES: D46
    "D46 another certificate named": (
        text(
            ".//xades:CertDigest/ds:DigestValue",
            lambda value: b64encode(bytes.fromhex(pki().rsa.sha256)).decode(),
        ),
        NO_CERTIFICATE,
        Reason.KEYINFO,
    ),
    "D46 not referenced": (unsigned_properties, FORMAT, Reason.STRUCTURE),
    "D46 Type missing": (untyped_properties, FORMAT, Reason.STRUCTURE),
    "D46 Type elsewhere": (
        lambda p: reference_to(p, "#header").set("Type", "http://uri.etsi.org/01903#SignedProperties"),
        FORMAT,
        Reason.STRUCTURE,
    ),
    "D46 of another signature": (
        attribute("ds:Object/xades:QualifyingProperties", "Target", "#x"),
        FORMAT,
        Reason.STRUCTURE,
    ),
    "D46 no date": (text(".//xades:SigningTime", lambda value: "yesterday"), CONSTRAINTS, Reason.TIME),
    "D46 31 February": (text(".//xades:SigningTime", lambda value: "2026-02-31T00:00:00Z"), CONSTRAINTS, Reason.TIME),
    "58 signed tomorrow": (
        text(".//xades:SigningTime", lambda value: "2026-11-24T08:00:00Z"),
        CONSTRAINTS,
        Reason.TIME,
    ),
    "D46 before the certificate": (
        text(".//xades:SigningTime", lambda value: "2010-01-01T00:00:00Z"),
        CONSTRAINTS,
        Reason.TIME,
    ),
    "D47 unsigned properties": (
        insert("ds:Object/xades:QualifyingProperties", 1, element(XADES + "UnsignedProperties")),
        FORMAT,
        Reason.STRUCTURE,
    ),
}

KEEPS_ITS_VALUE = frozenset({"D53", "41", "D17", "22", "38", "D52"})
"""Cases about the value's own form: it must not be computed again."""


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    bend, sub_indication, reason = CASES[name]
    package = by_parts()
    bend(package)
    can_be_signed = None not in (
        package.signature.find(DS + "SignedInfo"),
        package.signature.find(DS + "SignatureValue"),
    )
    if can_be_signed and name.split()[0] not in KEEPS_ITS_VALUE:
        resign(package)
    assert refused(package, sub_indication, reason).verified is None


def test_a_package_that_is_only_signed_again_passes() -> None:
    """The forge itself works: without this the table above could refuse everything for one wrong reason."""
    for package in (by_parts(), enveloped()):
        resign(package)
        assert package.judge().verdict.passed


HARMLESS: dict[str, Callable[[Package], object]] = {
    "no properties": no_properties,
    "two certificates, one named": key_info(x509_data(pki().rsa.der, pki().good.der)),
    "subject name beside the certificate": key_info(
        x509_data(pki().good.der, more=(element(DS + "X509SubjectName", "CN=x"),))
    ),
    "serial of the certificate": key_info(
        x509_data(pki().good.der, more=(issuer_serial(pki().good.certificate.serial_number),))
    ),
    "prefix list": inclusive_namespaces(EXC, "u absent"),
    "white space": lambda p: setattr(p.signature[0], "tail", "\n  "),
    "value in lines": text(VALUE, lambda value: "\r\n".join((value[:40], value[40:]))),
    "a further element": lambda p: (p.root.set("Id", "r"), None),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_other_software_writes_and_is_harmless_passes(name: str) -> None:
    package = by_parts()
    HARMLESS[name](package)
    if name == "prefix list":
        # A namespace that is not used is now rendered too: let the forge's own C14N say so.
        octets = etree.tostring(package.header, method="c14n", exclusive=True, inclusive_ns_prefixes=["u"])
        assert b"urn:unused" in octets

        reference_to(package, "#header")[-1].text = b64encode(hashlib.sha256(octets).digest()).decode()
        sign_again(package)
    elif name != "value in lines":
        resign(package)
    verdict = package.judge().verdict
    assert verdict.passed, verdict.checks[-1]


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


def test_d36_weak_keys() -> None:
    crypto = (CRYPTO, Reason.WEAK_KEY)
    refused(by_parts(pki().weak.signer()), *crypto)
    for curve in ("secp256k1", "secp224r1"):
        holder = issue("x", pki().authority, key=curve_key(curve))
        refused(by_parts(holder.signer(ECDSA_SHA256)), *crypto)


def test_d37_a_key_of_another_kind() -> None:
    for holder, algorithm in ((pki().rsa, ECDSA_SHA256), (pki().good, PSS_SHA256)):
        package = by_parts(holder.signer())
        find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", algorithm)
        sign_again(package, holder.signer())
        refused(package, CRYPTO, Reason.ALGORITHM)


def test_d38_values_in_other_forms() -> None:
    value = SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE

    def change(package: Package, how: Callable[[bytes], bytes]) -> Package:
        found = find(package, VALUE)
        found.text = b64encode(how(b64decode(found.text or ""))).decode()
        return package

    def as_der(octets: bytes) -> bytes:
        return encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))

    refused(change(by_parts(), as_der), *value)
    refused(change(by_parts(), lambda octets: bytes(64)), *value)
    refused(change(by_parts(), lambda octets: bytes(32) + octets[32:]), *value)
    refused(change(by_parts(), lambda octets: octets[:32] + bytes(32)), *value)
    refused(change(by_parts(), lambda octets: octets[:32] + b"\xff" * 32), *value)
    rsa = pki().rsa.signer()
    refused(change(by_parts(rsa), lambda octets: b"\0" + octets), *value)
    refused(change(by_parts(rsa), lambda octets: octets[:-1]), *value)
    refused(change(by_parts(rsa), lambda octets: b"\xff" * 256), *value)


def test_41_bits_beyond_the_last_octet() -> None:
    package = by_parts()
    found = reference_to(package, "cid:a.pdf")[-1]
    found.text = stray_bits(found.text or "")
    sign_again(package)
    refused(package, FORMAT, Reason.STRUCTURE)


def test_39_pkcs1_and_pss_values_do_not_stand_for_each_other() -> None:
    signer = pki().rsa.signer(RSA_SHA256)
    package = by_parts(signer)
    find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", PSS_SHA256)
    sign_again(package, signer)
    refused(package, SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE)


def test_the_value_is_checked_before_anything_is_digested() -> None:
    """With both wrong the value must be what is told: nothing unsigned decides what is digested (signing.md §6.2)."""
    package = by_parts()
    package.header[0].text = "changed"
    found = find(package, VALUE)
    found.text = b64encode(bytes(63) + b"\1").decode()
    judgement = refused(package, SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE)
    assert judgement.verdict.covered == ()
    assert judgement.verdict.signer is None


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
    from signing.policy import OWN_NETWORK
    from signing.verify import verify

    verdict = verify(moved.root, [signature], must_cover, OWN_NETWORK, pki().trust, NOW).verdict
    assert verdict.reason is Reason.STRUCTURE


QCVN = "urn:example:edxml"


def test_d14_a_signature_in_another_namespace() -> None:
    """The official Java library writes the block in its own namespace: seen, never valid (domain.md §3.7)."""
    raw = etree.tostring(by_parts().root).replace(DS[1:-1].encode(), QCVN.encode())
    empty = unsigned_package()
    etree.SubElement(empty.place, "{urn:example:edxml}DigitalSignature")
    for package in (Package(parse(raw)), empty):
        refused(package, FORMAT, Reason.NAMESPACE)
        for policy in (IF_PRESENT, LEGACY):
            refused(package, SubIndication.NOT_VERIFIABLE, Reason.NAMESPACE, policy=policy)


def test_d30_the_transform_that_does_not_exist_is_not_verifiable_where_that_is_tolerated() -> None:
    package = enveloped()
    transforms("", ENVELOPED, "http://www.w3.org/TR/xml-exc-c14n#")(package)
    resign(package)
    refused(package, FORMAT, Reason.TRANSFORM)
    for policy in (IF_PRESENT, LEGACY):
        refused(package, SubIndication.NOT_VERIFIABLE, Reason.TRANSFORM, policy=policy)


def test_legacy_records_what_it_cannot_judge_and_what_it_found_wrong() -> None:
    sha1 = by_parts()
    old_hashes(sha1)
    sign_again(sha1)
    refused(sha1, CRYPTO, Reason.ALGORITHM, policy=IF_PRESENT)
    refused(sha1, SubIndication.NOT_VERIFIABLE, Reason.ALGORITHM, policy=LEGACY)
    no_uri = by_parts()
    uri("#header", None)(no_uri)
    sign_again(no_uri)
    refused(no_uri, FORMAT, Reason.REFERENCE, policy=IF_PRESENT)
    refused(no_uri, SubIndication.NOT_VERIFIABLE, Reason.REFERENCE, policy=LEGACY)
    changed = by_parts()
    changed.header[0].text = "x"
    refused(changed, SubIndication.HASH_FAILURE, Reason.DIGEST, policy=LEGACY)
    assert by_parts().judge(policy=LEGACY).verdict.passed


def test_seven_hours_ahead_is_a_quirk_of_the_field_and_no_crime() -> None:
    package = by_parts(at=NOW + timedelta(hours=7))
    refused(package, CONSTRAINTS, Reason.TIME)
    verdict = package.judge(policy=IF_PRESENT).verdict
    assert verdict.passed
    assert verdict.quirks == ("signing-time-ahead",)


def test_a_signing_time_without_zone_is_not_guessed() -> None:
    package = by_parts()
    text(".//xades:SigningTime", lambda value: value.removesuffix("Z"))(package)
    resign(package)
    verdict = package.judge().verdict
    assert verdict.passed
    assert (verdict.claimed_at, verdict.quirks) == (None, ("signing-time-without-zone",))


def test_rsa_with_an_exponent_of_three_is_weak() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa as rsa_module

    holder = issue("e3", pki().authority, key=rsa_module.generate_private_key(3, 2048))
    refused(by_parts(holder.signer(RSA_SHA256)), CRYPTO, Reason.WEAK_KEY)
    assert rsa_key().key_size == 2048


def test_a_signature_over_parts_needs_no_attachments() -> None:
    package = unsigned_package()
    package.attachments = {}
    sign_parts(package.place, [package.header, package.business, package.manifest], [], pki().good.signer(), NOW)
    assert package.judge().verdict.passed
