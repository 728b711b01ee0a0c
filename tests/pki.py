"""A public-key infrastructure for tests: a root, an authority under it, good leaves and every kind of bad one.

Everything happens around `NOW`; validity is wide, so that certificates for live sockets also hold at the real clock.
Keys are on P-256 unless a test asks otherwise. Use the cached `pki()`; make a `Pki()` of your own only to change it.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from signing.chain import Trust
from signing.sign import KeySigner, PrivateKey, default_algorithm

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
"""The clock of the tests."""

YEAR = timedelta(days=365)
WIDE = (NOW - 10 * YEAR, NOW + 30 * YEAR)
SIGN = frozenset({"digital_signature"})
Lists = tuple[bytes, bytes]
_ALL_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """An RSA key, one for each size and `number`: they are slow to make."""
    return rsa.generate_private_key(65537, bits)


@cache
def curve_key(name: str) -> ec.EllipticCurvePrivateKey:
    curves: dict[str, ec.EllipticCurve] = {
        curve.name: curve for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1(), ec.SECP224R1())
    }
    return ec.generate_private_key(curves[name])


def name_of(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kiểm thử"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def der(certificate: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass(frozen=True)
class Holder:
    """A certificate with its key."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return der(self.certificate)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    def signer(self, algorithm: str | None = None) -> KeySigner:
        return KeySigner(self.key, self.der, algorithm or default_algorithm(self.key))

    def pems(self) -> tuple[bytes, bytes]:
        """Certificate and key."""
        return pem(self.certificate), key_pem(self.key)


