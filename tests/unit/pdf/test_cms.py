"""The CMS in a field: one signer, signed attributes, known algorithms, and mathematics that holds (RFC 5652)."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from signing.pdf import PdfLimits, PdfOutcome
from signing.pdf.cms import DATA, read_cms
from signing.policy import IF_PRESENT
from signing.refusal import Refused
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, Holder, pki
from tests.unit.pdf.forge import (
    GOOD,
    PKCS7,
    Words,
    cms_of,
    fill,
    gap,
    judge,
    one_signature,
    only,
    openssl_cms,
    plain,
    prepared,
    sign,
    with_cms,
    words,
)

MALFORMED: Words = (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.STRUCTURE)
UNVERIFIABLE: Words = (PdfOutcome.INDETERMINATE, SubIndication.NOT_VERIFIABLE, Reason.STRUCTURE)
WEAK: Words = (PdfOutcome.INDETERMINATE, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.ALGORITHM)
WRONG: Words = (PdfOutcome.INVALID, SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE)
OTHER_DIGEST: Words = (PdfOutcome.INVALID, SubIndication.HASH_FAILURE, Reason.DIGEST)
NOBODY: Words = (PdfOutcome.INDETERMINATE, SubIndication.NO_SIGNING_CERTIFICATE_FOUND, Reason.KEYINFO)

SIGNING_TIME = cms.Time({"utc_time": NOW})
HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "md5": hashes.MD5()}


def signed(
    data: bytes,
    holder: Holder | None = None,
    *,
    hash_name: str = "sha256",
    attributes: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = list,
    algorithm: dict[str, Any] | None = None,
    pss_salt: int | None = None,
    bag: list[Any] | None = None,
    content: bytes | None = None,
    change: Callable[[dict[str, Any]], None] = lambda info: None,
    infos: int = 1,
) -> bytes:
    """A CMS made by hand, right unless told otherwise, so that it fails for the one reason."""
    holder = holder or pki().rsa
    certificate = asn1_x509.Certificate.load(holder.der)
    hasher = HASHES[hash_name]
    made = attributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [hashlib.new(hash_name, data).digest()]},
        ]
    )
    octets = cms.CMSAttributes(made).dump()
    if pss_salt is not None:
        assert isinstance(holder.key, rsa.RSAPrivateKey)
        value = holder.key.sign(octets, padding.PSS(padding.MGF1(hasher), pss_salt), hasher)
    elif isinstance(holder.key, rsa.RSAPrivateKey):
        value = holder.key.sign(octets, padding.PKCS1v15(), hasher)
    else:
        assert isinstance(holder.key, ec.EllipticCurvePrivateKey)
        value = holder.key.sign(octets, ec.ECDSA(hasher))
    default = "rsassa_pkcs1v15" if isinstance(holder.key, rsa.RSAPrivateKey) else f"{hash_name}_ecdsa"
    info: dict[str, Any] = {
        "version": "v1",
        "sid": {"issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}},
        "digest_algorithm": {"algorithm": hash_name},
        "signed_attrs": made,
        "signature_algorithm": algorithm or {"algorithm": default},
        "signature": value,
    }
    change(info)
    if info.get("signed_attrs") is None:
        info.pop("signed_attrs")
        assert isinstance(holder.key, rsa.RSAPrivateKey)
        info["signature"] = holder.key.sign(data, padding.PKCS1v15(), hasher)
    encapsulated: dict[str, Any] = {"content_type": "data"}
    if content is not None:
        encapsulated["content"] = content
    outer = cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": {
                "version": "v1",
                "digest_algorithms": [{"algorithm": hash_name}],
                "encap_content_info": encapsulated,
                "certificates": [certificate] if bag is None else bag,
                "signer_infos": [info] * infos,
            },
        }
    )
    return bytes(outer.dump())


def without(name: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda made: [attribute for attribute in made if attribute["type"] != name]


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda info: info.__setitem__(key, value)


def pss(hash_name: str, inner: str, salt: int) -> dict[str, Any]:
    return {
        "algorithm": "rsassa_pss",
        "parameters": algos.RSASSAPSSParams(
            {
                "hash_algorithm": {"algorithm": hash_name},
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": inner}},
                "salt_length": salt,
            }
        ),
    }


def with_trailer(number: int) -> dict[str, Any]:
    made = pss("sha256", "sha256", 32)
    made["parameters"]["trailer_field"] = number
    return made


@cache
def bound(hash_name: str = "", salt: int = 0) -> Holder:
    """The holder of an RSA key whose certificate binds it to RSASSA-PSS, and to a hash where one is named."""
    certificate = asn1_x509.Certificate.load(pki().rsa.der)
    content = certificate["tbs_certificate"]
    kind: dict[str, Any] = pss(hash_name, hash_name, salt) if hash_name else {"algorithm": "rsassa_pss"}
    content["subject_public_key_info"]["algorithm"] = kind
    octets = content.dump(force=True)
    assert isinstance(pki().authority.key, ec.EllipticCurvePrivateKey)
    whole = {
        "tbs_certificate": asn1_x509.TbsCertificate.load(octets),
        "signature_algorithm": certificate["signature_algorithm"],
        "signature_value": pki().authority.key.sign(octets, ec.ECDSA(hashes.SHA256())),
    }
    return Holder(pki().rsa.key, x509.load_der_x509_certificate(asn1_x509.Certificate(whole).dump()))


def certificate_of(holder: Holder) -> Any:
    return asn1_x509.Certificate.load(holder.der)


def protected(value_hash: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """With a signed attribute that says which algorithms were used (RFC 6211)."""
    said = {"digest_algorithm": {"algorithm": "sha256"}, "signature_algorithm": {"algorithm": value_hash}}
    return lambda made: [*made, {"type": "cms_algorithm_protection", "values": [said]}]


MADE: dict[str, tuple[dict[str, Any], Words]] = {
    "right": ({}, GOOD),
    "right, ECDSA": ({"holder": "good"}, GOOD),
    "PSS": ({"pss_salt": 32, "algorithm": pss("sha256", "sha256", 32)}, GOOD),
    "PSS with another MGF1": ({"pss_salt": 32, "algorithm": pss("sha256", "sha1", 32)}, WEAK),
    "PSS without salt": ({"pss_salt": 0, "algorithm": pss("sha256", "sha256", 0)}, WEAK),
    "PSS with another trailer": ({"pss_salt": 32, "algorithm": with_trailer(2)}, WEAK),
    "PSS with a key for nothing else": (
        {"holder": ("",), "pss_salt": 32, "algorithm": pss("sha256", "sha256", 32)},
        GOOD,
    ),
    "PSS with a key for this hash": (
        {"holder": ("sha256", 32), "pss_salt": 32, "algorithm": pss("sha256", "sha256", 32)},
        GOOD,
    ),
    "PSS with a key for another hash": (
        {"holder": ("sha512", 64), "pss_salt": 32, "algorithm": pss("sha256", "sha256", 32)},
        WEAK,
    ),
    "PSS with a key for a longer salt": (
        {"holder": ("sha256", 40), "pss_salt": 32, "algorithm": pss("sha256", "sha256", 32)},
        WEAK,
    ),
    "another padding than the key is for": ({"holder": ("",)}, WEAK),
    "SHA-1": ({"hash_name": "sha1"}, WEAK),
    "MD5": ({"hash_name": "md5"}, WEAK),
    "a digest with SHA-256, a value with SHA-1": ({"algorithm": {"algorithm": "sha1_rsa"}}, WEAK),
    "ECDSA said, RSA key": ({"algorithm": {"algorithm": "sha256_ecdsa"}}, WEAK),
    "a digest with SHA-256, a value with SHA-512": ({"algorithm": {"algorithm": "sha512_rsa"}}, WEAK),
    "DSA": ({"algorithm": {"algorithm": "sha256_dsa"}}, WEAK),
    "an unknown algorithm": ({"algorithm": {"algorithm": "1.2.3.4"}}, WEAK),
    "another messageDigest": (
        {
            "attributes": lambda made: [
                *without("message_digest")(made),
                {"type": "message_digest", "values": [b"\0" * 32]},
            ]
        },
        OTHER_DIGEST,
    ),
    "another value": ({"change": put("signature", b"\x01" * 256)}, WRONG),
    "an empty value": ({"change": put("signature", b"")}, WRONG),
    "no signed attributes": ({"change": put("signed_attrs", None)}, UNVERIFIABLE),
    "no messageDigest": ({"attributes": without("message_digest")}, MALFORMED),
    "no contentType": ({"attributes": without("content_type")}, MALFORMED),
    "messageDigest twice": ({"attributes": lambda made: [*made, made[1]]}, MALFORMED),
    "another contentType": (
        {"attributes": lambda made: [{"type": "content_type", "values": ["signed_data"]}, made[1]]},
        MALFORMED,
    ),
    "the algorithms that were signed": ({"attributes": protected("rsassa_pkcs1v15")}, GOOD),
    "another algorithm than the signed one": ({"attributes": protected("sha512_rsa")}, MALFORMED),
    "signing time twice": (
        {"attributes": lambda made: [*made, *[{"type": "signing_time", "values": [SIGNING_TIME]}] * 2]},
        MALFORMED,
    ),
    "more attributes than are read": (
        {"attributes": lambda made: [*made, *({"type": f"1.2.3.{n}", "values": []} for n in range(32))]},
        (PdfOutcome.INDETERMINATE, SubIndication.POLICY_PROCESSING_ERROR, Reason.LIMIT),
    ),
    "no SignerInfo": ({"infos": 0}, MALFORMED),
    "two SignerInfos": ({"infos": 2}, MALFORMED),
    "content inside": ({"content": b"something else"}, MALFORMED),
    "no certificate": ({"bag": []}, NOBODY),
    "another's certificate only": ({"bag": "good"}, NOBODY),
    "the certificates of the chain too": ({"bag": "chain"}, GOOD),
    "too many certificates": (
        {"bag": "many"},
        (PdfOutcome.INDETERMINATE, SubIndication.POLICY_PROCESSING_ERROR, Reason.LIMIT),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_cms_with(name: str) -> None:
    options, expected = MADE[name]
    options = {**options}
    if "holder" in options:
        holder = options["holder"]
        options["holder"] = getattr(pki(), holder) if isinstance(holder, str) else bound(*holder)
    bags = {
        "good": [pki().good],
        "chain": [pki().rsa, pki().authority, pki().root],
        "many": [pki().rsa, *(pki().holder(f"H{number}") for number in range(20))],
    }
    if isinstance(options.get("bag"), str):
        options["bag"] = [certificate_of(holder) for holder in bags[options["bag"]]]
    room = 65_536 if len(options.get("bag") or ()) > 3 else 16_384
    signature = only(judge(prepared(plain(), lambda data: signed(data, **options), room=room)))
    assert words(signature) == expected, signature.verdict.checks[-1]
    assert (signature.verdict.signer is not None) == (expected == GOOD)


@pytest.mark.parametrize("infos", [0, 2])
def test_a_cms_by_itself_has_one_signer(infos: int) -> None:
    """Tokens come this way only; a field's CMS is read by pyHanko as well."""
    with pytest.raises(Refused) as refused:
        read_cms(signed(b"", infos=infos), DATA, IF_PRESENT, PdfLimits())
    assert refused.value.reason is Reason.STRUCTURE
    assert "SignerInfo" in refused.value.observed


