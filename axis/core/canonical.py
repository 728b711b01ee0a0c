"""Canonical JSON: the one byte form of a value that is signed, hashed or logged (RFC 8785 without floats)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

orjson: Any = None
with suppress(ImportError):  # an auditor needs nothing but the standard library to verify a log
    import orjson

MAX_INTEGER: Final = (1 << 53) - 1

_TEXT: Final = frozenset({str})
_SIMPLE: Final = frozenset({str, bool, type(None)})
_KNOWN: Final = frozenset({list, tuple, int})
_PLAIN: Final = _SIMPLE if orjson is None else _SIMPLE | {int}
"""What needs no look: how great an integer may be, orjson sees itself."""

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def canonical(value: Json) -> bytes:
    """`value` as RFC 8785 octets. `TypeError` for floats and anything that JSON does not know.

    Keys must be ASCII: then sorting by code point is the sorting by UTF-16 units that RFC 8785 §3.2.3 asks for.
    Integers stay within ±(2**53 - 1): beyond, RFC 8785 §3.2.2.3 would have them written as the nearest double.
    """
    _check(value)
    if orjson is None:
        return _written(value)
    octets: bytes = orjson.dumps(value, default=dict, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    return octets


def _written(value: Json) -> bytes:
    """The same octets by the standard library."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TypeError("half a character has no canonical form") from error


def _check(value: Json) -> None:
    # By exact type first: a receipt is a few dozen values, and asking each for its interfaces costs more than writing.
    kind = type(value)
    if kind in _SIMPLE:
        return
    if kind is dict or (kind not in _KNOWN and isinstance(value, Mapping)):
        if not (_TEXT.issuperset(map(type, value)) and all(map(str.isascii, value))):  # type: ignore[arg-type]
            raise TypeError("a key of canonical JSON is ASCII text")
        _check_all(value.values())  # type: ignore[union-attr]
    elif kind is list or kind is tuple or isinstance(value, list | tuple):
        _check_all(value)  # type: ignore[arg-type]
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise TypeError("an integer of canonical JSON is at most 2**53 - 1")
    elif not isinstance(value, str):
        raise TypeError(f"{kind.__name__} has no canonical form")


def _check_all(values: Collection[Json]) -> None:
    if not _PLAIN.issuperset(map(type, values)):
        for item in values:
            if type(item) not in _PLAIN:
                _check(item)
