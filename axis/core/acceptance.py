"""Which verdict lets a package in: one table, connection profile × verdict → accept, hold, refuse."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.core.model import Profile
from axis.core.problems import Kind, Problem
from signing.verdict import REASONS, Reason, SubIndication, Verdict


class Acceptance(StrEnum):
    ACCEPT = "accept"
    HOLD = "hold"
    REFUSE = "refuse"


ACCEPTANCE: Final[Mapping[Profile, Mapping[SubIndication | None, Acceptance]]] = MappingProxyType(
    {
        Profile.REQUIRED: MappingProxyType(
            {None: Acceptance.ACCEPT, SubIndication.TRY_LATER: Acceptance.HOLD},
        ),
        Profile.VERIFY_IF_PRESENT: MappingProxyType(
            {
                None: Acceptance.ACCEPT,
                SubIndication.TRY_LATER: Acceptance.HOLD,
                SubIndication.UNSIGNED: Acceptance.ACCEPT,
            }
        ),
        Profile.LEGACY_TOLERATED: MappingProxyType(
            {
                None: Acceptance.ACCEPT,
                SubIndication.TRY_LATER: Acceptance.HOLD,
                SubIndication.UNSIGNED: Acceptance.ACCEPT,
                SubIndication.NOT_VERIFIABLE: Acceptance.ACCEPT,
            }
        ),
    }
)
"""What is not in a row is refused: an unknown binding, an untrusted root, anything revoked, any failure."""


def accept(profile: Profile, verdict: Verdict) -> Acceptance:
    return ACCEPTANCE[profile].get(verdict.sub_indication, Acceptance.REFUSE)


def refusal(verdict: Verdict) -> Problem:
    """The problem that a refused verdict is answered with; `reason` and `sub_indication` say which rule."""
    match verdict.reason:
        case Reason.NOT_BOUND:
            kind = Kind.CERTIFICATE_MISMATCH
        case Reason.UNSIGNED:
            kind = Kind.SIGNATURE_MISSING
        case Reason.PROCESSING:
            # Our own failure to judge says nothing of the package: the sender may come again when we are mended.
            return Problem(Kind.INTERNAL, context={"verdict": str(verdict.sub_indication)})
        case _:
            kind = Kind.SIGNATURE_FAILED
    sentence = REASONS[verdict.reason]
    extra: dict[str, str | int | tuple[str, ...]] = {
        "reason": verdict.reason.value,
        "indication": verdict.indication.value,
        "sub_indication": str(verdict.sub_indication or ""),
        "reason_vi": sentence.vi,
    }
    if verdict.not_covered:
        extra["not_covered"] = verdict.not_covered
    return Problem(kind, sentence.en, extra)