def issue(
    common_name: str,
    issuer: Holder | None = None,
    *,
    key: PrivateKey | None = None,
    validity: tuple[datetime, datetime] = WIDE,
    ca: bool = False,
    path_length: int | None = None,
    usages: frozenset[str] | None = SIGN,
    purposes: Sequence[ObjectIdentifier] = (),
    hosts: Sequence[str] = (),
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
) -> Holder:
    """Issue a certificate. Without `issuer` it is self-signed; `usages=None` leaves keyUsage out."""
    key = key or ec_key()
    subject = name_of(common_name)
    by_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
    )
    if ca:
        usages = frozenset({"key_cert_sign", "crl_sign"})
    if usages is not None:
        usage = x509.KeyUsage(**{name: name in usages for name in _ALL_USAGES})
        builder = builder.add_extension(usage, critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    is_ed25519 = isinstance(by_key, ed25519.Ed25519PrivateKey)
    certificate = builder.sign(by_key, None if is_ed25519 else hashes.SHA256())
    return Holder(key, certificate)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def revocation_list(
    issuer: Holder,
    revoked: Sequence[x509.Certificate] = (),
    *,
    at: datetime = NOW - timedelta(hours=1),
    until: datetime | None = NOW + timedelta(days=1),
    revoked_at: datetime | None = None,
    reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
    name: x509.Name | None = None,
    number: int = 1,
) -> bytes:
    """A revocation list as DER, in force from `at` to `until`. What is on it was revoked a day before, unless told."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name or issuer.certificate.subject)
        .last_update(at)
        .next_update(until or at)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for certificate in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial_number)
            .revocation_date(revoked_at or at - timedelta(days=1))
            .add_extension(x509.CRLReason(reason), critical=False)
            .build()
        )
        builder = builder.add_revoked_certificate(entry)
    return der(builder.sign(issuer.key, hashes.SHA256()))


class Pki:
    """Root, authority, leaves, lists. Leaves are made when first asked for."""

    def __init__(self) -> None:
        self.root = issue("Gốc kiểm thử", ca=True)
        self.authority = issue("CA kiểm thử", self.root, ca=True, path_length=0)
        self.other_root = issue("Gốc lạ", ca=True)
        self._agencies: dict[str, Holder] = {}

    # --- leaves

    def holder(self, code: str) -> Holder:
        """The certificate of an agency, one for each code. keyUsage digitalSignature."""
        if code not in self._agencies:
            self._agencies[code] = issue(f"Cơ quan {code}", self.authority)
        return self._agencies[code]

    def agency(self, code: str) -> KeySigner:
        """A signer for an agency: ECDSA P-256, good at `NOW`."""
        return self.holder(code).signer()

    @cached_property
    def good(self) -> Holder:
        return issue("Tốt", self.authority)

    @cached_property
    def rsa(self) -> Holder:
        return issue("RSA", self.authority, key=rsa_key())

    @cached_property
    def ed25519(self) -> Holder:
        return issue("Ed25519", self.authority, key=ed25519.Ed25519PrivateKey.generate())

    @cached_property
    def non_repudiation(self) -> Holder:
        """Like those of Ban Cơ yếu: nonRepudiation and nothing else."""
        return issue("Chống chối bỏ", self.authority, usages=frozenset({"content_commitment"}))

    @cached_property
    def expired(self) -> Holder:
        return issue("Hết hạn", self.authority, validity=(NOW - 2 * YEAR, NOW - timedelta(seconds=1)))

    @cached_property
    def not_yet_valid(self) -> Holder:
        """By a second more than what waits for its time."""
        begins = NOW + timedelta(days=1, seconds=1)
        return issue("Chưa có hiệu lực", self.authority, validity=(begins, NOW + YEAR))

    @cached_property
    def revoked(self) -> Holder:
        return issue("Bị thu hồi", self.authority)

    @cached_property
    def wrong_usage(self) -> Holder:
        return issue("Sai mục đích", self.authority, usages=frozenset({"key_encipherment"}))

    @cached_property
    def weak(self) -> Holder:
        return issue("Khóa yếu", self.authority, key=rsa_key(1024))

    @cached_property
    def from_other_root(self) -> Holder:
        return issue("Người lạ", self.other_root)

    # --- what to believe

    def crls(self, at: datetime = NOW - timedelta(hours=1), until: datetime = NOW + timedelta(days=1)) -> Lists:
        """The lists of the root and of the authority, in force from `at` to `until`; the latter has `revoked` on it."""
        return (
            revocation_list(self.root, at=at, until=until),
            revocation_list(self.authority, [self.revoked.certificate], at=at, until=until),
        )

    def trust_with(self, *crls: bytes) -> Trust:
        return Trust((self.root.der,), (self.authority.der,), crls)

    @cached_property
    def trust(self) -> Trust:
        """Fresh lists at `NOW`."""
        return self.trust_with(*self.crls())

    @cached_property
    def live_trust(self) -> Trust:
        """Lists that hold at any clock a test can have."""
        return self.trust_with(*self.crls(at=WIDE[0] + timedelta(days=1), until=WIDE[1]))

    @cached_property
    def stale_trust(self) -> Trust:
        return self.trust_with(*self.crls(at=NOW - timedelta(days=9), until=NOW - timedelta(days=8)))

    @cached_property
    def trust_without_lists(self) -> Trust:
        return self.trust_with()

    # --- TLS

    @property
    def ca_pem(self) -> bytes:
        """What a TLS client or server of the tests trusts: root and authority."""
        return pem(self.root.certificate) + pem(self.authority.certificate)

    def tls_server(self, name: str = "localhost") -> tuple[bytes, bytes]:
        """Certificate chain and key (PEM) for a server at `name`, localhost and 127.0.0.1."""
        hosts = tuple(dict.fromkeys((name, "localhost", "127.0.0.1")))
        return self._tls(name, ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    def tls_client(self, name: str) -> tuple[bytes, bytes]:
        """Certificate chain and key (PEM) for a client called `name` (its CN)."""
        return self._tls(name, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def _tls(self, name: str, purpose: ObjectIdentifier, hosts: Sequence[str]) -> tuple[bytes, bytes]:
        certificate, key = issue(name, self.authority, purposes=[purpose], hosts=hosts).pems()
        return certificate + pem(self.authority.certificate), key


@cache
def pki() -> Pki:
    """The PKI of this test run."""
    return Pki()
