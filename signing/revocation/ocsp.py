"""One answer of a responder (OCSP, RFC 6960): read, matched with a certificate, its signer found and its value checked.

asn1crypto reads it, because `cryptography` shows no extensions where an answer speaks of several certificates. It reads
lazily and raises whatever comes up, so all that is used is read in `read_ocsp`, and any surprise is a `ValueError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.revocation.crl import PLAIN, Freshness

MAX_ANSWER_BYTES: Final = 64 * 1024
_MOST_SINGLES: Final = 64
_MOST_CERTIFICATES: Final = 8
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_SINGLE_UNDERSTOOD: Final = frozenset(
    {
        "1.3.6.1.5.5.7.48.1.3",  # CRL references
        "1.3.6.1.5.5.7.48.1.6",  # archive cut-off
        "1.3.6.1.4.1.11129.2.4.5",  # certificate transparency: says nothing about revocation
    }
)
_HASHES: Final = {
    "sha1": hashes.SHA1(),  # noqa: S303 - whether it may be used is decided by the caller's set of names
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Status(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class NotAnAnswer(ValueError):
    """The responder says that it will not answer: tryLater, unauthorized, internalError, malformedRequest."""


@dataclass(frozen=True, slots=True)
class Target:
    """What identifies a certificate in a request: its issuer's name (DER), its issuer's key bits, its serial number."""

    issuer_name: bytes
    issuer_key: bytes
    serial: int


def target_of(certificate: x509.Certificate, issuer: x509.Certificate) -> Target:
    return Target(certificate.issuer.public_bytes(), key_bits(issuer), certificate.serial_number)


@lru_cache(maxsize=256)
def key_bits(certificate: x509.Certificate) -> bytes:
    """The BIT STRING of the certificate's public key, which CertID and ResponderID hash."""
    from signing.asn1 import keys

    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    contents: bytes = keys.PublicKeyInfo.load(spki)["public_key"].contents
    return contents[1:]


@dataclass(frozen=True, slots=True)
class Single:
    """What an answer says of one certificate."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int
    status: Status
    revoked_at: datetime | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None

    def matches(self, target: Target) -> bool:
        if self.serial != target.serial or self.hash_name not in _HASHES:
            return False
        name = hashlib.new(self.hash_name, target.issuer_name).digest()
        return name == self.name_hash and hashlib.new(self.hash_name, target.issuer_key).digest() == self.key_hash

    def end(self, freshness: Freshness = PLAIN) -> datetime:
        if self.next_update is None:
            return self.this_update + freshness.ocsp_without_end
        return min(self.next_update, self.this_update + freshness.ocsp_max_age)

    def is_fresh(self, at: datetime, freshness: Freshness = PLAIN) -> bool:
        return self.this_update <= at <= self.end(freshness) + freshness.grace


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A response that was read; nothing of it is verified. `by_name` or `by_key` says who claims to have signed it."""

    sha256: str
    produced_at: datetime
    by_name: bytes | None
    by_key: bytes | None
    singles: tuple[Single, ...]
    nonce: bytes | None
    certificates: tuple[bytes, ...]
    signed: bytes
    scheme: str
    hash_name: str
    signature: bytes

    def about(self, target: Target) -> tuple[Single, ...]:
        return tuple(single for single in self.singles if single.matches(target))

    def is_named(self, certificate: x509.Certificate) -> bool:
        """Say whether `certificate` is the one that the responder claims to have signed with."""
        if self.by_key is not None:
            return hashlib.sha1(key_bits(certificate), usedforsecurity=False).digest() == self.by_key
        return certificate.subject.public_bytes() == self.by_name

    def is_signed_by(self, certificate: x509.Certificate) -> bool:
        try:
            key, algorithm = certificate.public_key(), _HASHES.get(self.hash_name)
            if isinstance(key, ed25519.Ed25519PublicKey) and self.scheme == "ed25519":
                key.verify(self.signature, self.signed)
                return True
            if algorithm is None:
                return False
            if isinstance(key, rsa.RSAPublicKey) and self.scheme == "rsassa_pkcs1v15":
                key.verify(self.signature, self.signed, padding.PKCS1v15(), algorithm)
                return True
            if isinstance(key, rsa.RSAPublicKey) and self.scheme == "rsassa_pss":
                pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
                key.verify(self.signature, self.signed, pss, algorithm)
                return True
            if isinstance(key, ec.EllipticCurvePublicKey) and self.scheme == "ecdsa":
                key.verify(self.signature, self.signed, ec.ECDSA(algorithm))
                return True
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return False


@lru_cache(maxsize=4096)
def read_ocsp(der: bytes) -> Answer:
    """Read a response. `NotAnAnswer` where the responder refuses, `ValueError` for what cannot be read."""
    if len(der) > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of {len(der)} bytes")
    try:
        return _read(der)
    except NotAnAnswer:
        raise
    except Exception as surprise:
        raise ValueError(f"not an OCSP response: {type(surprise).__name__}") from surprise


