"""When a destination is left alone, and how it is met again: a circuit breaker with a probe and a slow start.

Pure: time and chance come as arguments. The state lives in one process's memory and is learned anew by the next: what
it saves is attempts, and nothing is lost without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from axis.core.problems import Kind, Problem
from axis.core.states import BREAKER, BreakerEvent, BreakerState, advance


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Open after `failures` different deliveries in a row have failed for now; wait `first`, doubling to `ceiling`.

    Five is what half of the default window of eight can show at once; five minutes is what a most urgent document may
    wait for a destination that has just come back. Both are ours.
    """

    failures: int = 5
    first: timedelta = timedelta(seconds=5)
    ceiling: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Breaker:
    """One destination. `failed` are the deliveries that failed since its last answer, `window` the growing one while it
    drains, `openings` how often it opened since it was last closed, `until` the end of the wait, `since` the beginning
    of the state.
    """

    state: BreakerState = BreakerState.CLOSED
    failed: frozenset[str] = frozenset()
    window: int = 0
    openings: int = 0
    until: datetime | None = None
    since: datetime | None = None


def look(breaker: Breaker, now: datetime) -> Breaker:
    """The breaker as time alone leaves it: half-open once the wait is over."""
    if breaker.state is BreakerState.OPEN and breaker.until is not None and now >= breaker.until:
        return _step(breaker, BreakerEvent.COOL, now)
    return breaker


def room(breaker: Breaker, window: int, busy: int) -> int:
    """How many attempts may begin now, where `busy` are under way and `window` is the destination's own bound."""
    match breaker.state:
        case BreakerState.OPEN:
            return 0
        case BreakerState.HALF_OPEN:
            return max(0, 1 - busy)
        case BreakerState.DRAINING:
            return max(0, min(window, breaker.window) - busy)
        case BreakerState.CLOSED:
            return max(0, window - busy)


def answered(problem: Problem | None) -> bool | None:
    """What an outcome says of the destination: it is there, it is not, or nothing (the trouble was ours).

    A refusal is an answer: the destination is well, the delivery is not.
    """
    if problem is None or problem.kind is Kind.DESTINATION_REFUSED:
        return True
    return False if problem.kind is Kind.DESTINATION_UNAVAILABLE else None


def heard(breaker: Breaker, window: int, now: datetime) -> Breaker:
    """The destination answered. While it drains, each answer makes room for one more: 1, 2, 4, 8 a round."""
    if breaker.state is BreakerState.CLOSED:
        return replace(breaker, failed=frozenset()) if breaker.failed else breaker
    before = breaker.window if breaker.state is BreakerState.DRAINING else 1
    after = replace(_step(breaker, BreakerEvent.ANSWER, now), failed=frozenset(), until=None, window=before + 1)
    if after.window >= window:
        after = replace(_step(after, BreakerEvent.FILL, now), window=0, openings=0)
    return after


def missed(
    breaker: Breaker,
    delivery: str,
    rules: BreakerRules,
    now: datetime,
    jitter: float,
    retry_after_s: float | None = None,
) -> Breaker:
    """A delivery failed for now. The same one again proves nothing new: one sick delivery does not close the way.

    The probe decides alone. `jitter` in [0, 1) takes away up to half of the wait; a destination that names its own wait
    is given at least that, within the ceiling.
    """
    if breaker.state is BreakerState.OPEN:
        return _step(breaker, BreakerEvent.FAIL, now)
    failed = breaker.failed | {delivery}
    if breaker.state is not BreakerState.HALF_OPEN and len(failed) < rules.failures:
        step = _step(breaker, BreakerEvent.FAIL, now)
        return replace(step, failed=failed, window=max(1, breaker.window // 2) if breaker.window else 0)
    openings = breaker.openings + 1
    wait = min(rules.first * 2 ** min(openings - 1, 30), rules.ceiling) * (1 - jitter / 2)
    if retry_after_s is not None:
        wait = max(wait, min(timedelta(seconds=min(max(retry_after_s, 0), 86_400)), rules.ceiling))
    opened = _step(breaker, BreakerEvent.TRIP, now)
    return replace(opened, failed=frozenset(), window=0, openings=openings, until=now + wait)


def _step(breaker: Breaker, event: BreakerEvent, now: datetime) -> Breaker:
    state = advance(BREAKER, breaker.state, event)
    return breaker if state is breaker.state else replace(breaker, state=state, since=now)
