"""SHA-1: only in what is proved to be old, and never in what proves it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import replace
from functools import cache

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from signing import algorithm as names
from signing.chain import Trust
from signing.policy import OWN_NETWORK
from signing.sign import sign_enveloped
from signing.timestamp import judge_token
from signing.verdict import Reason, SubIndication
from signing.xades_t import timestamp_octets
from tests.pki import NOW, Holder, issue, pki, revocation_list, rsa_key
from tests.unit.signing.forge import DS, XADES, Package, resign, unsigned_package
from tests.unit.timestamp import authority
from tests.unit.timestamp.stamped import (
    DAY,
    HOUR,
    judge,
    signed,
    stamp,
    stamped,
    words,
)

GOOD = (None, Reason.GOOD)


def old(method: str = names.RSA_SHA1, digest: str = names.SHA1_DIGEST) -> Package:
    """Signed with SHA-1 by hand, because nothing of ours does."""
    package = unsigned_package(inline=True)
    sign_enveloped(package.place, pki().rsa.signer(names.RSA_SHA256), NOW - 2 * DAY)
    for node in package.signature.iter(DS + "DigestMethod"):
        if node.getparent().tag == DS + "Reference":  # type: ignore[union-attr]
            node.set("Algorithm", digest)
    for node in package.signature.iter(DS + "SignatureMethod"):
        node.set("Algorithm", method)
    resign(package, pki().rsa.signer(names.RSA_SHA256))
    if method == names.RSA_SHA1:
        info, value = package.signature[0], package.signature[1]
        octets = etree.tostring(info, method="c14n", exclusive=True)
        value.text = b64encode(rsa_key().sign(octets, padding.PKCS1v15(), hashes.SHA1())).decode()
    return package


BEFORE_NOW = replace(OWN_NETWORK, sha1_before=NOW - HOUR)
NO_POE = (SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE, Reason.ALGORITHM)
SOMEWHERE = [
    (names.RSA_SHA1, names.SHA1_DIGEST),
    (names.RSA_SHA256, names.SHA1_DIGEST),
    (names.RSA_SHA1, names.SHA256_DIGEST),
]


@pytest.mark.parametrize(("method", "digest"), SOMEWHERE)
def test_sha1_counts_only_if_it_is_proved_to_be_old(method: str, digest: str) -> None:
    def make() -> Package:
        return old(method, digest)

    assert words(judge(stamp(make(), at=NOW - DAY), policy=BEFORE_NOW).verdict) == (*GOOD, NOW - DAY)
    assert words(judge(make(), policy=BEFORE_NOW).verdict)[:2] == NO_POE
    assert words(judge(stamp(make(), at=NOW - HOUR), policy=BEFORE_NOW).verdict)[:2] == NO_POE
    assert words(judge(stamp(make(), at=NOW - DAY), policy=BEFORE_NOW, tsa=Trust()).verdict)[:2] == NO_POE
    never = judge(stamp(make(), at=NOW - DAY)).verdict
    assert (never.sub_indication, never.reason) == (SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.ALGORITHM)


def test_a_certificate_that_is_named_by_sha1_needs_the_same_proof() -> None:
    package = signed()
    named = package.signature.find(f".//{XADES}CertDigest")
    assert named is not None
    named[0].set("Algorithm", names.SHA1_DIGEST)
    named[1].text = b64encode(hashlib.sha1(pki().good.der).digest()).decode()
    resign(package)
    assert words(judge(package, policy=BEFORE_NOW).verdict)[:2] == NO_POE
    assert judge(package).verdict.sub_indication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE
    assert words(judge(stamp(package, at=NOW - DAY), policy=BEFORE_NOW).verdict) == (*GOOD, NOW - DAY)


def test_old_sha1_is_still_checked() -> None:
    package = stamp(old(), at=NOW - DAY)
    package.header[0].text = "changed"
    assert judge(package, policy=BEFORE_NOW).verdict.reason is Reason.DIGEST
    package = old()
    package.signature[1].text = old(digest=names.SHA256_DIGEST).signature[1].text
    assert judge(stamp(package, at=NOW - DAY), policy=BEFORE_NOW).verdict.reason is Reason.VALUE


def test_md5_is_never_old_enough() -> None:
    package = stamp(old(digest="http://www.w3.org/2001/04/xmldsig-more#md5"), at=NOW - DAY)
    assert judge(package, policy=BEFORE_NOW).verdict.reason is Reason.ALGORITHM


@cache
def first_generation() -> Holder:
    """A root with an RSA key, as the authorities have that signed with SHA-1."""
    return issue("Gốc đời đầu", ca=True, key=rsa_key(2048, 1))


def made_with_sha1(like: Holder | None = None) -> Holder:
    """A certificate of the first generation, signed with SHA-1: `cryptography` makes none any more."""
    template, by = like or issue("Đời đầu", first_generation()), first_generation().key
    assert isinstance(by, rsa.RSAPrivateKey)
    certificate = asn1_x509.Certificate.load(template.der)
    certificate["tbs_certificate"]["signature"] = {"algorithm": "sha1_rsa"}
    certificate["signature_algorithm"] = {"algorithm": "sha1_rsa"}
    signed_octets = certificate["tbs_certificate"].dump(force=True)
    certificate["signature_value"] = by.sign(signed_octets, padding.PKCS1v15(), hashes.SHA1())
    return Holder(template.key, x509.load_der_x509_certificate(certificate.dump(force=True)))


def test_a_certificate_signed_with_sha1_needs_the_same_proof() -> None:
    """For certificates the date is that of the trust, which knows the generations of its authorities."""
    holder, root = made_with_sha1(), first_generation()
    crl = revocation_list(root)
    dated, never = Trust((root.der,), (), (crl,), sha1_before=NOW - HOUR), Trust((root.der,), (), (crl,))
    verdict = judge(stamped(holder), trust=dated).verdict
    assert words(verdict) == (*GOOD, NOW - DAY)
    assert "certificate-sha1-before-date" in verdict.quirks
    assert judge(stamped(holder), trust=never).verdict.reason is Reason.WEAK_KEY
    assert judge(signed(holder), trust=dated).verdict.reason is Reason.WEAK_KEY
    assert judge(stamped(holder, NOW - HOUR), trust=dated).verdict.reason is Reason.WEAK_KEY


def test_no_proof_rests_on_sha1() -> None:
    """An authority whose certificate is signed with SHA-1, or a token over one, proves nothing, however old it says."""
    octets = timestamp_octets(signed().signature)
    made = authority.token(octets, at=NOW - DAY, hash_name="sha1")
    assert judge_token(made, octets, authority.trust(), NOW, BEFORE_NOW).reason is Reason.ALGORITHM
    root = first_generation()
    old_one = made_with_sha1(authority.stamper(issuer=root))
    dated = Trust((root.der,), (), (revocation_list(root),), sha1_before=NOW)
    weak = judge_token(authority.token(octets, old_one, at=NOW - DAY), octets, dated, NOW, BEFORE_NOW)
    assert weak.reason is Reason.WEAK_KEY
