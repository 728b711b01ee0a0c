"""How far a document has come with each of its recipients: what people ask first.

Pure, and one for `axis why` and the console's page of a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from axis.core.journey.dossier import Dossier
from axis.core.journey.step import Around
from axis.core.model import Cargo
from axis.core.states import DeliveryState
from schemas.codes import AgencyCode
from schemas.status import Standing
from signing.verdict import Sentence


@dataclass(frozen=True, slots=True)
class Reached:
    """Tình trạng tại một nơi nhận: its last status that counts, or else what became of the delivery to it.

    `code` is the wire code of the status or the state of the delivery; `at` is the reporter's time, or when the
    delivery ended. `reason` is what the recipient wrote.
    """

    recipient: AgencyCode
    told: Sentence
    code: str
    at: datetime | None = None
    reason: str = ""


STATES: Final[Mapping[DeliveryState, Sentence]] = MappingProxyType(
    {
        DeliveryState.QUEUED: Sentence("chờ chuyển", "waits to be delivered"),
        DeliveryState.LEASED: Sentence("đang chuyển", "under way"),
        DeliveryState.ON_HOLD: Sentence("tạm dừng", "on hold"),
        DeliveryState.DELIVERED: Sentence("đã chuyển, nơi nhận chưa báo", "delivered; nothing was reported yet"),
        DeliveryState.FAILED: Sentence("không chuyển được", "not delivered"),
        DeliveryState.DROPPED: Sentence("đã bỏ", "given up"),
    }
)
_TO_FETCH: Final = Sentence("chờ nơi nhận lấy", "waits to be fetched")


def reached(dossier: Dossier, around: Around) -> tuple[Reached, ...]:
    """In the order of the recipients; without those of whom nothing is known yet."""
    told: dict[AgencyCode, Reached] = {}
    for delivery in dossier.deliveries:
        if delivery.cargo is Cargo.DOCUMENT:
            waits = delivery.state is DeliveryState.QUEUED and delivery.endpoint not in around.called
            words = _TO_FETCH if waits else STATES[delivery.state]
            for code in delivery.recipients:
                told[code] = Reached(code, words, delivery.state.value, delivery.settled_at)
    for one in dossier.statuses:
        if one.standing is Standing.APPLIED and one.status is not None:
            label = one.status.label
            words = Sentence(f"{one.wire} {label}", f"{one.wire} {one.status.value}")
            reason = one.description if one.description and one.description != label else ""
            told[one.receiver] = Reached(one.receiver, words, one.wire, one.at, reason)
    return tuple(told[code] for code in dossier.document.recipients if code in told)
