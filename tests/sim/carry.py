"""What adapters send over the network, and what both ends write into their histories about it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from axis.core.hands import Consignment
from axis.core.model import Cargo
from tests.history.event import Event, Operation, Outcome
from tests.history.package import Package
from tests.sim.agency import Agency
from tests.sim.http import Reply
from tests.sim.net import Net
from tests.sim.node import SimNode


@dataclass
class Carrier:
    """`packages` are those that were made, by the digest of their octets."""

    net: Net
    nodes: dict[str, SimNode] = field(default_factory=dict)
    agencies: dict[str, Agency] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)

    async def call_out(
        self, node: SimNode, endpoint: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Carry what an adapter sends, whoever dies meanwhile."""
        if endpoint in self.nodes:
            work = self._onward(node, endpoint, carried, headers, body)
        else:
            work = self._handed(node, endpoint, carried, headers, body)
        return await asyncio.shield(self.net.aside(work))

    async def _handed(
        self, node: SimNode, endpoint: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """To an agency: what it knows of a delivery is what the request says."""
        agency, status = self.agencies[endpoint.removeprefix("push-")], carried.status
        said = {
            "delivery": headers["Axis-Delivery"],
            "cargo": headers["Axis-Cargo"],
            "document": headers["Axis-Document"],
            "code": headers.get("Axis-Status", ""),
            "receiver": status.receiver.text if status else "",
        }
        return await self.net.carry(node.plan.name, agency.code, lambda: agency.pushed(said, body))

    async def _onward(
        self, node: SimNode, endpoint: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """To another node: whom it is for is that one's to know."""
        cargo = carried.delivery.cargo
        said = {
            "delivery": headers["Axis-Delivery"],
            "cargo": cargo.value,
            "document": carried.delivery.document or "" if cargo is Cargo.DOCUMENT else "",
            "code": "",
            "receiver": "",
        }
        codes = [code.text for code in carried.delivery.recipients] if cargo is Cargo.DOCUMENT else [endpoint]
        began, outcome = self._now(), Outcome.INFO
        other, name = self.nodes[endpoint], node.plan.name
        try:
            reply = await self.net.carry(name, endpoint, lambda: self._relayed(other, name, carried, headers, body))
            if 200 <= reply.status < 300:
                outcome = Outcome.OK
            return reply
        finally:
            octets = {"sha256": hashlib.sha256(body).hexdigest()}
            for code in codes:
                self.note(node, code, Operation.PUSH, began, said, octets, outcome)

    async def _relayed(
        self, node: SimNode, by: str, carried: Consignment, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        began, outcome = self._now(), Outcome.INFO
        result: dict[str, str] = {}
        try:
            reply = await node.asked("POST", "/v1/relay", f"axk_{by}", headers, body)
            if reply.status == 202:
                outcome, result = Outcome.OK, {"receipt": reply.body.decode()}
            elif reply.status < 500 and reply.status != 429:
                outcome = Outcome.FAIL
            return reply
        finally:
            if carried.delivery.cargo is Cargo.DOCUMENT:
                made = self.packages[hashlib.sha256(body).hexdigest()]
                said = {**made.said(), "recipients": [code.text for code in carried.delivery.recipients]}
                self.note(node, made.sender, Operation.SUBMIT, began, said, result, outcome)

    def note(
        self,
        node: SimNode,
        who: str,
        what: Operation,
        began: float,
        said: Mapping[str, Any],
        result: Mapping[str, Any],
        outcome: Outcome,
    ) -> None:
        kept = result if outcome is Outcome.OK else {}
        node.history.add(Event(who, what, said, outcome, kept, began, self._now()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
