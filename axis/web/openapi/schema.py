"""From the types of answers to JSON Schema, as OpenAPI 3.1 has it."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, Any]

REFS: Final = "#/components/schemas/"
_PLAIN: Final[Mapping[Any, str]] = {str: "string", int: "integer", bool: "boolean", float: "number"}


def name_of(shape: type) -> str:
    """What the description calls a shape: without the word by which the program tells it from the thing itself."""
    return shape.__name__.removesuffix("Facts")


class Schemas:
    """What was described so far, by name: each shape once, and a reference wherever it stands."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """The schema of a type. `TypeError` for one that no answer may have."""
        origin, inside = get_origin(kind), get_args(kind)
        if origin is Annotated:
            words = {name: said for one in inside[1:] for name, said in one.schema.items()}
            return words if inside[0] is Any or "$ref" in words else {**self.of(inside[0]), **words}
        if origin in (Union, types.UnionType):
            return self._either(inside)
        if origin in (list, tuple):
            return {"type": "array", "items": self.of(inside[0])}
        if kind is Any:
            return {}
        if kind in _PLAIN:
            return {"type": _PLAIN[kind]}
        if kind is datetime:
            return {"type": "string", "format": "date-time"}
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return {"type": "string", "enum": [one.value for one in kind]}
        if is_typeddict(kind) or is_dataclass(kind):
            return self._reference(kind)
        raise TypeError(f"no schema for {kind}")

    def _either(self, kinds: Sequence[Any]) -> Schema:
        found = [self.of(one) for one in kinds if one is not types.NoneType]
        if len(found) == len(kinds):
            return {"anyOf": found}
        if len(found) == 1 and "type" in found[0] and not {"enum", "const"} & set(found[0]):
            return {**found[0], "type": [found[0]["type"], "null"]}
        return {"anyOf": [*found, {"type": "null"}]}

    def _reference(self, shape: Any) -> Schema:
        name = name_of(shape)
        if name not in self.named:
            self.named[name] = {}  # a shape may hold itself
            self.named[name] = self._object(shape)
        return {"$ref": REFS + name}

    def _object(self, shape: Any) -> Schema:
        hints = get_type_hints(shape, include_extras=True)
        if is_dataclass(shape):
            hints = {one.name: hints[one.name] for one in fields(shape) if one.init}
        properties, required = {}, []
        for name, hint in hints.items():
            if get_origin(hint) is NotRequired:
                (hint,) = get_args(hint)
            else:
                required.append(name)
            properties[name] = self.of(hint)
        said = {} if is_dataclass(shape) else {"description": " ".join((shape.__doc__ or "").split())}
        return {**said, "type": "object", "properties": properties, "required": required}
