"""Whose turn it is: who must do something before a document gets on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from axis.core.journey.step import Step, What
from axis.core.problems import TABLE, Kind
from signing.verdict import Sentence

ACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "caller": "người gọi",
        "sender": "nơi gửi",
        "recipient": "nơi nhận",
        "operator": "người quản trị",
        "axis": "trục",
        "us": "người làm phần mềm",
    }
)
"""Who must act (`axis.core.problems.Row.acts`), in Vietnamese."""

_USUAL: Final[Mapping[What, str]] = MappingProxyType(
    {
        What.HELD: "operator",
        What.ON_HOLD: "operator",
        What.UNFETCHED: "recipient",
        What.UNREADABLE: "recipient",
        What.REFUSED: "sender",
    }
)


def acts_of(code: str | None) -> str:
    """Who must act after a problem of that code: the axis by itself, where there is none."""
    return TABLE[Kind(code)].acts if code in list(Kind) else "axis"


def turn_of(step: Step) -> str:
    """Who must act, as names joined by commas, for what is so now. What failed for good waits for the operator too."""
    acts = step.turn or _USUAL.get(step.what) or acts_of(step.code)
    return acts if not step.command or "operator" in acts else f"{acts}, operator"


def turn_words(acts: str) -> Sentence:
    return Sentence(", ".join(ACTS[one] for one in acts.split(", ")), acts)
