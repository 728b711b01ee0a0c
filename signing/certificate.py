"""One certificate by itself: read strictly, and judged for whether it may sign documents at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from signing.policy import SignaturePolicy
from signing.pss import Bound, bound_by
from signing.refusal import Refused, passed
from signing.verdict import Check, Reason, Signer, SubIndication

MAX_CERTIFICATE_BYTES: Final = 8 * 1024

UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.OCSP_NO_CHECK,
    }
)
"""Extensions that may be critical: we or the path validator judge them."""

_OTHER_TRADES: Final = frozenset(
    {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        ExtendedKeyUsageOID.CODE_SIGNING,
    }
)
"""A certificate that is for these and nothing else does not sign documents, nor does whom it certified."""


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A certificate as a message showed it. It proves nothing but which key its holder has."""

    der: bytes
    sha256: str
    certificate: x509.Certificate
    key: PublicKeyTypes
    not_before: datetime
    not_after: datetime
    signer: Signer
    bound: Bound | None = None
    """What else than its kind says with what the key may be used."""


@lru_cache(maxsize=512)
def load_leaf(der: bytes) -> Leaf:
    """Read a certificate. `Refused`: KEYINFO if it is none, WEAK_KEY if its key is of no kind that is known.

    `cryptography` reads fields when they are asked for, so all that we use are asked for here: later none can fail.
    Cached because the same few hundred certificates sign everything; the result depends on the bytes only.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Refused(Reason.KEYINFO, f"a certificate of {len(der)} bytes")
    digest = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        signer = Signer(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            certificate=digest,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except (ValueError, TypeError, x509.InvalidVersion) as error:  # TypeError: a name that is a BIT STRING
        raise Refused(Reason.KEYINFO, "not a certificate") from error
    if der[-len(certificate.signature) - 1] != 0:
        # The count of unused bits is not signed, and `cryptography` lets it be 1 where the last bit is 0: one
        # certificate would have two fingerprints.
        raise Refused(Reason.KEYINFO, "a certificate that is not DER")
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(Reason.WEAK_KEY, "a key of an unknown kind or with parameters of its own") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and not _names_its_curve(certificate, key):
        raise Refused(Reason.WEAK_KEY, f"{key.curve.name} by its parameters and not by its name")
    return Leaf(der, digest, certificate, key, signer.not_before, signer.not_after, signer, bound_by(der))


_EC_KEY: Final = bytes.fromhex("06072a8648ce3d0201")
_CURVES: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "secp256r1": bytes.fromhex("06082a8648ce3d030107"),
        "secp384r1": bytes.fromhex("06052b81040022"),
        "secp521r1": bytes.fromhex("06052b81040023"),
    }
)
"""DER of the names, as they follow `_EC_KEY` in a SubjectPublicKeyInfo (RFC 5480 §2.1.1)."""


def _names_its_curve(certificate: x509.Certificate, key: ec.EllipticCurvePublicKey) -> bool:
    """`cryptography` takes a curve that is written out where it is one that it knows. RFC 5480 §2.1.1 forbids that:
    whoever compares parameters instead of names can be led astray by them (CVE-2020-0601)."""
    name = _CURVES.get(key.curve.name)
    return name is None or _EC_KEY + name in certificate.tbs_certificate_bytes


class Purpose(StrEnum):
    """What a certificate is used for, and so what must stand in it and which roots it may lead to."""

    DOCUMENT = "document"
    TIME_STAMP = "time-stamp"
    EVIDENCE = "evidence"  # signs revocation lists or answers about revocation


@dataclass(frozen=True, slots=True)
class OldHash:
    """When SHA-1 under a certificate is let through: only where the signature is proved to be older than `before`.

    Without `before` it never is.
    """

    before: datetime | None = None
    proven: datetime | None = None

    @property
    def allowed(self) -> bool:
        return self.before is not None and self.proven is not None and self.proven < self.before

    def refusal(self, what: str) -> Refused:
        """`CRYPTO_CONSTRAINTS_FAILURE_NO_POE` where a proof of time could have helped."""
        if self.before is None:
            return Refused(Reason.WEAK_KEY, what)
        required = f"a proof of time before {self.before.isoformat()}"
        poe = SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
        return Refused(Reason.WEAK_KEY, what, required, sub_indication=poe)


NEVER: Final = OldHash()
SHA1_QUIRK: Final = "certificate-sha1-before-date"


def judge_leaf(
    leaf: Leaf,
    policy: SignaturePolicy,
    at: datetime,
    purpose: Purpose = Purpose.DOCUMENT,
    old_hash: OldHash = NEVER,
) -> Iterator[Check]:
    """Judge a certificate without asking who issued it. Yields each check that held; `Refused` at the first that does
    not.

    For documents keyUsage must be there with digitalSignature or nonRepudiation: certificates of Ban Cơ yếu carry only
    the latter. For time stamps the extended key usage is timeStamping alone and critical (RFC 3161 §2.3).
    """
    weakness = policy.weakness(leaf.key)
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, weakness)
    judge_hash(leaf.certificate, policy, "certificate", old_hash)
    yield passed(Reason.WEAK_KEY)
    extensions = read_extensions(leaf.certificate)
    _USAGES[purpose](extensions)
    yield passed(Reason.KEY_USAGE)
    if at < leaf.not_before:
        raise Refused(Reason.NOT_YET_VALID, leaf.not_before.isoformat(), at.isoformat())
    yield passed(Reason.NOT_YET_VALID)
    if at > leaf.not_after:
        raise Refused(Reason.EXPIRED, leaf.not_after.isoformat(), at.isoformat())
    yield passed(Reason.EXPIRED)


def judge_hash(certificate: x509.Certificate, policy: SignaturePolicy, what: str, old_hash: OldHash) -> None:
    """Refuse a weak hash in the signature over a certificate, unless it is SHA-1 and old enough."""
    hash_name = _hash_name(certificate)
    if hash_name in policy.certificate_hashes or (hash_name == "sha1" and old_hash.allowed):
        return
    told = f"{what} signed with {hash_name}"
    raise old_hash.refusal(told) if hash_name == "sha1" else Refused(Reason.WEAK_KEY, told)


def read_extensions(certificate: x509.Certificate) -> x509.Extensions:
    """Read version, serial and extensions strictly. `Refused` CHAIN for what RFC 5280 §4.1 and §4.2 do not allow."""
    if certificate.version is not x509.Version.v3:
        raise Refused(Reason.CHAIN, f"certificate version {certificate.version.name}")
    if not 0 < certificate.serial_number < 1 << 160:
        raise Refused(Reason.CHAIN, "serial number out of range")
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise Refused(Reason.CHAIN, "extensions cannot be read") from error
    for extension in extensions:
        if extension.critical and extension.oid not in UNDERSTOOD:
            raise Refused(Reason.CHAIN, f"unknown critical extension {extension.oid.dotted_string}")
    return extensions


def judge_issuer(certificate: x509.Certificate, policy: SignaturePolicy, at: datetime, below: int) -> None:
    """Judge a certificate that issues others, with `below` issuing certificates between it and the leaf.

    `Refused`: CHAIN if it may not issue or is out of its validity, WEAK_KEY for its key.
    """
    extensions = read_extensions(certificate)
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Refused(Reason.CHAIN, "an issuer without basicConstraints or keyUsage") from error
    if not basic.ca or not usage.key_cert_sign:
        raise Refused(Reason.CHAIN, "an issuer that may not issue certificates")
    if basic.path_length is not None and below > basic.path_length:
        raise Refused(Reason.CHAIN, "path length exceeded")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise Refused(Reason.CHAIN, "an issuer out of its validity", at.isoformat())
    try:
        weakness = policy.weakness(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(Reason.WEAK_KEY, "an issuer's key of an unknown kind") from error
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, f"issuer: {weakness}")


def judge_trade(certificate: x509.Certificate) -> None:
    """Refuse an intermediate above a signer of documents whose extended key usage names other trades only: an authority
    for TLS. Taken as a bound on what is issued below, as `openssl verify -purpose smimesign` takes it."""
    if _is_of_other_trades(read_extensions(certificate)):
        raise Refused(Reason.CHAIN, "an issuer for another trade")


def judge_issuer_signature(certificate: x509.Certificate, policy: SignaturePolicy, old_hash: OldHash = NEVER) -> None:
    """Refuse a weak hash in the signature over an intermediate. A root's own signature proves nothing."""
    judge_hash(certificate, policy, "an issuer's certificate", old_hash)


