"""Fresh ids and nonces: the only place that draws randomness for the daemon's records."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from functools import lru_cache
from typing import Final

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FIVE_BITS = (_ALPHABET * 8).encode()
"""A character for each octet, by its last five bits: each character for as many octets, so that none is likelier."""


_AT_ONCE: Final = 128
"""For how many ids octets are drawn in one call of the system: for one they cost as much as the rest of an id twice."""
_drawn: deque[str] = deque()


def new_id() -> str:
    """26 characters: 48 bits of milliseconds, 80 random bits (the layout of a ULID, lower case).

    Sorts roughly by time, which keeps index pages together; the random part makes an id unguessable.
    """
    try:
        drawn = _drawn.popleft()  # in one step: any thread may ask
    except IndexError:
        drawn = _draw()
    return _milliseconds(time.time_ns() // 1_000_000) + drawn


def _draw() -> str:
    text = secrets.token_bytes(16 * _AT_ONCE).translate(_FIVE_BITS).decode()
    first, *others = (text[place : place + 16] for place in range(0, len(text), 16))
    _drawn.extend(others)
    return first


os.register_at_fork(after_in_child=_drawn.clear)  # else a child would give the ids that its parent gives


@lru_cache(maxsize=16)
def _milliseconds(number: int) -> str:
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(45, -1, -5)])


def nonce() -> str:
    """32 random octets in hex: what opens the log's commitments about one document."""
    return secrets.token_hex(32)


def jitter() -> float:
    return secrets.randbelow(1_000) / 1_000
