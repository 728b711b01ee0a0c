"""Keys and values: only the one form, only of keys that are strong."""

from __future__ import annotations

from base64 import b64decode, b64encode

from signing.verdict import Reason, SubIndication
from tests.unit.signing.bend import (
    VALUE,
    find,
)
from tests.unit.signing.forge import (
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
