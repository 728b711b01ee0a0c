"""What this process knows of each destination: how many attempts are under way, how it answered, whose turn it is.

Kept in memory and learned anew after a start. Belongs to the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from axis.core.breaker import Breaker, BreakerRules, answered, heard, look, missed, room
from axis.core.model import Delivery
from axis.core.problems import Problem
from axis.core.states import BreakerState
from axis.core.window import Windows

log = structlog.get_logger()

DEFAULT_WINDOW: Final = 8
DEFAULT_TOGETHER: Final = 64
NEW: Final = Breaker()
"""Of a destination that nothing is known of."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination as it stands, for people and for metrics."""

    endpoint: str
    breaker: BreakerState
    since: datetime | None
    until: datetime | None
    busy: int
    window: int


@dataclass(slots=True)
class Traffic:
    """The attempts of one process."""

    windows: Windows
    rules: BreakerRules = field(default_factory=BreakerRules)
    busy: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    _breakers: dict[str, Breaker] = field(default_factory=dict)
    _suspects: int = 0

    @classmethod
    def of(
        cls,
        endpoints: Mapping[str, int | None],
        window: int = DEFAULT_WINDOW,
        together: int = DEFAULT_TOGETHER,
        rules: BreakerRules | None = None,
    ) -> Traffic:
        """Over `endpoints`, each with a window of its own or none."""
        own = {name: size or window for name, size in endpoints.items()}
        return cls(Windows(own, together), rules or BreakerRules())

    @property
    def suspects_allowed(self) -> bool:
        """Whether a delivery whose last attempts broke may be attempted now: one at a time."""
        return not self._suspects

    def room(self, now: datetime) -> dict[str, int]:
        """How many attempts each destination's breaker and own window allow; those with none are left out."""
        free: dict[str, int] = {}
        for endpoint, window in self.windows.own.items():
            breaker = self._breakers.get(endpoint)
            if breaker is None:
                places = window - self.busy[endpoint]
            else:
                self._set(endpoint, look(breaker, now))
                places = room(self._breakers[endpoint], window, self.busy[endpoint])
            if places > 0:
                free[endpoint] = places
        return free

    def is_closed(self, endpoint: str, now: datetime) -> bool:
        """Whether its breaker lets everything through."""
        return look(self._breakers.get(endpoint, NEW), now).state is BreakerState.CLOSED

    def took(self, delivery: Delivery) -> None:
        """An attempt begins."""
        self.busy[delivery.endpoint] += 1
        self.turns[delivery.endpoint] += 1
        self._suspects += delivery.suspect

    def done(self, delivery: Delivery) -> None:
        """It has ended, however."""
        self.busy[delivery.endpoint] -= 1
        self._suspects -= delivery.suspect

    def heard(
        self, delivery: Delivery, problem: Problem | None, now: datetime, jitter: float, retry_after_s: float | None
    ) -> None:
        """What came of an attempt, without a problem or with one."""
        is_there = answered(problem)
        if is_there is None or delivery.endpoint not in self.windows.own:
            return
        breaker = self._breakers.get(delivery.endpoint, NEW)
        if is_there:
            after = heard(breaker, self.windows.own[delivery.endpoint], now)
        else:
            after = missed(breaker, delivery.id, self.rules, now, jitter, retry_after_s)
        if after is not breaker:
            self._set(delivery.endpoint, after)

    def forget(self, endpoint: str) -> None:
        """How it answered: it is somebody else's address now."""
        self._breakers.pop(endpoint, None)

    def _set(self, endpoint: str, breaker: Breaker) -> None:
        was = self._breakers.get(endpoint, NEW).state
        self._breakers[endpoint] = breaker
        if breaker.state is not was:
            told = {"endpoint": endpoint, "was": was.value, "now": breaker.state.value}
            if breaker.state is BreakerState.OPEN:
                log.warning("breaker_moved", **told, until=str(breaker.until))
            else:
                log.info("breaker_moved", **told)

    def shown(self, now: datetime) -> tuple[Destination, ...]:
        """Every destination, by name."""
        rows = []
        for endpoint, window in sorted(self.windows.own.items()):
            breaker = look(self._breakers.get(endpoint, NEW), now)
            wide = {BreakerState.OPEN: 0, BreakerState.HALF_OPEN: 1, BreakerState.DRAINING: breaker.window}
            size = min(window, wide.get(breaker.state, window))
            rows.append(Destination(endpoint, breaker.state, breaker.since, breaker.until, self.busy[endpoint], size))
        return tuple(rows)
