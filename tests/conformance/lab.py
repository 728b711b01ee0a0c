"""The mathematics of XML signatures of any shape, done with the parts of `signing` and with none of its rules.

Only for measuring those parts (canonicalisation, digests, values) against signatures that our judge refuses by policy:
signatures that envelop what they sign, keys by value, SHA-1, files beside the document. Nothing here judges.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from signing.algorithm import C14N, ENVELOPED, EXC_C14N, Family, SignatureAlgorithm, value_is_good
from signing.c14n import C14nFailed, canonical, canonical_without
from signing.grammar import DS, INCLUSIVE_NAMESPACES
from signing.reference import index_ids
from tests.conformance.neutral import RFC_5280

DS11: Final = "{http://www.w3.org/2009/xmldsig11#}"
BASE64: Final = "http://www.w3.org/2000/09/xmldsig#base64"
COMMENTS: Final = {C14N + "#WithComments": C14N, EXC_C14N + "WithComments": EXC_C14N}
HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class Beyond(Exception):
    """The signature needs something that no part of `signing` does; the message names it."""


@dataclass(frozen=True)
class Material:
    """What a case is given besides its document."""

    secrets: Sequence[bytes] = ()
    certificates: Sequence[bytes] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def holds(root: etree._Element, signature: etree._Element, material: Material) -> bool:
    """Say whether the value and every reference are right. `Beyond` where that cannot be said."""
    signed_info = signature.find(DS + "SignedInfo")
    assert signed_info is not None
    for reference in signed_info.iterfind(DS + "Reference"):
        octets = dereference(root, signature, reference, material)
        method, value = reference.find(DS + "DigestMethod"), reference.find(DS + "DigestValue")
        if method is None or value is None:
            return False
        if hashlib.new(hash_name(method), octets).digest() != b64decode(value.text or ""):
            return False
    method = signed_info[0]
    octets = canonicalised(signed_info, method)
    value = signature.find(DS + "SignatureValue")
    assert value is not None
    return good(signed_info[1], b64decode(value.text or ""), octets, signature, material)


def hash_name(method: etree._Element) -> str:
    """`sha256` of `...#rsa-sha256`, `...#sha256` and so on."""
    return (method.get("Algorithm") or "").rpartition("#")[2].rpartition("-")[2]


def canonicalised(element: etree._Element, method: etree._Element, without: etree._Element | None = None) -> bytes:
    """The octets of an element, or of its whole document without a signature, as `method` has them."""
    name = method.get("Algorithm") or ""
    if name in COMMENTS:
        if next(element.iter(etree.Comment), None) is not None:
            raise Beyond("C14N with comments, of a text that has some")
        name = COMMENTS[name]
    listed = method.find(INCLUSIVE_NAMESPACES)
    prefixes = () if listed is None else tuple((listed.get("PrefixList") or "").split())
    try:
        return canonical(element, name, prefixes) if without is None else canonical_without(without, name, prefixes)
    except C14nFailed as error:
        raise Beyond(str(error)) from error


def dereference(
    root: etree._Element, signature: etree._Element, reference: etree._Element, material: Material
) -> bytes:
    """The octets that are digested: resolve, then transform. What is left as nodes is canonicalised (§4.4.3.2)."""
    uri = reference.get("URI")
    found: bytes | etree._Element
    if uri is None:
        raise Beyond("a Reference without URI")
    if uri in ("", "#xpointer(/)"):
        found = root
    elif uri.startswith("#"):
        # With an XPointer comments belong to the nodes; no canonicalisation that is done here writes them.
        name = uri[1:].removeprefix("xpointer(id('").removesuffix("'))")
        index = index_ids(root, RFC_5280)
        if name not in index:
            raise Beyond("an Id that only the document type declares")
        found = index[name]
    elif uri in material.files:
        found = material.files[uri]
    else:
        raise Beyond(f"a reference to {uri}, which is not given")
    without: etree._Element | None = None
    for transform in reference.iterfind(f"{DS}Transforms/{DS}Transform"):
        name = transform.get("Algorithm") or ""
        if name == ENVELOPED:
            without = signature
        elif name == BASE64:
            found = b64decode(found if isinstance(found, bytes) else "".join(str(text) for text in found.itertext()))
        elif name in (C14N, EXC_C14N, *COMMENTS):
            if isinstance(found, bytes):
                found = etree.fromstring(found)
            found = canonicalised(found, transform, without)
        else:
            raise Beyond(name.rpartition("/")[2])
    if isinstance(found, bytes):
        return found
    return canonicalised(found, etree.Element("none", Algorithm=C14N), without)


def good(method: etree._Element, value: bytes, octets: bytes, signature: etree._Element, material: Material) -> bool:
    """Say whether the value is right under one of the keys that KeyInfo or the case gives."""
    kind, hash_ = (method.get("Algorithm") or "").rpartition("#")[2].partition("-")[0], hash_name(method)
    if kind == "hmac":
        length = method.find(DS + "HMACOutputLength")
        size = int(length.text or "") // 8 if length is not None else hashlib.new(hash_).digest_size
        return any(hmac.digest(secret, octets, hash_)[:size] == value for secret in material.secrets)
    return any(fits(kind, HASHES[hash_](), key, value, octets) for key in keys(signature, material))


def fits(kind: str, hash_: hashes.HashAlgorithm, key: PublicKeyTypes, value: bytes, octets: bytes) -> bool:
    """RSA and ECDSA through `value_is_good`; DSA, which no table of ours has, beside it."""
    if kind == "dsa":
        if not isinstance(key, dsa.DSAPublicKey) or len(value) != 40:
            return False
        r, s = int.from_bytes(value[:20], "big"), int.from_bytes(value[20:], "big")
        try:
            key.verify(encode_dss_signature(r, s), octets, hash_)
        except InvalidSignature:
            return False
        return True
    family = {"rsa": Family.RSA_PKCS1, "ecdsa": Family.ECDSA}[kind]
    pss = padding.PSS(padding.MGF1(hash_), hash_.digest_size)
    return value_is_good(SignatureAlgorithm(family, hash_, pss, ec.ECDSA(hash_)), key, value, octets)


def keys(signature: etree._Element, material: Material) -> Iterator[PublicKeyTypes]:
    key_info = signature.find(DS + "KeyInfo")
    if key_info is not None:
        if key_info.find(DS11 + "KeyInfoReference") is not None:
            raise Beyond("KeyInfoReference")
        for element in key_info.iter(DS + "RSAKeyValue"):
            yield rsa.RSAPublicNumbers(number(element, "Exponent"), number(element, "Modulus")).public_key()
        for element in key_info.iter(DS + "DSAKeyValue"):
            parameters = dsa.DSAParameterNumbers(number(element, "P"), number(element, "Q"), number(element, "G"))
            yield dsa.DSAPublicNumbers(number(element, "Y"), parameters).public_key()
        for element in key_info.iter(DS11 + "ECKeyValue"):
            point = b64decode(element.findtext(DS11 + "PublicKey") or "")
            curve = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}[len(point)]
            yield ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        for element in key_info.iter(DS11 + "DEREncodedKeyValue"):
            yield serialization.load_der_public_key(b64decode(element.text or ""))
        for element in key_info.iter(DS + "X509Certificate"):
            yield x509.load_der_x509_certificate(b64decode(element.text or "")).public_key()
    for der in material.certificates:
        yield x509.load_der_x509_certificate(der).public_key()
    method = None if key_info is None else key_info.find(DS + "RetrievalMethod")
    if method is not None:
        file = material.files.get(method.get("URI") or "")
        if file is None or not (method.get("Type") or "").endswith("#rawX509Certificate"):
            raise Beyond("RetrievalMethod of something else than a certificate")
        yield x509.load_der_x509_certificate(file).public_key()


def number(parent: etree._Element, name: str) -> int:
    return int.from_bytes(b64decode(parent.findtext(DS + name) or ""), "big")
