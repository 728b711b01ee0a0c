"""Ed25519 keys that are no secret: points of order 1, 2, 4 or 8, for which one value fits every message.

RFC 8032 §5.1.7 does not ask for it, and OpenSSL takes them. Such a key proves its possession to an authority with that
same value; whoever it is certified for, anybody signs for him.
"""

from __future__ import annotations

from typing import Final

_PRIME: Final = (1 << 255) - 19
_SIGN: Final = 1 << 255
_OF_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_POINTS: Final = frozenset({0, 1, _OF_ORDER_8, _PRIME - _OF_ORDER_8, _PRIME - 1, _PRIME, _PRIME + 1})
"""Their y, also where it is not reduced; whatever the sign of x."""


def is_of_small_order(key: bytes) -> bool:
    """Say whether the 32 octets of a public key are one of those points."""
    return int.from_bytes(key, "little") & ~_SIGN in _POINTS
