"""The scanner's places, held against what `tomllib` reads from the same text."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axis.config.locate import KeyPath, Place, locate

TEXT = '''\
title = "x"   # comment = 1
a.b."c d".'e' = [1, "two", { three = 3 }] # ]
[owner]
dob = 1979-05-27 07:32:00
"quoted key" = \'\'\'
multi = "no key"
\'\'\'
bio = """
[not.a.table]
say \\""" and ""\\"""""
[[fruit]]
name = "apple"
[fruit.physical]
color = "red"
[[fruit.variety]]
name = "red delicious"
[[fruit.variety]]
name = "granny"
[[fruit]]
name = { first = "ba", last.middle = "na" }
'''


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("title",), 1, 9),
        (("a", "b", "c d", "e", 1), 2, 21),
        (("a", "b", "c d", "e", 2, "three"), 2, 38),
        (("owner", "dob"), 4, 7),
        (("owner", "bio"), 8, 7),
        (("fruit", 0, "name"), 12, 8),
        (("fruit", 0, "physical", "color"), 14, 9),
        (("fruit", 0, "variety", 1, "name"), 18, 8),
        (("fruit", 1, "name", "last", "middle"), 20, 38),
    ],
)
def test_a_value_has_its_place(path: KeyPath, line: int, column: int) -> None:
    assert locate(TEXT).of_value(path) == Place(line, column)


def test_what_is_not_written_has_the_place_of_its_table() -> None:
    places = locate(TEXT)
    assert places.of_key(("fruit", 1, "colour")) == Place(19, 1)
    assert places.of_key(("nothing",)) == Place(1, 1)
    assert places.of_key(("owner", "quoted key")) == Place(5, 1)


def test_every_value_stands_where_the_scanner_says() -> None:
    assert_places(TEXT)


def test_line_ends_of_windows_do_not_move_places() -> None:
    assert locate(TEXT.replace("\n", "\r\n")).of_value(("fruit", 1, "name", "last", "middle")) == Place(20, 38)


def test_what_is_not_toml_is_refused() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        locate("a = ")


def leaves(value: Any, path: KeyPath = ()) -> dict[KeyPath, Any]:
    """Every scalar of a document by its path."""
    if isinstance(value, dict):
        return {p: leaf for key, item in value.items() for p, leaf in leaves(item, (*path, key)).items()}
    if isinstance(value, list):
        return {p: leaf for index, item in enumerate(value) for p, leaf in leaves(item, (*path, index)).items()}
    return {path: value}


def assert_places(text: str) -> None:
    """Cut out what the scanner calls a value and read it alone: it must be the value of the whole document."""
    places = locate(text)
    for path, value in leaves(tomllib.loads(text)).items():
        begin, end = places.values[path]
        assert tomllib.loads(f"x = {text[begin:end]}")["x"] == value, path
        assert places.of_value(path).line == text.count("\n", 0, begin) + 1


# --- random documents ---------------------------------------------------------------------------------------

LETTERS = "ab-_1\"'#.[]{}=,\\ \tđ"
BARE = st.text("ab-_1", min_size=1, max_size=3)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\n", "\\n") + '"'


def as_string(text: str, style: int) -> str:
    """One of TOML's four ways to write a text, where it can be written so."""
    if style == 1 and "'" not in text and "\n" not in text:
        return f"'{text}'"
    if style == 2 and "'" not in text:
        return f"'''{text}'''" if not text.startswith("\n") else f"'''\n{text}'''"
    if style == 3:
        escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
        return f'"""\n{escaped}"""' if not escaped.endswith('"') else f'"""\n{escaped[:-1]}\\""""'
    return basic(text)


STRINGS = st.builds(as_string, st.text(LETTERS + "\n", max_size=6), st.integers(0, 3))
SCALARS = STRINGS | st.sampled_from(
    ["1", "-0x1F".replace("-", ""), "1e5", "true", "inf", "1979-05-27", "1979-05-27 07:32:00Z", "07:32:00", "1_000"]
)
KEYS = BARE | st.builds(basic, st.text(LETTERS, max_size=4)) | st.just("'l.i#t'")
GAPS = st.sampled_from(["", " ", "\t", "\n", " # [a] = {\n", "\r\n"])
BLANKS = st.sampled_from(["", " ", "\t "])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.integers(0, 4 if depth else 2))
    if kind <= 2:
        return draw(SCALARS)
    if kind == 3:
        items = draw(st.lists(values(depth=depth - 1), max_size=3))
        gaps = [draw(GAPS) for _ in range(2 * len(items) + 1)]
        inner = ",".join(f"{gaps[2 * i]}{item}{gaps[2 * i + 1]}" for i, item in enumerate(items))
        trailing = draw(st.sampled_from(["", ","])) if items else ""
        return f"[{inner}{trailing}{gaps[-1]}]"
    keys = draw(st.lists(KEYS, max_size=3))
    blank = draw(BLANKS)
    return "{" + ",".join(f"{blank}{key}{blank}={blank}{draw(values(depth=depth - 1))}{blank}" for key in keys) + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 6))):
        dotted = (draw(BLANKS) + ".").join(draw(st.lists(KEYS, min_size=1, max_size=3)))
        comment = draw(st.sampled_from(["", " # c = '''", "\n", "\r"])).replace("\r", "")
        match draw(st.integers(0, 3)):
            case 0:
                lines.append(f"[ {dotted} ]{comment}")
            case 1:
                lines.append(f"[[{dotted}]]{comment}")
            case _:
                lines.append(f"{draw(BLANKS)}{dotted}{draw(BLANKS)}={draw(BLANKS)}{draw(values())}{comment}")
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@given(documents())
@settings(max_examples=400, deadline=None)
def test_any_document_is_scanned_as_it_is_read(text: str) -> None:
    """Random documents; those that TOML forbids (a key twice, say) are refused by both, the others agree."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(tomllib.TOMLDecodeError):
            locate(text)
        return
    assert_places(text)


def test_dates_are_leaves() -> None:
    read = leaves(tomllib.loads("a = 1979-05-27\nb = 1979-05-27 07:32:00"))
    assert read == {("a",): date(1979, 5, 27), ("b",): datetime(1979, 5, 27, 7, 32)}  # noqa: DTZ001 - TOML's local time


def test_a_text_without_faults_is_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a country's agencies that is half a minute, and lines counted anew for each of them were ten."""
    monkeypatch.setattr("axis.config.locate._Scanner.document", lambda _self: pytest.fail("walked"))
    assert locate("a = 1\n").line(1) == "a = 1"


def test_a_line_is_found_whatever_stands_before_it() -> None:
    places = locate("a = 1\r\n\n# one\nb = [1,\n 2]\nc = 3")
    assert [places.of_key((name,)) for name in "abc"] == [Place(1, 1), Place(4, 1), Place(6, 1)]
    assert places.of_value(("b", 1)) == Place(5, 2)
