"""How far the demo is, counted from the journals. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from axis.demo.journal import Event
from axis.demo.plan import BY_CODE, Plan
from schemas.codes import Level


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts by level of government: packages sent and refused by senders, received and reported by receivers."""

    plan: Plan
    seconds: float = 0.0
    sent: Mapping[Level, int] = field(default_factory=dict)
    refused: Mapping[Level, int] = field(default_factory=dict)
    received: Mapping[Level, int] = field(default_factory=dict)
    statuses: Mapping[tuple[Level, str], int] = field(default_factory=dict)
    heard: int = 0

    @property
    def told(self) -> int:
        return sum(self.statuses.values())

    @property
    def finished(self) -> bool:
        """Say whether everything was answered, delivered, reported and told back to the senders."""
        answered = sum(self.sent.values()) + sum(self.refused.values())
        return (
            answered >= len(self.plan.documents)
            and sum(self.received.values()) >= len(self.plan.rows)
            and self.told >= self.plan.expected_statuses
            and self.heard >= self.plan.expected_statuses
        )

    def line(self) -> str:
        """One line for a log."""
        plan = self.plan
        return (
            f"{self.seconds:5.1f} s  văn bản gửi {sum(self.sent.values())}/{len(plan.good)}"
            f" · tới nơi {sum(self.received.values())}/{len(plan.rows)}"
            f" · trạng thái {self.told}/{plan.expected_statuses} (nơi gửi đã nhận {self.heard})"
            f" · gói xấu bị từ chối {sum(self.refused.values())}/{len(plan.bad)}"
        )


def count(plan: Plan, journals: Mapping[str, Iterable[Mapping[str, Any]]], seconds: float) -> Progress:
    """Count what stands in the journals, by the code of the agency that wrote them."""
    sent: Counter[Level] = Counter()
    refused: Counter[Level] = Counter()
    received: Counter[Level] = Counter()
    statuses: Counter[tuple[Level, str]] = Counter()
    heard: set[tuple[str, str, str]] = set()
    for code, lines in journals.items():
        level = BY_CODE[code].level
        for line in lines:
            match line["event"]:
                case Event.SENT:
                    sent[level] += 1
                case Event.REFUSED:
                    refused[level] += 1
                case Event.RECEIVED:
                    received[level] += 1
                case Event.STATUS:
                    statuses[level, line["code"]] += 1
                case Event.HEARD:
                    heard.add((line["document_id"], line["receiver"], line["code"]))
    return Progress(plan, seconds, sent, refused, received, statuses, len(heard))
