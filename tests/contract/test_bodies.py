"""A body that cannot be read while it goes out is the node's own trouble, whoever it goes to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import pytest

from adapters.http_push import HttpPushSink
from adapters.national.client import VxpClient
from adapters.national.vxp import MessageType
from adapters.node import NodeSink
from axis.core.breaker import answered
from axis.core.hands import Consignment
from axis.core.model import PayloadRef
from axis.core.problems import Kind, Unavailable
from axis.flow.body import Plain
from axis.kept import trouble
from tests.factories_core import SENDER, delivery, document
from tests.flow.receiver import Receiver

SIZE = 3_000_000


@dataclass(frozen=True)
class HalfRead:
    """A payload that breaks off."""

    ref = PayloadRef("ab" * 32, SIZE)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for _ in range(5):
            yield bytes(SIZE // 10)
        raise trouble("cannot be read", sha256=self.ref.sha256)

    async def read(self) -> bytes:
        raise trouble("cannot be read", sha256=self.ref.sha256)


@dataclass(frozen=True)
class Whole:
    """A payload of a few octets."""

    ref = PayloadRef("ab" * 32, 4)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield await self.read()

    async def read(self) -> bytes:
        return b"<a/>"


Send = Callable[[str, aiohttp.ClientSession], Awaitable[object]]


def consignment() -> Consignment:
    about, payload = document(), HalfRead()
    return Consignment(delivery(about), about, None, payload, (), Plain(payload))


async def push(base: str, session: aiohttp.ClientSession) -> None:
    await HttpPushSink(base, session).deliver(consignment())


async def relay(base: str, session: aiohttp.ClientSession) -> None:
    await NodeSink(base, session).deliver(consignment())


async def report(base: str, session: aiohttp.ClientSession) -> None:
    client = VxpClient(base, "00.99.H99", "secret", lambda: datetime.now(UTC), session=session)
    await client.send_edoc(SENDER, MessageType.EDOC, HalfRead().chunks(), SIZE, bytes(32))


@pytest.mark.parametrize("send", [push, relay, report])
async def test_what_breaks_off_here_says_nothing_of_the_other_side(send: Send) -> None:
    with Receiver() as far:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unavailable) as told:
                await send(far.base, session)
    assert told.value.problem.kind is Kind.STORE_UNAVAILABLE
    assert answered(told.value.problem) is None, "the breaker hears nothing"
    assert [one for one in far.got if one.body] == []
