"""How often one status is kept that was told before: history has an end, what counts has none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from axis.core.outline import Earlier

MOST_TOLD: Final = 64
"""Statuses of one document at one receiver (người nhận) that are kept, before only codes are that were not told yet.
Whoever asks about the document, or looks at it, gets all of them; a document that is handed on every working day is
done before."""


def was_told(wire: str, prior: Iterable[Earlier]) -> bool:
    """Say whether this code was told before: the first of each code is no repetition, and always among `prior`."""
    return any(one.wire == wire for one in prior)


def too_often(kept: int, again: bool) -> bool:
    """Say whether one more is not kept beside the `kept`, where its code was told before or not."""
    return again and kept >= MOST_TOLD
