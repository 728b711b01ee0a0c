"""The table of problems: complete, and consistent with what HTTP says."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from axis.core.problems import TABLE, Kind, Problem, ProblemError, Refused, Unavailable, refuse

PARTIES = {"caller", "sender", "recipient", "operator", "axis", "us"}


def test_every_kind_has_a_row() -> None:
    assert set(TABLE) == set(Kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_row_is_an_http_error_with_a_party_and_two_sentences(kind: Kind) -> None:
    row = TABLE[kind]
    assert row.http in {0, *(status for status in HTTPStatus if status >= 400)}
    assert set(row.acts.split(", ")) <= PARTIES
    assert row.vi[0].isupper()
    assert row.en
    assert not row.vi.endswith(".")
    assert not row.en.endswith(".")


@pytest.mark.parametrize("kind", [kind for kind in Kind if TABLE[kind].http])
def test_only_408_429_and_5xx_invite_to_repeat(kind: Kind) -> None:
    """After any other answer a sender has nothing to wait for: somebody must change something first."""
    assert TABLE[kind].temporary == (TABLE[kind].http in (408, 429) or TABLE[kind].http >= 500)


def test_what_happens_at_a_destination_is_never_an_answer() -> None:
    assert {kind for kind in Kind if TABLE[kind].http == 0} == {
        Kind.DESTINATION_UNAVAILABLE,
        Kind.DESTINATION_REFUSED,
        Kind.DELIVERY_EXPIRED,
        Kind.DELIVERY_POISON,
        Kind.DELIVERY_LOST,
        Kind.GIVEN_UP,
        Kind.NOT_POSSIBLE,
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_a_problem_has_a_stable_type(kind: Kind) -> None:
    assert re.fullmatch(r"urn:axis:problem:[a-z]+(-[a-z]+)*", Problem(kind).type)


def test_the_context_of_a_problem_is_not_in_the_text_of_its_exception() -> None:
    error = refuse(Kind.NO_ROUTE, "no route", host="10.0.0.1")
    assert isinstance(error, Refused)
    assert error.problem.context == {"host": "10.0.0.1"}
    assert "10.0.0.1" not in str(error)


def test_refused_and_unavailable_are_told_apart_and_both_carry_a_problem() -> None:
    later = Unavailable(Problem(Kind.DESTINATION_UNAVAILABLE), retry_after_s=30)
    assert later.retry_after_s == 30
    assert isinstance(later, ProblemError)
    assert not isinstance(later, Refused)
