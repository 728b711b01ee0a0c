"""Fresh ids and nonces: the only place that draws randomness for the daemon's records."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_id() -> str:
    """26 characters: 48 bits of milliseconds, 80 random bits (the layout of a ULID, lower case).

    Sorts roughly by time, which keeps index pages together; the random part makes an id unguessable.
    """
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(secrets.token_bytes(10))
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def nonce() -> str:
    """32 random octets in hex: what opens the log's commitments about one document."""
    return secrets.token_hex(32)


def jitter() -> float:
    return secrets.randbelow(1_000) / 1_000
