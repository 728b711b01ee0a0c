"""Which configuration is in force, and the log entry that tells auditors of a change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from axis.core.canonical import Json
from axis.core.model import Decision, EntryKind, LogEntry


@dataclass(frozen=True, slots=True)
class Applied:
    """A configuration as one process applied it: the how manyth since it began, from when on, and SHA-256 (hex) over
    its files. Processes of one node that go by the same files show the same digest."""

    generation: int
    at: datetime
    sha256: str = ""


def decide_configured(node: str, applied: Applied) -> Decision[None]:
    """A changed configuration is in force from now on."""
    facts: dict[str, Json] = {"generation": applied.generation, "config_sha256": applied.sha256}
    return Decision((LogEntry(EntryKind.CONFIGURED, applied.at, node, "", facts),), (), None)
