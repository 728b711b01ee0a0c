"""Hands: what goes over the wire to other systems, and what they must be able to do. Implemented in `adapters`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from axis.core.follow_up import PeerState
from axis.core.model import Cargo, Delivery, Document, Hop, StatusReport
from axis.core.octets import Payload
from axis.core.problems import Problem
from schemas.codes import AgencyCode


class Body(Protocol):
    """What goes over the wire for a delivery, in the form in which it was submitted: can be sent more than once."""

    @property
    def content_type(self) -> str: ...
    @property
    def size(self) -> int: ...
    def chunks(self) -> AsyncGenerator[bytes, None]:
        """`Unavailable` before the last octets of anything that is not what was stored."""
        ...

    async def read(self) -> bytes:
        """All of it, where that is little. `Unavailable` likewise."""
        ...


@dataclass(frozen=True, slots=True)
class Consignment:
    """One delivery with everything a hand needs to make it: the cargo's facts, its octets, the trace of hops.

    For a status, `payload` is the status message as XML, for a notice its JSON; only one of `document` and `status` is
    there, or neither. `attached` are a document's attachments in manifest order, where they lie beside the envelope:
    `payload` is then the envelope alone, `body` all of them.
    """

    delivery: Delivery
    document: Document | None
    status: StatusReport | None
    payload: Payload
    hops: tuple[Hop, ...]
    body: Body
    attached: tuple[Payload, ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """The destination has it. `peer_ref` is the id that it gave it, where it named a fit one."""

    peer_ref: str | None = None


class Sink(Protocol):
    """A hand that delivers."""

    async def deliver(self, consignment: Consignment) -> Handover:
        """Hand over once. `Unavailable` to be asked again, `Refused` to stop. Safe to repeat with one delivery id."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something a source fetched. `accept` is called after it is durably stored, `reject` after a final refusal.

    Neither is called when waiting helps: the source will find it again.
    """

    octets: AsyncIterator[bytes]
    only_for: tuple[AgencyCode, ...] | None
    accept: Callable[[], Awaitable[None]]
    reject: Callable[[Problem], Awaitable[None]]


class Inquiry(Protocol):
    """Asks the other side what became of what it took."""

    async def became(self, cargo: Cargo, peer_ref: str) -> Mapping[str, PeerState]:
        """By recipient, as the other side writes its code; empty where it does not know it. `Unavailable` when it does
        not answer, `Refused` when it will not say."""
        ...


class Source(Protocol):
    """A hand that fetches."""

    def poll(self) -> AsyncIterator[Incoming]:
        """One round: everything that waits at the other side now. `Unavailable` when it cannot be reached."""
        ...

    async def close(self) -> None: ...
