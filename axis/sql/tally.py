"""Counting what is there in a time that does not grow with what is done.

Rows are never removed, so that what a range of `seq` holds by endpoint or by code is counted once and remembered. What
changes its state is open, or was; both have partial indexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Final

from axis.core.ports import Counts
from axis.core.states import DeliveryState, IntakeState
from axis.sql.driver import Session

SETTLES_S: Final = 60.0
"""With several writers a smaller number may be committed after a larger one; what is this old has all been."""


@dataclass(slots=True)
class _Range:
    """What lies below `upto`, counted; `seen` are the last numbers that there were, with their times."""

    upto: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    seen: list[tuple[float, int]] = field(default_factory=list)

    def count(self, last: int, between: Callable[[int, int], Counter[str]], now: float, settles: float) -> Counter[str]:
        if not self.seen or now - self.seen[-1][0] >= 1:
            self.seen.append((now, last))
        settled = [number for at, number in self.seen if now - at >= settles]
        if settled:
            self.counted += between(self.upto + 1, settled[-1])
            self.upto = settled[-1]
            self.seen = [(at, number) for at, number in self.seen if now - at < settles]
        return self.counted + between(self.upto + 1, last)


class Tally:
    """The counts of one store, asked in one snapshot. Safe in threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._documents, self._deliveries, self._statuses = _Range(), _Range(), _Range()

    def counts(self, session: Session) -> Counts:
        with self._lock:
            return self._counts(session)

    def _counts(self, session: Session) -> Counts:
        sql, now = session.statements, self._clock()
        settles = 0.0 if sql.one_writer else SETTLES_S

        def last(text: str) -> int:
            return int(session.run(text).fetchone()[0])

        def between(text: str) -> Callable[[int, int], Counter[str]]:
            def ask(first: int, last: int) -> Counter[str]:
                rows = session.run(text, first=first, last=last).fetchall()
                return Counter({"" if len(row) == 1 else row[0]: row[-1] for row in rows})

            return ask

        documents = self._documents.count(
            last(sql.queues.last_documents), between(sql.queues.count_documents), now, settles
        ).total()
        deliveries = self._deliveries.count(
            last(sql.queues.last_deliveries), between(sql.queues.count_deliveries), now, settles
        )
        statuses = self._statuses.count(
            last(sql.queues.last_statuses), between(sql.queues.count_statuses), now, settles
        )
        held, refused = last(sql.queues.count_held), last(sql.queues.count_refused)
        intake = {
            IntakeState.ACCEPTED.value: documents - held - refused,
            IntakeState.HELD.value: held,
            IntakeState.REFUSED.value: refused,
        }
        heaps = {
            name: {endpoint: int(number) for endpoint, number in session.run(text).fetchall()}
            for name, text in sql.queues.count_open.items()
        }

        def heap(name: str, endpoint: str) -> int:
            return heaps[name].get(endpoint, 0)

        by_endpoint: dict[str, dict[str, int]] = {}
        for endpoint in deliveries:
            states = {
                DeliveryState.QUEUED.value: heap("waiting", endpoint) + heap("parked", endpoint),
                DeliveryState.LEASED.value: heap("claimable", endpoint) - heap("waiting", endpoint),
                DeliveryState.FAILED.value: heap("failed", endpoint),
                DeliveryState.ON_HOLD.value: heap("on-hold", endpoint),
                DeliveryState.DROPPED.value: heap("dropped", endpoint),
            }
            by_endpoint[endpoint] = {state: number for state, number in states.items() if number}
        for endpoint, states in by_endpoint.items():
            done = deliveries[endpoint] - sum(states.values())
            if done:
                states[DeliveryState.DELIVERED.value] = done
        attachments = {
            (outcome or "none") if begun else "waiting": number
            for outcome, begun, number in session.run(sql.count_checks).fetchall()
        }
        failed = {problem: number for problem, number in session.run(sql.queues.count_failed).fetchall() if problem}
        became: dict[str, dict[str, int]] = {}
        for endpoint, what, number in session.run(sql.follow_ups.counts).fetchall():
            became.setdefault(endpoint, {})[what] = number
        return Counts(
            {state: number for state, number in intake.items() if number},
            by_endpoint,
            dict(statuses),
            attachments,
            failed,
            became,
        )
