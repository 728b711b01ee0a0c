"""The tree against a naive one, against published values, and against proofs that must not hold."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZES = 600
LEAVES = [b"leaf %d" % number for number in range(SIZES)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]

VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""The leaves that Google's Certificate Transparency test suites have used since 2013."""

VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@cache
def naive(leaves: tuple[bytes, ...]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def nodes(level: int, index: int) -> bytes:
    """Perfect subtrees of the 600 leaves."""
    if level == 0:
        return HASHES[index]
    return node_hash(nodes(level - 1, 2 * index), nodes(level - 1, 2 * index + 1))


ROOTS = [naive(tuple(LEAVES[:size])) for size in range(SIZES + 1)]


def test_the_roots_of_the_certificate_transparency_suites() -> None:
    for size, expected in enumerate(VECTOR_ROOTS, 1):
        assert Frontier().extend(map(leaf_hash, VECTOR_LEAVES[:size])).root().hex() == expected


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == hashlib.sha256().digest() == root_of(0, nodes)


def test_frontier_and_recursion_agree_with_the_naive_tree() -> None:
    frontier = Frontier()
    for size in range(SIZES + 1):
        assert frontier.root() == ROOTS[size]
        assert root_of(size, nodes) == ROOTS[size]
        assert frontier_of(size, nodes) == frontier
        if size < SIZES:
            frontier = frontier.extend([HASHES[size]])


def test_a_published_inclusion_path() -> None:
    """Leaf 5 of 8 of the same suites."""
    hashes = [leaf_hash(leaf) for leaf in VECTOR_LEAVES]
    proof = inclusion_proof(
        5, 8, lambda level, index: naive(tuple(VECTOR_LEAVES[index << level : (index + 1) << level]))
    )
    assert [item.hex() for item in proof] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert verify_inclusion(5, 8, hashes[5], proof, bytes.fromhex(VECTOR_ROOTS[7]))


def test_a_published_consistency_proof() -> None:
    """From 6 to 8 of the same suites."""
    proof = consistency_proof(
        6, 8, lambda level, index: naive(tuple(VECTOR_LEAVES[index << level : (index + 1) << level]))
    )
    assert [item.hex() for item in proof] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    old, new = (bytes.fromhex(VECTOR_ROOTS[size - 1]) for size in (6, 8))
    assert verify_consistency(6, 8, old, new, proof)


def test_every_inclusion_proof_of_the_small_trees_holds_for_its_leaf_only() -> None:
    for size in range(1, 66):
        for index in range(size):
            proof = inclusion_proof(index, size, nodes)
            assert verify_inclusion(index, size, HASHES[index], proof, ROOTS[size])
            for other in range(size):
                if other != index:
                    assert not verify_inclusion(other, size, HASHES[other], proof, ROOTS[size])
                    assert not verify_inclusion(other, size, HASHES[index], proof, ROOTS[size])
                    assert not verify_inclusion(index, size, HASHES[other], proof, ROOTS[size])


def test_every_consistency_proof_of_the_small_trees_holds_for_its_sizes_only() -> None:
    for new in range(66):
        for old in range(new + 1):
            proof = consistency_proof(old, new, nodes)
            assert verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)
            for other in range(new + 1):
                if other != old:
                    if proof:
                        assert not verify_consistency(other, new, ROOTS[other], ROOTS[new], proof)
                    assert not verify_consistency(old, new, ROOTS[other], ROOTS[new], proof)


SIZE = st.integers(1, SIZES)


@given(data=st.data(), size=SIZE)
def test_an_inclusion_proof_fails_for_another_leaf_size_root_or_with_a_flipped_bit(
    data: st.DataObject, size: int
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes)
    assert verify_inclusion(index, size, HASHES[index], proof, ROOTS[size])
    other = data.draw(SIZE.filter(lambda item: item != size))
    assert not verify_inclusion(index, other, HASHES[index], proof, ROOTS[other])
    assert not verify_inclusion(index, size, HASHES[index], proof, ROOTS[other])
    assert not verify_inclusion(index, size, HASHES[index], [*proof, EMPTY_ROOT], ROOTS[size])
    if proof:
        place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[place], "big") ^ 1 << bit).to_bytes(32, "big")
        assert not verify_inclusion(
            index, size, HASHES[index], [*proof[:place], flipped, *proof[place + 1 :]], ROOTS[size]
        )
        assert not verify_inclusion(index, size, HASHES[index], proof[:-1], ROOTS[size])
        assert not verify_inclusion(index, size, HASHES[index], [proof[0][:-1], *proof[1:]], ROOTS[size])


@given(data=st.data(), new=st.integers(2, SIZES))
def test_a_consistency_proof_fails_for_another_root_or_with_a_flipped_bit(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new - 1))
    proof = consistency_proof(old, new, nodes)
    assert verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)
    other = data.draw(SIZE.filter(lambda item: item not in {old, new}))
    assert not verify_consistency(old, new, ROOTS[other], ROOTS[new], proof)
    assert not verify_consistency(old, new, ROOTS[old], ROOTS[other], proof)
    assert not verify_consistency(new, old, ROOTS[new], ROOTS[old], proof)
    assert not verify_consistency(old, new, ROOTS[old], ROOTS[new], [*proof, EMPTY_ROOT])
    place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(proof[place], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not verify_consistency(old, new, ROOTS[old], ROOTS[new], [*proof[:place], flipped, *proof[place + 1 :]])
    assert not verify_consistency(old, new, ROOTS[old], ROOTS[new], proof[:-1])


def test_nothing_is_proved_about_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_proof(5, 5, nodes)
    with pytest.raises(ValueError, match="only grows"):
        consistency_proof(6, 5, nodes)
    assert not verify_inclusion(5, 5, HASHES[5], [], ROOTS[5])
    assert not verify_inclusion(-1, 5, HASHES[0], [], ROOTS[5])
    assert not verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])


def test_a_frontier_with_a_peak_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="one peak"):
        Frontier(2, (HASHES[0], HASHES[1]))
