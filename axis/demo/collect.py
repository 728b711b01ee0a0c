"""Gathers what everybody knows: the agencies from their journals, the national axis and the nodes by their APIs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from axis.demo.client import Client, Door
from axis.demo.compare import Answer, Collected, Fact, Receipt, Told
from axis.demo.desk import to_second
from axis.demo.journal import Event, Tail
from axis.demo.layout import Layout
from axis.demo.plan import BY_CODE, NATIONAL, PARTIES, Plan

Line = Mapping[str, Any]


class Books:
    """All journals, read as they grow."""

    def __init__(self, layout: Layout) -> None:
        self._tails = {party.code: Tail(layout.journal(party)) for party in PARTIES}
        self.lines: dict[str, list[Line]] = {party.code: [] for party in PARTIES}

    def read(self) -> int:
        """Take in what is new; answers how many lines that were."""
        fresh = 0
        for code, tail in self._tails.items():
            lines = tail.read()
            self.lines[code] += lines
            fresh += len(lines)
        return fresh

    def of(self, *events: Event) -> Iterable[Line]:
        wanted = {event.value for event in events}
        return (line for lines in self.lines.values() for line in lines if line["event"] in wanted)

    def broken(self) -> list[str]:
        """What went wrong in an agency's own system."""
        return [
            f"{BY_CODE[code].title}: {line['error']}"
            for code, lines in self.lines.items()
            for line in lines
            if line["event"] == Event.BROKEN
        ]


def collect(plan: Plan, layout: Layout, books: Books, doors: Mapping[str, Client], operator: Client) -> Collected:
    """Ask the axes and put everything side by side. `NoAnswer` when one of them does not answer."""
    sent = {line["document_id"]: line for line in books.of(Event.SENT)}
    nodes: dict[str, set[Fact]] = {}
    for document in plan.good:
        party = BY_CODE[document.sender]
        line = sent.get(document.document_id)
        if party.home != NATIONAL and line is not None:
            nodes.setdefault(party.home, set()).update(_at_node(doors[party.code], line))
    return Collected(
        told=tuple(Told(_fact(line), line["by"] == "axis") for line in books.of(Event.STATUS)),
        heard=frozenset(_fact(line) for line in books.of(Event.HEARD)),
        answers=tuple(_answer(line) for line in books.of(Event.SENT, Event.REFUSED)),
        sent_attachments={id: tuple(line["attachments"]) for id, line in sent.items()},
        receipts=tuple(
            Receipt(line["document_id"], line["receiver"], tuple(line["attachments"]))
            for line in books.of(Event.RECEIVED)
        ),
        national=frozenset(_at_national(operator)),
        nodes={name: frozenset(facts) for name, facts in nodes.items()},
    )


def open_doors(layout: Layout) -> dict[str, Client]:
    """A connection for each agency that has a node, as that agency."""
    return {party.code: Client(layout.door(party), patience_s=5) for party in PARTIES if party.home != NATIONAL}


def open_operator(layout: Layout) -> Client:
    """The national operator's connection."""
    return Client(
        Door(layout.national_url, layout.tls_ca, headers={"X-Operator-Token": layout.operator_token}), patience_s=5
    )


def _at_node(client: Client, line: Line) -> Iterable[Fact]:
    """What the sender's node shows the sender of one document."""
    reply = client.get(f"/v1/documents/{line['document']}")
    statuses = reply.json()["statuses"] if reply.ok else []
    return [
        Fact(line["document_id"], status["receiver"], status["code"], to_second(status["at"])) for status in statuses
    ]


def _at_national(operator: Client) -> Iterable[Fact]:
    """Every status that the national axis has."""
    after: int | None = 0
    while after is not None:
        page = operator.get(f"/operator/statuses?after={after}").json()
        for row in page["statuses"]:
            yield Fact(row["document_id"], row["receiver"], row["code"], to_second(row["time"]))
        after = page["next"]


def _fact(line: Line) -> Fact:
    return Fact(line["document_id"], line["receiver"], line["code"], line["at"])


def _answer(line: Line) -> Answer:
    if line["event"] == Event.SENT:
        return Answer(line["document_id"], document=line["document"])
    return Answer(
        line["document_id"],
        problem=line["problem"],
        reason=line["reason"],
        sub_indication=line["sub_indication"],
        sentence=line["reason_vi"],
    )
