"""Answers of a national axis that nobody has written down: what they mean, and what they keep from nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from adapters.national.client import Timeouts, VxpClient
from adapters.national.hands import NationalSource
from adapters.national.inquiry import NationalInquiry
from adapters.national.vxp import MessageType
from axis.core.follow_up import PeerState
from axis.core.model import Cargo
from axis.core.problems import Unavailable
from tests.unit.national.world import FAR, SENDER, Clock, fetch, near_client, send


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncGenerator[tuple[VxpClient, list[str]]]:
    """A client, and the calls of it that a far end has answered with these heads and bodies, the last one for ever."""
    calls: list[str] = []

    async def far_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[min(len(calls), len(answers) - 1)])
        calls.append(head.split()[1].decode().rpartition("/")[2])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(far_end, "127.0.0.1", 0) as server:
        client = near_client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", Clock())
        try:
            yield client, calls
        finally:
            await client.close()


def said(http: str = "200 OK", *headers: str, **answer: object) -> bytes:
    body = json.dumps(answer).encode() if answer else b"<html>a balancer</html>"
    head = [f"HTTP/1.1 {http}", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*head, "", ""]).encode() + body


FOUND = {"from": SENDER, "to": FAR, "status": "INITIAL"}


async def test_numbers_and_nulls_are_read_for_what_they_mean() -> None:
    """A row without a docId is left out; it kept all the others, and a docId that is a number was never fetched."""
    rows = [None, {"docId": 5, **FOUND}, {"docId": "6", **FOUND}, {**FOUND}, 7]
    async with answering(said(status="OK", ErrorCode=None, ErrorDesc=None, data=rows)) as (client, _):
        assert [entry.doc_id for entry in await client.received(MessageType.EDOC)] == ["5", "6"]
        with pytest.raises(Unavailable):
            await client.sent(MessageType.EDOC)  # what is not understood of these is not taken for lost
    for answer in ({"DocId": 77}, {"data": {"DocId": 77}}, {"data": 77}):
        async with answering(said(status="OK", ErrorCode=0, **answer)) as (client, _):
            assert await send(client, SENDER, MessageType.EDOC, b"<x/>") == "77"
    row = {"senderDocId": 77, "toCode": FAR, "receiveStatus": "done"}
    async with answering(said(status="OK", ErrorCode=0, data=[row])) as (client, _):
        assert await NationalInquiry(client).became(Cargo.DOCUMENT, "77") == {FAR: PeerState.TAKEN}


async def test_an_answer_that_is_none_is_told_with_its_status_and_its_wait() -> None:
    async with answering(said("503 Maintenance", "Retry-After: 3600")) as (client, _):
        with pytest.raises(Unavailable) as told:
            await client.received(MessageType.EDOC)
        assert told.value.problem.context["status"] == "503"
        assert told.value.retry_after_s == 3600


async def test_a_list_that_cannot_be_had_does_not_keep_the_other_one() -> None:
    statuses = said(status="OK", ErrorCode="0", data=[{"docId": "6", **FOUND}])
    async with answering(said(status="OK", ErrorCode="0", data=None), statuses) as (client, calls):
        waiting = NationalSource(client).poll()
        await anext(waiting)
        with pytest.raises(Unavailable):
            await anext(waiting)
        assert calls == ["getReceivedEdocList"] * 2


async def test_who_is_not_known_any_more_asks_for_nothing_more() -> None:
    """A secret that was changed in the midst of a long list: thousands of wrong ones would lock the account."""
    rows = [{"docId": str(number), **FOUND} for number in range(50)]
    wrong = said(status="FAIL", ErrorCode="15", ErrorDesc="Sai SystemId hoac SecretKey")
    async with answering(said(status="OK", ErrorCode="0", data=rows), wrong) as (client, calls):
        waiting = NationalSource(client).poll()
        first = await anext(waiting)
        with pytest.raises(Unavailable):
            await anext(first.octets)
        with pytest.raises(Unavailable) as told:
            await anext(waiting)
        assert told.value.problem.context["code"] == "15"
        assert calls == ["getReceivedEdocList", "getEdoc"]


async def test_a_package_that_comes_by_drops_keeps_nobody_for_ever() -> None:
    """Each octet came in time, and the list stood still behind them."""
    ended = asyncio.Event()

    async def drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"status":"OK","data":"')
        try:
            while True:
                writer.write(b"A")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            ended.set()

    async with await asyncio.start_server(drops, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        client = VxpClient(url, FAR, "secret", Clock(), timeouts=Timeouts(call=0.2))
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable) as told:
                await fetch(client, "1")
            await ended.wait()
        assert told.value.problem.context["reason"] == "it comes too slowly"
        await client.close()
