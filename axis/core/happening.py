"""What is told to the signature log: kinds of entries, and one entry before it has an index."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from axis.core.canonical import Json


class EntryKind(StrEnum):
    """What a log entry tells. `docs/log-events.md` is generated from it and `ENTRY_MEANING`."""

    ACCEPTED = "accepted"
    HELD = "held"
    REPEATED = "repeated"
    REFUSED = "refused"
    ROUTED = "routed"
    RELEASED = "released"
    NOTICE = "notice"
    ATTACHMENTS = "attachments"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    FOLLOWED = "followed"
    OPERATED = "operated"
    STATUS = "status"
    STATUS_REFUSED = "status-refused"
    ORPHAN_MATCHED = "orphan-matched"
    STARTED = "started"
    STOPPED = "stopped"
    CONFIGURED = "configured"
    RESTORED = "restored"
    KEY_CHANGED = "key-changed"
    CONTENT_REMOVED = "content-removed"


class LogEntry(NamedTuple):
    """Bản ghi nhật ký, before it has an index. `facts` holds public facts and commitments, never content.

    `actor` is the connection or service that caused it, `subject` a random id of ours (document, delivery, status) or
    empty.
    """

    kind: EntryKind
    at: datetime
    actor: str
    subject: str
    facts: Mapping[str, Json] = MappingProxyType({})
