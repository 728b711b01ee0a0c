"""Certificates that no library will make: built well, altered, and signed again by their issuer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from math import prod
from typing import Any

from asn1crypto import core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ObjectIdentifier

from signing.chain import Trust
from tests.pki import NOW, Holder, der, issue, pki, revocation_list

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def leaf(**changes: Any) -> Holder:
    return issue("lá", pki().authority, **changes)


def altered(
    change: Callable[[Any], None], issuer: Holder | None = None, of: Holder | None = None, outer: str = ""
) -> bytes:
    """The certificate of `of` with its contents changed and signed again. `outer` names another algorithm outside."""
    made: Any = asn1.Certificate.load((of or leaf()).der)
    contents = asn1.TbsCertificate.load(made["tbs_certificate"].dump())
    change(contents)
    signed = contents.dump(force=True)
    key = (issuer or pki().authority).key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = asn1.Certificate(
        {
            "tbs_certificate": asn1.TbsCertificate.load(signed),
            "signature_algorithm": {"algorithm": outer or "sha256_ecdsa"},
            "signature_value": key.sign(signed, ec.ECDSA(hashes.SHA256())),
        }
    )
    return bytes(made.dump(force=True))


def serial(number: int) -> bytes:
    return altered(lambda contents: contents.__setitem__("serial_number", number))


def version_1() -> bytes:
    def change(contents: Any) -> None:
        contents["version"] = "v1"
        contents["extensions"] = None

    return altered(change)


def extension_twice() -> bytes:
    def change(contents: Any) -> None:
        contents["extensions"].append(contents["extensions"][0].copy())

    return altered(change)


def with_key(modulus: int, exponent: int = 65537) -> Holder | bytes:
    """A certificate for a public key that nobody needs to have: what is weak about a key shows without its holder."""
    info = asn1.Certificate.load(leaf().der)["tbs_certificate"]["subject_public_key_info"].__class__
    made = info(
        {
            "algorithm": {"algorithm": "rsa", "parameters": core.Null()},
            "public_key": {"modulus": modulus, "public_exponent": exponent},
        }
    )
    return altered(lambda contents: contents.__setitem__("subject_public_key_info", made))


def roca() -> int:
    """A modulus of the form that the library of CVE-2017-15361 made: a power of 65537 modulo many small primes."""
    primes = [p for p in range(2, 702) if all(p % q for q in range(2, int(p**0.5) + 1))]
    many = prod(primes)
    assert 800 < many.bit_length() < 1024
    return pow(65537, 123_456_789, many) + many * ((1 << 2047) // many + 12_345)


def explicit_curve() -> bytes:
    """P-256 written out as parameters in place of its name (CVE-2020-0601)."""
    public = pki().good.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    named = bytes.fromhex("06082a8648ce3d030107")
    assert named in public
    p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
    a = "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"
    b = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"
    g = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    g += "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    n = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
    field = _tlv(0x30, bytes.fromhex("06072a8648ce3d0101") + _tlv(2, b"\0" + bytes.fromhex(p)))
    curve = _tlv(0x30, _tlv(4, bytes.fromhex(a)) + _tlv(4, bytes.fromhex(b)))
    parts = (_tlv(2, b"\1"), field, curve, _tlv(4, bytes.fromhex(g)), _tlv(2, b"\0" + bytes.fromhex(n)), _tlv(2, b"\1"))
    algorithm = _tlv(0x30, bytes.fromhex("06072a8648ce3d0201") + _tlv(0x30, b"".join(parts)))
    spki = _tlv(0x30, algorithm + public[public.index(b"\x03\x42\0\4") :])

    def change(contents: Any) -> None:
        info = contents["subject_public_key_info"].__class__
        contents["subject_public_key_info"] = info.load(spki)

    return altered(change)


SMALL: Mapping[str, bytes] = {
    "order 1": bytes([1]) + bytes(31),
    "order 2": b"\xec" + b"\xff" * 30 + b"\x7f",
    "order 4": bytes(31) + b"\x80",
    "order 8": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    "order 1, not reduced": b"\xee" + b"\xff" * 31,
}
"""Public keys for which one value fits every message, or every eighth."""


def small(point: bytes) -> Callable[[], bytes]:
    def change(contents: Any) -> None:
        info = contents["subject_public_key_info"].__class__
        contents["subject_public_key_info"] = info({"algorithm": {"algorithm": "ed25519"}, "public_key": point})

    return lambda: altered(change)


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def unused_bit() -> bytes:
    """The signature's BIT STRING says that its last bit, a zero, is unused: the count is not signed."""
    octets = next(made.der for made in iter(leaf, None) if not made.der[-1] & 1)
    certificate = x509.load_der_x509_certificate(octets)
    place = len(octets) - len(certificate.signature) - 1
    return octets[:place] + b"\1" + octets[place + 1 :]


