"""What we read out of the national axis' own list, against the simulated axis over a real socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.national.inquiry import NationalInquiry
from adapters.national.vxp import MessageType, State
from axis.core.follow_up import PeerState
from axis.core.model import Cargo
from schemas.codes import AgencyCode
from tests.samples import DOCUMENT, STATUS, sample
from tests.unit.national.world import FAR, NEAR, SENDER, Clock, far_client, near_client, send, simulator


async def test_an_answer_names_each_receiver_with_what_it_said(tmp_path: Path) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        near, far = near_client(axis.url, clock), far_client(axis.url, clock)
        await near.register_agency(AgencyCode(NEAR), "Sở X")
        doc_id = await send(near, SENDER, MessageType.EDOC, sample(DOCUMENT))
        inquiry = NationalInquiry(near)
        said = await inquiry.became(Cargo.DOCUMENT, doc_id)
        assert (said[FAR], said[NEAR]) == (PeerState.WAITING, PeerState.TAKEN), "one of its own system has it already"
        (entry,) = await far.received(MessageType.EDOC)
        for told, state in ((State.PROCESSING, PeerState.WAITING), (State.FAIL, PeerState.REFUSED)):
            await far.update_status(entry.doc_id, told)
            assert (await inquiry.became(Cargo.DOCUMENT, doc_id))[FAR] is state
        await far.update_status(entry.doc_id, State.DONE)
        assert (await inquiry.became(Cargo.DOCUMENT, doc_id))[FAR] is PeerState.TAKEN
        assert await inquiry.became(Cargo.DOCUMENT, "no-such-id") == {}
        assert await inquiry.became(Cargo.STATUS, doc_id) == {}, "a document is no status"
        await near.close()
        await far.close()


async def test_a_status_is_asked_about_like_a_document(tmp_path: Path) -> None:
    clock = Clock()
    async with simulator(tmp_path, clock) as axis:
        near, far = near_client(axis.url, clock), far_client(axis.url, clock)
        await near.register_agency(AgencyCode(NEAR), "Sở X")
        await send(near, SENDER, MessageType.EDOC, sample(DOCUMENT))
        doc_id = await send(far, FAR, MessageType.STATUS, sample(STATUS).replace(NEAR.encode(), FAR.encode()))
        assert await NationalInquiry(far).became(Cargo.STATUS, doc_id) == {SENDER: PeerState.WAITING}
        (entry,) = await near.received(MessageType.STATUS)
        await near.update_status(entry.doc_id, State.DONE)
        assert await NationalInquiry(far).became(Cargo.STATUS, doc_id) == {SENDER: PeerState.TAKEN}
        await near.close()
        await far.close()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([{"senderDocId": "other", "toCode": FAR, "receiveStatus": "done"}], {}),
        ([{"senderDocId": "mine", "toCode": FAR}], {FAR: PeerState.WAITING}),
        ([{"senderDocId": "mine", "toCode": FAR, "receiveStatus": "Acceptance"}], {FAR: PeerState.TAKEN}),
        ([{"senderDocId": "mine", "toCode": FAR, "receiveStatus": None}], {FAR: PeerState.WAITING}),
        ([{"senderDocId": "mine"}], {"": PeerState.WAITING}),
        ([], {}),
    ],
)
async def test_what_is_unknown_waits_and_rows_about_something_else_are_no_answer(
    rows: list[dict[str, Any]], found: dict[str, PeerState]
) -> None:
    class Lists:
        async def sent(self, message: MessageType, doc_id: str | None = None) -> list[dict[str, Any]]:
            return rows

    client: Any = Lists()
    assert await NationalInquiry(client).became(Cargo.DOCUMENT, "mine") == found
