"""A certification authority for development and demonstrations. Nothing that it issues is worth anything outside.

Two trees, as in the field: one for TLS, one for documents (root → issuing authority → agencies), the latter with
revocation lists. EC P-256 throughout. Keys lie unencrypted beside their certificates, mode 0600.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WARNING: Final = """\
CHỈ DÙNG ĐỂ PHÁT TRIỂN VÀ TRÌNH DIỄN. Không dùng cho văn bản thật.
FOR DEVELOPMENT AND DEMONSTRATION ONLY. Anyone who can read this folder can sign as anyone in it.
"""

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_UNIT: Final = "FOR DEVELOPMENT ONLY"
_CA_LIFE: Final = timedelta(days=3650)
_LEAF_LIFE: Final = timedelta(days=825)
_BACKDATED: Final = timedelta(days=1)
_CRL_LIFE: Final = timedelta(days=365)
_REVOKED: Final = re.compile(r"([0-9a-f]+) (\S+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, in PEM files. `fingerprint` is SHA-256 of the DER, hex."""

    certificate: Path
    key: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class DevPki:
    """The authorities in one folder. `at` is the time that new certificates and lists are issued at."""

    def __init__(self, folder: Path, at: datetime) -> None:
        """Open what `create` made; `FileNotFoundError` where there is nothing."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a zone")
        self.folder = folder
        self.at = at
        self.tls_ca = folder / "tls-ca.pem"
        self.root = folder / "root.pem"
        self.issuing = folder / "issuing.pem"
        self.crls = folder / "crls"
        self._tls = self._read("tls-ca")
        self._root = self._read("root")
        self._issuing = self._read("issuing")

    @classmethod
    def create(cls, folder: Path, at: datetime, owner: str = "") -> DevPki:
        """Make the authorities and their first revocation lists. `FileExistsError` rather than overwriting anything.

        Their names say whose they are (`owner`, else nobody's) and end in eight random digits: were the authorities of
        two nodes namesakes, a certificate of the one would be looked up under the other.
        """
        folder.mkdir(parents=True, exist_ok=True)
        mark = f"{owner[:24]} {secrets.token_hex(4)}".strip()
        tls = _self_signed(f"Axis development TLS CA {mark}", at, path_length=0)
        root = _self_signed(f"Axis development document root {mark}", at, path_length=1)
        issuing_key = ec.generate_private_key(ec.SECP256R1())
        issuing = _builder(f"Axis development issuing CA {mark}", issuing_key.public_key(), at, _CA_LIFE, root)
        issuing = issuing.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        issuing = issuing.add_extension(_usage(authority=True), critical=True)
        signed = issuing.sign(root.key, hashes.SHA256())
        for name, authority in (("tls-ca", tls), ("root", root), ("issuing", _Authority(signed, issuing_key))):
            _write(folder / f"{name}.pem", _pem(authority.certificate))
            _write(folder / f"{name}.key", _key_pem(authority.key), 0o600)
        _write(folder / "README.txt", WARNING.encode())
        pki = cls(folder, at)
        pki.write_crl()
        return pki

    def tls_server(self, name: str, hosts: tuple[str, ...] = LOOPBACK) -> Identity:
        """A server certificate for `hosts`, names or addresses."""
        return self._leaf(self._tls, "tls", name, ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    def tls_client(self, name: str) -> Identity:
        return self._leaf(self._tls, "tls", name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def signer(self, agency_code: str, name: str = "") -> Identity:
        """A document-signing certificate, as an agency has one. Which agency it speaks for, the registry says."""
        return self._leaf(self._issuing, "signers", agency_code, None, common_name=name or f"Agency {agency_code}")

    def revoke(self, identity: Identity, at: datetime | None = None) -> None:
        """Remember a document signer as revoked; `write_crl` publishes it."""
        certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
        with (self.folder / "revoked.txt").open("a") as file:
            file.write(f"{certificate.serial_number:x} {(at or self.at).isoformat()}\n")

    def write_crl(self, at: datetime | None = None) -> None:
        """Issue both lists anew, each replaced in one step, so that a reader never meets half a list."""
        self.crls.mkdir(exist_ok=True)
        now = at or self.at
        revoked = self.folder / "revoked.txt"
        lines = _REVOKED.findall(revoked.read_text()) if revoked.exists() else []
        entries = [(int(serial, 16), datetime.fromisoformat(when)) for serial, when in lines]
        self._issue_list("root", self._root, [], now)
        self._issue_list("issuing", self._issuing, entries, now)

    def _issue_list(self, name: str, by: _Authority, entries: list[tuple[int, datetime]], now: datetime) -> None:
        target = self.crls / f"{name}.crl"
        number = 1
        if target.exists():
            last = x509.load_pem_x509_crl(target.read_bytes()).extensions.get_extension_for_class(x509.CRLNumber)
            number = last.value.crl_number + 1
        builder = x509.CertificateRevocationListBuilder().issuer_name(by.certificate.subject)
        builder = builder.last_update(now).next_update(now + _CRL_LIFE)
        builder = builder.add_extension(_authority_key(by), critical=False)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for serial, when in entries:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
            builder = builder.add_revoked_certificate(entry.build())
        octets = builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        fresh = target.with_name(f".{name}.crl.new")
        fresh.write_bytes(octets)
        fresh.replace(target)

    def _leaf(
        self,
        by: _Authority,
        place: str,
        name: str,
        purpose: x509.ObjectIdentifier | None,
        hosts: tuple[str, ...] = (),
        common_name: str = "",
    ) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(common_name or name, key.public_key(), self.at, _LEAF_LIFE, by)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(authority=False, document=purpose is None), critical=True)
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
        certificate = builder.sign(by.key, hashes.SHA256())
        (self.folder / place).mkdir(exist_ok=True)
        identity = Identity(
            self.folder / place / f"{name}.pem",
            self.folder / place / f"{name}.key",
            certificate.fingerprint(hashes.SHA256()).hex(),
        )
        _write(identity.certificate, _pem(certificate))
        _write(identity.key, _key_pem(key), 0o600)
        return identity

    def _read(self, name: str) -> _Authority:
        certificate = x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())
        key = serialization.load_pem_private_key((self.folder / f"{name}.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return _Authority(certificate, key)


def write_ed25519(path: Path) -> None:
    """A fresh Ed25519 key, for receipts or the log. `FileExistsError` rather than overwriting one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, _key_pem(ed25519.Ed25519PrivateKey.generate()), 0o600)


def _self_signed(name: str, at: datetime, path_length: int) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, key.public_key(), at, _CA_LIFE, None)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return _Authority(builder.sign(key, hashes.SHA256()), key)


def _builder(
    name: str, key: ec.EllipticCurvePublicKey, at: datetime, life: timedelta, by: _Authority | None
) -> x509.CertificateBuilder:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _UNIT),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
        ]
    )
    begin = (at - _BACKDATED).replace(microsecond=0)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by.certificate.subject if by else subject)
    builder = builder.public_key(key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begin).not_valid_after(begin + life)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder if by is None else builder.add_extension(_authority_key(by), critical=False)


def _authority_key(by: _Authority) -> x509.AuthorityKeyIdentifier:
    own = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _usage(*, authority: bool, document: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=document,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, octets: bytes, mode: int = 0o644) -> None:
    """Write a new file with its mode from the first instant; never over another one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(octets)
