"""Canonical JSON: the one byte form of a value that is signed, hashed or logged (RFC 8785 without floats)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

MAX_INTEGER: Final = (1 << 53) - 1

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def canonical(value: Json) -> bytes:
    """`value` as RFC 8785 octets. `TypeError` for floats and anything that JSON does not know.

    Keys must be ASCII: then sorting by code point is the sorting by UTF-16 units that RFC 8785 §3.2.3 asks for.
    Integers stay within ±(2**53 - 1): beyond, RFC 8785 §3.2.2.3 would have them written as the nearest double.
    """
    _check(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict)
    return text.encode()


def _check(value: Json) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise TypeError("an integer of canonical JSON is at most 2**53 - 1")
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise TypeError("a key of canonical JSON is ASCII text")
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    else:
        raise TypeError(f"{type(value).__name__} has no canonical form")