def _read(der: bytes) -> Answer:
    from signing.asn1 import ocsp

    response: Any = ocsp.OCSPResponse.load(der, strict=True)
    status = response["response_status"].native
    if status != "successful":
        raise NotAnAnswer(str(status))
    holder = response["response_bytes"]
    if holder["response_type"].native != "basic_ocsp_response":
        raise ValueError("another type of response")
    basic: Any = ocsp.BasicOCSPResponse.load(holder["response"].contents, strict=True)
    data = basic["tbs_response_data"]
    if data["version"].native != "v1":
        raise ValueError("another version")
    nonce: bytes | None = None
    for extension in data["response_extensions"] or ():
        if extension["extn_id"].dotted == _NONCE:
            nonce = bytes(extension["extn_value"].contents)
        elif extension["critical"].native:
            raise ValueError(f"unknown critical extension {extension['extn_id'].dotted}")
    responder = data["responder_id"]
    algorithm = basic["signature_algorithm"]
    scheme = str(algorithm.signature_algo)
    if len(data["responses"]) > _MOST_SINGLES or len(basic["certs"] or ()) > _MOST_CERTIFICATES:
        raise ValueError("too many parts")
    return Answer(
        hashlib.sha256(der).hexdigest(),
        _time(data["produced_at"]),
        responder.chosen.chosen.dump() if responder.name == "by_name" else None,
        responder.chosen.native if responder.name == "by_key" else None,
        tuple(_singles(data["responses"])),
        nonce,
        tuple(certificate.dump() for certificate in basic["certs"] or ()),
        data.dump(),
        scheme,
        "sha512" if scheme == "ed25519" else str(algorithm.hash_algo),
        bytes(basic["signature"].native),
    )


def _singles(responses: Any) -> Iterator[Single]:
    for one in responses:
        for extension in one["single_extensions"] or ():
            dotted = extension["extn_id"].dotted
            if extension["critical"].native and dotted not in _SINGLE_UNDERSTOOD:
                raise ValueError(f"unknown critical extension {dotted}")
        cert_id, status = one["cert_id"], one["cert_status"]
        revoked = status.chosen if status.name == "revoked" else None
        next_update = one["next_update"]
        yield Single(
            str(cert_id["hash_algorithm"]["algorithm"].native),
            cert_id["issuer_name_hash"].native,
            cert_id["issuer_key_hash"].native,
            int(cert_id["serial_number"].native),
            Status(status.name),
            None if revoked is None else _time(revoked["revocation_time"]),
            None if revoked is None else revoked["revocation_reason"].native,
            _time(one["this_update"]),
            None if next_update.native is None else _time(next_update),
        )


def _time(value: Any) -> datetime:
    found = value.native
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise ValueError("a time without zone")
    return found


def signer_of(
    answer: Answer, issuer: x509.Certificate, at: datetime, delegate_is_good: Callable[[x509.Certificate], bool]
) -> x509.Certificate | None:
    """Who signed the answer and may: the issuer itself, or one whom it certified for that (RFC 6960 §4.2.2.2).

    A delegate's certificate travels in the answer; it counts only with the issuer's own signature and OCSPSigning on
    it, at a time when it is valid, and when `delegate_is_good` (its key, its own revocation). `None` when nobody.
    """
    if answer.is_named(issuer) and answer.is_signed_by(issuer):
        return issuer
    for der in answer.certificates:
        try:
            delegate = x509.load_der_x509_certificate(der)
            if not answer.is_named(delegate) or not is_delegate(delegate, issuer, at):
                continue
        except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion):
            continue
        if answer.is_signed_by(delegate) and delegate_is_good(delegate):
            return delegate
    return None


def is_delegate(delegate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    if not delegate.not_valid_before_utc <= at <= delegate.not_valid_after_utc:
        return False
    try:
        delegate.verify_directly_issued_by(issuer)
        purposes = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return False
    try:
        usage = delegate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.content_commitment


def needs_no_check(delegate: x509.Certificate) -> bool:
    """The issuer promises not to revoke it: id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1)."""
    try:
        delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound:
        return False
    return True


def nonce_value(nonce: bytes) -> bytes:
    """The octets of a Nonce extension's value as a request carries them: an OCTET STRING within."""
    return bytes([0x04, len(nonce)]) + nonce


def time_is_sound(answer: Answer, certificate: x509.Certificate, at: datetime) -> bool:
    """An answer made before the certificate existed, after it ended, or after now says nothing about it."""
    return certificate.not_valid_before_utc <= answer.produced_at <= min(certificate.not_valid_after_utc, at)
