"""Keys that one maker's chips drew from too few primes (ROCA, CVE-2017-15361): their public half tells it.

The primes of such a key are powers of 65537 modulo many small primes at once, and so is the modulus. One in some two
hundred million other moduli has that form by chance.
"""

from __future__ import annotations

from typing import Final

_GENERATOR: Final = 65537
_PRIMES: Final = tuple(p for p in range(3, 168) if all(p % q for q in range(2, p)))


def _powers(prime: int) -> frozenset[int]:
    found, power = set[int](), 1
    while power not in found:
        found.add(power)
        power = power * _GENERATOR % prime
    return frozenset(found)


_FORM: Final = tuple((prime, powers) for prime in _PRIMES if len(powers := _powers(prime)) < prime - 1)
"""The primes that tell something: modulo the others every number is a power."""


def is_roca(modulus: int) -> bool:
    """Say whether an RSA modulus has the form of the keys that can be factored. Takes microseconds."""
    return all(modulus % prime in powers for prime, powers in _FORM)
