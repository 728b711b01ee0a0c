"""When content may go: whatever may still be sent, fetched, asked about or judged keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.follow_up import FollowUp
from axis.core.model import AttachmentCheck, AttachmentRecord, Cargo, Delivery, Document, EntryKind, RemoveContent
from axis.core.retention import LEAP, Leftover, Stays, decide_removal, stays, steady_since
from axis.core.states import DeliveryState, IntakeState
from schemas.multipart import PackageForm
from tests.factories_core import NOW, delivery, document, sha256

KEEP = timedelta(days=400)
LONG_AGO = NOW - KEEP - timedelta(days=1)
Facts = tuple[Document, list[Delivery], list[FollowUp], AttachmentCheck | None]


def old(**changes: Any) -> Document:
    return document(accepted_at=LONG_AGO, **changes)


def made(about: Document, state: DeliveryState = DeliveryState.DELIVERED, **changes: Any) -> Delivery:
    settled = LONG_AGO if state in (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.DROPPED) else None
    return delivery(about, created_at=LONG_AGO, state=state)._replace(settled_at=settled)._replace(**changes)


def followed(about: Delivery, due_at: datetime | None) -> FollowUp:
    return FollowUp(about.id, "thành-phố", "ref", LONG_AGO, due_at)


def why(
    one: Document, deliveries: list[Delivery], *follow_ups: FollowUp, check: AttachmentCheck | None = None
) -> Stays | None:
    return stays(one, deliveries, follow_ups, check, NOW - KEEP)


def test_what_was_delivered_long_ago_goes() -> None:
    one = old()
    assert why(one, [made(one), made(one)]) is None
    assert why(old(), []) is None
    assert why(old(state=IntakeState.REFUSED, receipt_state=IntakeState.HELD), []) is None


UNMADE = [one for one in DeliveryState if one is not DeliveryState.DELIVERED]


@pytest.mark.parametrize("state", UNMADE)
def test_any_other_delivery_of_it_keeps_it(state: DeliveryState) -> None:
    """Also one that failed: somebody may send it again. However long ago that was, and whatever else is given up."""
    one = old()
    keeps = Stays.FAILED if state is DeliveryState.FAILED else Stays.UNDELIVERED
    assert why(one, [made(one), given_up(one), made(one, state), given_up(one)]) is keeps


def given_up(about: Document, **changes: Any) -> Delivery:
    return made(about, DeliveryState.FAILED, last_problem="given-up", **changes)


def test_what_a_person_gave_up_goes_when_its_time_is_over() -> None:
    one = old()
    assert why(one, [made(one), given_up(one)]) is None
    assert why(one, [given_up(one, settled_at=NOW - KEEP)]) is Stays.YOUNG, "it may be sent again so long"


@pytest.mark.parametrize("state", UNMADE)
def test_what_was_given_up_stays_until_its_notices_were_taken_or_given_up_too(state: DeliveryState) -> None:
    one = old()
    notice = made(one, state, cargo=Cargo.NOTICE, cargo_ref="another")
    keeps = None if state is DeliveryState.DROPPED else Stays.UNTOLD
    assert why(one, [given_up(one), notice]) is keeps
    assert why(one, [given_up(one), notice._replace(state=DeliveryState.DELIVERED)]) is None
    assert why(one, [made(one), notice]) is None, "nothing of it was given up"


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("cargo", [Cargo.STATUS, Cargo.NOTICE])
def test_what_is_only_about_it_needs_no_content(state: DeliveryState, cargo: Cargo) -> None:
    one = old()
    assert why(one, [made(one), made(one, state, cargo=cargo, cargo_ref="another")]) is None


YOUNG: list[Callable[[Document], tuple[Document, list[Delivery]]]] = [
    lambda one: (replace(one, accepted_at=NOW - KEEP), []),
    lambda one: (one, [made(one, settled_at=NOW - KEEP)]),
    lambda one: (one, [made(one), made(one, cargo=Cargo.STATUS, settled_at=NOW)]),
    lambda one: (one, [made(one), made(one, DeliveryState.QUEUED, cargo=Cargo.NOTICE, created_at=NOW)]),
]


@pytest.mark.parametrize("case", range(len(YOUNG)))
def test_the_time_counts_from_the_last_that_happened(case: int) -> None:
    one, deliveries = YOUNG[case](old())
    assert why(one, deliveries) is Stays.YOUNG


def test_what_is_held_asked_about_or_to_be_judged_stays() -> None:
    held, one = old(state=IntakeState.HELD, receipt_state=IntakeState.HELD), old()
    sent = made(one)
    assert why(held, []) is Stays.HELD
    assert why(one, [sent], followed(sent, NOW)) is Stays.FOLLOWED
    assert why(one, [sent], followed(sent, None)) is None
    check = AttachmentCheck(one.ref, LONG_AGO, NOW)
    assert why(one, [sent], check=check) is Stays.UNJUDGED
    assert why(one, [sent], check=replace(check, due_at=None)) is None
    assert why(replace(one, removed_at=NOW), []) is Stays.REMOVED


def test_what_goes_is_named_once_and_told_without_its_name() -> None:
    annex = AttachmentRecord("a1", "Phụ lục.pdf", "application/pdf", 3, sha256("annex"))
    one = old(attachments=(annex, annex), form=PackageForm.PARTS, subject="V/v mật")
    decided = decide_removal(one, [made(one)], [], None, KEEP, "axis-1", NOW)
    nameless = replace(annex, name="")
    assert decided.reply is None
    assert decided.changes == (
        RemoveContent(one.ref, NOW, (nameless, nameless), tuple(sorted({one.payload.sha256, annex.sha256}))),
    )
    (entry,) = decided.entries
    assert (entry.kind, entry.actor, entry.subject) == (EntryKind.CONTENT_REMOVED, "axis-1", one.ref)
    assert entry.facts == {"keep_days": 400, "octets": one.payload.size + 6}


def test_what_stays_changes_nothing() -> None:
    one = document(accepted_at=NOW)
    decided = decide_removal(one, [], [], None, KEEP, "axis-1", NOW)
    assert (decided.reply, decided.changes, decided.entries) == (Stays.YOUNG, (), ())


@pytest.mark.parametrize(
    ("named", "wanted", "removable"), [(0, False, True), (3, False, True), (0, True, False), (None, False, False)]
)
def test_only_rows_that_nothing_names_are_removable(named: int | None, wanted: bool, removable: bool) -> None:
    assert Leftover("0" * 64, NOW, named, wanted).removable is removable


@given(st.lists(st.timedeltas(timedelta(0), LEAP), max_size=30))
def test_runs_that_follow_each_other_are_steady_from_the_first(pauses: list[timedelta]) -> None:
    known, now = (NOW, NOW), NOW
    for pause in pauses:
        now += pause
        known = steady_since(now, known), now
    assert known == (NOW, now)


@pytest.mark.parametrize("by", [LEAP + timedelta(seconds=1), timedelta(days=3650), -timedelta(seconds=1)])
def test_a_clock_that_leaps_begins_anew(by: timedelta) -> None:
    assert steady_since(NOW + by, (NOW - timedelta(days=9), NOW)) == NOW + by
    assert steady_since(NOW, None) == NOW
