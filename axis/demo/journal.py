"""What an agency's system notes for itself: one JSON object a line, on the disk before anything follows from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any


class Event(StrEnum):
    SENT = "sent"  # a package was accepted: the receipt
    REFUSED = "refused"  # a package was refused: the problem
    RECEIVED = "received"  # a package was fetched, its digest is right, the fetch is acknowledged
    STATUS = "status"  # a status of this agency's own handling; `by` says who set it
    HEARD = "heard"  # a status of a document that this agency sent
    BROKEN = "broken"  # something that should not happen; the demo fails and shows it


class Journal:
    """Writes a journal; every line is on stable storage when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: Event, **facts: Any) -> None:
        line = {"event": event.value, "noted_at": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class Tail:
    """Reads a journal while it grows: each call gives the lines that have been completed since the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Mapping[str, Any]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                octets = file.read()
        except FileNotFoundError:
            return []
        whole = octets[: octets.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
