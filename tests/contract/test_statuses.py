"""Statuses in the store: found with their documents, in order, adopted once."""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from axis.core.model import AddDelivery, AddDocument, AddStatus, AdoptStatus, DocumentRef, StatusRef, StatusReport
from axis.core.ports import Ledger, LostRace
from axis.core.states import IntakeState
from axis.core.times import rfc3339
from axis.sql.store import SqlStore
from schemas.codes import AgencyCode
from schemas.status import Standing
from tests.contract.asked import add, ask
from tests.factories_core import OTHER, RECEIVER, SENDER, delivery, document, later, report


def _told_of(ref: DocumentRef, receiver: AgencyCode, most: int, ledger: Ledger) -> int:
    return ledger.told_of(ref, receiver.text, most)


async def test_a_status_finds_its_document(store: SqlStore) -> None:
    old = document(document_id="A", number="7/QĐ", issued_on=date(2025, 1, 2))
    new = document(document_id="B", number="7/QĐ", issued_on=date(2026, 1, 2))
    held = document(document_id="C", number="8/QĐ", state=IntakeState.HELD)
    await add(store, *map(AddDocument, (old, new, held)))

    async def match(
        id_: str | None, number: str | None, day: date | None = None, receiver: AgencyCode = RECEIVER
    ) -> Any:
        return await ask(store, lambda ledger: ledger.match_document(SENDER, receiver, id_, number, day))

    assert await match("A", "7/QĐ") == old, "the id goes before the number"
    assert await match(None, "7/QĐ") == new, "the newest of several"
    assert await match(None, unicodedata.normalize("NFD", "7/QĐ"), date(2025, 1, 2)) == old
    assert await match("unknown", "7/QĐ", date(2025, 1, 2)) == old, "an id that nobody has gives way to the number"
    assert await match(None, "7/QĐ", date(2024, 1, 1)) is None
    assert await match("A", None, receiver=OTHER) is None, "not among the recipients"
    assert await match("C", "8/QĐ") is None, "held is not accepted"
    assert await match(None, None) is None


async def test_statuses_read_back_in_the_order_of_storing(store: SqlStore) -> None:
    one = document(recipients=(RECEIVER, OTHER))
    first, second = report(one), report(one, wire="03", staff=None, hops=(), description=None)
    other = report(one, receiver=OTHER, reporter=OTHER)
    await add(store, AddDocument(one), AddStatus(first), AddStatus(other), AddStatus(second))
    assert await ask(store, lambda ledger: list(ledger.statuses(one.ref, RECEIVER))) == [first, second]
    assert await store.views.statuses(one.ref) == [first, other, second]
    pairs = [(one.ref, RECEIVER.text), (one.ref, SENDER.text), (DocumentRef("nobody"), RECEIVER.text)]
    for some, whole in ((pairs, [first, second]), (pairs[:1], [first, second]), (pairs[1:2], [])):
        said = await ask(store, lambda ledger, some=some: ledger.said_of(some, ()))
        assert [(one.ref, one.document, one.receiver, one.wire, one.at, one.status) for one in said] == [
            (one.ref, one.document, one.receiver.text, one.wire, one.at, one.status) for one in whole
        ]
    assert await store.views.status(second.ref) == second
    assert await ask(store, lambda ledger: ledger.status(second.ref)) == second
    assert await store.views.status(StatusRef("none")) is None


async def test_of_what_was_repeated_only_the_same_is_read_again(store: SqlStore) -> None:
    one = document(recipients=(RECEIVER, OTHER))
    first = report(one, wire="05")
    again = [
        report(one, wire="05", at=first.at + timedelta(minutes=minute), standing=Standing.REPEATED)
        for minute in range(1, 6)
    ]
    late = report(one, wire="03", at=later(minutes=3), standing=Standing.LATE)
    other = report(one, receiver=OTHER, reporter=OTHER, standing=Standing.REPEATED)
    await add(store, AddDocument(one), *map(AddStatus, (first, *again[:3], late, *again[3:], other)))
    mine, theirs = (one.ref, RECEIVER.text), (one.ref, OTHER.text)
    for pairs, same, wanted in (
        ([mine], [("05", rfc3339(first.at))], [first, late]),
        ([mine], [("05", rfc3339(again[1].at))], [first, again[1], late]),
        ([mine], [("04", rfc3339(again[1].at))], [first, late]),
        ([mine], [("05", rfc3339(again[0].at)), ("05", rfc3339(again[4].at))], [first, again[0], late, again[4]]),
        ([mine, theirs], [("05", rfc3339(again[3].at))], [first, late, again[3]]),
        ([mine, theirs], [(other.wire, rfc3339(other.at))], [first, late, other]),
    ):
        said = await ask(store, lambda ledger, pairs=pairs, same=same: ledger.said_of(pairs, same))
        assert [found.ref for found in said] == [status.ref for status in wanted]


