"""Signed packages with time stamps on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lxml import etree

from signing.chain import Trust
from signing.policy import OWN_NETWORK, SignaturePolicy
from signing.verdict import Verdict
from signing.verify import Judgement, verify
from signing.xades_t import add_signature_timestamp, timestamp_octets
from tests.pki import NOW, Holder, der, pki, revocation_list
from tests.unit.signing.forge import DS, XADES, Package, by_parts
from tests.unit.timestamp import authority

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def stamp(package: Package, *signers: Holder, at: datetime = NOW, **changes: Any) -> Package:
    """Put a time stamp of `at` on the signature, by `authority.good()` or whoever is named."""
    made = authority.token(timestamp_octets(package.signature), *signers, at=at, **changes)
    add_signature_timestamp(package.signature, made)
    return package


def signed(holder: Holder | None = None, at: datetime = NOW - 2 * DAY) -> Package:
    return by_parts((holder or pki().good).signer(), at)


def stamped(holder: Holder | None = None, at: datetime = NOW - DAY) -> Package:
    """Signed a day before and stamped at once."""
    return stamp(signed(holder, at), at=at)


def judge(
    package: Package,
    *,
    trust: Trust | None = None,
    tsa: Trust | None = None,
    at: datetime = NOW,
    policy: SignaturePolicy = OWN_NETWORK,
) -> Judgement:
    """Judge the package as it is read from the wire."""
    read = package.again()
    believed = authority.trust() if tsa is None else tsa
    return verify(read.root, read.signatures, read.must_cover, policy, trust or pki().trust, at, tsa=believed)


def words(verdict: Verdict) -> tuple[object, ...]:
    return verdict.sub_indication, verdict.reason, verdict.best_signature_time


def revoking(holder: Holder, since: datetime, **changes: Any) -> Trust:
    """The document signers' trust with this certificate revoked."""
    made = revocation_list(pki().authority, [holder.certificate], revoked_at=since, **changes)
    return pki().trust_with(pki().crls()[0], made)


def invalid_since(holder: Holder, revoked_at: datetime, since: datetime) -> Trust:
    """Revoked at one time, with a key that is said to have been lost at an earlier one."""
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(holder.certificate.serial_number)
        .revocation_date(revoked_at)
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .add_extension(x509.InvalidityDate(since.replace(tzinfo=None)), critical=False)
        .build()
    )
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(pki().authority.certificate.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(9), critical=False)
        .add_revoked_certificate(entry)
        .sign(pki().authority.key, hashes.SHA256())
    )
    return pki().trust_with(pki().crls()[0], der(made))


def properties(package: Package) -> etree._Element:
    """UnsignedSignatureProperties, made where there are none."""
    qualifying = package.signature.find(f"{DS}Object/{XADES}QualifyingProperties")
    assert qualifying is not None
    place = qualifying
    for name in ("UnsignedProperties", "UnsignedSignatureProperties"):
        found = place.find(XADES + name)
        place = etree.SubElement(place, XADES + name) if found is None else found
    return place


def put(package: Package, xml: str) -> Package:
    """Put an unsigned property that is written out."""
    spaces = f'xmlns:xades="{XADES[1:-1]}" xmlns:ds="{DS[1:-1]}" xmlns:v141="http://uri.etsi.org/01903/v1.4.1#"'
    properties(package).append(etree.fromstring(f"<box {spaces}>{xml}</box>")[0])
    return package
