"""What a restore has lost is told to whoever restores, and again by the log: everything that was acknowledged."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from axis.core.model import DocumentRef, EntryKind
from axis.flow.mailbox import acknowledge, inbox
from axis.log.entries import ReadEntry
from axis.log.lost import Places, lost_records, restores
from tests.care.test_backup import back_up, emptied, goes_on, restored
from tests.care.test_fsck import axis
from tests.care.world import Node
from tests.site import AGENCIES, FINANCE, HOME_AFFAIRS, OFFICE

AT = "2026-11-23T01:02:03.000000Z"


async def before(node: Node) -> DocumentRef:
    async with node.running() as work:
        ref = await work.send()
        await work.log()
    return ref


async def after(node: Node, known: DocumentRef) -> DocumentRef:
    """A status of a document that the backup has, and a document that it has not, which one of two recipients has."""
    async with node.running() as work:
        await work.take(known)
        principal = node.config.principals[AGENCIES[HOME_AFFAIRS]]
        ref = await work.send()
        for item in await inbox(principal, 0, 200, work.ctx):
            if item.document == ref:
                await acknowledge(item.delivery, principal, work.ctx)
        await work.log()
    return ref


def test_statuses_and_documents_that_are_lost_are_listed_and_stay_listed(node: Node, tmp_path: Path) -> None:
    known = asyncio.run(before(node))
    back_up(node, tmp_path / "backup")
    gone = asyncio.run(after(node, known))
    code, told = axis("queue", "hold", "-c", node.site.config, "--endpoint", "van-phong", "--reason", "bảo trì")
    assert code == 0, told

    async def log() -> None:
        async with node.running() as work:
            await work.log()

    asyncio.run(log())
    aside = emptied(node)
    code, answer = restored(node, tmp_path / "backup", "--log", aside / "log", "--accept-loss", "--reason", "thử")
    assert code == 0, answer

    def is_whole(said: dict[str, Any]) -> None:
        (document,), (status,), (order,) = (said[f"lost_{name}"] for name in ("documents", "statuses", "orders"))
        assert (document["ref"], document["sender"]) == (gone, OFFICE)
        assert document["handed_to"] == [HOME_AFFAIRS], "sent again it comes here once more"
        assert (status["document"], status["code"], status["reporter"]) == (known, "03", FINANCE)
        assert (order["action"], order["endpoint"]) == ("hold", "van-phong")

    is_whole(answer)
    asyncio.run(goes_on(node))
    code, text = axis("log", "lost", node.config.node.log, "--json")
    assert code == 0
    later = json.loads(text)
    is_whole(later)
    assert (later["lost_entries"], later["restores"][0]["reason"]) == (answer["lost_entries"], "thử")
    code, text = axis("log", "lost", node.config.node.log)
    assert all(word in text for word in (gone, known, "thử", "hold", FINANCE))
    assert axis("log", "lost", aside / "log")[0] == 1, "there nothing was restored"
    assert "axis log lost" in axis("why", "-c", node.site.config, gone)[1]


def entry(kind: EntryKind, subject: str = "d", **facts: Any) -> ReadEntry:
    return ReadEntry(kind, AT, "somebody", subject, facts)


def test_only_what_was_acknowledged_and_nobody_else_will_say_is_listed() -> None:
    said = {"code": "03", "reporter": "H99.07", "receiver": "H99.07", "document": "d"}
    whole = [
        entry(EntryKind.HELD, sender="H99.07"),
        entry(EntryKind.RELEASED, event="expire"),
        entry(EntryKind.HELD, "e", sender="H99.07"),
        entry(EntryKind.RELEASED, "e", event="pass"),
        entry(EntryKind.STATUS, "s", **said, attestation="axis", standing="applied"),
        entry(EntryKind.STATUS, "t", **said, attestation="connection", standing="repeated"),
        entry(EntryKind.STATUS, "u", **said, attestation="neighbour", standing="applied"),
        entry(EntryKind.STATUS, "v", **said, attestation="connection", standing="applied"),
        entry(EntryKind.RESTORED, "", lost=[[0, 7]], operator="an", reason=""),
        entry(EntryKind.RESTORED, "", lost=["junk"], operator="an", reason=""),
    ]
    found = restores(enumerate(whole))
    assert [one.lost for one in found] == [(range(7),), ()]
    lost = lost_records(enumerate(whole), Places(tuple(span for one in found for span in one.lost)))
    assert [one.ref for one in lost.documents] == ["e"], "the other was refused, and its sender told"
    assert [one.place for one in lost.statuses] == [6], "the last is still there"
