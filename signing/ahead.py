"""What is dated after our own clock: ours is wrong, or that of whoever dated it, and the judge cannot tell.

So it is neither good nor bad: it waits for its time to come (`TRY_LATER`), and is judged then as if it had come then.
EN 319 102-1 has that word for revocation data that will be there later; that our clock will be there later is ours.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

WAITS: Final = timedelta(days=1)
"""How far ahead anything may be and still wait (our choice). Zones and a wrong half of the day are less, a clock that
was never set is years; and it is less than what is held may wait (`retention.hold`, 72 hours)."""


def may_wait(dated: datetime, at: datetime) -> bool:
    """Say whether what is dated ahead of `at` is to wait for its time."""
    return at < dated <= at + WAITS
