"""Policies are data with a name and a hash; octets are decoded in one way only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import algorithm as names
from signing.octets import decode_base64
from signing.policy import IF_PRESENT, LEGACY, OWN_NETWORK, Mode
from signing.refusal import BLOCK, MEANING
from signing.verdict import Reason, SubIndication
from tests.unit.signing.forge import by_parts, enveloped, refused


def test_the_hash_names_the_content_of_a_policy() -> None:
    assert len({policy.sha256 for policy in (OWN_NETWORK, IF_PRESENT, LEGACY)}) == 3
    assert replace(OWN_NETWORK).sha256 == OWN_NETWORK.sha256
    assert replace(OWN_NETWORK, min_rsa_bits=3072).sha256 != OWN_NETWORK.sha256
    assert [policy.mode for policy in (OWN_NETWORK, IF_PRESENT, LEGACY)] == list(Mode)


def test_no_policy_names_an_algorithm_that_must_never_be() -> None:
    for name in (*names.SIGNATURES, *names.DIGESTS):
        assert not any(weak in name.lower() for weak in ("sha1", "md5", "hmac", "dsa-sha1", "ripemd"))


def test_every_reason_of_a_refusal_has_its_words() -> None:
    elsewhere = {Reason.GOOD, Reason.UNSIGNED, Reason.NOT_BOUND}
    assert set(MEANING) == set(BLOCK) == set(Reason) - elsewhere


def test_what_a_policy_leaves_out_is_refused() -> None:
    crypto = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
    refused(
        by_parts(),
        crypto,
        Reason.ALGORITHM,
        policy=replace(OWN_NETWORK, signature_algorithms=frozenset({names.ED25519})),
    )
    refused(
        by_parts(),
        crypto,
        Reason.ALGORITHM,
        policy=replace(OWN_NETWORK, digest_algorithms=frozenset({names.SHA512_DIGEST})),
    )
    refused(by_parts(), crypto, Reason.WEAK_KEY, policy=replace(OWN_NETWORK, curves=frozenset({"secp384r1"})))
    only_inclusive = replace(OWN_NETWORK, c14n_algorithms=frozenset({names.C14N}))
    refused(by_parts(), SubIndication.FORMAT_FAILURE, Reason.C14N, policy=only_inclusive)
    only_parts = replace(OWN_NETWORK, transforms=frozenset({names.EXC_C14N}))
    refused(enveloped(), SubIndication.FORMAT_FAILURE, Reason.TRANSFORM, policy=only_parts)
    small = replace(OWN_NETWORK, max_enveloped_bytes=100)
    refused(enveloped(), SubIndication.FORMAT_FAILURE, Reason.LIMIT, policy=small)
    shallow = replace(OWN_NETWORK, max_depth=2)
    refused(enveloped(), SubIndication.FORMAT_FAILURE, Reason.LIMIT, policy=shallow)


def test_a_policy_that_does_without_revocation() -> None:
    from tests.pki import pki

    relaxed = replace(OWN_NETWORK, require_revocation=False)
    assert by_parts().judge(policy=relaxed, trust=pki().trust_without_lists).verdict.passed
    revoked = by_parts(pki().revoked.signer()).judge(policy=relaxed)
    assert revoked.verdict.reason is Reason.REVOKED


@given(st.binary(min_size=1, max_size=100))
def test_base64_is_read_back(octets: bytes) -> None:
    from base64 import b64encode

    assert decode_base64(b64encode(octets).decode(), 100) == octets
    assert decode_base64(" " + b64encode(octets).decode() + "\r\n", 100) == octets


@pytest.mark.parametrize(
    "text",
    [None, "", " ", "=", "A", "AA", "AAA", "AA=", "AB==", "AAB=", "AA==AA==", "AA==x", "A-_=", "AÁ==", "QUJDRA=="],
)
def test_base64_in_any_other_form_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_base64(text, 3)
