"""Where a certificate says its revocation is published, and what a list says it covers (RFC 5280 §4.2.1.13, §5.2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509

from signing.revocation.name import NameKey, Token, name_key, rdn_key, tokens

ALL_REASONS: Final = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}


@dataclass(frozen=True, slots=True)
class Point:
    """A distribution point of a certificate. `names` is `None` where it has none, `issuers` likewise; `implied` marks
    the one that is not written in the certificate."""

    names: frozenset[Token] | None
    issuers: frozenset[Token] | None
    reasons: frozenset[x509.ReasonFlags]
    urls: tuple[str, ...] = ()
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list covers. A list without an issuing distribution point covers all that its issuer certified."""

    names: frozenset[Token] | None = None
    users_only: bool = False
    authorities_only: bool = False
    attributes_only: bool = False
    reasons: frozenset[x509.ReasonFlags] = ALL_REASONS
    indirect: bool = False

    def covers(
        self, point: Point, crl_issuer: NameKey, certificate: x509.Certificate
    ) -> frozenset[x509.ReasonFlags] | None:
        """The reasons for which the list, issued by `crl_issuer`, speaks about the certificate at `point`.

        `None` when it does not speak about it at all. RFC 5280 §6.3.3 (b) and (d).
        """
        if point.issuers is None:
            if crl_issuer != name_key(certificate.issuer):
                return None
            # RFC 5280 would let a stated point without cRLIssuer lead to an indirect list as well; BoringSSL does not.
            if self.indirect and not point.implied:
                return None
        elif not self.indirect or ("directory", crl_issuer) not in point.issuers:
            return None
        if self.names is not None:
            offered = point.names if point.names is not None else point.issuers
            if offered is None or not self.names & offered:
                return None
        if self.attributes_only:
            return None
        if self.users_only or self.authorities_only:
            if certificate.version is not x509.Version.v3:
                return None
            if is_authority(certificate) != self.authorities_only:
                return None
        return self.reasons & point.reasons


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def points_of(certificate: x509.Certificate) -> list[Point]:
    """The distribution points of a certificate, and the one that it has without saying so: its issuer's own name.

    A certificate that names another publisher for its revocation is not asked about at its issuer.
    """
    found: list[Point] = []
    issuer = name_key(certificate.issuer)
    try:
        stated = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        stated = None
    for one in stated or ():
        issuers = tokens(one.crl_issuer) if one.crl_issuer else None
        names: frozenset[Token] | None = None
        if one.full_name:
            names = tokens(one.full_name)
        elif one.relative_name is not None:
            names = _relative(one.relative_name, issuer, issuers)
        urls = tuple(name.value for name in one.full_name or () if isinstance(name, x509.UniformResourceIdentifier))
        found.append(Point(names, issuers, one.reasons & ALL_REASONS if one.reasons else ALL_REASONS, urls))
    if all(point.issuers is None for point in found):
        found.append(Point(frozenset({("directory", issuer)}), None, ALL_REASONS, implied=True))
    return found


def _relative(
    rdn: x509.RelativeDistinguishedName, issuer: NameKey, issuers: frozenset[Token] | None
) -> frozenset[Token]:
    """A name relative to the list's issuer: that of the point where it names one, else the certificate's."""
    bases = [issuer] if issuers is None else [value for kind, value in issuers if kind == "directory"]
    return frozenset(("directory", (*base, rdn_key(rdn))) for base in bases if isinstance(base, tuple))


def scope_of(stated: x509.IssuingDistributionPoint, crl_issuer: NameKey) -> Scope:
    names: frozenset[Token] | None = None
    if stated.full_name:
        names = tokens(stated.full_name)
    elif stated.relative_name is not None:
        names = frozenset({("directory", (*crl_issuer, rdn_key(stated.relative_name)))})
    return Scope(
        names,
        stated.only_contains_user_certs,
        stated.only_contains_ca_certs,
        stated.only_contains_attribute_certs,
        stated.only_some_reasons & ALL_REASONS if stated.only_some_reasons else ALL_REASONS,
        stated.indirect_crl,
    )
