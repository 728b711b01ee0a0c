"""Keys and values: only the one form, only of keys that are strong."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from signing.algorithm import ECDSA_SHA256, PSS_SHA256, RSA_SHA256
from signing.verdict import Reason, SubIndication
from tests.pki import curve_key, issue, pki, rsa_key
from tests.unit.signing.bend import (
    INFO,
    VALUE,
    find,
    stray_bits,
)
from tests.unit.signing.forge import (
    Package,
    by_parts,
    reference_to,
    refused,
    sign_again,
)

FORMAT = SubIndication.FORMAT_FAILURE
NO_CERTIFICATE = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
CRYPTO = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
NOT_FOUND = SubIndication.SIGNED_DATA_NOT_FOUND
NOT_VERIFIABLE = SubIndication.NOT_VERIFIABLE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE


def test_d36_weak_keys() -> None:
    crypto = (CRYPTO, Reason.WEAK_KEY)
    refused(by_parts(pki().weak.signer()), *crypto)
    for curve in ("secp256k1", "secp224r1"):
        holder = issue("x", pki().authority, key=curve_key(curve))
        refused(by_parts(holder.signer(ECDSA_SHA256)), *crypto)


def test_d37_a_key_of_another_kind() -> None:
    for holder, algorithm in ((pki().rsa, ECDSA_SHA256), (pki().good, PSS_SHA256)):
        package = by_parts(holder.signer())
        find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", algorithm)
        sign_again(package, holder.signer())
        refused(package, CRYPTO, Reason.ALGORITHM)


def test_d38_values_in_other_forms() -> None:
    value = SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE

    def change(package: Package, how: Callable[[bytes], bytes]) -> Package:
        found = find(package, VALUE)
        found.text = b64encode(how(b64decode(found.text or ""))).decode()
        return package

    def as_der(octets: bytes) -> bytes:
        return encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))

    refused(change(by_parts(), as_der), *value)
    refused(change(by_parts(), lambda octets: bytes(64)), *value)
    refused(change(by_parts(), lambda octets: bytes(32) + octets[32:]), *value)
    refused(change(by_parts(), lambda octets: octets[:32] + bytes(32)), *value)
    refused(change(by_parts(), lambda octets: octets[:32] + b"\xff" * 32), *value)
    rsa = pki().rsa.signer()
    refused(change(by_parts(rsa), lambda octets: b"\0" + octets), *value)
    refused(change(by_parts(rsa), lambda octets: octets[:-1]), *value)
    refused(change(by_parts(rsa), lambda octets: b"\xff" * 256), *value)


def test_41_bits_beyond_the_last_octet() -> None:
    package = by_parts()
    found = reference_to(package, "cid:a.pdf")[-1]
    found.text = stray_bits(found.text or "")
    sign_again(package)
    refused(package, FORMAT, Reason.STRUCTURE)


def test_39_pkcs1_and_pss_values_do_not_stand_for_each_other() -> None:
    signer = pki().rsa.signer(RSA_SHA256)
    package = by_parts(signer)
    find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", PSS_SHA256)
    sign_again(package, signer)
    refused(package, SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE)


def test_the_value_is_checked_before_anything_is_digested() -> None:
    """With both wrong the value must be what is told: nothing unsigned decides what is digested."""
    package = by_parts()
    package.header[0].text = "changed"
    found = find(package, VALUE)
    found.text = b64encode(bytes(63) + b"\1").decode()
    judgement = refused(package, SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE)
    assert judgement.verdict.covered == ()
    assert judgement.verdict.signer is None


def test_the_last_octet_of_a_digest_counts() -> None:
    package = by_parts()
    value = reference_to(package, "#header")[-1]
    digest = b64decode(value.text or "")
    value.text = b64encode(digest[:-1] + bytes([digest[-1] ^ 1])).decode()
    sign_again(package)
    refused(package, SubIndication.HASH_FAILURE, Reason.DIGEST)


def test_rsa_with_an_exponent_of_three_is_weak() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa as rsa_module

    holder = issue("e3", pki().authority, key=rsa_module.generate_private_key(3, 2048))
    refused(by_parts(holder.signer(RSA_SHA256)), CRYPTO, Reason.WEAK_KEY)
    assert rsa_key().key_size == 2048
