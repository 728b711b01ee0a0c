"""One entry's proof as text, and receipts against the log."""

from __future__ import annotations

import json
import string
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axis.core.canonical import canonical
from axis.log.files import Damaged
from axis.log.proof import MalformedProof, parse_proof, prove_consistency, prove_inclusion
from axis.log.receipts import check_receipts, is_signed
from signing.keys import raw_public
from tests.unit.log.logs import KEYS, grow, leaves
from tests.unit.log.taken import KEY, log_of_two

LETTERS = frozenset(string.ascii_letters + string.digits + "+/")
"""Those of base64."""


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log")
    grow(path, 300, 700)
    return path / "log"


def test_a_proof_travels_as_text_and_holds_for_its_entry_only(log: Path) -> None:
    entries = leaves(0, 700)
    for index in (0, 255, 256, 511, 512, 699):
        proof = parse_proof(prove_inclusion(log, index).text)
        assert proof.holds(entries[index])
        assert not proof.holds(entries[index - 1])
        assert not replace(proof, index=(index + 1) % 700).holds(entries[index])
        assert KEYS.open(proof.head.note) == proof.head


def test_a_proof_has_the_lines_of_the_specification(log: Path) -> None:
    lines = prove_inclusion(log, 5).text.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[2] == "index 5"
    assert lines[1] == f"extra {b64encode(leaves(5, 6)[0]).decode()}"
    assert lines[lines.index("") + 1 :] == (log / "checkpoint").read_text().split("\n")


def test_the_entry_travels_with_its_proof_or_beside_it(log: Path) -> None:
    proof = prove_inclusion(log, 5)
    assert parse_proof(proof.text) == proof and proof.extra == leaves(5, 6)[0]
    beside = replace(proof, extra=None)
    assert parse_proof(beside.text) == beside and "extra" not in beside.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1", "@v2"),
        ("\nextra ", "\nextra  "),
        ("\nextra ", "\nextra Y\nextra "),
        ("index 5", "index 05"),
        ("index 5", "index -5"),
        ("index 5", "index five"),
        ("index 5\n", ""),
        ("index 5\n", "index 5\nAAAA\n"),
        ("index 5\n", "index 5\n" + "A" * 43 + "=\n" + ("A" * 43 + "=\n") * 63),
        ("\n700\n", "\n0700\n"),
        ("\n\n", "\n"),
    ],
)
def test_a_proof_has_one_spelling(log: Path, old: str, new: str) -> None:
    text = prove_inclusion(log, 5).text
    assert old in text
    with pytest.raises(MalformedProof):
        parse_proof(text.replace(old, new))


def test_a_hash_of_a_proof_has_one_spelling(log: Path) -> None:
    """The last letter of its base64 has two bits that nothing else reads."""
    text = prove_inclusion(log, 255).text
    first = text.split("\n")[3]
    assert first.endswith("=")
    for letter in LETTERS - {first[-2]}:
        changed = text.replace(first, f"{first[:-2]}{letter}=")
        try:
            assert not parse_proof(changed).holds(leaves(255, 1)[0])
        except MalformedProof:
            continue


def test_a_proof_that_does_not_hold_never_leaves(log: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        prove_inclusion(log, 700)
    with pytest.raises(Damaged, match="no checkpoint"):
        prove_inclusion(tmp_path, 0)
    grow(tmp_path, 3)
    head = tmp_path / "log/checkpoint"
    kept = head.read_text()
    for nothing in ("", "nothing\n", kept.replace("\n3\n", "\nthree\n")):
        head.write_text(nothing)
        with pytest.raises(Damaged):
            prove_inclusion(tmp_path / "log", 0)
    head.write_text(kept)
    file = tmp_path / "log/tile/entries/000.p/3"
    file.write_bytes(file.read_bytes().replace(b"dms-10", b"dms-20", 1))
    with pytest.raises(Damaged, match="do not lead"):
        prove_inclusion(tmp_path / "log", 0)


def test_nothing_to_prove_is_an_empty_proof(log: Path) -> None:
    assert prove_consistency(log, 0, 700) == prove_consistency(log, 700, 700) == []
    assert prove_consistency(log, 300, 700)


@pytest.fixture
def taken(tmp_path: Path) -> tuple[Path, list[bytes]]:
    return log_of_two(tmp_path, "province-99")


def checked(taken: tuple[Path, list[bytes]], *receipts: bytes) -> list[str]:
    return [finding.code.value for finding in check_receipts(receipts, taken[0], 3, raw_public(KEY))]


def test_each_receipt_has_the_entry_that_it_promised(taken: tuple[Path, list[bytes]]) -> None:
    assert checked(taken, *taken[1]) == []


def changed(octets: bytes, **facts: Any) -> bytes:
    body = json.loads(octets) | facts
    del body["signature"]
    return canonical(body | {"signature": b64encode(KEY.sign(canonical(body))).decode()})


def test_a_receipt_that_the_log_does_not_know_is_found(taken: tuple[Path, list[bytes]]) -> None:
    assert checked(taken, changed(taken[1][0], document="doc-9")) == ["receipt-without-leaf"]


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "held"},
        {"accepted_at": "2026-11-23T01:02:03.000005Z"},
        {"sender": "H99.20"},
        {"verdict": "TOTAL-FAILED"},
        {"policy_sha256": "00"},
        {"kind": "recall"},
    ],
)
def test_a_receipt_that_says_something_else_than_the_log_is_found(
    taken: tuple[Path, list[bytes]], facts: dict[str, str]
) -> None:
    assert checked(taken, changed(taken[1][0], **facts)) == ["receipt-mismatch"]


def test_a_receipt_that_we_did_not_sign_is_found(taken: tuple[Path, list[bytes]]) -> None:
    body = json.loads(taken[1][0]) | {"bytes": 1}
    assert checked(taken, canonical(body)) == ["receipt-signature"]
    assert checked(taken, canonical(body | {"signature": "?"})) == ["receipt-signature"]
    assert [item.code for item in check_receipts([canonical(body)], taken[0], 3)] == [], "without a key nobody can tell"


def test_the_signature_of_a_receipt_has_one_spelling(taken: tuple[Path, list[bytes]]) -> None:
    said, public = json.loads(taken[1][0]), raw_public(KEY)
    given = said["signature"]
    assert is_signed(said, public) and given.endswith("==")
    for letter in LETTERS - {given[-3]}:
        assert not is_signed({**said, "signature": f"{given[:-3]}{letter}=="}, public), letter


@pytest.mark.parametrize("octets", [b"", b"{}", b"[]", b'{"type":"axis-receipt"}', b'{"document":"doc-1","type":"x"}'])
def test_what_is_no_receipt_is_said_so(taken: tuple[Path, list[bytes]], octets: bytes) -> None:
    assert checked(taken, octets) == ["receipt-malformed"]