def test_unsigned_attributes_change_nothing() -> None:
    """They are covered by nothing and may be added by anybody."""

    def add(info: cms.ContentInfo) -> None:
        signer = info["content"]["signer_infos"][0]
        signer["unsigned_attrs"] = [{"type": "1.2.3.4.5", "values": [core.OctetString(b"anything")]}]

    assert words(only(judge(with_cms(one_signature(), add)))) == GOOD


def test_a_signed_attribute_that_was_added() -> None:
    def add(info: cms.ContentInfo) -> None:
        attributes = info["content"]["signer_infos"][0]["signed_attrs"]
        attributes.append({"type": "1.2.3.4.5", "values": [core.OctetString(b"anything")]})

    assert words(only(judge(with_cms(one_signature(), add)))) == WRONG


def test_a_certificate_exchanged_for_one_with_the_same_name_and_serial() -> None:
    """signing-certificate-v2 names the certificate by its digest (RFC 5035 §4); issuer and serial name anybody's."""
    from tests.pki import issue

    mine = pki().good
    twin = issue("Tốt", pki().authority, serial=mine.certificate.serial_number)

    def swap(info: cms.ContentInfo) -> None:
        info["content"]["certificates"] = [certificate_of(twin)]

    octets = one_signature()
    assert words(only(judge(with_cms(octets, swap)))) == NOBODY

    def both(info: cms.ContentInfo) -> None:
        info["content"]["certificates"] = [certificate_of(twin), certificate_of(mine)]

    assert words(only(judge(with_cms(octets, both)))) == NOBODY


