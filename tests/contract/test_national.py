"""The simulated national axis against what the real SDK sent, octet by octet, over raw sockets."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from adapters.national import vxp
from adapters.national.client import VxpClient
from adapters.national.vxp import Call, MessageType
from axis.core.problems import Refused, Unavailable
from schemas.codes import AgencyCode
from tests.samples import DOCUMENT, STATUS, sample
from tests.unit.national.world import (
    FAR,
    FAR_SYSTEM,
    NEAR,
    SECRET,
    SENDER,
    SYSTEM,
    TOKEN,
    Clock,
    Recorded,
    exchange,
    far_client,
    fetch,
    near_client,
    operator,
    recorded,
    send,
    simulator,
)

SHAPES = {
    Call.RECEIVED: {
        *("docId", "serviceType", "messageType", "created_time", "updated_time", "from", "to", "status"),
        "status_desc",
    },
    Call.SENT: {
        *("senderDocId", "receiverDocId", "fromCode", "toCode", "title", "notation", "sentTime", "receivedTime"),
        *("sendStatus", "sendStatusDesc", "receiveStatus", "receiveStatusDesc", "messageType", "serviceType"),
    },
    Call.AGENCIES: {"id", "code", "name", "mail", "pid"},
}
"""What the VPCP SDK 2.0.4 reads, field by field."""


# --- what the real SDK sent ---------------------------------------------------------------------------------------


async def test_the_nine_recorded_requests_are_answered_in_the_shape_that_the_sdk_reads(tmp_path: Path) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        for request in recorded():
            clock.now = request.at
            http, answer = await exchange(axis.url, request)
            assert (http, answer["status"], answer["ErrorCode"]) == (200, "OK", "0"), request.path
            assert answer["ErrorDesc"] == "Thanh cong"
            if request.call in SHAPES:
                assert answer["data"], request.path
                for row in answer["data"]:
                    assert set(row) == SHAPES[request.call]
                    assert all(isinstance(value, str) for value in row.values())
            if request.call is Call.SEND:
                assert answer["DocId"] == answer["data"]["DocId"]
            if request.call is Call.GET:
                assert answer["data"] == b64encode(sample(DOCUMENT)).decode()


async def test_the_recorded_document_and_status_end_where_they_belong(tmp_path: Path) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        for request in recorded()[:4]:
            clock.now = request.at
            await exchange(axis.url, request)
        client = far_client(axis.url, clock)
        (entry,) = await client.received(MessageType.EDOC)
        assert (entry.sender, entry.receiver, entry.state) == (SENDER, FAR, "INITIAL")
        assert await fetch(client, entry.doc_id) == recorded()[2].body[:-2]
        told = await operator(axis.root + "/operator/statuses")
        assert told["statuses"] == [
            {
                "document_id": "000.00.00.H31,2025/01/02,12/UBND-VP",
                "sender": SENDER,
                "receiver": NEAR,
                "code": "03",
                "time": "2026-11-22T05:30:18.000000Z",
                "count": 1,
                "matched": True,
            }
        ]
        near = near_client(axis.url, clock)
        assert await near.received(MessageType.STATUS) == ()  # the reporter's own system is not told again
        await client.close()
        await near.close()


SIGNED = [
    (number, name)
    for number, request in enumerate(recorded())
    for name in (*json.loads(dict(request.headers)[vxp.SIGN_TEXT]), vxp.SIGN_KEYS, vxp.SIGN_TEXT, vxp.SIGNATURE)
]


def changed(text: str, place: int) -> str:
    old = text[place]
    return text[:place] + ("1" if old != "1" else "2") + text[place + 1 :]


@pytest.mark.parametrize("number", range(9))
async def test_one_changed_octet_is_an_error_and_nothing_is_stored(tmp_path: Path, number: int) -> None:
    """In every signed value, in the key list, in the signed text, in the hash, and in the body of `sendEdoc`."""
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        requests = recorded()
        clock.now = requests[0].at
        if number:  # the agency that the later requests speak of
            await exchange(axis.url, requests[0])
        request = requests[number]
        clock.now = request.at
        before = await axis.store.run(axis.store.digest)
        values = dict(request.headers)
        bad = [
            request.with_header(name, changed(values[name], place))
            for at, name in SIGNED
            if at == number
            for place in sorted({0, len(values[name]) // 2, len(values[name]) - 1})
        ]
        bad += [request.with_header("Content-Type", "text/plain")]
        bad += [
            replace(request, headers=tuple(h for h in request.headers if h[0] != name))
            for at, name in SIGNED
            if at == number
        ]
        bad += [
            replace(request, headers=(*request.headers, (name, values[name] + "x")))
            for at, name in SIGNED
            if at == number
        ]
        if request.call is Call.SEND:
            bad += [
                replace(request, body=request.body[:place] + b"#" + request.body[place + 1 :])
                for place in (0, 100, len(request.body) // 2, len(request.body) - 3, len(request.body) - 2)
            ]
        for wrong in bad:
            http, answer = await exchange(axis.url, wrong)
            assert answer["status"] == "FAIL", wrong
            assert answer["ErrorCode"] != "0"
            assert "data" not in answer
            assert http == 200
        assert await axis.store.run(axis.store.digest) == before
        _, answer = await exchange(axis.url, request)
        assert answer["status"] == "OK"


async def test_wrong_system_wrong_secret_and_skewed_clocks_get_code_15(tmp_path: Path) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        unknown = VxpClient(axis.url, "00.99.W00", SECRET, clock)
        wrong = VxpClient(axis.url, SYSTEM, "guess", clock)
        early = near_client(axis.url, Clock(clock.now - timedelta(minutes=6)))
        late = near_client(axis.url, Clock(clock.now + timedelta(minutes=6)))
        texts = []
        for client in (unknown, wrong, early, late):
            with pytest.raises(Unavailable) as caught:  # what waits goes out once the operator has mended it
                await client.received(MessageType.EDOC)
            assert caught.value.problem.extra == {"code": "15"}
            texts.append(caught.value.problem.context["said"])
            await client.close()
        assert texts[0] == texts[1]  # nobody learns which systems exist


async def test_a_system_cannot_ask_with_the_secret_of_another(tmp_path: Path) -> None:
    async with simulator(tmp_path) as axis:
        client = VxpClient(axis.url, FAR_SYSTEM, SECRET, Clock())
        with pytest.raises(Unavailable):
            await client.agencies()
        await client.close()


async def test_a_replayed_request_is_acknowledged_and_never_changes_anything_again(tmp_path: Path) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        register, delete = recorded()[0], recorded()[8]
        clock.now = delete.at
        for request in (register, delete, delete):
            _, answer = await exchange(axis.url, request)
            assert answer["status"] == "OK"  # the network may repeat what arrived
        client = near_client(axis.url, clock)
        await client.register_agency(AgencyCode(NEAR), "Sở X")
        before = await axis.store.run(axis.store.digest)
        for request in (register, delete):
            _, answer = await exchange(axis.url, request)
            assert (answer["status"], answer["ErrorCode"]) == ("FAIL", "15")
        assert await axis.store.run(axis.store.digest) == before
        await client.close()


async def test_requests_replayed_after_a_restart_are_still_known(tmp_path: Path) -> None:
    clock = Clock()
    delete = recorded()[8]
    async with simulator(tmp_path, clock) as axis:
        clock.now = delete.at
        for request in (recorded()[0], delete):
            await exchange(axis.url, request)
        client = near_client(axis.url, clock)
        await client.register_agency(AgencyCode(NEAR), "Sở X")
        await client.close()
    async with simulator(tmp_path, clock) as axis:
        _, answer = await exchange(axis.url, delete)
        assert answer["ErrorCode"] == "15"


async def test_what_is_not_even_http_is_answered_in_json(tmp_path: Path) -> None:
    async with simulator(tmp_path) as axis:
        host, port = axis.root.removeprefix("http://").split(":")
        for octets in (b"GARBAGE\r\n\r\n", b"POST /x HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nA\x00: b\r\n\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(octets)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert b"application/json" in head
            assert json.loads(body)["status"] == "FAIL"
            assert b"Traceback" not in body
            writer.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "10"),
        (b"not xml", "22"),
        (b"<edXML/>", "22"),
        (b"\xff\xfe\x00", "22"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><edXML>&b;</edXML>', "22"),
        (b"<a>" * 100, "22"),
        (sample(STATUS), "22"),
        (sample(DOCUMENT)[:3000], "22"),
        (sample(DOCUMENT).replace(b"000.00.02.H31", b"000.00.77.H31"), "18"),
        (sample(DOCUMENT).replace(b"000.00.02.H31", b"000.00.09.H31"), "23"),
        (sample(DOCUMENT).replace(b"000.00.01.H31", b"000.00.02.H31"), "22"),  # a receiver twice
        (sample(DOCUMENT).replace(b">000.00.00.H31<", b">000.00.03.H31<"), "19"),
    ],
)
async def test_a_bad_package_is_refused_with_a_code_and_nothing_is_stored(
    tmp_path: Path, body: bytes, code: str
) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        client = near_client(axis.url, clock)
        await client.register_agency(AgencyCode(NEAR), "Sở X")
        before = await axis.store.run(axis.store.digest)
        with pytest.raises(Refused) as caught:
            await send(client, SENDER, MessageType.EDOC, body)
        assert caught.value.problem.extra["code"] == code
        assert str(tmp_path) not in str(caught.value.problem)
        assert await axis.store.run(axis.store.digest) == before
        await client.close()


async def test_a_sender_that_another_system_registered_is_refused_with_both_codes(tmp_path: Path) -> None:
    async with simulator(tmp_path) as axis:
        client = near_client(axis.url, Clock())
        with pytest.raises(Refused) as caught:
            await send(client, FAR, MessageType.STATUS, sample(STATUS).replace(NEAR.encode(), FAR.encode()))
        assert caught.value.problem.context["said"] == (f"Don vi gui {FAR} khong dung voi ma da dang ky: {SYSTEM}")
        await client.close()


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    async with simulator(tmp_path, max_body_bytes=1000) as axis:
        client = near_client(axis.url, Clock())
        with pytest.raises(Refused, match="does not accept the file"):
            await send(client, SENDER, MessageType.EDOC, sample(DOCUMENT))
        await client.close()


async def test_unknown_calls_and_methods_are_answered_in_json(tmp_path: Path) -> None:
    async with simulator(tmp_path) as axis, aiohttp.ClientSession() as session:
        for method, path, status in (
            ("POST", "/XrdAdapter/adapter/shutDown", 404),
            ("GET", "/XrdAdapter/adapter/getEdoc", 405),
            ("POST", "/elsewhere", 404),
            ("POST", "/healthz", 405),
        ):
            async with session.request(method, axis.root + path) as response:
                assert response.status == status
                assert (await response.json())["status"] == "FAIL"
        async with session.get(axis.root + "/healthz") as response:
            assert await response.json() == {"status": "OK"}


async def test_the_operators_view_needs_the_token_and_is_off_without_one(tmp_path: Path) -> None:
    async with simulator(tmp_path / "a") as axis, aiohttp.ClientSession() as session:
        for token, status in (("", 401), ("wrong", 401), (TOKEN, 200)):
            for path in ("statuses", "documents"):
                url = f"{axis.root}/operator/{path}"
                async with session.get(url, headers={"X-Operator-Token": token}) as response:
                    assert response.status == status
    async with simulator(tmp_path / "b", operator_token=None) as axis:
        url = f"{axis.root}/operator/statuses"
        async with aiohttp.request("GET", url, headers={"X-Operator-Token": ""}) as response:
            assert response.status == 404


def test_recorded_requests_are_complete() -> None:
    assert sorted({request.call for request in recorded()}) == sorted(Call)
    assert all(isinstance(request, Recorded) for request in recorded())
