"""What others' clocks say of ours: how wrong it likely is, or that nothing says so.

A hint counts only from somebody who was authenticated, and nobody's alone is enough but an authority's: one whose own
clock is wrong, or who wants an alarm, raises none. It is told to people and decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Heard(StrEnum):
    """By what somebody told a time."""

    AXIS = "axis"  # the Date of a neighbour's answer over TLS: its time of this moment
    LIST = "list"  # an authority that we believe has issued it: it is at least so late
    SIGNER = "signer"  # an agency whose good signature waits for its time: likewise


WEIGHT: Final[Mapping[Heard, int]] = MappingProxyType({Heard.AXIS: 2, Heard.LIST: 4, Heard.SIGNER: 1})
ENOUGH: Final = 4
"""An authority's list, two neighbours, or four agencies: our choice. Authorities date their lists by kept clocks, and
never ahead; one vendor's installation has two agencies with one wrong clock easily."""

SLACK: Final = timedelta(minutes=5)
"""What is forgiven when signatures are judged."""

FRESH: Final = timedelta(hours=1)
"""How long what was heard is counted."""


@dataclass(frozen=True, slots=True)
class Hint:
    """`who` has a time that is `ahead` of ours (below zero: behind), heard `at`. Of one source the newest counts."""

    heard: Heard
    who: str
    ahead: timedelta
    at: datetime


def likely_off(hints: Iterable[Hint], now: datetime) -> timedelta | None:
    """How far our clock likely is ahead, below zero where it is behind, as `clock_off_s` has it. `None` where nothing
    says that it is wrong, or as much says that it is right, or wrong the other way."""
    fresh = [hint for hint in hints if abs(now - hint.at) <= FRESH]
    behind = [hint for hint in fresh if hint.ahead > SLACK]
    before = [hint for hint in fresh if hint.ahead < -SLACK and hint.heard is Heard.AXIS]
    right = _weight(hint for hint in fresh if abs(hint.ahead) <= SLACK and hint.heard is Heard.AXIS)
    for accusing, others in ((behind, before), (before, behind)):
        if _weight(accusing) >= ENOUGH and _weight(accusing) > right + _weight(others):
            return -_by_how_much(accusing)
    return None


def _weight(hints: Iterable[Hint]) -> int:
    return sum(WEIGHT[hint.heard] for hint in hints)


def _by_how_much(accusing: Iterable[Hint]) -> timedelta:
    """Neighbours tell how much. The others tell how much at least: what enough of them bear out."""
    hints = sorted(accusing, key=lambda one: one.ahead, reverse=True)
    axes = [hint.ahead for hint in hints if hint.heard is Heard.AXIS]
    if axes:
        return axes[len(axes) // 2]
    borne = 0
    for hint in hints:
        borne += WEIGHT[hint.heard]
        if borne >= ENOUGH:
            return hint.ahead
    raise ValueError("too few accuse")
