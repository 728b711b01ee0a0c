"""Routes: the longest prefix decides, and one can see what it shadows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core.registry import Agency, Registry
from axis.core.routing import RoutingTable, Rule
from schemas.codes import CodeError, Level
from tests.unit.core.world import code

EMPTY = Registry([])
RULES = [
    Rule("*", "national", "axis.toml:20"),
    Rule("H99", "province", "axis.toml:24"),
    Rule("000.00.31.H99", "district", "axis.toml:28"),  # the same path as H99.31
    Rule("H99.31.01", "commune", "axis.toml:32"),
]
TABLE = RoutingTable(RULES, EMPTY)


@pytest.mark.parametrize(
    ("text", "endpoints"),
    [
        ("H99.31.01", ["commune", "district", "province", "national"]),
        ("H99.31.01.05", ["commune", "district", "province", "national"]),
        ("000.01.31.H99", ["commune", "district", "province", "national"]),
        ("H99.31.02", ["district", "province", "national"]),
        ("H99.310", ["province", "national"]),
        ("H99", ["province", "national"]),
        ("H9", ["national"]),
        ("vxp.saas.03", ["national"]),
    ],
)
def test_the_longest_prefix_decides_and_shadows_the_shorter_ones(text: str, endpoints: list[str]) -> None:
    candidates = TABLE.candidates(code(text))
    assert [route.endpoint for route in candidates] == endpoints
    assert TABLE.route(code(text)) == candidates[0]


def test_a_route_names_the_rule_that_matched() -> None:
    route = TABLE.route(code("H99.31.07"))
    assert route is not None
    assert (route.rule.prefix, route.rule.origin) == ("000.00.31.H99", "axis.toml:28")


def test_there_is_no_route_without_a_rule_that_covers_the_agency() -> None:
    table = RoutingTable([Rule("H99", "province")], EMPTY)
    assert table.route(code("H98")) is None
    assert table.candidates(code("H98")) == ()


def test_a_prefix_follows_the_registry_not_the_letters_of_a_code() -> None:
    data = Registry([Agency(code("A53"), "", Level.PROVINCE, parent=code("H99.31"))])
    route = RoutingTable(RULES, data).route(code("A53"))
    assert route is not None
    assert route.endpoint == "district"


def test_of_two_rules_for_one_path_the_first_decides() -> None:
    table = RoutingTable([Rule("H99.31", "first"), Rule("000.00.31.H99", "second")], EMPTY)
    assert [route.endpoint for route in table.candidates(code("H99.31"))] == ["first"]


def test_a_rule_whose_prefix_is_no_code_is_refused_when_the_table_is_built() -> None:
    with pytest.raises(CodeError):
        RoutingTable([Rule("H99.*", "province")], EMPTY)


steps = st.lists(st.sampled_from(["1", "2", "3"]), max_size=4).map(lambda rest: ".".join(["H99", *rest]))


@given(st.lists(steps, max_size=12, unique=True), steps)
def test_a_lookup_agrees_with_trying_every_rule(prefixes: list[str], asked: str) -> None:
    rules = [Rule(prefix, f"to {prefix}") for prefix in prefixes]
    covering = [prefix for prefix in prefixes if f"{asked}.".startswith(f"{prefix}.")]
    expected = [f"to {prefix}" for prefix in sorted(covering, key=len, reverse=True)]
    assert [route.endpoint for route in RoutingTable(rules, EMPTY).candidates(code(asked))] == expected