@pytest.mark.parametrize("name", ["adbe.pkcs7.sha1", "adbe.x509.rsa_sha1"])
def test_a_sub_filter_that_means_sha1(name: str) -> None:
    octets = one_signature().replace(b"/ETSI.CAdES.detached", f"/{name}".encode().ljust(20))
    assert words(only(judge(octets))) == WEAK


@pytest.mark.parametrize("name", ["", "/X.unknown", "(text)", "null"])
def test_a_sub_filter_that_nobody_knows(name: str) -> None:
    octets = one_signature().replace(b"/ETSI.CAdES.detached", name.encode().ljust(20))
    verdict = judge(octets)
    assert verdict.outcome is not PdfOutcome.VALID
    if name.startswith("/"):
        assert words(only(verdict)) == UNVERIFIABLE


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30\x00",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x04\x04junk",
        b"\x30" * 4000,
        b"\x30\x80" * 2000,
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
        b"\x00" * 64,
    ],
)
def test_octets_that_are_no_cms(octets: bytes) -> None:
    signature = only(judge(prepared(plain(), lambda data: octets)))
    assert words(signature) == MALFORMED


@pytest.mark.faults
def test_every_octet_of_the_cms_matters_or_is_not_signed() -> None:
    """Each octet turned over, one at a time: never a pass with another signer, never an exception."""
    octets = sign(plain(), pki().rsa, sub_filter=PKCS7)
    left, right = gap(octets)
    value = cms_of(octets).rstrip(b"\0")
    bad = 0
    for place in range(0, len(value), 7):
        changed = value[:place] + bytes([value[place] ^ 0x41]) + value[place + 1 :]
        verdict = judge(fill(octets, changed, left, right))
        if verdict.outcome is PdfOutcome.VALID:
            signer = only(verdict).verdict.signer
            assert signer is not None
            assert signer.certificate == pki().rsa.sha256
        else:
            bad += 1
    assert bad > len(value) // 7 // 2


