"""What the simulated axis makes of documents, statuses, agencies and lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.national import vxp
from adapters.national.client import VxpClient
from adapters.national.simulator.main import Running
from adapters.national.vxp import Call, MessageType, State
from axis.core.problems import Refused
from schemas.codes import AgencyCode
from tests.samples import DOCUMENT, STATUS, sample
from tests.unit.national.world import (
    FAR,
    FAR_SECRET,
    FAR_SYSTEM,
    LOCKED,
    NEAR,
    NOW,
    SECRET,
    SEEDED,
    SENDER,
    SYSTEM,
    TOKEN,
    Clock,
    Recorded,
    exchange,
    simulator,
)

DOCUMENT_ID = "000.00.00.H31,2025/01/02,12/UBND-VP"


def document(number: str = "12") -> bytes:
    """The sample, under another number, for FAR only."""
    begin, _, rest = sample(DOCUMENT).partition(b"        <edXML:To>")
    _, _, rest = rest.partition(b"        <edXML:To>")
    octets = begin + b"        <edXML:To>" + rest
    octets = octets.replace(b",12/UBND-VP", f",{number}/UBND-VP".encode())
    return octets.replace(b"CodeNumber>12<", f"CodeNumber>{number}<".encode())


def status(code: str = "03", **changes: str) -> bytes:
    """A status of FAR for the sample document; `changes` replace texts: old=new."""
    octets = sample(STATUS).replace(NEAR.encode(), FAR.encode()).replace(b">03<", f">{code}<".encode())
    for old, new in changes.items():
        octets = octets.replace(OLD[old].encode(), new.encode())
    return octets


OLD = {
    "document_id": DOCUMENT_ID,
    "number": ">12/UBND-VP<",
    "day": "2026/11/22</edXML:PromulgationDate>",
    "time": "12:30:18",
    "text": "Đã tiếp nhận",
}


class Party:
    """Two systems at one simulated axis."""

    def __init__(self, axis: Running, clock: Clock) -> None:
        self.axis, self.clock = axis, clock
        self.near = VxpClient(axis.url, SYSTEM, SECRET, clock)
        self.far = VxpClient(axis.url, FAR_SYSTEM, FAR_SECRET, clock)

    async def send(self, sender: str, octets: bytes, message: MessageType = MessageType.EDOC) -> str:
        client = self.near if sender == SENDER else self.far
        return await client.send_edoc(AgencyCode(sender), message, _one(octets), len(octets), sha256(octets).digest())

    async def statuses(self) -> list[dict[str, Any]]:
        found = (await self.operator("statuses"))["statuses"]
        assert isinstance(found, list)
        return found

    async def operator(self, what: str) -> Any:
        url = f"{self.axis.root}/operator/{what}"
        async with aiohttp.request("GET", url, headers={"X-Operator-Token": TOKEN}) as response:
            assert response.status == 200
            return await response.json()

    async def raw(self, call: Call, parameters: dict[str, str], body: bytes = b"") -> dict[str, Any]:
        """One call of the near system with exactly these parameters, as one object of the SDK would sign them."""
        every = {"systemid": SYSTEM, "timestamp": vxp.write_timestamp(self.clock.now), **parameters}
        headers = vxp.sign(list(every.items()), SECRET)
        async with aiohttp.request("POST", f"{self.axis.url}/{call}", data=body, headers=headers) as response:
            answer = await response.json()
            assert isinstance(answer, dict)
            return answer


async def _one(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


class party:  # noqa: N801 - used like a function
    def __init__(self, data: Path, **changes: Any) -> None:
        self._clock = Clock()
        self._axis = simulator(data, self._clock, **changes)

    async def __aenter__(self) -> Party:
        self._party = Party(await self._axis.__aenter__(), self._clock)
        return self._party

    async def __aexit__(self, *error: Any) -> None:
        await self._party.near.close()
        await self._party.far.close()
        await self._axis.__aexit__(*error)


async def test_a_status_without_its_document_is_kept_and_finds_it_later(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.send(FAR, status(document_id="later", number=">77/UBND-VP<"), MessageType.STATUS)
        assert [(row["document_id"], row["matched"]) for row in await here.statuses()] == [("later", False)]
        assert len(await here.near.received(MessageType.STATUS)) == 1
        await here.send(SENDER, document("77"))
        (row,) = await here.statuses()
        assert (row["document_id"], row["matched"]) == ("000.00.00.H31,2025/01/02,77/UBND-VP", True)


async def test_a_status_is_matched_by_document_id_before_number_and_date(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.send(SENDER, document("12"))
        await here.send(SENDER, document("77"))
        await here.send(FAR, status("03", number=">77/UBND-VP<"), MessageType.STATUS)
        await here.send(FAR, status("04", document_id="unheard of", number=">77/UBND-VP<"), MessageType.STATUS)
        await here.send(
            FAR, status("05", document_id="unheard of", day="2026/11/21</edXML:PromulgationDate>"), MessageType.STATUS
        )
        told = {row["code"]: row["document_id"] for row in await here.statuses()}
        assert told == {"03": DOCUMENT_ID, "04": DOCUMENT_ID.replace("12/", "77/"), "05": "unheard of"}


async def test_a_recall_request_goes_the_other_way(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.send(SENDER, document())
        swapped = status("13").replace(FAR.encode(), b"@@").replace(SENDER.encode() + b"</", FAR.encode() + b"</", 1)
        octets = swapped.replace(b"@@", SENDER.encode())
        await here.send(SENDER, octets, MessageType.STATUS)
        (row,) = await here.statuses()
        assert (row["sender"], row["receiver"], row["code"], row["matched"]) == (SENDER, FAR, "13", True)
        assert [entry.receiver for entry in await here.far.received(MessageType.STATUS)] == [FAR]


async def test_statuses_are_counted_by_document_receiver_code_and_time(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.send(SENDER, document())
        for octets in (
            status(),
            status(),  # the same message again
            status(text="Đã nhận"),  # another one that says the same
            status(time="12:30:19"),
            status("1"),
            status("77"),
        ):
            await here.send(FAR, octets, MessageType.STATUS)
        told = [(row["code"], row["time"][11:19], row["count"]) for row in await here.statuses()]
        assert sorted(told) == [
            ("01", "05:30:18", 1),
            ("03", "05:30:18", 2),
            ("03", "05:30:19", 1),
            ("77", "05:30:18", 1),
        ]


async def test_the_operators_lists_are_paged(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.send(SENDER, document("13"))
        found = await here.operator("documents")
        assert [item["document_id"] for item in found["documents"]] == [DOCUMENT_ID, DOCUMENT_ID.replace("12/", "13/")]
        (receiver,) = found["documents"][1]["receivers"]
        assert (receiver["receiver"], receiver["system"], receiver["state"]) == (FAR, FAR_SYSTEM, "INITIAL")
        assert found["next"] is None
        assert (await here.operator("documents?after=2"))["documents"] == []


async def test_done_is_final_and_other_words_are_refused(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        for state in (State.PROCESSING, State.FAIL, State.DONE, State.FAIL):
            await here.near.update_status(SEEDED, state)
        assert await here.near.received(MessageType.EDOC) == ()
        for word in ("", "inbox", "INITIAL"):
            answer = await here.raw(Call.UPDATE, {"docid": SEEDED, "status": word})
            assert answer["ErrorCode"] == "10"


async def test_failed_entries_are_listed_last_and_lists_can_be_narrowed(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        for number in ("1", "2", "3"):
            await here.send(SENDER, document(number))
        first, second, third = (entry.doc_id for entry in await here.far.received(MessageType.EDOC))
        await here.far.update_status(first, State.FAIL)
        listed = [entry.doc_id for entry in await here.far.received(MessageType.EDOC)]
        assert listed == [second, third, first]
        what = {"messagetype": "edoc"}
        for more, count in (
            ({}, 1),
            ({"status": "done"}, 0),
            ({"status": "initial"}, 1),
            ({"status": "done", "docid": "left over"}, 1),  # of the same SDK object's last updateStatus
            ({"fromDate": "2026/11/22"}, 1),
            ({"fromDate": "23/11/2026"}, 0),
            ({"toDate": "2026-11-22"}, 1),
            ({"toDate": "2026-11-21"}, 0),
        ):
            answer = await here.raw(Call.RECEIVED, {**what, **more})
            assert (answer["status"], len(answer["data"])) == ("OK", count), more
        for more in ({"fromDate": "soon"}, {"toDate": "9999/12/31"}, {"messagetype": "letter"}):
            assert (await here.raw(Call.RECEIVED, {**what, **more}))["ErrorCode"] == "10"


async def test_one_sdk_object_may_register_many_agencies_with_one_signature(tmp_path: Path) -> None:
    """Its timestamp is taken once and bodies are not signed: same signature, other body is no replay."""
    async with party(tmp_path) as here:
        for code in ("H31.1", "H31.2"):
            body = json.dumps({"code": code, "name": "Sở", "pcode": SENDER, "mail": None}).encode()
            assert (await here.raw(Call.REGISTER, {}, body))["status"] == "OK"
        rows = {row["code"]: row for row in await here.near.agencies()}
        assert rows["H31.1"]["pid"] == rows[SENDER]["id"]
        assert rows[SENDER]["pid"] == ""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "10"),
        (b"{}", "10"),
        (b"[]", "10"),
        (b'{"code":"x y","name":"a"}', "10"),
        (b'{"code":1,"name":"a"}', "10"),
        (b'{"code":"H31.1","name":"a\\u0000"}', "10"),
        (b'{"code":"H31.1","name":"' + b"a" * 600 + b'"}', "10"),
        (b"[" * 50_000, "10"),
        (b"x" * 70_000, "10"),
        (b'{"code":"000.00.02.H31","name":"not ours"}', "19"),
    ],
)
async def test_bad_registrations_are_refused(tmp_path: Path, body: bytes, code: str) -> None:
    async with party(tmp_path) as here:
        before = await here.axis.store.run(here.axis.store.digest)
        answer = await here.raw(Call.REGISTER, {}, body)
        assert (answer["status"], answer["ErrorCode"]) == ("FAIL", code)
        assert await here.axis.store.run(here.axis.store.digest) == before


async def test_a_deleted_agency_is_gone_for_senders_and_stays_gone_after_a_restart(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        for _ in range(2):
            await here.far.delete_agency(AgencyCode(FAR))
        with pytest.raises(Refused) as caught:
            await here.near.delete_agency(AgencyCode(LOCKED))
        assert caught.value.problem.extra["code"] == "19"
    async with party(tmp_path) as here:
        with pytest.raises(Refused) as caught:
            await here.send(SENDER, document())
        assert caught.value.problem.extra["code"] == "18"
        assert caught.value.problem.context["said"] == f"Don vi nhan {FAR} khong ton tai"


async def test_a_used_up_request_is_forgotten_when_its_timestamp_is_too_old(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.near.update_status(SEEDED, State.PROCESSING)
        here.clock.now = NOW + timedelta(minutes=11)
        await here.near.update_status(SEEDED, State.DONE)
        rows = await here.axis.store.run(here.axis.store.all, "SELECT * FROM used")
        assert len(rows) == 1


async def test_a_replayed_update_does_not_move_the_state_back(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        old = {"docid": SEEDED, "status": "processing"}
        assert (await here.raw(Call.UPDATE, old))["status"] == "OK"
        assert (await here.raw(Call.UPDATE, old))["status"] == "OK"
        await here.near.update_status(SEEDED, State.FAIL)
        assert (await here.raw(Call.UPDATE, old))["ErrorCode"] == "15"
        assert [entry.state for entry in await here.near.received(MessageType.EDOC)] == ["fail"]


async def test_the_package_must_be_of_the_kind_that_the_header_says_and_from_whom_it_says(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        for sender, octets, message, code in (
            (SENDER, document(), MessageType.STATUS, "22"),
            (FAR, status(), MessageType.EDOC, "22"),
            (FAR, document(), MessageType.EDOC, "19"),
            (SENDER, status(), MessageType.STATUS, "19"),
        ):
            with pytest.raises(Refused) as caught:
                await here.send(sender, octets, message)
            assert caught.value.problem.extra["code"] == code


async def test_an_inner_fault_is_code_20_and_tells_nothing(tmp_path: Path) -> None:
    async with party(tmp_path) as here:
        await here.axis.store.run(here.axis.store.do, "DROP TABLE used")
        answer = await here.raw(Call.UPDATE, {"docid": SEEDED, "status": "done"})
        assert answer == {"status": "FAIL", "ErrorCode": "20", "ErrorDesc": "Loi he thong"}
        assert [entry.state for entry in await here.near.received(MessageType.EDOC)] == ["INITIAL"]


@pytest.mark.faults
async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    async with party(tmp_path, body_timeout=timedelta(milliseconds=50)) as here:
        values = {"messagetype": "edoc", "from": SENDER, "hash-file": "0"}
        every = {"systemid": SYSTEM, "timestamp": vxp.write_timestamp(NOW), **values}
        headers = (*vxp.sign(list(every.items()), SECRET), ("Content-Length", "10"), ("Host", "axis"))
        request = Recorded("POST", "/XrdAdapter/adapter/sendEdoc", headers, b"short")
        _, answer = await exchange(here.axis.url, request)
        assert answer["ErrorCode"] == "21"
