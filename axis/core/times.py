"""Instants as text. Inside, an instant always has a zone; stored and logged it is UTC with microseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """`2026-11-23T01:02:03.000004Z`: fixed width, so that text sorts as time. `ValueError` without a zone."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read what `rfc3339` wrote, or any ISO 8601 instant with a zone. `ValueError` otherwise."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at.astimezone(UTC)