def test_openssl_without_attributes(tmp_path: Path) -> None:
    """`-noattr` signs the octets themselves, which could be attributes of another message just as well."""
    signature = only(judge(prepared(plain(), openssl_cms(pki().rsa, tmp_path, "-noattr"))))
    assert words(signature) == UNVERIFIABLE


def test_openssl_with_sha1(tmp_path: Path) -> None:
    signature = only(judge(prepared(plain(), openssl_cms(pki().rsa, tmp_path, "-md", "sha1"))))
    assert words(signature) == WEAK


def test_openssl_over_other_octets(tmp_path: Path) -> None:
    make = openssl_cms(pki().rsa, tmp_path)
    assert words(only(judge(prepared(plain(), lambda data: make(data + b" "))))) == OTHER_DIGEST


def test_openssl_with_two_signers(tmp_path: Path) -> None:
    from tests.pki import key_pem, pem

    (tmp_path / "two.pem").write_bytes(pem(pki().good.certificate))
    (tmp_path / "two.key").write_bytes(key_pem(pki().good.key))
    make = openssl_cms(pki().rsa, tmp_path, "-signer", "two.pem", "-inkey", "two.key")
    assert words(only(judge(prepared(plain(), make)))) == MALFORMED


def test_openssl_with_the_content_inside(tmp_path: Path) -> None:
    make = openssl_cms(pki().rsa, tmp_path, "-nodetach")
    assert words(only(judge(prepared(plain(), make, room=16384)))) == MALFORMED
