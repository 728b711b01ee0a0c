"""The receipt: the same octets for ever, provable without us."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from axis.core.canonical import canonical
from axis.core.intake import decide_intake
from axis.core.model import Document
from axis.core.receipt import receipt
from axis.core.states import IntakeState
from tests.unit.core.world import NONCE, NOW, content, document_of, ids, network, passed, submission

# RFC 8032 §7.1, TEST 1: the secret key and its public key.
KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
PUBLIC = Ed25519PublicKey.from_public_bytes(
    bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
)

GOLDEN = (
    b'{"accepted_at":"2026-11-23T01:02:03.000004Z","bytes":4321,'
    b'"bytes_sha256":"b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1","document":"doc-1",'
    b'"document_id":"H99.10,2026/11/23,12/UBND-VP","key_id":"receipts-2026","kind":"new",'
    b'"merge_by":"2026-11-23T01:02:08.000004Z","node":"province-99",'
    b'"package_sha256":"d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1",'
    b'"policy_sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","sender":"H99.10",'
    b'"signature":"w3Lu53J1lztNMTjfes9VF8c5R+jk+Iw/aOlGw5DJiQuwzIw2A3H7IJQucpskKhO6gZBgy4JgItpaTE+aq0ZfDg==",'
    b'"state":"accepted","type":"axis-receipt","v":1,"verdict":"TOTAL-PASSED"}'
)
"""Never changes. A new form gets a new `v` and a vector of its own."""


def document() -> Document:
    return document_of(decide_intake(submission(), content(), passed(), (), {}, network(), NOW, ids("doc"), NONCE))


def issued(one: Document) -> bytes:
    return receipt(one, "province-99", timedelta(seconds=5), "receipts-2026", KEY.sign).octets


def test_a_receipt_has_the_same_octets_for_ever() -> None:
    assert issued(document()) == GOLDEN


def test_a_receipt_verifies_with_the_public_key_alone() -> None:
    body = json.loads(GOLDEN)
    signature = base64.b64decode(body.pop("signature"))
    PUBLIC.verify(signature, canonical(body))
    for key in body:
        with pytest.raises(InvalidSignature):
            PUBLIC.verify(signature, canonical({**body, key: "other"}))


@pytest.mark.parametrize("now", [IntakeState.ACCEPTED, IntakeState.REFUSED])
def test_the_receipt_of_a_held_document_says_held_whatever_became_of_it(now: IntakeState) -> None:
    held = replace(document(), state=IntakeState.HELD, receipt_state=IntakeState.HELD)
    assert issued(replace(held, state=now)) == issued(held)
    assert json.loads(issued(held))["state"] == "held"


def test_a_receipt_does_not_depend_on_what_happens_after_the_acceptance() -> None:
    later = replace(document(), crossed=True, notes=("late",), hops=(), by="other")
    assert issued(later) == GOLDEN
