"""Packages that are bent and signed again: most of the lines about XML signatures, by the number they belong to."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable

from lxml import etree

from signing.algorithm import RSA_SHA256
from signing.verdict import Reason, SubIndication
from tests.pki import pki
from tests.refusals.row import Case
from tests.refusals.said import bent, words
from tests.unit.signing.bend import (
    CERTIFICATE,
    DIGEST_VALUE,
    INFO,
    VALUE,
    attribute,
    find,
    hmac_length,
    inclusive_namespaces,
    insert,
    into,
    issuer_serial,
    junk,
    key_info,
    manifest_object,
    many_references,
    no_properties,
    old_hashes,
    second_object,
    text,
    transforms,
    twice,
    two_certificates_unnamed,
    unsigned_properties,
    untyped_properties,
    uri,
    without,
    x509_data,
    xpath,
)
from tests.unit.signing.forge import DS, ENVELOPED, EXC, INC, XADES, Package, element, reference_to

FORMAT = SubIndication.FORMAT_FAILURE
NO_CERTIFICATE = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
CRYPTO = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
NOT_FOUND = SubIndication.SIGNED_DATA_NOT_FOUND
NOT_VERIFIABLE = SubIndication.NOT_VERIFIABLE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


CASES: dict[str, tuple[Callable[[Package], object], SubIndication, Reason]] = {
    # --- grammar
    "D15 no references": (
        lambda p: [find(p, INFO).remove(r) for r in list(find(p, INFO))[2:]],
        FORMAT,
        Reason.STRUCTURE,
    ),
    "D15 no references, no properties": (
        lambda p: (no_properties(p), [find(p, INFO).remove(r) for r in list(find(p, INFO))[2:]]),
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
    "D24 Manifest beside the properties": (
        lambda p: etree.SubElement(find(p, "ds:Object"), DS + "Manifest"),
        FORMAT,
        Reason.STRUCTURE,
    ),
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
    "58 signed the day after": (
        text(".//xades:SigningTime", lambda value: "2026-11-24T08:00:01Z"),
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


def bends(*numbers: str) -> tuple[Case, ...]:
    """The cases above that belong to these lines."""
    return tuple(
        bent(name, words(sub_indication, reason), bend, again=name.split()[0] not in KEEPS_ITS_VALUE)
        for name, (bend, sub_indication, reason) in CASES.items()
        if name.split()[0] in numbers
    )
