"""Octets that were made and not stored: a status written out, a copy for one peer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from axis.core.model import PayloadRef


@dataclass(frozen=True, slots=True)
class Made:
    """A `Payload` over octets at hand: out of a file, or made anew each time from stored facts, the same each time."""

    octets: bytes

    @property
    def ref(self) -> PayloadRef:
        return PayloadRef(hashlib.sha256(self.octets).hexdigest(), len(self.octets))

    @property
    def place(self) -> bytes | str:
        return self.octets

    def digest(self, name: str) -> bytes:
        return hashlib.new(name, self.octets).digest()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self.octets

    async def read(self) -> bytes:
        return self.octets