async def test_all_that_was_told_is_counted_as_far_as_it_is_asked(store: SqlStore) -> None:
    one = document(recipients=(RECEIVER, OTHER))
    first = report(one, wire="05")
    again = [report(one, wire="05", at=later(minutes=n), standing=Standing.REPEATED) for n in range(1, 5)]
    other = report(one, receiver=OTHER, reporter=OTHER)
    await add(store, AddDocument(one), *map(AddStatus, (first, *again, other)))
    for receiver, most, wanted in ((RECEIVER, 9, 5), (RECEIVER, 5, 5), (RECEIVER, 3, 3), (OTHER, 9, 1), (SENDER, 9, 0)):
        assert await ask(store, partial(_told_of, one.ref, receiver, most)) == wanted


async def test_what_others_said_of_the_same_before_it_came_is_known(store: SqlStore) -> None:
    by_id = [report(document_id="Đ-7", number=f"{n}/QĐ", wire=wire) for n, wire in enumerate(("03", "05", "05"))]
    by_number = report(document_id=None, number="7/QĐ", wire="06")
    strangers = [report(document_id="Đ-7", receiver=OTHER, reporter=OTHER), report(document_id="Đ-8")]
    placed = report(document(document_id="Đ-7"), wire="02", document_id="Đ-7")
    await add(store, *map(AddStatus, (*by_id, by_number, *strangers)))

    async def codes(told: StatusReport) -> list[str]:
        return sorted(await ask(store, lambda ledger: ledger.orphan_codes(told)))

    assert await codes(by_id[0]) == ["03", "05", "05"]
    assert await codes(placed) == ["03", "05", "05"]
    assert await codes(by_number) == ["06"]
    assert await codes(report(document_id=unicodedata.normalize("NFD", "Đ-7"))) == ["03", "05", "05"]


async def test_an_orphan_waits_and_is_adopted_once(store: SqlStore) -> None:
    one = document(document_id="Đ-7", number="7/QĐ")
    by_id = report(document_id=unicodedata.normalize("NFD", "Đ-7"), number=None)
    by_number = report(document_id=None, number="7/QĐ", wire="03")
    stranger = report(document_id="Đ-7", sender=OTHER, addressee=OTHER)
    passed_on = delivery(cargo_ref=by_id.ref)
    await add(store, AddStatus(by_id), AddStatus(by_number), AddStatus(stranger), AddDelivery(passed_on))
    assert await ask(store, lambda ledger: list(ledger.orphans(SENDER, "Đ-7", "7/QĐ"))) == [by_id, by_number]
    assert await ask(store, lambda ledger: ledger.same_orphan(by_number._replace(ref=StatusRef("x"))))
    assert not await ask(store, lambda ledger: ledger.same_orphan(by_number._replace(wire="04")))
    assert not await ask(store, lambda ledger: ledger.same_orphan(by_number._replace(at=later(minutes=1))))
    assert await ask(store, lambda ledger: ledger.passed_on(by_id.ref)) == {passed_on.endpoint}
    assert await ask(store, lambda ledger: ledger.passed_on(by_number.ref)) == frozenset()

    await add(store, AddDocument(one), AdoptStatus(by_id.ref, one.ref, Standing.APPLIED))
    assert await ask(store, lambda ledger: list(ledger.orphans(SENDER, "Đ-7", "7/QĐ"))) == [by_number]
    assert not await ask(store, lambda ledger: ledger.same_orphan(by_id)), "no orphan any more"
    assert await store.views.statuses(one.ref) == [by_id._replace(document=one.ref)]
    assert [found.id for found in await store.views.deliveries(one.ref)] == [passed_on.id]
    with pytest.raises(LostRace):
        await add(store, AdoptStatus(by_id.ref, one.ref, Standing.APPLIED))
