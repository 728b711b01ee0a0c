"""Fresh ids and nonces: the only place that draws randomness for the daemon's records."""

from __future__ import annotations

import secrets
import time
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FIVE_BITS = (_ALPHABET * 8).encode()
"""A character for each octet, by its last five bits: each character for as many octets, so that none is likelier."""


def new_id() -> str:
    """26 characters: 48 bits of milliseconds, 80 random bits (the layout of a ULID, lower case).

    Sorts roughly by time, which keeps index pages together; the random part makes an id unguessable.
    """
    return _milliseconds(time.time_ns() // 1_000_000) + secrets.token_bytes(16).translate(_FIVE_BITS).decode()


@lru_cache(maxsize=16)
def _milliseconds(number: int) -> str:
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(45, -1, -5)])


def nonce() -> str:
    """32 random octets in hex: what opens the log's commitments about one document."""
    return secrets.token_hex(32)


def jitter() -> float:
    return secrets.randbelow(1_000) / 1_000
