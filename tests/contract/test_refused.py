"""What is a refusal for good, and what somebody mends: its sender is told of the one that nobody has its document."""

from __future__ import annotations

import aiohttp
import pytest

from adapters.http_push import HttpPushSink
from adapters.node import NodeSink
from axis.core.hands import Consignment
from axis.core.problems import Refused, Unavailable
from axis.flow.body import Plain
from tests.contract.test_bodies import Whole
from tests.factories_core import delivery, document
from tests.flow.receiver import Receiver, raw

SORRY = b"Content-Type: application/problem+json\r\n"


def consignment() -> Consignment:
    about, payload = document(), Whole()
    return Consignment(delivery(about), about, None, payload, (), Plain(payload))


def refusal(status: int, headers: bytes = b"", body: bytes = b"") -> Receiver:
    head = b"HTTP/1.1 %d No\r\n%sContent-Length: %d\r\n\r\n" % (status, headers, len(body))
    return Receiver(otherwise=raw(head + body))


@pytest.mark.parametrize("body", [b"", b"<html>The SSL certificate error</html>", b'{"type":"about:blank"}'])
@pytest.mark.parametrize("status", [400, 413, 422, 451])
async def test_what_stands_before_a_neighbour_does_not_refuse_for_it(status: int, body: bytes) -> None:
    """A balancer whose certificates ended would have every document of a night end with a notice."""
    with refusal(status, body=body) as far:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unavailable) as told:
                await NodeSink(far.base, session).deliver(consignment())
    assert told.value.problem.context["status"] == str(status)


async def test_a_neighbour_refuses_as_an_axis_does() -> None:
    with refusal(422, SORRY, b'{"type":"urn:axis:problem:no-route","status":422}') as far:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Refused) as told:
                await NodeSink(far.base, session).deliver(consignment())
    assert told.value.problem.context["answer"] == "no-route"


@pytest.mark.parametrize("status", [401, 403, 404, 407, 408, 421, 425, 426, 429, 431, 500, 503])
async def test_what_somebody_mends_is_no_refusal(status: int) -> None:
    with refusal(status) as far:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unavailable):
                await HttpPushSink(far.url, session).deliver(consignment())


async def test_a_refusal_that_names_a_wait_is_none() -> None:
    with refusal(413, b"Retry-After: 120\r\n") as far:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unavailable) as told:
                await HttpPushSink(far.url, session).deliver(consignment())
    assert told.value.retry_after_s == 120
