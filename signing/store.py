"""Our own certificates and revocation lists, parsed once and indexed by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from signing.certificate import Leaf

_MOST_PATHS: Final = 4
_MOST_STEPS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """A certificate of our store that may issue others; `root` marks the self-signed ones we start from."""

    der: bytes
    sha256: str
    certificate: x509.Certificate
    root: bool


@dataclass(slots=True, eq=False)
class Crl:
    """A revocation list (danh sách chứng thư số bị thu hồi)."""

    der: bytes
    sha256: str
    crl: x509.CertificateRevocationList
    this_update: datetime
    next_update: datetime | None
    signed_by: dict[str, bool] = field(default_factory=dict)

    def is_fresh(self, at: datetime) -> bool:
        """A list without nextUpdate never vouches for anybody."""
        return self.next_update is not None and self.this_update <= at <= self.next_update

    def revoked_at(self, serial_number: int) -> datetime | None:
        entry = self.crl.get_revoked_certificate_by_serial_number(serial_number)
        if entry is None:
            return None
        for extension in entry.extensions:
            if extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                return None  # an indirect list speaks of another issuer's certificate
            if isinstance(extension.value, x509.CRLReason) and extension.value.reason is _REMOVED:
                return None
        return entry.revocation_date_utc

    def is_signed_by(self, issuer: Issuer) -> bool:
        """Checked once for each issuer: a list of 100 000 entries takes 26 ms."""
        known = self.signed_by.get(issuer.sha256)
        if known is None:
            known = _list_signed_by(self.crl, issuer.certificate)
            self.signed_by[issuer.sha256] = known
        return known


_REMOVED: Final = x509.ReasonFlags.remove_from_crl


class Store:
    """`problems` says in words what could not be used. All of it comes from the operator, nothing from a message."""

    def __init__(self, anchors: Sequence[bytes], intermediates: Sequence[bytes], crls: Sequence[bytes]) -> None:
        problems: list[str] = []
        self._by_subject: dict[bytes, list[Issuer]] = {}
        self._crls: dict[bytes, list[Crl]] = {}
        for kind, items in (("anchor", anchors), ("intermediate", intermediates)):
            for der in dict.fromkeys(items):
                issuer = _read_issuer(der, kind, problems)
                if issuer is not None:
                    self._by_subject.setdefault(issuer.certificate.subject.public_bytes(), []).append(issuer)
        for der in dict.fromkeys(crls):
            crl = _read_crl(der, problems)
            if crl is not None:
                self._crls.setdefault(crl.crl.issuer.public_bytes(), []).append(crl)
        self.problems = tuple(problems)

    def paths(self, leaf: Leaf, most_issuers: int) -> list[tuple[Issuer, ...]]:
        """Paths from the issuer of `leaf` up to a root, each signature checked, at most a few, in bounded steps."""
        found: list[tuple[Issuer, ...]] = []
        steps = 0
        waiting: list[tuple[Issuer, ...]] = [()]
        while waiting and len(found) < _MOST_PATHS:
            path = waiting.pop(0)
            subject = path[-1].certificate if path else leaf.certificate
            for issuer in self._by_subject.get(subject.issuer.public_bytes(), ()):
                steps += 1
                if steps > _MOST_STEPS:
                    return found
                if issuer in path or not _issued(subject, issuer.certificate):
                    continue
                if issuer.root:
                    found.append((*path, issuer))
                elif len(path) + 1 < most_issuers:
                    waiting.append((*path, issuer))
        return found

    def lists_of(self, issuer: Issuer) -> list[Crl]:
        """The revocation lists that this issuer signed itself."""
        lists = self._crls.get(issuer.certificate.subject.public_bytes(), ())
        return [crl for crl in lists if crl.is_signed_by(issuer)]


def _read_issuer(der: bytes, kind: str, problems: list[str]) -> Issuer | None:
    digest = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.DuplicateExtension, x509.ExtensionNotFound):
        problems.append(f"{kind} {digest}: not a certificate of a certification authority")
        return None
    if not basic.ca:
        problems.append(f"{kind} {digest}: not a certification authority: {certificate.subject.rfc4514_string()}")
        return None
    if kind == "anchor" and not _issued(certificate, certificate):
        problems.append(f"anchor {digest}: not a self-signed root: {certificate.subject.rfc4514_string()}")
        return None
    return Issuer(der, digest, certificate, kind == "anchor")


def _read_crl(der: bytes, problems: list[str]) -> Crl | None:
    digest = hashlib.sha256(der).hexdigest()
    try:
        crl = x509.load_der_x509_crl(der)
        extensions = crl.extensions
        this_update, next_update = crl.last_update_utc, crl.next_update_utc
    except (ValueError, x509.DuplicateExtension):
        problems.append(f"crl {digest}: not a revocation list")
        return None
    for extension in extensions:
        # Delta, indirect and partial lists say less than they seem to; unknown critical extensions may say anything.
        if extension.critical or extension.oid == ExtensionOID.ISSUING_DISTRIBUTION_POINT:
            problems.append(f"crl {digest}: a delta, indirect or partial list, which is not supported")
            return None
    return Crl(der, digest, crl, this_update, next_update)


def _list_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        # `is_signature_valid` takes the three kinds of key that a list can be signed with.
        return usage.crl_sign and crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False


def _issued(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
