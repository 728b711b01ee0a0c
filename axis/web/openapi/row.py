"""What is told of one operation, for the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from axis.core.model import Role
from axis.core.problems import Kind
from signing.verdict import Sentence


@dataclass(frozen=True, slots=True)
class Named:
    """A part of the path, of the query, or of the head: of a request, or of an answer. `pattern` is what the program
    takes; `schema` says it otherwise where a reader knows better words."""

    name: str
    said: Sentence
    pattern: str
    schema: Mapping[str, Any] | None = None
    required: bool = True

    @property
    def described(self) -> dict[str, Any]:
        return dict(self.schema or {"type": "string", "pattern": f"^{self.pattern}$"})


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: for each type its shape, or the words for it. `most` is the largest body in octets where the
    configuration does not say it."""

    said: Sentence
    content: Mapping[str, Any]
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Good:
    """An answer that is no problem."""

    status: int
    said: Sentence
    content: Mapping[str, Any]
    headers: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """`id` is the handler's name. `path` holds names in braces, those of `parts`. Without `roles` anybody may ask who
    is connected; not `known` are those who show no credentials. `asks` is as in `Route`. `part` is the answer to who
    asks for a part of the octets."""

    id: str
    method: str
    path: str
    said: Sentence
    answer: Good
    problems: frozenset[Kind]
    roles: tuple[Role, ...] = ()
    parts: tuple[Named, ...] = ()
    query: tuple[Named, ...] = ()
    headers: tuple[Named, ...] = ()
    body: Body | None = None
    asks: bool = False
    known: bool = True
    part: Good | None = None

    @property
    def pattern(self) -> str:
        """The path as `Route` has it."""
        pattern = self.path
        for one in self.parts:
            pattern = pattern.replace(f"{{{one.name}}}", f"({one.pattern})")
        return pattern
