"""Faults planted into the product: with each of them some seed must turn red, and say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tests.faults.broken import MUTATIONS
from tests.mutations.edit import Mutation, off


@dataclass(frozen=True)
class Planted:
    """`says` is what one of the first seeds must find wrong."""

    mutation: Mutation
    says: str


_AT = {broken.point: broken.mutation for broken in MUTATIONS}

PLANTED: Final[Mapping[str, Planted]] = MappingProxyType(
    {
        "retry": Planted(
            off(
                "what failed for now is due again",
                "axis/flow/attempt.py",
                ("        outcome = error.problem\n", "        outcome = Handover({})\n"),
            ),
            "LOST",
        ),
        "receipt": Planted(_AT["K12"], "TWO_RECEIPTS"),
        "octets kept": Planted(_AT["K12-large"], "SLOW|LOST"),
        "recorded early": Planted(_AT["K24"], "LOST"),
        "status": Planted(_AT["K29"], "LOST"),
    }
)
