"""What an agency sends, and what it remembers of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Package:
    octets: bytes
    sender: str
    recipients: tuple[str, ...]
    document_id: str
    kind: str = "new"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.octets).hexdigest()

    def said(self) -> dict[str, Any]:
        """As the history tells of it."""
        return {
            "sender": self.sender,
            "kind": self.kind,
            "document_id": self.document_id,
            "sha256": self.sha256,
            "recipients": list(self.recipients),
        }
