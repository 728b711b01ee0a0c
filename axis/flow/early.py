"""Whether a change would be there before what it changes, because that is still held."""

from __future__ import annotations

from axis.core.intake import Content, concerned_ids
from axis.core.model import Document
from axis.core.ports import Ledger
from axis.core.states import IntakeState
from schemas.envelope import MessageKind


def is_early(content: Content, ledger: Ledger, own: Document | None = None) -> bool:
    """Say whether something of the same sender that `content` concerns is held; `own` is where it is stored itself.

    Lanes keep the order of what is delivered, and what is held is not: a recall with good evidence would overtake its
    document. Of two that concern each other the later one waits.
    """
    envelope = content.envelope
    if envelope.kind is MessageKind.NEW:
        return False
    sender = envelope.sender.code
    names = concerned_ids(envelope, content.document_id)
    known = [one for name in names for kind in MessageKind for one in ledger.same_document(sender, kind, name)]
    held = [one for one in known if one.state is IntakeState.HELD]
    return any(own is None or (one.accepted_at, one.ref) < (own.accepted_at, own.ref) for one in held)
