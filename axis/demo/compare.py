"""Do the axes know what the receivers said? Was every bad package refused, and for the right reason? Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from axis.demo.plan import NATIONAL, REFUSED_FOR, Plan, Planned

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One status of one document at one receiver. `at` is RFC 3339 in UTC, to the second."""

    document_id: str
    receiver: str
    code: str
    at: str


@dataclass(frozen=True, slots=True)
class Told:
    """A status as the receiver's own system recorded it; `by_axis` when its node set it on hand-over (01)."""

    fact: Fact
    by_axis: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered to a package: its receipt's reference, or the problem."""

    document_id: str
    document: str | None = None
    problem: str | None = None
    reason: str | None = None
    sub_indication: str | None = None
    sentence: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A package in a receiver's hands; `attachments` are the SHA-256 of their decoded octets."""

    document_id: str
    receiver: str
    attachments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collected:
    """Everything that was gathered: from the agencies' journals, the national axis, the senders' nodes."""

    told: tuple[Told, ...]
    heard: frozenset[Fact]
    answers: tuple[Answer, ...]
    sent_attachments: Mapping[str, tuple[str, ...]]
    receipts: tuple[Receipt, ...]
    national: frozenset[Fact]
    nodes: Mapping[str, frozenset[Fact]]
    """By node: what it shows to the senders that are connected to it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One document at one recipient: what the recipient told, beside what stands at `where`."""

    document: Planned
    receiver: str
    where: str
    told: tuple[Told, ...]
    seen: tuple[Fact, ...]
    heard: int
    intact: bool

    @property
    def equal(self) -> bool:
        return {one.fact for one in self.told} == set(self.seen)

    @property
    def complete(self) -> bool:
        """Say whether the receiver has told everything that was planned, each code once."""
        return sorted(one.fact.code for one in self.told) == sorted(self.document.expected_codes(self.receiver))

    @property
    def good(self) -> bool:
        """Delivered intact, told completely, known where it must be known, and told back to the sender."""
        return self.equal and self.complete and self.intact and self.heard == len(self.told)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What became of one bad package. `delivered_to` must stay empty."""

    document: Planned
    problem: str | None
    reason: str | None
    sub_indication: str | None
    sentence: str | None
    delivered_to: tuple[str, ...]

    @property
    def good(self) -> bool:
        assert self.document.flaw is not None
        return self.reason == REFUSED_FOR[self.document.flaw] and not self.delivered_to


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole result. `strangers` are statuses at an axis that belong to no row; `failed` good ones not accepted."""

    rows: tuple[Row, ...]
    refusals: tuple[Refusal, ...]
    strangers: tuple[Fact, ...]
    failed: tuple[Answer, ...]

    @property
    def told(self) -> int:
        return sum(len(row.told) for row in self.rows)

    @property
    def matching(self) -> int:
        return sum(len({one.fact for one in row.told} & set(row.seen)) for row in self.rows)

    @property
    def equal(self) -> bool:
        return all(row.equal for row in self.rows) and self.told > 0 and not self.strangers

    @property
    def complete(self) -> bool:
        return all(row.good for row in self.rows) and not self.failed

    @property
    def refused(self) -> bool:
        reasons = {refusal.reason for refusal in self.refusals}
        return all(refusal.good for refusal in self.refusals) and len(reasons) == len(self.refusals)

    @property
    def good(self) -> bool:
        return self.equal and self.complete and self.refused


def compare(plan: Plan, collected: Collected) -> Comparison:
    """Hold what the receivers told against what the axes have, row by row."""
    told = _by_row((one.fact, one) for one in collected.told)
    heard = _by_row((fact, fact) for fact in collected.heard)
    receipts = {(one.document_id, one.receiver): one.attachments for one in collected.receipts}
    national = _by_row((fact, fact) for fact in collected.national)
    nodes = {name: _by_row((fact, fact) for fact in facts) for name, facts in collected.nodes.items()}
    rows: list[Row] = []
    for document, receiver in plan.rows:
        key = (document.document_id, receiver)
        where = document.compared_at(receiver)
        seen = national if where == NATIONAL else nodes.get(where, {})
        mine = told.get(key, [])
        rows.append(
            Row(
                document=document,
                receiver=receiver,
                where=where,
                told=tuple(sorted(mine, key=lambda one: one.fact)),
                seen=tuple(sorted(seen.get(key, []))),
                heard=len({one.fact for one in mine} & set(heard.get(key, []))),
                intact=receipts.get(key) == collected.sent_attachments.get(document.document_id, ()),
            )
        )
    answers = {one.document_id: one for one in collected.answers}
    return Comparison(
        rows=tuple(rows),
        refusals=tuple(_refusal(document, answers, collected.receipts) for document in plan.bad),
        strangers=_strangers(rows, collected.national),
        failed=_failed(plan.good, answers),
    )


def _strangers(rows: Iterable[Row], national: Collection[Fact]) -> tuple[Fact, ...]:
    """What the national axis has beyond the rows that are looked up there."""
    known = {(row.document.document_id, row.receiver) for row in rows if row.where == NATIONAL}
    return tuple(sorted(fact for fact in national if (fact.document_id, fact.receiver) not in known))


def _refusal(document: Planned, answers: Mapping[str, Answer], receipts: Sequence[Receipt]) -> Refusal:
    answer = answers.get(document.document_id, Answer(document.document_id))
    return Refusal(
        document=document,
        problem=answer.problem,
        reason=answer.reason,
        sub_indication=answer.sub_indication,
        sentence=answer.sentence,
        delivered_to=tuple(one.receiver for one in receipts if one.document_id == document.document_id),
    )


def _failed(good: Sequence[Planned], answers: Mapping[str, Answer]) -> tuple[Answer, ...]:
    """Good documents that were refused, or never answered."""
    given = (answers.get(document.document_id, Answer(document.document_id)) for document in good)
    return tuple(answer for answer in given if answer.document is None)


def _by_row(facts: Iterable[tuple[Fact, T]]) -> dict[tuple[str, str], list[T]]:
    rows: defaultdict[tuple[str, str], list[T]] = defaultdict(list)
    for fact, value in facts:
        rows[fact.document_id, fact.receiver].append(value)
    return rows
