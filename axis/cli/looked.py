"""One thing that `axis doctor` looked at, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from axis.cli.vietnamese import in_vietnamese


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `remedy` says what to do where it is not well; `remedy_vi` the same, where the
    table of all commands does not."""

    what: str
    state: State
    told: str
    remedy: str = ""
    remedy_vi: str = ""

    @property
    def both(self) -> tuple[str, str]:
        return self.remedy, self.remedy_vi or in_vietnamese(self.remedy)
