"""How long things are kept: times after which something is removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from axis.config.values import duration, fault
from axis.core.retention import LEAST

FOR_EVER: Final = "for-ever"


def _grace(value: Any) -> timedelta:
    """A time in which nothing is removed: much longer than what is under way can take, and than clocks are apart."""
    given = duration(value)
    if given < timedelta(hours=1):
        raise fault(f"{value!r} is too short: what is under way could be removed", 'at least "1h"; "7d" is usual')
    return given


def _keep(value: Any) -> timedelta | None:
    """How long content is kept; `None` is for ever."""
    if value == FOR_EVER:
        return None
    given = duration(value)
    if given < LEAST:
        told = f"{value!r} is too short: what senders and recipients still ask for would be gone"
        raise fault(told, f'at least "{LEAST.days}d", or "{FOR_EVER}"')
    return given


Grace = Annotated[timedelta, BeforeValidator(_grace)]
Keep = Annotated[timedelta | None, BeforeValidator(_keep)]
