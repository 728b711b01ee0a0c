"""What is wrong with the fields of a JSON body, told so that its developer need ask nobody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from axis.core.problems import Kind, Problem

WRITTEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "at": 'a time with its zone, "2026-11-23T08:30:00+07:00"',
        "code": 'two digits in quotes, "03"',
        "description": "text of at most 500 characters",
        "document": "the axis' reference, 26 characters in quotes",
        "receiver": 'an agency code in quotes, "H99.07"',
        "staff": "an object with any of department, staff, email, mobile, each of them text",
        "body": "an object",
        "deliveries": "a list of deliveries' ids",
        "endpoint": "an endpoint's name",
        "operator": "who orders it, in quotes",
        "reason": "text",
    }
)
"""How each field is written (docs/endpoints.md, section 4; docs/operations.md, section 8)."""
MOST_TOLD: Final = 5


def wrong_fields(error: ValidationError) -> Problem:
    """The problem that names them, and says of the first few what they must be. Nothing that came is repeated but the
    names, and those are cut."""
    faults = error.errors(include_url=False, include_input=False)
    places = tuple(".".join(map(str, fault["loc"]))[:100] or "body" for fault in faults)
    told = [_told(place, fault["type"]) for place, fault in zip(places, faults, strict=True)]
    return Problem(Kind.BAD_REQUEST, "; ".join(told[:MOST_TOLD]), {"fields": places})


def _told(place: str, kind: str) -> str:
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{place}: there is no such field"
    known = WRITTEN.get(place.partition(".")[0])
    missing = kind in ("missing", "missing_argument")
    return f"{place}: {'is missing' if missing else 'is wrong'}{f'; it is {known}' if known else ''}"
