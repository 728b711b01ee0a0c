"""What we believed in, as canonical JSON: all of a `Trust` that is not octets, and which octets it was made of.

Only what one verdict looked at is named, in the order in which the store held it: a `Trust` that is made again from
this and the octets answers every question of that judgement as the first one did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from signing.certificate import Purpose
from signing.pathcheck import PathRules
from signing.revocation.crl import Freshness
from signing.trust import ANY_USE, AnchorRule, Trust

VERSION: Final = 1
TYPE: Final = "axis-rules"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """Digests are SHA-256 in hex, each group in the order of the store. A rule's `note` is not part of it."""

    anchors: tuple[tuple[str, AnchorRule], ...]
    intermediates: tuple[str, ...]
    crls: tuple[str, ...]
    answers: tuple[str, ...]
    freshness: Freshness
    path_rules: PathRules
    sha1_before: datetime | None

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that `trust` needs octets of."""
        return (*(name for name, _ in self.anchors), *self.intermediates, *self.crls, *self.answers)

    @property
    def octets(self) -> bytes:
        body = {
            "v": VERSION,
            "type": TYPE,
            "anchors": [_anchor(name, rule) for name, rule in self.anchors],
            "intermediates": self.intermediates,
            "crls": self.crls,
            "answers": self.answers,
            "freshness": _plain(self.freshness),
            "path": _plain(self.path_rules),
            "sha1_before": _text(self.sha1_before),
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def trust(self, octets: Mapping[str, bytes]) -> Trust:
        """Believe in just this again. `KeyError` where octets are missing; the caller has compared their digests."""
        return Trust(
            [octets[name] for name, _ in self.anchors],
            [octets[name] for name in self.intermediates],
            [octets[name] for name in self.crls],
            [octets[name] for name in self.answers],
            rules={name: rule for name, rule in self.anchors if rule != ANY_USE},
            freshness=self.freshness,
            sha1_before=self.sha1_before,
            path_rules=self.path_rules,
        )


def rules_of(trust: Trust, seen: Iterable[str]) -> Rules:
    """The rules of `trust`, and of what it was made of those that were seen."""
    groups: tuple[list[tuple[int, str]], ...] = ([], [], [], [])
    for name in dict.fromkeys(seen):
        for group, place in trust.places.get(name, ()):
            groups[group].append((place, name))
    anchors, intermediates, crls, answers = (tuple(name for _, name in sorted(group)) for group in groups)
    return Rules(
        tuple((name, replace(trust.rules.get(name, ANY_USE), note="")) for name in anchors),
        intermediates,
        crls,
        answers,
        trust.freshness,
        trust.path_rules,
        trust.sha1_before,
    )


def read_rules(octets: bytes) -> Rules:
    """Read `Rules.octets`, octet for octet. `ValueError` for anything else, also for another version."""
    try:
        said = json.loads(octets)
        if said["type"] != TYPE or said["v"] != VERSION:
            raise ValueError("rules of another version")
        intermediates, crls, answers = (tuple(said[name]) for name in ("intermediates", "crls", "answers"))
        path = {**said["path"], "accepted": frozenset(said["path"]["accepted"])}
        rules = Rules(
            tuple((one["sha256"], _rule(one)) for one in said["anchors"]),
            intermediates,
            crls,
            answers,
            Freshness(**{name: _duration(value) for name, value in said["freshness"].items()}),
            PathRules(**path),
            _instant(said["sha1_before"]),
        )
        known = all(_SHA256.fullmatch(name) for name in rules.names) and rules.octets == octets
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not rules of this version") from error
    if not known:
        raise ValueError("not the one spelling of these rules")
    return rules


def _anchor(name: str, rule: AnchorRule) -> dict[str, Any]:
    purposes = sorted(purpose.value for purpose in rule.purposes)
    return {"sha256": name, "purposes": purposes, "since": _text(rule.since), "until": _text(rule.until)}


def _rule(said: Mapping[str, Any]) -> AnchorRule:
    return AnchorRule(frozenset(map(Purpose, said["purposes"])), _instant(said["since"]), _instant(said["until"]))


def _plain(values: Freshness | PathRules) -> dict[str, Any]:
    """Durations in microseconds, because canonical JSON has no fractions."""
    found: dict[str, Any] = {}
    for field in fields(values):
        value = getattr(values, field.name)
        if isinstance(value, timedelta):
            value = value // _MICROSECOND
        found[field.name] = sorted(value) if isinstance(value, frozenset) else value
    return found


def _duration(value: int | None) -> Any:
    return None if value is None else value * _MICROSECOND


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