def odd_name(octets: bytes) -> bytes:
    """The organisation in every name becomes a BIT STRING, of the same length."""
    text = "Kiểm thử".encode()
    assert _tlv(0x0C, text) in octets
    return octets.replace(_tlv(0x0C, text), _tlv(0x03, b"\0" + text[1:]))


def indefinite() -> bytes:
    """BER: an outer SEQUENCE of indefinite length."""
    return b"\x30\x80" + leaf().der[4:] + b"\0\0"


def sha1_leaf() -> bytes:
    """A certificate signed with ecdsa-with-SHA1."""
    return _with_sha1(pki().good, pki().authority)


def _with_sha1(holder: Holder, issuer: Holder) -> bytes:
    """cryptography will not sign one, so the algorithm is patched in."""
    key = issuer.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    sha256_oid, sha1_oid = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    tbs = holder.certificate.tbs_certificate_bytes.replace(sha256_oid, sha1_oid, 1)
    assert tbs[:2] == b"\x30\x82"
    tbs = tbs[:2] + (len(tbs) - 4).to_bytes(2, "big") + tbs[4:]
    digest = hashes.Hash(hashes.SHA1())
    digest.update(tbs)
    signature = key.sign(digest.finalize(), ec.ECDSA(Prehashed(hashes.SHA1())))
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    body = tbs + sha1_oid + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


# --- authorities


UNKNOWN_CRITICAL = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)


@cache
def under(**changes: Any) -> tuple[Holder, Trust]:
    """A leaf under an authority of its own kind, and whom to believe then."""
    authority = issue("CA khác", pki().root, **{"ca": True, **changes})
    return issue("lá", authority), trusting(authority)


def trusting(*authorities: Holder) -> Trust:
    """The root, these authorities under it, and a list of each."""
    lists = [revocation_list(one) for one in authorities if not isinstance(one.key, rsa.RSAPrivateKey)]
    return Trust((pki().root.der,), [one.der for one in authorities], (pki().crls()[0], *lists))


@cache
def under_a_leaf() -> tuple[Holder, Trust]:
    """Issued with a leaf's key, the leaf's certificate among the authorities."""
    return issue("con", pki().good), Trust((pki().root.der,), (pki().authority.der, pki().good.der), pki().crls())


@cache
def under_no_issuer() -> tuple[Holder, Trust]:
    """An authority whose keyUsage does not let it issue."""
    usage = x509.KeyUsage(True, False, False, False, False, False, True, False, False)
    authority = issue("CA chỉ ký danh sách", pki().root, usages=None, more=[(usage, True)], ca=False)

    def change(contents: Any) -> None:
        for extension in contents["extensions"]:
            if extension["extn_id"].native == "basic_constraints":
                extension["extn_value"] = asn1.BasicConstraints({"ca": True})

    octets = altered(change, pki().root, authority)
    made = Holder(authority.key, x509.load_der_x509_certificate(octets))
    return issue("lá", made), trusting(made)


@cache
def under_sha1() -> tuple[Holder, Trust]:
    """An authority whose own certificate is signed with SHA-1."""
    octets = _with_sha1(pki().authority, pki().root)
    return pki().good, Trust((pki().root.der,), (octets,), pki().crls())


@cache
def too_deep() -> tuple[Holder, Trust]:
    below = issue("CA con", pki().authority, ca=True)
    return issue("cháu", below), trusting(pki().authority, below)


@cache
def long_path() -> tuple[Holder, Trust]:
    holders = [issue("g0", ca=True)]
    for number in range(1, 30):
        holders.append(issue(f"g{number}", holders[-1], ca=True))
    return issue("lá", holders[-1]), Trust((holders[0].der,), [holder.der for holder in holders[1:]])


@cache
def maze() -> tuple[Holder, Trust]:
    """Twelve authorities that all certified each other, and no root."""
    names = [issue(f"m{number}", ca=True) for number in range(12)]
    cross = [
        issue(subject.certificate.subject.rfc4514_string(), by, key=subject.key, ca=True)
        for subject in names
        for by in names
    ]
    return issue("lá", names[0]), Trust((), [holder.der for holder in cross])


def constrained(permitted: Sequence[str] = (), excluded: Sequence[str] = ()) -> tuple[x509.ExtensionType, bool]:
    def names(codes: Sequence[str]) -> list[x509.GeneralName] | None:
        attribute = x509.NameOID.COUNTRY_NAME
        return [x509.DirectoryName(x509.Name([x509.NameAttribute(attribute, code)])) for code in codes] or None

    return x509.NameConstraints(names(permitted), names(excluded)), True


