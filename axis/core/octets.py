"""Octets as the flows meet them: on their way in, in the store, and where a judge can get at them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Protocol

from axis.core.model import PayloadRef
from schemas.gate import Raw


class Payload(Protocol):
    """Stored octets that can be read more than once, piece by piece. Verified against the digest on reading."""

    @property
    def ref(self) -> PayloadRef: ...
    def chunks(self) -> AsyncGenerator[bytes, None]: ...
    async def read(self) -> bytes: ...


class Held(Protocol):
    """Octets that lie somewhere whole, known by their digest."""

    @property
    def ref(self) -> PayloadRef: ...
    @property
    def place(self) -> bytes | str:
        """The octets themselves where they are small, otherwise the name of their file."""
        ...

    def digest(self, name: str) -> bytes:
        """Their digest under a name of `hashlib`. SHA-256 is known; for others a file is read, and the caller waits."""
        ...


class AtHand(Held, Payload, Protocol):
    """Octets in the store that this machine has whole."""

    async def view(self) -> Raw:
        """All octets, their digest verified; those of a file are not held. `OSError` where they cannot be read."""
        ...


class Kept(Payload, Protocol):
    """Octets in the store, wherever that is."""

    async def at_hand(self, until: AsyncExitStack) -> AtHand:
        """The same on this machine: brought here where they lie elsewhere, until the stack ends. `Unavailable`."""
        ...


class Spooled(Held, Protocol):
    """Octets that came in completely and are not kept yet; gone when the spool is left, unless kept."""

    @property
    def inline(self) -> bytes | None:
        """The octets themselves when they are small enough to ride in the database row, otherwise `None`."""
        ...

    def view(self) -> Raw:
        """All octets, valid while the spool is open. `OSError` where they cannot be read."""
        ...

    async def keep(self) -> None:
        """Make large octets durable under their digest. `Unavailable` when the disk does not take them."""
        ...
