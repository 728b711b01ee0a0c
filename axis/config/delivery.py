"""`[delivery]`: how deliveries are attempted."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StrictInt

from axis.config.section import Section
from axis.config.values import Duration
from axis.core.breaker import BreakerRules
from axis.core.retry import RetryPolicy

Window = Annotated[StrictInt, Field(ge=1, le=1_000)]


class DeliveryRules(Section):
    """How deliveries are attempted. `window` bounds the attempts under way at once towards one endpoint, where it names
    none of its own, `in_flight` those towards all.
    """

    lease: Duration = timedelta(seconds=60)
    first_retry: Duration = timedelta(seconds=5)
    retry_ceiling: Duration = timedelta(hours=1)
    lifetime: Duration = timedelta(days=7)
    window: Window = 8
    in_flight: Annotated[StrictInt, Field(ge=1, le=10_000)] = 64
    poison_after: Annotated[StrictInt, Field(ge=2, le=100)] = 5
    breaker_after: Annotated[StrictInt, Field(ge=1, le=1_000)] = 5
    breaker_first: Duration = timedelta(seconds=5)
    breaker_ceiling: Duration = timedelta(minutes=5)

    @property
    def retry(self) -> RetryPolicy:
        return RetryPolicy(self.first_retry, self.retry_ceiling, self.lifetime, self.poison_after)

    @property
    def breaker(self) -> BreakerRules:
        return BreakerRules(self.breaker_after, self.breaker_first, self.breaker_ceiling)
