"""Read a leaf as what `axis.core.entry.leaf` writes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from axis.core.canonical import canonical
from axis.core.entry import VERSION
from axis.core.model import EntryKind
from axis.core.times import parse_rfc3339, rfc3339
from axis.log.findings import Code

FIELDS: Final = frozenset({"v", "kind", "at", "actor", "subject", "facts"})
_KINDS: Final = frozenset(EntryKind)


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """A leaf that is in order."""

    kind: EntryKind
    at: str
    actor: str
    subject: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadEntry:
    code: Code
    detail: str


def read_entry(octets: bytes) -> ReadEntry | BadEntry:
    """Read one leaf. An unknown version or kind is said as such: a newer verifier may know it."""
    try:
        said = read_canonical(octets)
    except ValueError as error:
        return BadEntry(Code.ENTRY_MALFORMED, str(error))
    version = said.get("v")
    if type(version) is int and version > VERSION:
        return BadEntry(Code.ENTRY_VERSION, f"version {version}")
    if version is not VERSION or said.keys() != FIELDS:
        return BadEntry(Code.ENTRY_MALFORMED, f"not the {len(FIELDS)} fields of version {VERSION}")
    kind, at, actor, subject, facts = (said[name] for name in ("kind", "at", "actor", "subject", "facts"))
    if not all(isinstance(item, str) for item in (kind, at, actor, subject)) or not isinstance(facts, dict):
        return BadEntry(Code.ENTRY_MALFORMED, "a field of the wrong type")
    try:
        spelled = rfc3339(parse_rfc3339(at))
    except (ValueError, OverflowError):
        spelled = ""
    if spelled != at:
        return BadEntry(Code.ENTRY_MALFORMED, "an instant that is not UTC with microseconds")
    if kind not in _KINDS:
        return BadEntry(Code.ENTRY_KIND, f"kind {kind[:64]!a}")
    return ReadEntry(EntryKind(kind), at, actor, subject, facts)


def read_canonical(octets: bytes) -> dict[str, Any]:
    """The object whose canonical form (RFC 8785) these octets are. `ValueError` for everything else."""
    try:
        said = json.loads(octets.decode(), parse_float=_refuse, parse_constant=_refuse)
        same = isinstance(said, dict) and canonical(said) == octets
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("not canonical JSON") from error
    if not same:
        raise ValueError("not the canonical form of a JSON object")
    assert isinstance(said, dict)
    return said


def _refuse(text: str) -> NoReturn:
    raise ValueError("canonical JSON here knows whole numbers only")
