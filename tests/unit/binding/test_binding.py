"""Whom a certificate speaks for, as a table over time; and the judge that asks it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from axis.core.binding import Binding, Bindings, Standing
from axis.core.registry import Agency, Registry
from schemas.codes import AgencyCode, Level

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 23, 5, tzinfo=UTC)
OFFICE, OTHER = AgencyCode("H99.07"), AgencyCode("H99.08")
ONE, TWO = "11" * 32, "22" * 32


def at(days: float) -> datetime:
    return NOON + days * DAY


def row(begins: float | None, ends: float | None, certificate: str = ONE, agency: AgencyCode = OFFICE) -> Binding:
    return Binding(certificate, agency, None if begins is None else at(begins), None if ends is None else at(ends))


STANDINGS = [
    # the rows of one certificate and agency, in days around noon; what holds at noon; the row that says so
    ([], Standing.NONE, None),
    ([row(-1, None)], Standing.GOOD, 0),
    ([row(-1, 1)], Standing.GOOD, 0),
    ([row(None, None)], Standing.GOOD, 0),
    ([row(None, 0)], Standing.ENDED, 0),  # the end is not part of it
    ([row(0, 1)], Standing.GOOD, 0),  # the beginning is
    ([row(1, 2)], Standing.NOT_YET, 0),
    ([row(-2, -1)], Standing.ENDED, 0),
    ([row(-4, -3), row(-2, -1)], Standing.ENDED, 1),
    ([row(-2, -1), row(-4, -3)], Standing.ENDED, 0),
    ([row(-2, -1), row(1, 2)], Standing.NOT_YET, 1),  # between two periods
    ([row(3, 4), row(1, 2)], Standing.NOT_YET, 1),  # the next one, not a later one
    ([row(-2, 0), row(0, 2)], Standing.GOOD, 1),
    ([row(1, 1)], Standing.NONE, None),  # taken back before it began
    ([row(-1, -1)], Standing.NONE, None),
    ([row(0, 0)], Standing.NONE, None),
    ([row(-1, 1, TWO)], Standing.NONE, None),
    ([row(-1, 1, ONE, OTHER)], Standing.NONE, None),
]


@pytest.mark.parametrize(("rows", "standing", "index"), STANDINGS)
def test_the_standing_at_one_time(rows: list[Binding], standing: Standing, index: int | None) -> None:
    answer = Bindings(rows).speaks_for(ONE, OFFICE, NOON)
    assert answer.standing is standing
    assert answer.good is (standing is Standing.GOOD)
    assert answer.binding is (None if index is None else rows[index])


TOLD = [
    ([], f"sha256:{ONE} is not bound to H99.07"),
    ([row(None, None)], f"sha256:{ONE} speaks for H99.07"),
    (
        [row(-1, 1)],
        f"sha256:{ONE} speaks for H99.07 from 2026-11-22T05:00:00.000000Z until 2026-11-24T05:00:00.000000Z",
    ),
    ([row(1, None)], f"not yet: sha256:{ONE} speaks for H99.07 only from 2026-11-24T05:00:00.000000Z"),
    ([row(None, -1)], f"ended: sha256:{ONE} spoke for H99.07 until 2026-11-22T05:00:00.000000Z"),
]


@pytest.mark.parametrize(("rows", "told"), TOLD)
def test_the_answer_says_why_in_one_sentence(rows: list[Binding], told: str) -> None:
    assert Bindings(rows).speaks_for(ONE, OFFICE, NOON).told == told


def test_the_sentence_names_no_file_and_nobody_else() -> None:
    """Senders read it in the verdict."""
    rows = [replace(row(1, 2), origin="bindings.toml:7", note="secret", made_by="root"), row(-1, 1, ONE, OTHER)]
    told = Bindings(rows).speaks_for(ONE, OFFICE, NOON).told
    assert not any(word in told for word in ("bindings", "secret", "root", "H99.08"))


MEETINGS = [
    (row(-1, 1), row(0, 2), True),
    (row(-1, 0), row(0, 1), False),
    (row(None, None), row(5, None), True),
    (row(-1, 1), row(0, 0), False),
    (row(-3, -2), row(2, 3), False),
    (row(0, 1), row(0, 1), True),
]


@pytest.mark.parametrize(("one", "other", "meet"), MEETINGS)
def test_two_periods_meet_or_not(one: Binding, other: Binding, meet: bool) -> None:
    assert (one.meets(other), other.meets(one)) == (meet, meet)


def test_random_periods_answer_as_a_plain_search_does() -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(300):
        rows = []
        for _ in range(rng.randrange(6)):
            begins = rng.choice([None, *range(-5, 6)])
            ends = rng.choice([None, *range(-5 if begins is None else begins, 6)])
            rows.append(row(begins, ends, rng.choice([ONE, TWO]), rng.choice([OFFICE, OTHER])))
        bindings = Bindings(rows)
        for hours in range(-150, 151, 25):
            when = NOON + timedelta(hours=hours)
            mine = [one for one in rows if (one.certificate, one.agency) == (ONE, OFFICE)]
            holding = any(one.begins <= when < one.ends for one in mine)
            answer = bindings.speaks_for(ONE, OFFICE, when)
            assert answer.good is holding
            if not holding:
                coming = any(one.begins > when and one.begins < one.ends for one in mine)
                past = any(one.ends <= when and one.begins < one.ends for one in mine)
                wanted = Standing.NOT_YET if coming else Standing.ENDED if past else Standing.NONE
                assert answer.standing is wanted


# --- in the registry ----------------------------------------------------------------------------------------


def registry(*rows: Binding, listed: str = ONE) -> Registry:
    agencies = [
        Agency(OFFICE, "Sở", Level.PROVINCE, certificates=frozenset({listed})),
        Agency(OTHER, "Sở khác", Level.PROVINCE),
    ]
    return Registry(agencies, rows)


def test_a_certificate_listed_beside_an_agency_speaks_without_dates() -> None:
    bindings = registry().bindings
    for days in (-9999, 0, 9999):
        assert bindings.speaks_for(ONE, OFFICE, at(days)).good
    assert bindings.speaks_for(ONE, OTHER, NOON).standing is Standing.NONE
    assert bindings.speaks_for(TWO, OFFICE, NOON).standing is Standing.NONE


def test_dates_narrow_what_is_listed_without_dates() -> None:
    """Otherwise a row that ends a listed certificate would end nothing."""
    bindings = registry(row(-2, -1)).bindings
    assert bindings.speaks_for(ONE, OFFICE, NOON).standing is Standing.ENDED
    assert len(bindings) == 1


def test_a_row_for_another_agency_leaves_what_is_listed() -> None:
    bindings = registry(row(-2, -1, ONE, OTHER), row(-2, -1, TWO)).bindings
    assert bindings.speaks_for(ONE, OFFICE, NOON).good
    assert len(bindings) == 3


def test_several_agencies_of_a_certificate_and_several_certificates_of_an_agency() -> None:
    bindings = registry(row(-1, None, TWO), row(-1, None, TWO, OTHER)).bindings
    assert {one.agency for one in bindings.of_certificate(TWO)} == {OFFICE, OTHER}
    assert {one.certificate for one in bindings.of_agency(OFFICE)} == {ONE, TWO}
    assert bindings.of_certificate("33" * 32) == bindings.of_agency(AgencyCode("X")) == ()


def test_a_registry_bound_anew_keeps_its_agencies_and_paths() -> None:
    before = registry()
    after = before.bound([row(-1, 1, TWO)])
    assert list(after) == list(before)
    assert after.path(OFFICE) == before.path(OFFICE)
    assert after.bindings.speaks_for(TWO, OFFICE, NOON).good
    assert not before.bindings.speaks_for(TWO, OFFICE, NOON).good
    assert after.bindings.speaks_for(ONE, OFFICE, NOON).good


def test_a_rollover_over_time_never_leaves_the_agency_without_a_certificate() -> None:
    """The old one until day 14, the new one from day 0: before, only the old one; in between both; then the new one."""
    bindings = Bindings([row(-300, 14, ONE), row(0, None, TWO)])
    speaking = {
        days: [bindings.speaks_for(one, OFFICE, at(days)).good for one in (ONE, TWO)] for days in (-1, 0, 13.9, 14, 99)
    }
    assert speaking == {
        -1: [True, False],
        0: [True, True],
        13.9: [True, True],
        14: [False, True],
        99: [False, True],
    }
