"""The way of a document through the axes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from axis.core.principal import Role
from schemas.codes import AgencyCode

MAX_HOPS = 10


@dataclass(frozen=True, slots=True)
class Hop:
    """One axis that a document passed, as the trace beside the package tells it."""

    node: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """Đường đến: which connection brought a document, over which axes, for which of its recipients, when."""

    by: str
    via: Role
    hops: tuple[Hop, ...]
    recipients: tuple[AgencyCode, ...]
    at: datetime
