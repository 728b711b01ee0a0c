"""The Merkle tree of the signature log: hashes, frontier, inclusion and consistency proofs (RFC 6962 §2.1).

A tree of `size` leaves is never held as a whole. What walks through it asks a `Nodes` function for the hash of a
*perfect* subtree: level 0 are the leaf hashes, `(level, index)` covers the leaves
`[index << level, (index + 1) << level)`. Tiles on disk answer such questions (`axis.log.files`), tests answer them from
a list. Verification follows RFC 9162 §2.1.3.2 and §2.1.4.2, which spell out what RFC 6962 leaves to the reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962 §2.1)."""

Nodes = Callable[[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf): the prefix keeps a leaf from passing for a node (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that must be remembered of a tree in order to grow it: the perfect subtrees it is made of, largest first.

    There is one peak for each bit of `size`, so a frontier is at most 63 hashes.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.peaks):
            raise ValueError("a frontier has one peak for each bit of its size")

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes were appended in order."""
        size, peaks = self.size, list(self.peaks)
        for hashed in leaf_hashes:
            below = size
            while below & 1:  # a subtree of the same size stands to the left: the two become one
                hashed = node_hash(peaks.pop(), hashed)
                below >>= 1
            peaks.append(hashed)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        hashed = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            hashed = node_hash(peak, hashed)
        return hashed


def frontier_of(size: int, nodes: Nodes) -> Frontier:
    """The frontier of a stored tree, from at most 63 of its nodes."""
    peaks, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append(nodes(level, start >> level))
            start += 1 << level
    return Frontier(size, tuple(peaks))


def root_of(size: int, nodes: Nodes) -> bytes:
    """MTH(D[0:size]) of a stored tree, by the recursion of RFC 6962 §2.1 (not by way of a `Frontier`)."""
    return _range(0, size, nodes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """PATH(index, D[0:size]): the siblings on the way up, the leaf's own first (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of that size")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_range(middle, high, nodes))
            high = middle
        else:
            proof.append(_range(low, middle, nodes))
            low = middle
    proof.reverse()
    return proof


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """PROOF(old, D[0:new]): what proves that the first `old` leaves did not change (RFC 6962 §2.1.2).

    Empty when nothing is to be proved: `old` is 0 or `new`.
    """
    if not 0 <= old <= new:
        raise ValueError("a tree only grows")
    if old in {0, new}:
        return []
    proof: list[bytes] = []
    low, high, whole = 0, new, True  # `whole`: D[low:old] is all of the old tree, whose root the verifier has
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range(middle, high, nodes))
            high = middle
        else:
            proof.append(_range(low, middle, nodes))
            low, whole = middle, False
    if not whole:
        proof.append(_range(low, high, nodes))
    proof.reverse()
    return proof


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether `proof` shows that the leaf hash `leaf` stands at `index` in the tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(proof):
        return False
    position, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = node_hash(sibling, hashed)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether `proof` shows that the tree `new` begins with the tree `old` (RFC 9162 §2.1.4.2).

    The empty tree is the beginning of every tree; its root is known and needs no proof.
    """
    if not 0 <= old <= new or not _are_hashes(proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:  # a perfect old tree is a node of the new one; its root is not repeated in the proof
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    was = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and was == old_root and now == new_root


def _split(count: int) -> int:
    """The largest power of two below `count` (RFC 6962 §2.1, k < n <= 2k)."""
    return 1 << (count - 1).bit_length() - 1


def _range(low: int, high: int, nodes: Nodes) -> bytes:
    """MTH(D[low:high]), where `low` is a multiple of the subtree that begins there."""
    count = high - low
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes(level, low >> level)
    middle = low + _split(count)
    return node_hash(_range(low, middle, nodes), _range(middle, high, nodes))


def _are_hashes(proof: Sequence[bytes]) -> bool:
    return all(len(item) == HASH_BYTES for item in proof)
