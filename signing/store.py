"""Our own certificates, revocation lists and responders' answers, parsed once and indexed by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

from signing.certificate import Leaf
from signing.revocation.crl import Crl, load_crl, may_sign_lists
from signing.revocation.name import NameKey, name_key
from signing.revocation.ocsp import Answer, read_ocsp

_MOST_PATHS: Final = 4
_MOST_STEPS: Final = 64
_WITH_PARAMETERS: Final = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """A certificate of our store that may issue others; `root` marks the self-signed ones we start from."""

    der: bytes
    sha256: str
    certificate: x509.Certificate
    root: bool


class Store:
    """`problems` says in words what could not be used. All of it comes from the operator, or was fetched for him and
    checked; nothing comes from a message."""

    def __init__(
        self,
        anchors: Sequence[bytes],
        intermediates: Sequence[bytes],
        crls: Sequence[bytes],
        answers: Sequence[bytes] = (),
    ) -> None:
        problems: list[str] = []
        self._by_subject: dict[NameKey, list[Issuer]] = {}
        self._signers: dict[NameKey, list[Issuer]] = {}
        self._crls: dict[NameKey, list[Crl]] = {}
        self._answers: dict[int, list[Answer]] = {}
        for kind, items in (("anchor", anchors), ("intermediate", intermediates)):
            for der in dict.fromkeys(items):
                self._take_issuer(der, kind, problems)
        for der in dict.fromkeys(crls):
            try:
                crl = load_crl(der)
            except (ValueError, x509.InvalidVersion) as error:
                told = str(error).partition(": ParseError")[0]
                problems.append(f"crl {hashlib.sha256(der).hexdigest()}: not a revocation list we can use: {told}")
                continue
            self._crls.setdefault(crl.issuer, []).append(crl)
        for der in dict.fromkeys(answers):
            try:
                answer = read_ocsp(der)
            except ValueError as error:
                problems.append(f"ocsp {hashlib.sha256(der).hexdigest()}: {error}")
                continue
            for serial in {single.serial for single in answer.singles}:
                self._answers.setdefault(serial, []).append(answer)
        self.problems = tuple(problems)

    def _take_issuer(self, der: bytes, kind: str, problems: list[str]) -> None:
        digest = hashlib.sha256(der).hexdigest()
        try:
            certificate = x509.load_der_x509_certificate(der)
            authority = _is_authority(certificate)
            signs_lists = authority or (_has_usage(certificate) and may_sign_lists(certificate))
            name = name_key(certificate.subject)
        except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion):
            problems.append(f"{kind} {digest}: not a certificate of a certification authority")
            return
        if not authority and (kind == "anchor" or not signs_lists):
            problems.append(f"{kind} {digest}: not a certification authority: {certificate.subject.rfc4514_string()}")
            return
        if kind == "anchor" and not issued(certificate, certificate):
            problems.append(f"anchor {digest}: not a self-signed root: {certificate.subject.rfc4514_string()}")
            return
        issuer = Issuer(der, digest, certificate, kind == "anchor")
        self._signers.setdefault(name, []).append(issuer)
        if authority:
            self._by_subject.setdefault(name, []).append(issuer)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Every authority, roots first."""
        found = [issuer for issuers in self._by_subject.values() for issuer in issuers]
        return tuple(sorted(found, key=lambda issuer: not issuer.root))

    @property
    def everybody(self) -> tuple[Issuer, ...]:
        """Every authority, and everybody who may sign lists."""
        return tuple(signer for signers in self._signers.values() for signer in signers)

    def paths(self, leaf: Leaf | Issuer, most_issuers: int) -> list[tuple[Issuer, ...]]:
        """Paths from the issuer of `leaf` up to a root, each signature checked, at most a few, in bounded steps."""
        found: list[tuple[Issuer, ...]] = []
        steps = 0
        waiting: list[tuple[Issuer, ...]] = [()]
        while waiting and len(found) < _MOST_PATHS:
            path = waiting.pop(0)
            subject = path[-1].certificate if path else leaf.certificate
            for issuer in self._by_subject.get(name_key(subject.issuer), ()):
                steps += 1
                if steps > _MOST_STEPS:
                    return found
                if issuer in path or not issued(subject, issuer.certificate):
                    continue
                if issuer.root:
                    found.append((*path, issuer))
                elif len(path) + 1 < most_issuers:
                    waiting.append((*path, issuer))
        return found

    def signers(self, name: NameKey) -> Sequence[Issuer]:
        """Those of that name who may sign lists, authorities and those certified for lists alone."""
        return self._signers.get(name, ())

    def lists_of(self, issuer: Issuer) -> list[Crl]:
        """The complete revocation lists that this issuer signed itself."""
        lists = self._crls.get(name_key(issuer.certificate.subject), ())
        return [crl for crl in lists if crl.base is None and crl.is_signed_by(issuer.certificate, issuer.sha256)]

    def lists_from(self, names: Iterable[NameKey]) -> list[Crl]:
        """Every list, complete or not, that says to come from one of these names."""
        return [crl for name in dict.fromkeys(names) for crl in self._crls.get(name, ())]

    def answers_about(self, serial: int) -> Sequence[Answer]:
        return self._answers.get(serial, ())


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _has_usage(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.KeyUsage))
    except x509.ExtensionNotFound:
        return False


@lru_cache(maxsize=1024)
def issued(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether the names fit and the issuer's key made the signature. Cached: a few issuers sign everything."""
    try:
        subject.verify_directly_issued_by(issuer)
    except (TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    except ValueError:
        # Names that are spelled differently, or algorithms inside and outside that differ, or worse.
        return name_key(subject.issuer) == name_key(issuer.subject) and _signed(subject, issuer)
    return True


def _signed(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    """The signature alone: for names that are equal only after folding (RFC 5280 §7.1), and for SHA-1."""
    try:
        key, parameters = issuer.public_key(), subject.signature_algorithm_parameters
        value, signed, algorithm = subject.signature, subject.tbs_certificate_bytes, subject.signature_hash_algorithm
        if _algorithm_octets(subject) not in signed[:128]:
            return False
        # `cryptography` names no parameters for the hashes that it has given up. Of these SHA-1 alone is looked at, and
        # whether it counts is asked of each certificate later; MD5 is not worth an answer.
        if parameters is None and (algorithm is None or algorithm.name != "sha1") and isinstance(key, _WITH_PARAMETERS):
            return False
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            scheme = padding.PKCS1v15() if parameters is None else parameters
            key.verify(value, signed, scheme, algorithm)  # type: ignore[arg-type]
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(value, signed, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(value, signed)
        elif isinstance(key, dsa.DSAPublicKey) and algorithm is not None:
            key.verify(value, signed, algorithm)
        else:
            return False
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _algorithm_octets(certificate: x509.Certificate) -> bytes:
    """The OBJECT IDENTIFIER of the outer signature algorithm, as it must stand inside too (RFC 5280 §4.1.1.2)."""
    from signing.asn1 import core

    return bytes(core.ObjectIdentifier(certificate.signature_algorithm_oid.dotted_string).dump())
