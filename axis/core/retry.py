"""When a deferred delivery is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Back-off from `first` doubling to `ceiling`, for at most `lifetime` after the delivery was made.

    The defaults outlast a long weekend, and ask a destination that is back at the latest an hour later. After `breaks`
    attempts in a row that ended without an outcome a delivery is not tried again: by then it has broken more workers
    than chance does, and fewer than hurt.
    """

    first: timedelta = timedelta(seconds=5)
    ceiling: timedelta = timedelta(hours=1)
    lifetime: timedelta = timedelta(days=7)
    breaks: int = 5

    def next_due(self, attempts: int, since: datetime, now: datetime, jitter: float) -> datetime | None:
        """When the next attempt is due after `attempts` failed ones, `None` when the lifetime is spent.

        `jitter` in [0, 1) takes away up to half of the wait, so that destinations that failed together do not all
        return together.
        """
        wait = min(self.first * 2 ** min(max(attempts - 1, 0), 30), self.ceiling) * (1 - jitter / 2)
        due = now + wait
        return due if due < since + self.lifetime else None
