"""What a node knows of its surroundings, and lanes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.model import Role
from axis.core.network import lane
from schemas.codes import AgencyCode
from tests.unit.core.world import COMMUNE_1, MINISTRY, TEN, TWENTY, network


def test_the_national_axis_is_found_by_its_role() -> None:
    assert network().national == "national"
    assert network(roles={"dms-10": Role.AGENCY, "district": Role.NODE}).national is None


@pytest.mark.parametrize(
    ("endpoint", "away"), [("dms-10", False), ("district", True), ("province-97", True), ("national", True)]
)
def test_another_axis_leads_away_an_agency_does_not(endpoint: str, away: bool) -> None:
    assert network().leads_away(endpoint) is away


CODES = [TEN, TWENTY, COMMUNE_1, MINISTRY]
parts = st.tuples(
    st.sampled_from(["a", "ab", "b"]),
    st.lists(st.sampled_from(CODES), max_size=2, unique=True).map(frozenset),
    st.sampled_from(CODES),
    st.sampled_from(["", "1", "12", "H99.10"]),
)


@given(parts, parts)
def test_what_concerns_one_document_towards_one_destination_shares_a_lane_and_nothing_else_does(
    one: tuple[str, frozenset[AgencyCode], AgencyCode, str], other: tuple[str, frozenset[AgencyCode], AgencyCode, str]
) -> None:
    assert (lane(*one) == lane(*other)) == (one == other)


def test_a_lane_does_not_depend_on_the_order_of_recipients_and_shows_nothing() -> None:
    made = lane("dms", [TEN, TWENTY], MINISTRY, "12/UBND-VP")
    assert made == lane("dms", [TWENTY, TEN], MINISTRY, "12/UBND-VP")
    assert len(made) == 32
    assert "UBND" not in made
