"""What changes between two transactions of one flow: a decision is made from what is there when it is written."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from axis.core.model import Cargo
from axis.core.ports import LostRace, Store
from axis.core.receipt import Receipt
from axis.flow.package import Part
from axis.flow.receive import receive
from schemas.codes import AgencyCode
from tests.flow.test_notices import Desk, desk
from tests.parts import split
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE


@dataclass
class Meanwhile:
    """A store that lets something happen once, when the first transaction of the flow that uses it has ended."""

    at: Desk
    happens: Callable[[], Awaitable[None]]
    store: Store | None = None

    def __post_init__(self) -> None:
        self.store, self.at.ctx.store = self.at.ctx.store, self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def transact(self, *args: Any, **more: Any) -> Any:
        assert self.store is not None
        found = await self.store.transact(*args, **more)
        if self.at.ctx.store is self:
            self.at.ctx.store = self.store
            await self.happens()
        return found


async def bring(at: Desk, package: bytes, to: str) -> Receipt:
    """A copy for one of the recipients, as a neighbour brings it."""
    async with at.blobs.spool(10_000_000) as spool:
        await spool.write(package)
        by, only = at.config.principals[AGENCIES[OFFICE]], (AgencyCode.parse(to),)
        taken = await receive(await spool.finish(), by, at.ctx, only)
    assert taken.receipt is not None
    return taken.receipt


async def test_a_copy_that_comes_while_a_held_document_is_judged_reaches_its_recipient_too(tmp_path: Path) -> None:
    """It was released as it had been read: the second recipient had a receipt, and never a delivery."""
    async with desk(tmp_path) as at:
        package = at.site.package(OFFICE, [HOME_AFFAIRS, FINANCE])
        first = await bring(at, package, HOME_AFFAIRS)
        at.lists_come()

        async def further() -> None:
            assert (await bring(at, package, FINANCE)).octets == first.octets

        Meanwhile(at, further)
        assert await at.recheck() == 1
        assert await at.waiting(HOME_AFFAIRS) == [Cargo.DOCUMENT]
        assert await at.waiting(FINANCE) == [Cargo.DOCUMENT]


async def in_parts(at: Desk, package: bytes) -> Receipt:
    """The same package with its attachments beside the envelope: other octets, one digest."""
    envelope, attached = split(package)
    async with AsyncExitStack() as stack:
        held = []
        for octets in (envelope, *(one.octets for one in attached)):
            spool = await stack.enter_async_context(at.blobs.spool(10_000_000))
            await spool.write(octets)
            held.append(await spool.finish())
        parts = [Part(one.id, there, None) for one, there in zip(attached, held[1:], strict=True)]
        taken = await receive(held[0], at.config.principals[AGENCIES[OFFICE]], at.ctx, parts=parts)
    assert taken.receipt is not None
    return taken.receipt


async def test_what_was_to_be_a_repeat_is_not_stored_without_its_octets(tmp_path: Path) -> None:
    """The document that it repeats is refused just before it is written: its large octets were not kept, because those
    of a repeat are not."""
    async with desk(tmp_path) as at:
        package = at.site.package(OFFICE, [HOME_AFFAIRS], [b"\0" * 200_000])
        first = await at.submit(package)
        assert first.receipt is not None
        assert json.loads(first.receipt.octets)["state"] == "held"

        async def refused() -> None:
            now = at.ctx.now
            at.ctx.now = lambda: now() + timedelta(hours=73)
            assert await at.recheck() == 1
            at.ctx.now = now

        Meanwhile(at, refused)
        with pytest.raises(LostRace):
            await in_parts(at, package)
        at.lists_come()
        again = await in_parts(at, package)
        assert json.loads(again.octets)["state"] == "accepted"
        assert again.octets != first.receipt.octets
