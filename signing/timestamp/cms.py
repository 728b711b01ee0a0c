"""The CMS around a time-stamp token: read strictly, allow-listed, then checked (RFC 5652, RFC 3161 §2.4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from signing.algorithm import (
    DIGEST_SIZES,
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
from signing.certificate import Leaf, load_leaf
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

MAX_TOKEN_BYTES: Final = 64 * 1024
_MOST_CERTIFICATES: Final = 16
_MOST_ATTRIBUTES: Final = 16

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
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = MappingProxyType(
    {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
)
_SINGLE: Final = ("content_type", "message_digest", "signing_certificate", "signing_certificate_v2")
VERSION_1: Final = "ess-cert-id-v1"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is in order but for its imprint, its time and its authority. `info` is the TSTInfo, parsed."""

    info: Any
    leaf: Leaf
    algorithm: str
    quirks: tuple[str, ...]


def check_hash(name: str, policy: SignaturePolicy) -> None:
    """Refuse a hash that the policy does not take for anything that is signed now."""
    if _URIS.get(name) not in policy.digest_algorithms:
        raise Refused(Reason.ALGORITHM, name)


def read_token(token: bytes, known: Sequence[bytes], policy: SignaturePolicy) -> Token:
    """Read a token and check its signature by the certificate that it names, from its bag or `known` (DER).

    `Refused`: STRUCTURE, LIMIT, KEYINFO, ALGORITHM, WEAK_KEY, DIGEST, VALUE. What cannot be parsed is STRUCTURE too.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(Reason.LIMIT, f"a token of {len(token)} bytes", f"at most {MAX_TOKEN_BYTES}")
    try:
        return _read(token, known, policy)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        # asn1crypto parses lazily and raises whatever comes up.
        raise Refused(Reason.STRUCTURE, f"not a time-stamp token: {type(error).__name__}") from error


def _read(token: bytes, known: Sequence[bytes], policy: SignaturePolicy) -> Token:
    from asn1crypto import cms, tsp

    outer = cms.ContentInfo.load(token, strict=True)
    if outer["content_type"].native != "signed_data":
        raise Refused(Reason.STRUCTURE, f"CMS of type {outer['content_type'].native}")
    signed_data = outer["content"]
    encapsulated = signed_data["encap_content_info"]
    if encapsulated["content_type"].native != "tst_info":
        raise Refused(Reason.STRUCTURE, f"content of type {encapsulated['content_type'].native}", "TSTInfo")
    infos = signed_data["signer_infos"]
    if len(infos) != 1:
        raise Refused(Reason.STRUCTURE, f"{len(infos)} SignerInfo", "exactly one")
    info, content = infos[0], bytes(encapsulated["content"])
    if not content:
        raise Refused(Reason.STRUCTURE, "no TSTInfo")
    attributes = _attributes(info["signed_attrs"])
    if attributes["content_type"].native != "tst_info":
        raise Refused(Reason.STRUCTURE, "the signed content type is another one")
    leaf = _signer(signed_data["certificates"], known, info["sid"])
    quirks = _named(attributes, leaf)
    weakness = policy.weakness(leaf.key)
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, weakness)
    digest, algorithm, check = _algorithms(info, leaf, policy)
    found = hashlib.new(digest, content).digest()
    if not compare_digest(found, attributes["message_digest"].native):
        raise Refused(Reason.DIGEST, "messageDigest differs")
    # RFC 5652 §5.4: what is signed is the SET OF, not the [0] that stands in the message.
    if not check(info["signature"].native, b"\x31" + info["signed_attrs"].dump()[1:]):
        raise Refused(Reason.VALUE)
    return Token(tsp.TSTInfo.load(content, strict=True), leaf, algorithm, quirks)


def _attributes(attributes: Any) -> dict[str, Any]:
    """The signed attributes that matter, each with its one value."""
    from asn1crypto import core

    if isinstance(attributes, core.Void):
        raise Refused(Reason.STRUCTURE, "no signed attributes")
    if len(attributes) > _MOST_ATTRIBUTES:
        raise Refused(Reason.LIMIT, f"{len(attributes)} signed attributes", f"at most {_MOST_ATTRIBUTES}")
    found: dict[str, Any] = {}
    for attribute in attributes:
        name = str(attribute["type"].native)
        if name not in _SINGLE:
            continue
        if name in found or len(attribute["values"]) != 1:
            raise Refused(Reason.STRUCTURE, f"signed attribute {name} more than once")
        found[name] = attribute["values"][0]
    for name in _SINGLE[:2]:
        if name not in found:
            raise Refused(Reason.STRUCTURE, f"no signed attribute {name}")
    return found


def _signer(bag: Any, known: Sequence[bytes], sid: Any) -> Leaf:
    """The one certificate that the SignerInfo names: the bag is not signed, its order says nothing."""
    mine: dict[bytes, None] = {}
    for der in (*_bag(bag), *known):
        if _is_named(sid, der):
            mine[der] = None
    if len(mine) != 1:
        raise Refused(Reason.KEYINFO, f"{len(mine)} certificates of the signer", "exactly one")
    return load_leaf(next(iter(mine)))


def _bag(bag: Any) -> Iterator[bytes]:
    from asn1crypto import core

    if isinstance(bag, core.Void):
        return
    if len(bag) > _MOST_CERTIFICATES:
        raise Refused(Reason.LIMIT, f"{len(bag)} certificates", f"at most {_MOST_CERTIFICATES}")
    for choice in bag:
        if choice.name == "certificate":
            yield choice.chosen.dump()


def _is_named(sid: Any, der: bytes) -> bool:
    from asn1crypto import x509

    try:
        certificate = x509.Certificate.load(der, strict=True)
        if sid.name == "issuer_and_serial_number":
            return _same(sid.chosen["issuer"], sid.chosen["serial_number"], certificate)
        return bool(certificate.key_identifier == sid.chosen.native)
    except (ValueError, TypeError, KeyError):
        return False  # an odd certificate beside the signer's


def _same(issuer: Any, serial: Any, certificate: Any) -> bool:
    return bool(issuer == certificate.issuer and serial.native == certificate.serial_number)


def _named(attributes: Mapping[str, Any], leaf: Leaf) -> tuple[str, ...]:
    """The certificate must be the one that was signed for (RFC 5035 §3, RFC 2634 §5.4), or keys could change hands.

    RFC 3161 knows only the first version, which is SHA-1 and still in use; RFC 5816 adds the second.
    """
    from asn1crypto import x509

    versions = [name for name in _SINGLE[2:] if name in attributes]
    if not versions:
        raise Refused(Reason.KEYINFO, "the token does not name its signer's certificate")
    certificate = x509.Certificate.load(leaf.der, strict=True)
    for name in versions:
        first = attributes[name]["certs"][0]
        hash_name = "sha1" if name == "signing_certificate" else str(first["hash_algorithm"]["algorithm"].native)
        if hash_name != "sha1" and hash_name not in _HASHES:
            raise Refused(Reason.ALGORITHM, f"certificate named by {hash_name}")
        if name == "signing_certificate_v2" and hash_name == "sha1":
            raise Refused(Reason.ALGORITHM, "certificate named by sha1")
        # Not for security of its own: SHA-1 binds a certificate here that must also lead to a root of ours.
        digest = hashlib.new(hash_name, leaf.der, usedforsecurity=False).digest()
        if not compare_digest(digest, first["cert_hash"].native):
            raise Refused(Reason.KEYINFO, "the token names another certificate")
        _check_issuer_serial(first["issuer_serial"], certificate)
    return () if "signing_certificate_v2" in versions else (VERSION_1,)


def _check_issuer_serial(issuer_serial: Any, certificate: Any) -> None:
    from asn1crypto import core

    if isinstance(issuer_serial, core.Void):
        return
    issuers = [name.chosen for name in issuer_serial["issuer"] if name.name == "directory_name"]
    if len(issuers) != 1 or not _same(issuers[0], issuer_serial["serial_number"], certificate):
        raise Refused(Reason.KEYINFO, "the token names another issuer or serial number")


def _algorithms(info: Any, leaf: Leaf, policy: SignaturePolicy) -> tuple[str, str, Callable[[bytes, bytes], bool]]:
    """The digest of the content, the name of the signature algorithm, and how a value of it is checked."""
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
        hashed, salt = _pss(chosen["parameters"])
    elif family != "ed25519":
        with suppress(ValueError):  # rsaEncryption and ecPublicKey leave it to the digest algorithm (RFC 3370 §3.2)
            hashed = str(chosen.hash_algo)
    uri = ALGORITHMS.get((family, hashed))
    if uri is None or uri not in policy.signature_algorithms:
        raise Refused(Reason.ALGORITHM, f"{name} with {hashed}")
    if hashed != digest:
        # One hash throughout, so that what the token does not sign of itself cannot be turned (RFC 6211 §1).
        raise Refused(Reason.ALGORITHM, f"{name} with {hashed} over a digest with {digest}")
    if not key_fits(SIGNATURES[uri], leaf.key):
        raise Refused(Reason.ALGORITHM, f"{name} with a key of another kind")
    return digest, uri, _checker(SIGNATURES[uri].family, _HASHES[hashed], salt, leaf)


def _pss(parameters: Any) -> tuple[str, int]:
    """The hash and the salt's length; MGF1 with the same hash, a salt at least as long (RFC 4056 §2.2)."""
    hashed = str(parameters["hash_algorithm"]["algorithm"].native)
    mask = parameters["mask_gen_algorithm"]
    inner = str(mask["parameters"]["algorithm"].native)
    salt = int(parameters["salt_length"].native)
    if mask["algorithm"].native != "mgf1" or inner != hashed or not DIGEST_SIZES.get(hashed, 512) <= salt <= 512:
        raise Refused(Reason.ALGORITHM, f"RSASSA-PSS with {hashed}, MGF1 with {inner}, salt of {salt}")
    return hashed, salt


def _checker(family: Family, hash_: hashes.HashAlgorithm, salt: int, leaf: Leaf) -> Callable[[bytes, bytes], bool]:
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
