"""What a run has shown: each node's history and log by the checker that shares no code with the product, the network
as a whole by what its ends have got, each store by the product's own audit and by its book of leases."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from axis.core.house import check_house
from axis.core.model import PayloadRef
from axis.sql.audit import open_books
from signing.keys import raw_public
from signing.note import NoteSigner
from tests.history.event import Operation, Outcome
from tests.history.logbook import Logbook, Unreadable, read_logbook
from tests.history.rules import FIVE, Rule, World, check
from tests.sim.book import DELIVERIES, LOG, misused

if TYPE_CHECKING:
    from tests.sim.node import SimNode
    from tests.sim.world import World as Sim


def wrong(sim: Sim) -> list[str]:
    """Everything that should not have happened, and did."""
    found = []
    for node in sim.nodes.values():
        found += node.wrong
        leases = misused(node.rows(DELIVERIES), node.rows(LOG), node.plan.lease)
        found += [f"{node.plan.name}: {one}" for one in (*_history(node, sim.settled), *_house(node), *leases)]
    return [*found, *(_ends(sim) if sim.settled else ()), *sim.loop.troubles]


def _history(node: SimNode, settled: bool) -> Iterator[str]:
    key = NoteSigner(node.plan.name, node.plan.log_key).verifier
    book: Logbook | Unreadable
    try:
        book = read_logbook(node.place / "data" / "log", node.place / "checkpoints", str(key))
    except Unreadable as error:
        book = error
    openings = dict(node.rows("SELECT ref, nonce FROM document"))
    world = World(frozenset(node.agencies), settled, openings=openings, receipt_key=raw_public(node.plan.receipt_key))
    found = check(node.history, book, world)
    yield from (str(one) for one in found if settled or one.rule is not Rule.NO_LEAF)


def _house(node: SimNode) -> Iterator[str]:
    blobs = node.place / "data" / "blobs"

    def octets(ref: PayloadRef) -> bytes | None:
        path = blobs / ref.sha256[:2] / ref.sha256
        return path.read_bytes() if path.exists() else None

    with open_books(f"sqlite:///{node.place / 'data' / 'axis.db'}", octets) as books:
        yield from map(str, check_house(books))


def _ends(sim: Sim) -> Iterator[str]:
    """From one end of the network to the other: a document that its sender has a receipt for is with every recipient,
    or the sender was told; so is every status that a recipient has reported."""
    events = [event for node in sim.nodes.values() for event in node.history]
    home = {code: node for node in sim.nodes.values() for code in node.agencies}
    got: dict[str, set[str]] = defaultdict(set)  # octets → who has them
    names: dict[tuple[str, str], str] = {}  # agency, its node's name of a document → octets
    noticed: set[tuple[str, str]] = set()
    told: set[tuple[str, str, str, str]] = set()
    for node in sim.nodes.values():
        for event in node.history:
            said = event.arguments
            if event.operation not in (Operation.FETCH, Operation.PUSH) or event.outcome is not Outcome.OK:
                continue
            if home.get(event.process) is not node:  # another node has got it
                continue
            if said["cargo"] == "document":
                got[event.result["sha256"]].add(event.process)
                names[event.process, said["document"]] = event.result["sha256"]
            elif said["cargo"] == "notice":
                noticed.add((event.process, said["document"]))
            else:
                told.add((event.process, said["document"], said["receiver"], said["code"]))
    sent: dict[str, tuple[str, str]] = {}
    for event in events:
        said = event.arguments
        if event.operation is Operation.SUBMIT and event.outcome is Outcome.OK:
            receipt = json.loads(event.result["receipt"])
            if receipt["node"] != home[said["sender"]].plan.name or receipt["state"] != "accepted":
                continue
            sent[said["sha256"]] = said["sender"], receipt["document"]
            if (said["sender"], receipt["document"]) in noticed:
                continue
            for recipient in said["recipients"]:
                if recipient not in got[said["sha256"]]:
                    yield f"LOST on the way: {said['document_id']} of {said['sender']} for {recipient}"
    for event in events:
        if event.operation is Operation.STATUS and event.outcome is Outcome.OK and event.arguments["code"] in FIVE:
            octets = names.get((event.process, event.arguments["document"]))
            if octets is None or octets not in sent or event.result["standing"] != "applied":
                continue
            sender, document = sent[octets]
            if (sender, document, event.process, event.arguments["code"]) not in told:
                yield f"LOST on the way: status {event.arguments['code']} of {event.process} for {sender}"
