"""A third of the tests, drawn by a text: for a run that has no time for all. Another text draws others."""

from __future__ import annotations

from hashlib import sha256


def is_drawn(test: str, by: str) -> bool:
    """Say whether `test`, by its pytest id, belongs to the third that `by` draws; the same each time."""
    return sha256(f"{by} {test}".encode()).digest()[0] % 3 == 0
