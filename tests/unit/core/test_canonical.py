"""Canonical JSON: one byte form, or an error."""

from __future__ import annotations

import json
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axis.core import canonical as module
from axis.core.canonical import canonical

CASES: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    (0, "0"),
    (-7, "-7"),
    (2**53 - 1, "9007199254740991"),
    ("", '""'),
    ("trích yếu", '"trích yếu"'),
    ([], "[]"),
    ((1, "a", None), '[1,"a",null]'),
    ({}, "{}"),
    ({"b": 1, "a": {"d": [], "c": "x"}}, '{"a":{"c":"x","d":[]},"b":1}'),
    ({"10": 1, "1": 2, "A": 3, "a": 4, "": 5}, '{"":5,"1":2,"10":1,"A":3,"a":4}'),
    (MappingProxyType({"b": 1, "a": MappingProxyType({})}), '{"a":{},"b":1}'),
]


@pytest.mark.parametrize(("value", "text"), CASES)
def test_a_value_has_one_form(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()


def test_strings_are_escaped_as_rfc_8785_does_it() -> None:
    """The string of RFC 8785 §3.2.2, and every character that has a short escape or none."""
    assert canonical("\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/") == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()
    assert canonical("\b\t\n\f\r\x00\x1f\x7f\u2028\U0001f600") == (
        '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\u2028\U0001f600"'.encode()
    )


class Word(StrEnum):
    ONE = "one"


def test_an_enumeration_of_text_is_its_text() -> None:
    assert canonical(Word.ONE) == b'"one"'


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        float("inf"),
        [0.5],
        {"a": {"b": 1e3}},
        b"octets",
        {1, 2},
        object(),
        {1: "a"},
        {"khóa": 1},
        2**53,
        -(2**53),
    ],
)
def test_what_has_no_sure_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(TypeError, match="surrogate"):
        canonical("\ud800")


keys = st.text(st.characters(max_codepoint=127), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_the_standard_library_writes_the_same_octets_where_nothing_else_is_installed(value: Any) -> None:
    quick = canonical(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "orjson", None)
        assert canonical(value) == quick
        with pytest.raises(TypeError, match="half a character"):
            canonical([value, "\ud800"])


@given(values)
def test_the_form_reads_back_and_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    octets = canonical(value)
    assert json.loads(octets) == value
    assert canonical(turned(value)) == octets
    assert canonical(json.loads(octets)) == octets


def turned(value: Any) -> Any:
    """The same value with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def test_keys_stand_in_the_order_of_utf_16_units() -> None:
    """RFC 8785 §3.2.3. Keys are ASCII, where that is the order of the octets."""
    everything = {chr(point): point for point in reversed(range(128))}
    assert list(json.loads(canonical(everything))) == sorted(everything, key=lambda key: key.encode("utf-16-be"))
