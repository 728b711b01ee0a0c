"""Agencies around the nodes: they send, insist, fetch, acknowledge, forget to, repeat themselves and report."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from schemas.codes import AgencyCode
from schemas.envelope import (
    AttachmentInfo,
    Business,
    DocumentNumber,
    DocumentType,
    Envelope,
    MessageKind,
    Organization,
    OtherInfo,
    Priority,
)
from schemas.write import serialise, write_document
from tests.history.event import Attempt, Operation
from tests.history.package import Package
from tests.sim.http import Reply
from tests.sim.net import Net
from tests.sim.node import SimNode

CODES: Final = ("01", "03", "04", "05", "06")


def package(sender: str, to: tuple[str, ...], number: int, octets: bytes, recalls: str = "") -> Package:
    """An unsigned package: judging signatures is pure, and has no faults to simulate."""
    document_id = recalls or f"{sender},2026/11/23,{number}/SIM"
    business = Business(kind=MessageKind.NEW)
    if recalls:
        business = Business(kind=MessageKind.RECALL, document_id=recalls, reason="Gửi nhầm")
    envelope = Envelope(
        sender=Organization(AgencyCode.parse(sender)),
        recipients=tuple(Organization(AgencyCode.parse(code)) for code in to),
        number=DocumentNumber(str(number), "SIM"),
        subject="V/v thử nghiệm",
        document_id=f"{sender},2026/11/23,{number}/SIM",
        issued_on=date(2026, 11, 23),
        issued_at="H26",
        type=DocumentType(22, name="Công văn"),
        business=business,
        other=OtherInfo(priority=Priority.ORDINARY),
        attachments=(AttachmentInfo("tep-0", "tep-0.bin", "application/octet-stream"),),
    )
    octets = serialise(write_document(envelope, [octets]))
    return Package(octets, sender, to, document_id, business.kind.slug)


@dataclass
class Agency:
    """One agency at its node. With `called` it is pushed to, and does not look into a mailbox."""

    code: str
    node: SimNode
    net: Net
    lot: random.Random
    called: bool = False
    says_arrived: bool = False
    """01 is its own to report, else the axis does that."""
    calm: bool = False
    """From here on it does what it should, at once."""
    known: dict[str, str] = field(default_factory=dict)
    """Documents it has got → the last status it has reported."""
    unheard: set[str] = field(default_factory=set)
    """Documents whose last status was not answered: it may be on its way still, so the next one waits."""
    filed: set[str] = field(default_factory=set)
    """Deliveries that it was called with and has taken."""
    owes: int = 0
    """What it has begun to send and is not answered."""

    @property
    def key(self) -> str:
        return f"axk_{self.code}"

    async def _ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", patience_s: float = 15.0
    ) -> Reply | None:
        """`None` when nobody knows what came of it."""

        async def serve() -> Reply:
            return await self.node.asked(method, path, self.key, {"Content-Type": kind}, body)

        try:
            async with asyncio.timeout(patience_s):
                return await self.net.carry(self.code, self.node.plan.name, serve, once=path.endswith("/statuses"))
        except (ConnectionError, TimeoutError):
            return None

    async def _doing(
        self,
        operation: Operation,
        ask: Coroutine[Any, Any, Reply | None],
        done: Callable[[Attempt, Reply], object],
        good: int = 200,
        **said: Any,
    ) -> Reply | None:
        with self.node.history.doing(self.code, operation, **said) as attempt:
            reply = await ask
            if reply is None:
                return None
            if reply.status == good:
                done(attempt, reply)
                return reply
            if reply.status < 500 and reply.status != 429:
                attempt.fail(status=reply.status, problem=json.loads(reply.body).get("type"))
                return reply
            return None

    async def submit(self, one: Package) -> Reply | None:
        ask = self._ask("POST", "/v1/documents", one.octets, "application/xml")
        return await self._doing(
            Operation.SUBMIT, ask, lambda at, reply: at.ok(receipt=reply.body.decode()), 202, **one.said()
        )

    async def insist(self, one: Package) -> bool:
        """Send it until it is answered; whether it was taken."""
        self.owes += 1
        wait_s = 1.0
        while (reply := await self.submit(one)) is None:
            await asyncio.sleep(wait_s * self.lot.uniform(0.5, 1.5))
            wait_s = min(wait_s * 2, 8.0)
        self.owes -= 1
        return reply.status == 202

    async def send(self, make: Callable[[int], Package], count: int) -> None:
        """Send documents now and then; some of them twice, some with another content under their id."""
        for number in range(count):
            await asyncio.sleep(self.lot.expovariate(1 / 4))
            one = make(number)
            taken = await self.insist(one)
            if taken and self.lot.random() < 0.3:
                await self.submit(one)

    async def look(self) -> None:
        """Empty the mailbox for ever, now and then reporting on what was in it."""
        while True:
            await asyncio.sleep(1.0 if self.calm else self.lot.uniform(0.1, 4))
            await self.empty()
            if not self.calm:
                await self.report()

    async def report_only(self) -> None:
        """It is called, and reports now and then."""
        while not self.calm:
            await asyncio.sleep(self.lot.uniform(0.1, 4))
            await self.report()

    async def remember_head(self) -> None:
        """Keep the checkpoint that the axis shows, as witnesses do."""
        await self._doing(
            Operation.HEAD, self._ask("GET", "/v1/log/checkpoint"), lambda at, reply: at.ok(note=reply.body.decode())
        )

    async def empty(self) -> int:
        def listed(attempt: Attempt, reply: Reply) -> None:
            attempt.ok(items=[_item(one) for one in json.loads(reply.body)["items"]])

        reply = await self._doing(Operation.LIST, self._ask("GET", "/v1/inbox?limit=200"), listed)
        items = [_item(one) for one in json.loads(reply.body)["items"]] if reply and reply.status == 200 else []
        for item in items:
            if not self.calm and self.lot.random() < 0.1:
                continue
            ask = self._ask("GET", f"/v1/deliveries/{item['delivery']}/package")
            fetched = await self._doing(
                Operation.FETCH, ask, lambda at, got: at.ok(sha256=hashlib.sha256(got.body).hexdigest()), **item
            )
            if fetched is None or fetched.status != 200:
                continue
            for _ in range(1 if self.calm else self.lot.choice((0, 1, 1, 1, 2))):
                ask = self._ask("POST", f"/v1/deliveries/{item['delivery']}/ack", b"{}")
                acked = await self._doing(
                    Operation.ACK,
                    ask,
                    lambda at, said: at.ok(document=json.loads(said.body)["document"]),
                    delivery=item["delivery"],
                )
                if acked and acked.status == 200 and item["cargo"] == "document":
                    self.known.setdefault(item["document"], "")
        return len(items)

    async def report(self) -> None:
        """Say how far it is with what it has got, in order; now and then the same again. Where the axis reports the
        arrival, one that is called cannot know whether it has yet, and says nothing."""
        if self.called and not self.says_arrived:
            return
        for document, last in tuple(self.known.items()):
            if self.lot.random() < 0.7:
                continue
            following = [code for code in CODES if code > last and (code != "01" or self.says_arrived)]
            if not last and self.says_arrived:
                following = ["01"]
            again = last and (document in self.unheard or self.lot.random() < 0.1)
            code = last if again else self.lot.choice(following or [last])
            self.known[document] = code
            self.unheard.add(document)
            if await self.say(document, code) is not None:
                self.unheard.discard(document)

    async def say(self, document: str, code: str) -> Reply | None:
        def told(attempt: Attempt, reply: Reply) -> None:
            said = json.loads(reply.body)
            attempt.ok(status=said["status"], receiver=said["receiver"], standing=said["standing"])

        ask = self._ask("POST", f"/v1/documents/{document}/statuses", json.dumps({"code": code}).encode())
        return await self._doing(Operation.STATUS, ask, told, 202, document=document, code=code)

    async def pushed(self, said: Mapping[str, Any], body: bytes) -> Reply:
        """It is called: mostly it takes what it is given. It knows a delivery by its id, and takes none twice; now and
        then it falls over when it has it, before anybody hears of that."""
        with self.node.history.doing(self.code, Operation.PUSH, **said) as attempt:
            chance = 1.0 if self.calm or said["delivery"] in self.filed else self.lot.random()
            if chance < 0.1:
                return Reply(self.lot.choice((500, 503, 429, 404)), {}, b"")
            if chance < 0.15:
                raise ConnectionResetError("the agency fell over")
            attempt.ok(sha256=hashlib.sha256(body).hexdigest())
            self.filed.add(said["delivery"])
            if said["cargo"] == "document":
                self.known.setdefault(said["document"], "")
            if chance < 0.25:
                raise ConnectionResetError("the agency has it, and fell over")
            return Reply(200, {}, b"")


def _item(said: Mapping[str, Any]) -> dict[str, Any]:
    status = said["status"] or {}
    return {
        "delivery": said["delivery"],
        "cargo": said["cargo"],
        "document": said["document"],
        "code": status.get("code", ""),
        "receiver": status.get("receiver", ""),
    }
