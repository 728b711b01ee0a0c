"""How a value is written right, where its type says only what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from axis.config.locate import KeyPath

LISTED: Final = ("endpoint", "route", "witness", "agency", "binding")
"""Tables of which there are several, each in two brackets."""
BOUNDS: Final = {
    "greater_than_equal": "must be at least {}",
    "less_than_equal": "must be at most {}",
    "string_too_long": "must have at most {} characters",
}
"""What is wrong with a value that is of the right type, by pydantic's name for it."""

_A_LIST: Final = '["..."]'
_A_TEXT: Final = '"..."'


def written_right(kind: str, key: KeyPath, value: Any, field: FieldInfo | None) -> str:
    """The hint for a value that is refused as `kind`; `field` is what the key, or the list around it, may hold."""
    name = next(str(part) for part in reversed(key) if isinstance(part, str))
    match kind, value:
        case "tuple_type" | "frozen_set_type", str():
            return f"write [{json.dumps(value, ensure_ascii=False)}]"
        case "tuple_type", _ if name in LISTED:
            return f"each one begins with [[{name}]], in two brackets: look at the ones above too"
        case "tuple_type" | "frozen_set_type" | "too_short", _:
            return f"a list in brackets: {name} = {_example(field) or _A_LIST}"
        case "int_type", str() if value.isascii() and value.isdigit():
            return f"write {value}, without quotes"
        case (("int_type" | "greater_than_equal" | "less_than_equal"), _):
            lowest, highest = _bounds(field)
            usual = _example(field) or lowest
            return f"a number from {lowest} to {highest}, without quotes, without a unit: {name} = {usual}"
        case "bool_type", _:
            return "write true or false, in small letters, without quotes"
        case "model_type" | "model_attributes_type", _:
            return f"a table: [{name}] alone in its line, its keys below it"
        case "string_type", int() | float() if not isinstance(value, bool):
            return f'write "{value}"'
    return in_quotes(name, field)


def in_quotes(name: str, field: FieldInfo | None) -> str:
    """How a text of that name is written."""
    return f"text in quotes: {name} = {_example(field) or _A_TEXT}"


def _bounds(field: FieldInfo | None) -> tuple[int, int]:
    """Every number of a configuration has both."""
    found = list(_within(field.metadata, field.annotation)) if field else []
    (lowest,), (highest,) = ([getattr(one, name) for one in found if hasattr(one, name)] for name in ("ge", "le"))
    return lowest, highest


def _within(metadata: Any, annotation: Any) -> Iterator[Any]:
    """What is said of a type, that of `T | None` among it."""
    for one in metadata:
        yield from getattr(one, "metadata", (one,))
    for inner in get_args(annotation):
        yield from _within(getattr(inner, "__metadata__", ()), inner)


def _example(field: FieldInfo | None) -> str:
    """What may stand there, as TOML: the example of the field, or its default; empty where it has neither."""
    if field is None:
        return ""
    told = field.examples[0] if field.examples else None if field.is_required() else field.default
    plain = _plain(told)
    return "" if plain in (None, [], "") else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case tuple() | list():
            return [_plain(one) for one in value]
        case frozenset():
            return sorted(map(_plain, value))
        case Path() | timedelta():
            return str(value) if isinstance(value, Path) else None
        case str() | int():
            return value
    return None
