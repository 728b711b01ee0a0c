"""Names as RFC 5280 §7.1 compares them: without regard to case, white space, and the kind of string."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from cryptography import x509

NameKey = tuple[frozenset[tuple[str, str | bytes]], ...]
"""A distinguished name in the form in which two equal ones are equal."""

Token = tuple[str, object]
"""A GeneralName in such a form."""


@lru_cache(maxsize=1024)
def name_key(name: x509.Name) -> NameKey:
    return tuple(rdn_key(rdn) for rdn in name.rdns)


def rdn_key(rdn: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str | bytes]]:
    return frozenset((attribute.oid.dotted_string, _folded(attribute.value)) for attribute in rdn)


def token(name: x509.GeneralName) -> Token:
    if isinstance(name, x509.DirectoryName):
        return ("directory", name_key(name.value))
    return (type(name).__name__, name.value)


def tokens(names: Iterable[x509.GeneralName]) -> frozenset[Token]:
    return frozenset(token(name) for name in names)


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
