"""The algorithms of a CMS: allow-listed, of one hash throughout, and how a value of them is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from signing.algorithm import (
    DIGESTS,
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    PKCS1,
    PSS_SHA256,
    PSS_SHA384,
    PSS_SHA512,
    RSA_SHA256,
    RSA_SHA384,
    RSA_SHA512,
    SIGNATURES,
    Family,
    key_fits,
)
from signing.certificate import Leaf
from signing.policy import SignaturePolicy
from signing.pss import read_parameters
from signing.refusal import Refused
from signing.verdict import Reason

ALGORITHMS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("rsassa_pkcs1v15", "sha256"): RSA_SHA256,
        ("rsassa_pkcs1v15", "sha384"): RSA_SHA384,
        ("rsassa_pkcs1v15", "sha512"): RSA_SHA512,
        ("rsassa_pss", "sha256"): PSS_SHA256,
        ("rsassa_pss", "sha384"): PSS_SHA384,
        ("rsassa_pss", "sha512"): PSS_SHA512,
        ("ecdsa", "sha256"): ECDSA_SHA256,
        ("ecdsa", "sha384"): ECDSA_SHA384,
        ("ecdsa", "sha512"): ECDSA_SHA512,
        ("ed25519", "sha512"): ED25519,  # RFC 8419 §3.1
    }
)
"""(signature, hash) as asn1crypto names them -> the name that policies use. SHA-1, MD5 and DSA are not here."""

_URIS: Final[Mapping[str, str]] = MappingProxyType({name: uri for uri, name in DIGESTS.items()})
HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = MappingProxyType(
    {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
)
Checker = Callable[[bytes, bytes], bool]
"""Says whether a value is a signature over some octets."""


def check_hash(name: str, policy: SignaturePolicy) -> None:
    """Refuse a hash that the policy does not take for anything that is signed now."""
    if _URIS.get(name) not in policy.digest_algorithms:
        raise Refused(Reason.ALGORITHM, name)


def read_algorithms(info: Any, leaf: Leaf, policy: SignaturePolicy) -> tuple[str, str, Checker]:
    """The digest of the content, the name of the signature algorithm, and how a value of it is checked with the key of
    `leaf`. `Refused`: ALGORITHM."""
    digest = str(info["digest_algorithm"]["algorithm"].native)
    check_hash(digest, policy)
    chosen = info["signature_algorithm"]
    name = str(chosen["algorithm"].native)
    try:
        family = str(chosen.signature_algo)
    except ValueError as error:
        raise Refused(Reason.ALGORITHM, name) from error
    hashed, salt = digest, 0
    if family == "rsassa_pss":
        hashed, salt = read_parameters(chosen["parameters"])
    elif family != "ed25519":
        with suppress(ValueError):  # rsaEncryption and ecPublicKey leave it to the digest algorithm (RFC 3370 §3.2)
            hashed = str(chosen.hash_algo)
    uri = ALGORITHMS.get((family, hashed))
    if uri is None or uri not in policy.signature_algorithms:
        raise Refused(Reason.ALGORITHM, f"{name} with {hashed}")
    if hashed != digest:
        # One hash throughout, so that what a CMS does not sign of itself cannot be turned (RFC 6211 §1).
        raise Refused(Reason.ALGORITHM, f"{name} with {hashed} over a digest with {digest}")
    if not key_fits(SIGNATURES[uri], leaf.key):
        raise Refused(Reason.ALGORITHM, f"{name} with a key of another kind")
    if leaf.bound is not None:
        leaf.bound.check(SIGNATURES[uri].family, hashed, salt)
    return digest, uri, _checker(SIGNATURES[uri].family, HASHES[hashed], salt, leaf)


def _checker(family: Family, hash_: hashes.HashAlgorithm, salt: int, leaf: Leaf) -> Checker:
    def check(value: bytes, data: bytes) -> bool:
        key = leaf.key
        try:
            if isinstance(key, rsa.RSAPublicKey):
                pss = padding.PSS(mgf=padding.MGF1(hash_), salt_length=salt)
                key.verify(value, data, pss if family is Family.RSA_PSS else PKCS1, hash_)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(value, data, ec.ECDSA(hash_))  # DER, as CMS has it (RFC 5753 §7.2)
            elif isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(value, data)
            else:
                return False
        except InvalidSignature:
            return False
        return True

    return check