def _for_documents(extensions: x509.Extensions) -> None:
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Refused(Reason.KEY_USAGE, "no keyUsage") from error
    if not usage.digital_signature and not usage.content_commitment:
        raise Refused(Reason.KEY_USAGE, "neither digitalSignature nor nonRepudiation")
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise Refused(Reason.KEY_USAGE, "a certificate of a certification authority")
    except x509.ExtensionNotFound:
        pass
    if usage.key_cert_sign:
        raise Refused(Reason.KEY_USAGE, "keyCertSign")
    if _is_of_other_trades(extensions):
        raise Refused(Reason.KEY_USAGE, "extended key usage of another trade")


def _is_of_other_trades(extensions: x509.Extensions) -> bool:
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return all(purpose in _OTHER_TRADES for purpose in purposes)


def _for_time_stamps(extensions: x509.Extensions) -> None:
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise Refused(Reason.KEY_USAGE, "a time-stamping authority without extended key usage") from error
    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise Refused(Reason.KEY_USAGE, "extended key usage is not timeStamping alone and critical")
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature and not usage.content_commitment:
        raise Refused(Reason.KEY_USAGE, "neither digitalSignature nor nonRepudiation")


def _for_evidence(extensions: x509.Extensions) -> None:
    """cRLSign for lists, OCSPSigning for answers; which of them is needed, whoever reads the evidence has asked."""
    try:
        if extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
            return
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Refused(Reason.KEY_USAGE, "neither cRLSign nor OCSPSigning") from error
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        raise Refused(Reason.KEY_USAGE, "neither cRLSign nor OCSPSigning")


_USAGES: Final[Mapping[Purpose, Callable[[x509.Extensions], None]]] = MappingProxyType(
    {
        Purpose.DOCUMENT: _for_documents,
        Purpose.TIME_STAMP: _for_time_stamps,
        Purpose.EVIDENCE: _for_evidence,
    }
)


def _hash_name(certificate: x509.Certificate) -> str:
    """The hash in the signature over the certificate. Ed25519 has its own, which is SHA-512."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "an unknown algorithm"
    return "sha512" if algorithm is None else algorithm.name
