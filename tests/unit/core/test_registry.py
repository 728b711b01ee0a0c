"""The registry: where a code hangs, and whose subtree that is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.registry import MAX_DEPTH, Agency, Path, Registry, prefix_path
from schemas.codes import AgencyCode, CodeError, Level
from tests.unit.core.world import NOW, code


def registry(**parents: str | None) -> Registry:
    """Codes with `_` for the dot → parent."""
    return Registry(
        Agency(code(text.replace("_", ".")), text, Level.COMMUNE, code(parent) if parent else None)
        for text, parent in parents.items()
    )


DATA = registry(
    H99=None,
    H99_31="H99",
    A53="H99.31",  # of another grammar: one more step below its parent
    A54="A53",
    H99_07="H98",  # moved: the parent overrules what the code says
    H99_31_01="H99.31",
    H60="H60",  # its own parent
    K01="K02",  # a loop
    K02="K01",
)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("H99", ("H99",)),
        ("H99.31.01", ("H99", "31", "01")),
        ("000.01.31.H99", ("H99", "31", "01")),  # not registered: by its grammar
        ("A53", ("H99", "31", "A53")),
        ("A54", ("H99", "31", "A53", "A54")),
        ("H99.07", ("H98", "H99.07")),
        ("vxp.saas.03", ("vxp.saas.03",)),
    ],
)
def test_a_registered_parent_overrules_the_grammar(text: str, path: Path) -> None:
    assert DATA.path(code(text)) == path


@pytest.mark.parametrize("text", ["H60", "K01", "K02"])
def test_a_loop_in_the_data_ends(text: str) -> None:
    path = DATA.path(code(text))
    assert 0 < len(path) <= MAX_DEPTH + 1
    assert DATA.path(code(text)) == path


@pytest.mark.parametrize(
    ("text", "root", "inside"),
    [
        ("H99.31.01", ("H99",), True),
        ("H99.31.01", ("H99", "31"), True),
        ("H99.31.01", ("H99", "31", "01"), True),
        ("H99.31.01", ("H99", "3"), False),  # steps, not letters
        ("H99.310", ("H99", "31"), False),
        ("H99", ("H99", "31"), False),
        ("A53", ("H99", "31"), True),
        ("H99.07", ("H99",), False),  # it was moved away
        ("H99.07", ("H98",), True),
        ("G09", (), True),  # the empty path is everything
    ],
)
def test_a_subtree_is_walked_by_whole_steps(text: str, root: Path, inside: bool) -> None:
    assert DATA.within(code(text), [root]) is inside


def test_nobody_lies_within_no_roots() -> None:
    assert not DATA.within(code("H99"), [])


def test_an_agency_is_active_from_its_first_instant_until_just_before_its_last() -> None:
    day = timedelta(days=1)
    agency = Agency(code("H99"), "", Level.PROVINCE, valid_from=NOW, valid_to=NOW + day)
    cases = {NOW - day: False, NOW: True, NOW + day - timedelta(microseconds=1): True, NOW + day: False}
    assert {at: agency.active(at) for at in cases} == cases
    assert Agency(code("H99"), "", Level.PROVINCE).active(NOW)


def test_a_registry_finds_counts_and_lists_its_agencies() -> None:
    assert len(DATA) == len(list(DATA)) == 9
    assert DATA.find(code("A53")) is not None
    assert DATA.find(code("H97")) is None


@pytest.mark.parametrize(
    ("prefix", "path"), [("*", ()), ("H99", ("H99",)), ("000.00.31.H99", ("H99", "31")), ("H99.31", ("H99", "31"))]
)
def test_a_prefix_is_everything_or_a_code_of_either_grammar(prefix: str, path: Path) -> None:
    assert prefix_path(prefix) == path


@pytest.mark.parametrize("prefix", ["", "**", "H99.", "H99.*"])
def test_a_prefix_that_is_no_code_is_an_error(prefix: str) -> None:
    with pytest.raises(CodeError):
        prefix_path(prefix)


names = st.sampled_from(["H99", "H99.1", "H99.1.2", "H98", "A53", "000.02.01.H99", "K01"])


@given(st.dictionaries(names, st.none() | names, max_size=7), names)
def test_any_parents_give_a_bounded_path_that_is_the_same_twice(parents: dict[str, str | None], asked: str) -> None:
    agencies = [
        Agency(code(text), text, Level.COMMUNE, code(parent) if parent else None) for text, parent in parents.items()
    ]
    data, again = Registry(agencies), Registry(reversed(agencies))
    one: AgencyCode = code(asked)
    path = data.path(one)
    assert path
    assert len(path) <= MAX_DEPTH + 4
    for text in parents:  # asked in another order, of a registry built in another order
        again.path(code(text))
    assert again.path(one) == path
    assert data.within(one, [path[:1]])
