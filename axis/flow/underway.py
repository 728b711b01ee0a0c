"""How long one attempt may take: as long as its octets move.

A large package on the slow line of a commune takes minutes, and a lease that did not wait for it would have it made
again and again from its beginning, until its lifetime was over. So while the other side takes one piece after another
the lease is prolonged; one that takes nothing for that long has lost the attempt, as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, Self, TypeVar

from axis.core.hands import Body, Consignment
from axis.core.model import Delivery, PayloadRef
from axis.core.octets import Payload
from axis.core.ports import Ledger
from axis.core.problems import Unavailable
from axis.flow.context import Context

SHARE: Final = 0.9
"""Of its lease an attempt may take so much: it ends before anybody else begins another."""

SMALL: Final = 131_072
"""So many octets go out at once: there is nothing to see moving."""


def share_left(delivery: Delivery, ctx: Context) -> float:
    """How many seconds an attempt at a claimed delivery may take that begins now; none are left at 0 and below.

    The lease began with the claim, before it was committed and the documents were read: a store that was slow, or a
    process that stood still meanwhile, has used it up.
    """
    lease = ctx.lease.total_seconds()
    return min(SHARE * lease, (delivery.due_at - ctx.now()).total_seconds() - (1 - SHARE) * lease)


class Underway:
    """One attempt at a claimed delivery, which ends at `limit` unless octets move. When it has ended, whatever its
    destination did, nothing of what was handed over stays open."""

    def __init__(self, delivery: Delivery, ctx: Context, limit: asyncio.Timeout) -> None:
        self._delivery = delivery
        self._ctx = ctx
        self._limit = limit
        self._since = asyncio.get_running_loop().time()
        self._handed: list[AsyncGenerator[bytes, None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Who sends in a task of its own is told first that it is over. It may be in the midst of reading all the same:
        then it ends by that."""
        if self._handed:
            await asyncio.sleep(0)
        for pieces in self._handed:
            with suppress(RuntimeError):
                await pieces.aclose()

    def watched(self, consignment: Consignment) -> Consignment:
        """The same; who takes its octets prolongs the attempt."""
        if consignment.body.size <= SMALL:
            return consignment
        return replace(
            consignment,
            payload=_Payload(consignment.payload, self),
            body=_Body(consignment.body, self),
            attached=tuple(_Payload(one, self) for one in consignment.attached),
        )

    def handed(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """`pieces`, which end with the attempt."""
        self._handed.append(pieces)
        return pieces

    async def moved(self) -> None:
        """A piece was taken. `LostRace` where somebody else has the delivery now."""
        now, lease = asyncio.get_running_loop().time(), self._ctx.lease
        if now - self._since < lease.total_seconds() / 4:
            return
        until = self._ctx.now() + lease

        def body(ledger: Ledger) -> None:
            ledger.prolong(self._delivery, until)

        with suppress(Unavailable):  # tried again with the next piece; the attempt ends with the lease that it has
            await self._ctx.store.transact(body)
            self._since = now
            self._limit.reschedule(now + SHARE * lease.total_seconds())


class _Octets(Protocol):
    """What a payload and a body have in common."""

    def chunks(self) -> AsyncGenerator[bytes, None]: ...
    async def read(self) -> bytes: ...


T = TypeVar("T", bound=_Octets)


@dataclass(frozen=True, slots=True)
class _Watched(Generic[T]):
    octets: T
    underway: Underway

    def chunks(self) -> AsyncGenerator[bytes, None]:
        return self.underway.handed(self._pieces())

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self.octets.chunks()) as pieces:
            async for piece in pieces:
                await self.underway.moved()
                yield piece

    async def read(self) -> bytes:
        return await self.octets.read()


class _Payload(_Watched[Payload]):
    """A `Payload`."""

    __slots__ = ()

    @property
    def ref(self) -> PayloadRef:
        return self.octets.ref


class _Body(_Watched[Body]):
    """A `Body`."""

    __slots__ = ()

    @property
    def content_type(self) -> str:
        return self.octets.content_type

    @property
    def size(self) -> int:
        return self.octets.size
