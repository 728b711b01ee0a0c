"""Whether a change would be there before what it changes."""

from __future__ import annotations

from collections.abc import Collection

from axis.core.concern import concerned_ids
from axis.core.intake import Content
from axis.core.model import Document, DocumentRef
from axis.core.network import Network
from axis.core.ports import Ledger
from axis.core.states import IntakeState
from schemas.codes import AgencyCode
from schemas.envelope import MessageKind


def is_early(
    content: Content, targets: Collection[AgencyCode], network: Network, ledger: Ledger, own: Document | None = None
) -> bool:
    """Say whether something of the same sender that `content` concerns is to be waited for; `own` is where it is stored
    itself.

    A lane keeps the order of what is delivered to one place about one document. It does not see what is held, nor the
    further documents that one recall or replacement names, nor what waits where a recipient was reached before the
    routes changed. Of two that concern each other the later one waits; what has failed nobody waits for.
    """
    envelope = content.envelope
    if envelope.kind is MessageKind.NEW:
        return False
    sender = envelope.sender.code
    for place, name in enumerate(concerned_ids(envelope, content.document_id)):
        known = [one for kind in MessageKind for one in ledger.same_document(sender, kind, name)]
        for one in known:
            if own is not None and (own.accepted_at, own.ref) <= (one.accepted_at, one.ref):
                continue
            if one.state is IntakeState.HELD:
                return True
            if _waits_elsewhere(one.ref, targets, network, ledger, anywhere=place > 0):
                return True
    return False


def _waits_elsewhere(
    ref: DocumentRef, targets: Collection[AgencyCode], network: Network, ledger: Ledger, *, anywhere: bool
) -> bool:
    """Say whether a document is still on its way to one of `targets` in another lane; `anywhere`: in whichever."""
    for endpoint, recipients in ledger.undone(ref):
        for code in recipients:
            route = network.routes.route(code)
            moved = route is not None and route.endpoint != endpoint
            if code in targets and (anywhere or moved):
                return True
    return False
