"""What is said of one document, and decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axis.core.intake import decide_intake
from axis.core.model import Decision, Document, Hop, Principal, StatusReport
from axis.core.network import ArrivedBy, Network
from axis.core.problems import Problem
from axis.core.statuses import Report
from schemas.codes import AgencyCode
from schemas.status import WIRE
from tests.unit.core.world import (
    DMS_10,
    DMS_20,
    NONCE,
    NOW,
    TEN,
    TWENTY,
    content,
    decide_status,
    document_of,
    ids,
    network,
    passed,
    sound,
    stored,
    submission,
)

CODES = sorted(WIRE.values())
THIRD = Principal("dms-30", DMS_10.role, (("H99", "30"),))
RECIPIENT_OWNS = network(arrived_by=ArrivedBy.RECIPIENT)


def document(*to: AgencyCode, sender: AgencyCode = TEN, by: Principal = DMS_10) -> Document:
    taken = decide_intake(
        submission(by), content(*to, sender=sender), passed(), (), {}, network(), NOW, ids("doc"), NONCE
    )
    return document_of(taken)


LOCAL = document(TWENTY)


def decide(
    said: Report,
    about: Document | None = LOCAL,
    prior: Sequence[StatusReport] = (),
    by: Principal = DMS_20,
    hops: tuple[Hop, ...] = (),
    at: Network | None = None,
) -> Decision[StatusReport | Problem]:
    return sound(decide_status(said, about, prior, by, hops, at or RECIPIENT_OWNS, NOW, ids("status")))


def say(*reports: Report, about: Document = LOCAL, by: Principal = DMS_20, at: Network | None = None) -> list[Any]:
    """One report after the other, each with what was stored before it."""
    decisions: list[Decision[StatusReport | Problem]] = []
    number = ids("status")
    for one in reports:
        prior = stored(decisions)
        decisions.append(sound(decide_status(one, about, prior, by, (), at or RECIPIENT_OWNS, NOW, number)))
    return decisions


def standings(decisions: Sequence[Decision[Any]]) -> list[str]:
    return [decision.reply.standing.value for decision in decisions]