@cache
def under_a_root(*more: tuple[x509.ExtensionType, bool]) -> tuple[Holder, Trust]:
    """A leaf under an authority under a root of its own kind, and whom to believe then."""
    root = issue("Gốc khác", ca=True, more=more)
    authority = issue("CA khác", root, ca=True)
    lists = (revocation_list(root), revocation_list(authority))
    return issue("lá", authority), Trust((root.der,), (authority.der,), lists)


def turned() -> bytes:
    """notBefore after notAfter."""

    def change(contents: Any) -> None:
        begins, ends = (asn1.Time({"general_time": NOW + days * DAY}) for days in (30, -30))
        contents["validity"] = asn1.Validity({"not_before": begins, "not_after": ends})

    return altered(change)


@cache
def old_authority() -> tuple[Holder, Trust]:
    return under(validity=(NOW - 700 * DAY, NOW - HOUR))


# --- lists


def entry(reason: x509.ReasonFlags | None, invalid_from: datetime | None = None) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(pki().good.certificate.serial_number)
    builder = builder.revocation_date(NOW - 5 * DAY)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if invalid_from is not None:
        builder = builder.add_extension(x509.InvalidityDate(invalid_from), critical=False)
    return builder.build()


def twice() -> Mapping[str, Sequence[x509.RevokedCertificate]]:
    """A certificate that stands on one list twice: lost nine days ago, and something milder."""
    lost = entry(x509.ReasonFlags.key_compromise, NOW - 9 * DAY)
    mild = {
        "later": entry(x509.ReasonFlags.superseded),
        "on hold": entry(x509.ReasonFlags.certificate_hold),
        "let go": entry(x509.ReasonFlags.remove_from_crl),
    }
    first = {f"first {word}": (one, lost) for word, one in mild.items()}
    return first | {f"then {word}": (lost, one) for word, one in mild.items()}


def listed(*entries: x509.RevokedCertificate, more: Sequence[tuple[x509.ExtensionType, bool]] = ()) -> Trust:
    """A list of the authority with these entries and extensions, beside a good one of the root."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(pki().authority.certificate.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(2), critical=False)
    )
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    for one in entries:
        builder = builder.add_revoked_certificate(one)
    return pki().trust_with(pki().crls()[0], der(builder.sign(pki().authority.key, hashes.SHA256())))


def scoped(*, authorities_only: bool = False, indirect: bool = False, url: str = "") -> tuple[x509.ExtensionType, bool]:
    names = [x509.UniformResourceIdentifier(url)] if url else None
    return x509.IssuingDistributionPoint(names, None, False, authorities_only, None, indirect, False), True


@cache
def two_roots() -> Trust:
    """The authority is certified by two roots; its newer key, which revokes the good leaf, by the first alone."""
    first, second, name, key = pki().root, issue("Gốc hai", ca=True), "CA kiểm thử", pki().authority.key
    renewed, crossed = issue(name, first, ca=True), issue(name, second, ca=True, key=key)
    lists = (*pki().crls(), revocation_list(second), revocation_list(renewed, [pki().good.certificate], number=2))
    between = (pki().authority.der, crossed.der, renewed.der)
    return Trust((first.der, second.der), between, lists)


@cache
def publisher() -> tuple[Holder, Holder]:
    """Who makes lists for others, and a leaf that names him for its own."""
    made = issue("Danh sách", pki().root, usages=frozenset({"crl_sign"}))
    who = [x509.DirectoryName(made.certificate.subject)]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(who, None, None, who)])
    return made, leaf(more=[(points, False)])


def pointed_away() -> Holder:
    return publisher()[1]


def indirect() -> Trust:
    """A list of his that says whose certificate it revokes, and not that this is critical (RFC 5280 §5.3.3)."""
    made, revoked = publisher()
    of = x509.CertificateIssuer([x509.DirectoryName(pki().authority.certificate.subject)])
    one = x509.RevokedCertificateBuilder().serial_number(revoked.certificate.serial_number)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(made.certificate.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + DAY)
        .add_extension(*scoped(indirect=True))
        .add_revoked_certificate(one.revocation_date(NOW - DAY).add_extension(of, critical=False).build())
    )
    lists = (*pki().crls(), der(builder.sign(made.key, hashes.SHA256())))
    return Trust((pki().root.der,), (pki().authority.der, made.der), lists)


@cache
def impostor() -> Holder:
    """Another authority of the same name."""
    return issue("CA kiểm thử", ca=True)


def by_impostor(*revoked: x509.Certificate) -> bytes:
    return revocation_list(impostor(), revoked)
