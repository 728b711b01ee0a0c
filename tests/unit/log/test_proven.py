"""What one entry's proof proves without its log: to the octet, and to whose key."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from axis.core.canonical import canonical
from axis.log.files import Batch
from axis.log.heads import Head
from axis.log.key import LogKeys
from axis.log.proof import MalformedProof, Proof, parse_proof, prove_inclusion
from axis.log.proven import Proven, check_proof, check_receipt
from signing.keys import raw_public
from tests.unit.log.logs import KEYS, ORIGIN, SIGNER, STRANGER, grow, signed, writer_at
from tests.unit.log.taken import KEY, log_of_two


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    path = tmp_path_factory.mktemp("log")
    grow(path, 300)
    return prove_inclusion(path / "log", 257)


def codes(found: Proven) -> list[str]:
    return [one.code.value for one in found.findings]


def resigned(proof: Proof, note: str) -> Proof:
    return replace(proof, head=Head.read(note))


def test_what_the_log_holds_is_proved_by_its_key_alone(proof: Proof) -> None:
    found = check_proof(proof, KEYS)
    assert (codes(found), found.former) == ([], False)
    assert found.entry is not None and found.entry.subject == "ref-257"


def test_not_one_octet_of_a_proof_may_be_another(proof: Proof) -> None:
    text = proof.text
    for place, letter in enumerate(text):
        changed = f"{text[:place]}{'B' if letter == 'A' else 'A'}{text[place + 1 :]}"
        try:
            found = check_proof(parse_proof(changed), KEYS)
        except MalformedProof:
            continue
        assert found.findings and found.entry is None, f"{place}: {letter!r}"


def test_a_head_that_another_key_signed_proves_nothing(proof: Proof) -> None:
    tree = proof.head.checkpoint
    found = check_proof(resigned(proof, signed(tree.size, tree.root, STRANGER)), KEYS)
    assert codes(found) == ["checkpoint-signature"] and found.entry is None


def test_a_head_of_another_log_proves_nothing(proof: Proof) -> None:
    tree = proof.head.checkpoint
    found = check_proof(resigned(proof, signed(tree.size, tree.root, SIGNER, f"{ORIGIN}/khác")), KEYS)
    assert codes(found) == ["checkpoint-origin"] and found.entry is None


def test_a_former_key_is_told_as_that(proof: Proof) -> None:
    keys = LogKeys((STRANGER.verifier, SIGNER.verifier))
    found = check_proof(proof, keys)
    assert (codes(found), found.former) == ([], True)
    assert not check_proof(proof, LogKeys(keys.keys[::-1])).former


def test_what_is_proved_must_be_an_entry(tmp_path: Path) -> None:
    writer = writer_at(tmp_path)
    writer.open()
    writer.reconcile(0)
    writer.commit(Batch(0, (1,), (b'{"kind":"delivered"}',)))
    writer.publish()
    writer.close()
    assert codes(check_proof(prove_inclusion(tmp_path / "log", 0), KEYS)) == ["entry-malformed"]


@pytest.fixture
def taken(tmp_path: Path) -> tuple[Path, list[bytes]]:
    return log_of_two(tmp_path, ORIGIN)


def against(taken: tuple[Path, list[bytes]], number: int, index: int, **other: object) -> list[str]:
    said = json.loads(taken[1][number]) | other
    if other:
        del said["signature"]
        said["signature"] = b64encode(KEY.sign(canonical(said))).decode()
    found = check_proof(prove_inclusion(taken[0], index), KEYS)
    return [one.code.value for one in check_receipt(said, found, ORIGIN, raw_public(KEY))]


def test_a_receipt_is_held_against_the_one_entry_that_it_promised(taken: tuple[Path, list[bytes]]) -> None:
    places = [
        place for place in range(3) if b'"accepted"' in leaf_at(taken, place) or b'"held"' in leaf_at(taken, place)
    ]
    assert len(places) == 2, "acceptance and holding; the third tells the route"
    for number, place in enumerate(places):
        assert against(taken, number, place) == []
        assert against(taken, number, places[1 - number]) == ["receipt-mismatch"]
    (routed,) = {0, 1, 2} - set(places)
    assert against(taken, 0, routed) == ["receipt-mismatch"]


def leaf_at(taken: tuple[Path, list[bytes]], place: int) -> bytes:
    return prove_inclusion(taken[0], place).extra or b""


@pytest.mark.parametrize("other", [{"sender": "H99.20"}, {"state": "held"}, {"node": "truc-khac"}, {"verdict": "none"}])
def test_a_receipt_that_says_something_else_is_found(taken: tuple[Path, list[bytes]], other: dict[str, object]) -> None:
    assert against(taken, 0, 0) == []
    assert set(against(taken, 0, 0, **other)) == {"receipt-mismatch"}


def test_a_receipt_that_the_node_did_not_sign_is_found(taken: tuple[Path, list[bytes]]) -> None:
    said = json.loads(taken[1][0]) | {"bytes": 1}
    found = check_proof(prove_inclusion(taken[0], 0), KEYS)
    assert [one.code.value for one in check_receipt(said, found, ORIGIN, raw_public(KEY))] == ["receipt-signature"]
