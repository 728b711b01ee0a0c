"""What the national axis says became of what it took (đối soát): `getSentEdocList`, one row for each receiver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.national.client import VxpClient, text_of
from adapters.national.vxp import MessageType, State
from axis.core.follow_up import PeerState
from axis.core.model import Cargo

_STATES: Final[Mapping[str, PeerState]] = MappingProxyType(
    {
        State.DONE.value: PeerState.TAKEN,
        State.FAIL.value: PeerState.REFUSED,
        # Some gateways write on for the receiver; whatever that is, the receiver has it.
        "acceptance": PeerState.TAKEN,
        "assignment": PeerState.TAKEN,
        "rejection": PeerState.REFUSED,
    }
)
"""`receiveStatus`, in lower case. What is not here waits: `INITIAL`, `processing`, and what nobody has told us of."""


class NationalInquiry:
    """Asks about one DocId at a time: lists are cut off where they are long, and an answer about one is not."""

    def __init__(self, client: VxpClient) -> None:
        self._client = client

    async def became(self, cargo: Cargo, peer_ref: str) -> Mapping[str, PeerState]:
        """Rows about another DocId are no answer: an axis that does not know the parameter lists everything."""
        message = MessageType.STATUS if cargo is Cargo.STATUS else MessageType.EDOC
        told = await self._client.sent(message, peer_ref)
        rows = [row for row in told if text_of(row.get("senderDocId")) == peer_ref]
        return {
            str(row.get("toCode", "")): _STATES.get(str(row.get("receiveStatus", "")).lower(), PeerState.WAITING)
            for row in rows
        }
