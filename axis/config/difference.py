"""What differs between the configuration in force and a new one: in plain words, and what a reload cannot change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from axis.config.endpoint import EndpointBase
from axis.config.fault import Finding
from axis.config.model import Config
from axis.config.section import Section
from axis.core.model import Role
from axis.core.registry import Agency, Registry

EVERYTHING: Final = frozenset({"*"})
RELOADED: Final[Mapping[str, Set[str]]] = MappingProxyType(
    {
        "endpoint": EVERYTHING,
        "route": EVERYTHING,
        "registry": EVERYTHING,
        "statuses": EVERYTHING,
        "trust": frozenset(
            {"anchors", "anchors_until", "stamp_anchors", "intermediates", "crls", "grace", "sha1_before"}
        ),
        "limits": frozenset({"max_recipients", "hold", "hold_count", "per_second", "burst", "min_free", "log_stale"}),
    }
)
"""What a running node can change, by section. Everything else counts from a start: sizes and times that others were
told or rest on, folders, keys, addresses."""
OF_THE_CONNECTION: Final = frozenset({"agencies", "profile"})
"""What can change of the endpoint that is the national axis: the rest is known to those who fetch there and ask."""

_RESTART: Final = "put the old value back, or restart the node: this counts from a start"


class What(StrEnum):
    """Kinds of differences."""

    AGENCY_ADDED = "agency-added"
    AGENCY_CLOSED = "agency-closed"
    AGENCY_CHANGED = "agency-changed"
    AGENCY_REMOVED = "agency-removed"
    BINDINGS = "bindings-changed"
    ENDPOINT_ADDED = "endpoint-added"
    ENDPOINT_CHANGED = "endpoint-changed"
    ENDPOINT_REMOVED = "endpoint-removed"
    ROUTE_ADDED = "route-added"
    ROUTE_CHANGED = "route-changed"
    ROUTE_REMOVED = "route-removed"
    SETTING = "setting-changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: of which agency, prefix, endpoint or key, and what is new about it. Holds no secret."""

    what: What
    subject: str
    detail: str = ""


def needs_restart(old: Config, new: Config) -> Iterator[Finding]:
    """What differs and cannot change while the node runs, by its key in the new file."""
    for section in type(old).model_fields:
        allowed = RELOADED.get(section, frozenset())
        if allowed is not EVERYTHING:
            yield from _fixed(section, getattr(old, section), getattr(new, section), allowed)
    before = {one.name: one for one in old.endpoint}
    for index, one in enumerate(new.endpoint):
        was = before.pop(one.name, None)
        key = ("endpoint", index)
        if Role.NATIONAL in (one.role, was.role if was else None):
            if was is None or was.role is not one.role:
                yield Finding((*key, "adapter"), "the national axis comes or goes with a start", _RESTART)
            else:
                for name in sorted(_changed(was, one) - OF_THE_CONNECTION):
                    yield Finding((*key, name), "of the national axis, cannot change while the node runs", _RESTART)
        elif was is not None and was.role is not one.role:
            told = "an endpoint does not become another kind of connection while the node runs"
            yield Finding((*key, "adapter"), told, "give the new one another name, or restart the node")
    for gone in before.values():
        if gone.role is Role.NATIONAL:
            yield Finding(("endpoint",), f"{gone.name}: the national axis comes or goes with a start", _RESTART)


Kept = Section | Sequence[Section] | None
"""What stands under one name of the file: a table, several of them, or nothing."""


def _fixed(section: str, old: Kept, new: Kept, allowed: Set[str]) -> Iterator[Finding]:
    if not isinstance(old, Section) or not isinstance(new, Section):
        if old != new:
            yield Finding((section,), "cannot come or go while the node runs", _RESTART)
        return
    for name in sorted(_changed(old, new) - allowed):
        yield Finding((section, name), "cannot change while the node runs", _RESTART)


def _changed(old: Section, new: Section) -> set[str]:
    names = {*type(old).model_fields, *type(new).model_fields}
    return {name for name in names if getattr(old, name, None) != getattr(new, name, None)}


def differences(old: Config, new: Config, before: Registry, after: Registry) -> Iterator[Difference]:
    """What a reload from `old` to `new` changes."""
    if before is not after:
        yield from _agencies(before, after)
        if before.bindings.rows != after.bindings.rows:
            yield Difference(What.BINDINGS, "registry.bindings", str(len(after.bindings.rows)))
    yield from _routes(old, new)
    yield from _endpoints(old, new)
    for section in ("statuses", "limits", "trust"):
        was, now_is = getattr(old, section), getattr(new, section)
        for name in sorted(_changed(was, now_is)):
            yield Difference(What.SETTING, f"{section}.{name}", _told(getattr(now_is, name)))


def _agencies(before: Registry, after: Registry) -> Iterator[Difference]:
    for one in after:
        was = before.find(one.code)
        if was is None:
            yield Difference(What.AGENCY_ADDED, one.code.text, one.name)
        elif was is not one and was != one:
            closed = one.valid_to is not None and was.valid_to is None
            yield Difference(What.AGENCY_CLOSED if closed else What.AGENCY_CHANGED, one.code.text, _of_agency(was, one))
    for one in before:
        if after.find(one.code) is None:
            yield Difference(What.AGENCY_REMOVED, one.code.text, one.name)


def _of_agency(was: Agency, one: Agency) -> str:
    if one.valid_to is not None and was.valid_to is None:
        heirs = ", ".join(code.text for code in one.successors)
        return f"valid_to {one.valid_to.isoformat()}" + (f", successors {heirs}" if heirs else "")
    names = ("name", "level", "parent", "certificates", "valid_from", "valid_to", "successors")
    return ", ".join(name for name in names if getattr(was, name) != getattr(one, name))


def _routes(old: Config, new: Config) -> Iterator[Difference]:
    was, now_is = ({rule.prefix: rule.endpoint for rule in one.route} for one in (old, new))
    for prefix, endpoint in now_is.items():
        if prefix not in was:
            yield Difference(What.ROUTE_ADDED, prefix, endpoint)
        elif was[prefix] != endpoint:
            yield Difference(What.ROUTE_CHANGED, prefix, f"{was[prefix]} -> {endpoint}")
    for prefix, endpoint in was.items():
        if prefix not in now_is:
            yield Difference(What.ROUTE_REMOVED, prefix, endpoint)


def _endpoints(old: Config, new: Config) -> Iterator[Difference]:
    was: dict[str, EndpointBase] = {one.name: one for one in old.endpoint}
    for one in new.endpoint:
        before = was.pop(one.name, None)
        if before is None:
            yield Difference(What.ENDPOINT_ADDED, one.name, one.adapter)
        elif changed := sorted(_changed(before, one)):
            told = (f"{name} ({_told(getattr(one, name, ''))})" if name == "agencies" else name for name in changed)
            yield Difference(What.ENDPOINT_CHANGED, one.name, ", ".join(told))
    for name, gone in was.items():
        yield Difference(What.ENDPOINT_REMOVED, name, str(getattr(gone, "adapter", "")))


def _told(value: Any) -> str:
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(map(str, value))) if len(value) <= 10 else str(len(value))
    return str(value)
