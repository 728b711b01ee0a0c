"""How far a document has come with each of its recipients: what people ask first.

Pure, and one for `axis why` and the console's pages: of a document, and of many in a list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from axis.core.journey.dossier import Dossier
from axis.core.journey.step import Around
from axis.core.model import Cargo
from axis.core.states import DeliveryState
from schemas.codes import AgencyCode
from schemas.status import BY_WIRE, Standing, Status
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
            words = _of_state(delivery.state, delivery.endpoint, around.called)
            for code in delivery.recipients:
                told[code] = Reached(code, words, delivery.state.value, delivery.settled_at)
    for one in dossier.statuses:
        if one.standing is Standing.APPLIED and one.status is not None:
            label = one.status.label
            reason = one.description if one.description and one.description != label else ""
            told[one.receiver] = Reached(one.receiver, _of_status(one.wire, one.status), one.wire, one.at, reason)
    return tuple(told[code] for code in dossier.document.recipients if code in told)


def _of_state(state: DeliveryState, endpoint: str, called: Collection[str]) -> Sentence:
    return _TO_FETCH if state is DeliveryState.QUEUED and endpoint not in called else STATES[state]


def _of_status(wire: str, status: Status) -> Sentence:
    return Sentence(f"{wire} {status.label}", f"{wire} {status.value}")


class Sent(NamedTuple):
    """A delivery of a document, as a list of documents needs it."""

    endpoint: str
    state: DeliveryState
    recipients: tuple[AgencyCode, ...]


class Counted(NamedTuple):
    """A status that counts."""

    receiver: AgencyCode
    wire: str


@dataclass(frozen=True, slots=True)
class Together:
    """So many recipients of one document of whom the same is to be told."""

    told: Sentence
    code: str
    number: int


def together(
    recipients: Sequence[AgencyCode], sent: Sequence[Sent], counted: Sequence[Counted], called: Collection[str]
) -> tuple[Together, ...]:
    """How far one document has come, its recipients counted: what went wrong first, then from the least far on.

    `sent` and `counted` are in the order in which they came. It tells what `reached` tells, in less.
    """
    told: dict[AgencyCode, tuple[str, Sentence]] = {}
    for endpoint, state, codes in sent:
        told |= dict.fromkeys(codes, (state.value, _of_state(state, endpoint, called)))
    for receiver, wire in counted:
        if (status := BY_WIRE.get(wire)) is not None:
            told[receiver] = (wire, _of_status(wire, status))
    groups = Counter(told[code] for code in recipients if code in told)
    ordered = sorted(groups.items(), key=lambda group: (_PLACE.get(group[0][0], len(_PLACE)), group[0][0]))
    return tuple(Together(words, code, number) for (code, words), number in ordered)


_PLACE: Final = {
    state.value: place
    for place, state in enumerate(
        (
            DeliveryState.FAILED,
            DeliveryState.DROPPED,
            DeliveryState.ON_HOLD,
            DeliveryState.QUEUED,
            DeliveryState.LEASED,
            DeliveryState.DELIVERED,
        )
    )
}
