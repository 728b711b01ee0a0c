"""What a witness answers to an offer (C2SP tlog-witness): pure, from the offer, the logs' keys, and what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from axis.core.merkle import EMPTY_ROOT, verify_consistency
from axis.log.heads import Head
from axis.log.key import ForeignNote, LogKeys
from axis.log.offer import Offer


@dataclass(frozen=True, slots=True)
class Judged:
    """`OK`, and the head is to be remembered and cosigned; or why not. `size` is what the witness has, where it tells
    that. Of a `second` history the offer is the proof: its log signed it, and it does not continue what the log had
    signed before."""

    status: HTTPStatus
    told: str = ""
    size: int | None = None
    second: bool = False


def judge(offer: Offer, logs: Mapping[str, LogKeys], known: Head | None) -> Judged:
    """Judge an offer. `logs` are the keys by origin; `known` is what was cosigned last of this one, `None` for nothing.

    Whoever may not be believed is told before what is known is looked at.
    """
    new = offer.head.checkpoint
    keys = logs.get(new.origin)
    if keys is None:
        return Judged(HTTPStatus.NOT_FOUND, "a log that this witness does not know")
    try:
        keys.open(offer.head.note)
    except ForeignNote as error:
        return Judged(HTTPStatus.FORBIDDEN, str(error))
    if offer.old > new.size:
        return Judged(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint's")
    size, root = (known.checkpoint.size, known.checkpoint.root) if known else (0, EMPTY_ROOT)
    if offer.old != size:
        return Judged(HTTPStatus.CONFLICT, "another size was cosigned last", size)
    if new.size == size and new.root != root:
        if not size:
            return Judged(HTTPStatus.UNPROCESSABLE_ENTITY, "an empty log has one root only")
        return Judged(HTTPStatus.CONFLICT, "another root was cosigned for this size", size, second=True)
    if size and not verify_consistency(size, new.size, root, new.root, offer.proof):
        told = "the proof does not lead from what was cosigned to this"
        return Judged(HTTPStatus.UNPROCESSABLE_ENTITY, told, second=True)
    if not size and offer.proof:
        return Judged(HTTPStatus.UNPROCESSABLE_ENTITY, "from an empty log no proof leads anywhere")
    return Judged(HTTPStatus.OK)
