"""The octets of a leaf and of a commitment, pinned: an old log must verify with new code.

A vector here never changes. A new form gets a new version number and new vectors beside these.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.canonical import canonical
from axis.core.entry import ENTRY_MEANING, commitment, leaf
from axis.core.merkle import leaf_hash
from axis.core.model import EntryKind, LogEntry
from tests.factories_core import not_signed, passed
from tests.unit.core.world import NONCE

AT = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)
ACCEPTED = LogEntry(
    EntryKind.ACCEPTED,
    AT,
    "dms-10",
    "0f3c",
    {"sender": "H99.10", "recipients": ["H99.20", "G09"], "hops": [], "sub_indication": None, "n": 3, "b": True},
)

LEAVES = [
    (
        LogEntry(EntryKind.STARTED, AT, "province-99", ""),
        b'{"actor":"province-99","at":"2026-11-23T01:02:03.000004Z","facts":{},"kind":"started","subject":"","v":1}',
        "24948c10402e4b87a6ad5be1035c9c2fb3a8e08edf03ff8df914644a6f5c90d2",
    ),
    (
        ACCEPTED,
        (
            b'{"actor":"dms-10","at":"2026-11-23T01:02:03.000004Z","facts":{"b":true,"hops":[],"n":3,"recipients":'
            b'["H99.20","G09"],"sender":"H99.10","sub_indication":null},"kind":"accepted","subject":"0f3c","v":1}'
        ),
        "106cf90186fd70611196c4d99d845aaff17c57149ad56160579277d765853152",
    ),
]

COMMITMENTS = [  # nonce, name, value, SHA-256 in hex
    ("00" * 32, "document_id", "", "17489006fe0f89256aaa69bf66ac990c3e48d605c59f76ae4340ed85106906ea"),
    (
        "00" * 32,
        "document_id",
        "H99.10,2026/11/23,12/UBND-VP",
        "0d2b13c5cdc18f77102c390b2f9cd774ecfd2de5cc3a645e32621bb9f2e1619d",
    ),
    (NONCE, "verdict", '{"văn bản":1}', "75dd949d2ddce70612264ba71d18d15c9b8d2f373ce929ae3968bdd8d2e3edc6"),
]


@pytest.mark.parametrize(("entry", "octets", "hashed"), LEAVES)
def test_a_leaf_has_the_same_octets_and_hash_for_ever(entry: LogEntry, octets: bytes, hashed: str) -> None:
    assert leaf(entry) == octets
    assert leaf_hash(leaf(entry)).hex() == hashed


@pytest.mark.parametrize(("nonce", "name", "value", "expected"), COMMITMENTS)
def test_a_commitment_has_the_same_value_for_ever(nonce: str, name: str, value: str, expected: str) -> None:
    assert commitment(nonce, name, value) == expected
    by_hand = b"axis/v1/commitment\x00" + bytes.fromhex(nonce) + name.encode() + b"\x00"
    assert hashlib.sha256(by_hand + hashlib.sha256(value.encode()).digest()).hexdigest() == expected


def test_a_leaf_tells_its_time_in_utc() -> None:
    vietnam = ACCEPTED._replace(at=AT.astimezone(timezone(timedelta(hours=7))))
    assert leaf(vietnam) == leaf(ACCEPTED)


def test_a_leaf_stays_below_64_kib() -> None:
    """An entry bundle has 16 bits for a length (C2SP tlog-tiles)."""
    empty = len(leaf(ACCEPTED._replace(facts={"x": ""})))
    assert len(leaf(ACCEPTED._replace(facts={"x": "a" * (65_535 - empty)}))) == 65_535
    with pytest.raises(ValueError, match=r"65,535"):
        leaf(ACCEPTED._replace(facts={"x": "a" * (65_536 - empty)}))


@given(st.sampled_from(["kind", "actor", "subject", "facts", "at"]), st.text("ab", min_size=1, max_size=3))
def test_another_entry_is_another_leaf(changed: str, text: str) -> None:
    other = {
        "kind": EntryKind.HELD,
        "actor": f"dms-10{text}",
        "subject": f"0f3c{text}",
        "facts": {**ACCEPTED.facts, text: text},
        "at": AT + timedelta(microseconds=1),
    }
    assert leaf(ACCEPTED._replace(**{changed: other[changed]})) != leaf(ACCEPTED)


hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
names = st.sampled_from(["document_id", "package", "bytes", "verdict"])


@given(st.tuples(hexes, names, st.text(max_size=20)), st.tuples(hexes, names, st.text(max_size=20)))
def test_a_commitment_binds_nonce_name_and_value(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (commitment(*one) == commitment(*other)) == (one == other)


def test_every_kind_of_entry_has_a_meaning() -> None:
    assert set(ENTRY_MEANING) == set(EntryKind)
    assert all(one.vi and one.en for one in ENTRY_MEANING.values())


def test_a_verdict_is_committed_to_in_the_canonical_form_of_what_is_stored() -> None:
    """It is written without the detour over a dictionary: the octets are the same."""
    for verdict in (passed(), not_signed()):
        odd = replace(verdict, quirks=("Số “một”", 'a "quote"\\\n'), not_covered=("\u2028",))
        assert odd.stored() == canonical(odd.to_dict())
