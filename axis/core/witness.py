"""What a witness of the log (bên chứng kiến) must be able to do. Implemented in `adapters`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answered:
    """What a witness answered to an offer: nothing of it is believed yet."""

    status: int
    content_type: str
    text: str


class Witness(Protocol):
    """One witness, asked over the network (C2SP tlog-witness)."""

    async def add_checkpoint(self, offer: str) -> Answered:
        """Offer a checkpoint. `Unavailable` where nothing came that could be an answer."""
        ...

    async def checkpoint(self, place: str) -> Answered:
        """What the witness has of the log at `place`. `Unavailable` likewise."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Witnessed:
    """How a witness stands to our log. `at` is when it said that `size` was the largest it had seen; `None` before
    the first time. `trouble` says why it cosigns nothing now, empty while it does; `claims` how many entries it says to
    have seen, where that is more than there are here, or something else."""

    name: str
    size: int = 0
    at: datetime | None = None
    trouble: str = ""
    claims: int | None = None
