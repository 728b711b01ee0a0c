"""Octets: attachments that somebody else holds, and base64 as it must be written."""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Protocol

_WHITE = b" \t\r\n"


class Octets(Protocol):
    """The decoded octets of an attachment, hashed by whoever holds them: they may be a file of many megabytes."""

    @property
    def size(self) -> int: ...

    def digest(self, name: str) -> bytes:
        """The digest under a name of `hashlib`: `sha256`, `sha384` or `sha512`."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """Octets over bytes. They are hashed once a name: what a signature was held to is what a record says of them."""

    octets: bytes
    _digests: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size(self) -> int:
        return len(self.octets)

    def digest(self, name: str) -> bytes:
        known = self._digests.get(name)
        if known is None:
            known = self._digests[name] = hashlib.new(name, self.octets).digest()
        return known


def decode_base64(text: str | None, at_most: int) -> bytes:
    """Decode canonical base64, white space allowed between characters. `ValueError` for everything else.

    Refused: foreign and URL-safe characters, missing or surplus padding, bits set beyond the last octet, more than
    `at_most` octets, more white space than text.
    """
    if not text:
        raise ValueError("no base64")
    if len(text) > 4 * at_most + 64:
        raise ValueError("too long")
    try:
        compact = text.encode("ascii").translate(None, _WHITE)
        octets = binascii.a2b_base64(compact, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    if not octets or len(octets) > at_most or binascii.b2a_base64(octets, newline=False) != compact:
        raise ValueError("not canonical base64")
    return octets
