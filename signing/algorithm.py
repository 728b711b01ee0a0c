"""Which algorithms there are, and how a signature value of each is checked.

Tables only name what *can* be done; what *may* be used is a `SignaturePolicy`. HMAC, DSA and MD5 stand in no
table, so that no policy can let them in. SHA-1 stands in tables of its own: it counts only with a proof of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SHA256_DIGEST: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384_DIGEST: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512_DIGEST: Final = "http://www.w3.org/2001/04/xmlenc#sha512"

RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
RSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
PSS_SHA256: Final = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
PSS_SHA384: Final = "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1"
PSS_SHA512: Final = "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
ECDSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
ED25519: Final = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"

ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
NOT_AN_ALGORITHM: Final = "http://www.w3.org/TR/xml-exc-c14n#"
"""What the QCVN samples write where `EXC_C14N` is meant. It identifies nothing."""

OTHER_C14N: Final = frozenset(
    {
        EXC_C14N + "WithComments",
        C14N + "#WithComments",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        "http://www.w3.org/2010/xml-c14n2",
    }
)
"""Canonicalisations that exist and are never accepted; named so that the reason can be exact."""


class Family(StrEnum):
    RSA_PKCS1 = "rsa-pkcs1"
    RSA_PSS = "rsa-pss"
    ECDSA = "ecdsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """How to check one SignatureMethod. PSS: MGF1 with the same hash, a salt of its length (RFC 6931 §2.3.10)."""

    family: Family
    hash: hashes.HashAlgorithm
    pss: padding.PSS
    ecdsa: ec.ECDSA


def _algorithm(family: Family, hash_: hashes.HashAlgorithm) -> SignatureAlgorithm:
    pss = padding.PSS(mgf=padding.MGF1(hash_), salt_length=hash_.digest_size)
    return SignatureAlgorithm(family, hash_, pss, ec.ECDSA(hash_))


SIGNATURES: Final[Mapping[str, SignatureAlgorithm]] = MappingProxyType(
    {
        RSA_SHA256: _algorithm(Family.RSA_PKCS1, hashes.SHA256()),
        RSA_SHA384: _algorithm(Family.RSA_PKCS1, hashes.SHA384()),
        RSA_SHA512: _algorithm(Family.RSA_PKCS1, hashes.SHA512()),
        PSS_SHA256: _algorithm(Family.RSA_PSS, hashes.SHA256()),
        PSS_SHA384: _algorithm(Family.RSA_PSS, hashes.SHA384()),
        PSS_SHA512: _algorithm(Family.RSA_PSS, hashes.SHA512()),
        ECDSA_SHA256: _algorithm(Family.ECDSA, hashes.SHA256()),
        ECDSA_SHA384: _algorithm(Family.ECDSA, hashes.SHA384()),
        ECDSA_SHA512: _algorithm(Family.ECDSA, hashes.SHA512()),
        ED25519: _algorithm(Family.ED25519, hashes.SHA512()),
    }
)

DIGESTS: Final[Mapping[str, str]] = MappingProxyType(
    {SHA256_DIGEST: "sha256", SHA384_DIGEST: "sha384", SHA512_DIGEST: "sha512"}
)
"""DigestMethod -> name in `hashlib`."""

DIGEST_SIZES: Final[Mapping[str, int]] = MappingProxyType({"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64})


SHA1_DIGEST: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
RSA_SHA1: Final = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"

DATED_SIGNATURES: Final[Mapping[str, SignatureAlgorithm]] = MappingProxyType(
    {RSA_SHA1: _algorithm(Family.RSA_PKCS1, hashes.SHA1())}  # noqa: S303 - only for what is proved to be old
)
DATED_DIGESTS: Final[Mapping[str, str]] = MappingProxyType({SHA1_DIGEST: "sha1"})
"""What old documents of the field have, for checking only. `SignaturePolicy.sha1_before` says until when it counts."""


PKCS1: Final = padding.PKCS1v15()

Checker = Callable[[bytes, bytes], bool]
"""Says whether a value is the signature of some data under one key and algorithm. Never raises."""


def key_fits(algorithm: SignatureAlgorithm, key: PublicKeyTypes) -> bool:
    match algorithm.family:
        case Family.RSA_PKCS1 | Family.RSA_PSS:
            return isinstance(key, rsa.RSAPublicKey)
        case Family.ECDSA:
            return isinstance(key, ec.EllipticCurvePublicKey)
        case Family.ED25519:
            return isinstance(key, ed25519.Ed25519PublicKey)


def value_is_good(algorithm: SignatureAlgorithm, key: PublicKeyTypes, value: bytes, data: bytes) -> bool:
    """Say whether `value` is the signature of `data`, in the one form that XML-DSig gives it."""
    check = checker(algorithm, key)
    return check is not None and check(value, data)


def checker(algorithm: SignatureAlgorithm, key: PublicKeyTypes) -> Checker | None:
    """What checks values of `key` under `algorithm`; `None` where they do not belong together.

    RSA values have exactly the length of the modulus; ECDSA values are r and s, each as long as the curve's order,
    never DER (XML-DSig 1.1 §6.4.3). A high s is a valid value: what a package is, is told by its bytes, not by its
    signature.
    """
    if not key_fits(algorithm, key):
        return None
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa(algorithm, key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa(algorithm, key)
    return _ed25519(key) if isinstance(key, ed25519.Ed25519PublicKey) else None


def _rsa(algorithm: SignatureAlgorithm, key: rsa.RSAPublicKey) -> Checker:
    size = (key.key_size + 7) // 8
    padding_ = algorithm.pss if algorithm.family is Family.RSA_PSS else PKCS1

    def check(value: bytes, data: bytes) -> bool:
        if len(value) != size:
            return False
        try:
            key.verify(value, data, padding_, algorithm.hash)
        except InvalidSignature:
            return False
        return True

    return check


def _ecdsa(algorithm: SignatureAlgorithm, key: ec.EllipticCurvePublicKey) -> Checker:
    half = (key.key_size + 7) // 8

    def check(value: bytes, data: bytes) -> bool:
        if len(value) != 2 * half:
            return False
        r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
        if r == 0 or s == 0:
            return False
        try:
            key.verify(utils.encode_dss_signature(r, s), data, algorithm.ecdsa)
        except InvalidSignature:
            return False
        return True

    return check


def _ed25519(key: ed25519.Ed25519PublicKey) -> Checker:
    def check(value: bytes, data: bytes) -> bool:
        try:
            key.verify(value, data)
        except InvalidSignature:
            return False
        return True

    return check
