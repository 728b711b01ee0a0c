"""Which endpoint leads to an agency: longest prefix over the registry's parent path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from axis.core.registry import Path, Registry, prefix_path
from schemas.codes import AgencyCode


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[route]]`: agencies below `prefix` are reached through `endpoint`. `origin` is `file:line` for people."""

    prefix: str
    endpoint: str
    origin: str = ""

    @property
    def path(self) -> Path:
        return prefix_path(self.prefix)


@dataclass(frozen=True, slots=True)
class Route:
    """Tuyến: the endpoint and the rule that led to it."""

    endpoint: str
    rule: Rule


class RoutingTable:
    """All rules, looked up by path. Immutable. A lookup costs one dictionary access per step of the path."""

    def __init__(self, rules: Iterable[Rule], registry: Registry) -> None:
        self.registry = registry
        self.rules = tuple(rules)
        self._by_path: dict[Path, Route] = {}
        for rule in self.rules:
            self._by_path.setdefault(rule.path, Route(rule.endpoint, rule))

    def route(self, agency: AgencyCode) -> Route | None:
        """The route to `agency`, `None` when no rule covers it."""
        path = self.registry.path(agency)
        for length in range(len(path), -1, -1):
            route = self._by_path.get(path[:length])
            if route is not None:
                return route
        return None

    def candidates(self, agency: AgencyCode) -> tuple[Route, ...]:
        """Every rule that covers `agency`, the one that decides first, then those it shadows."""
        path = self.registry.path(agency)
        found = (self._by_path.get(path[:length]) for length in range(len(path), -1, -1))
        return tuple(route for route in found if route is not None)
