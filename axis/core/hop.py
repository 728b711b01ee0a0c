"""The way of a document through the axes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MAX_HOPS = 10


@dataclass(frozen=True, slots=True)
class Hop:
    """One axis that a document passed, as the trace beside the package tells it."""

    node: str
    at: datetime
