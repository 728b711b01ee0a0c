"""Our own ids of what is stored. Each is random and text; the types keep one from being taken for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType

DocumentRef = NewType("DocumentRef", str)
"""Our own id of a stored document: random, unguessable. `document_id` is the sender's."""
DeliveryId = NewType("DeliveryId", str)
"""Stable over every attempt; the receiver recognises a repeat by it."""
StatusRef = NewType("StatusRef", str)
NoticeRef = NewType("NoticeRef", str)

NewId = Callable[[], str]
