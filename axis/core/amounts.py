"""How much there is in a store, for people and for what measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from axis.core.states import DeliveryState


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is, by state. Keys are the states' wire names."""

    documents: Mapping[str, int]
    deliveries: Mapping[str, Mapping[str, int]]  # endpoint -> state -> number
    statuses: Mapping[str, int]  # wire code -> number
    attachments: Mapping[str, int] = field(default_factory=dict)
    """Documents by the outcome of what is attached; `waiting` before the first judgement, `none` without any PDF."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Failed deliveries by the kind of problem."""
    became: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """What was handed over, endpoint -> what became of it -> number; without what was taken or is not known yet."""


class Age(StrEnum):
    """How old open deliveries are, roughly."""

    MINUTE = "<1m"
    HOUR = "<1h"
    DAY = "<1d"
    WEEK = "<7d"
    OLDER = ">=7d"


@dataclass(frozen=True, slots=True)
class Heap:
    """So many open deliveries of one endpoint, state and age; `oldest` is when the first of them was made."""

    endpoint: str
    state: DeliveryState
    age: Age
    number: int
    oldest: datetime
