"""Which documents a package is about."""

from __future__ import annotations

from schemas.codes import document_key
from schemas.envelope import Envelope, MessageKind


def concerned_ids(envelope: Envelope, document_id: str) -> tuple[str, ...]:
    """The DocumentIds that a package is about: its own when new, otherwise those of the documents it changes.

    A recall names them in ResponseFor, in the business block or in its own header, looked for in that order (official
    builder of the edXML library; field practice).
    """
    candidates: list[str | None]
    match envelope.kind:
        case MessageKind.NEW:
            candidates = []
        case MessageKind.RECALL:
            candidates = [*(answer.document_id for answer in envelope.responses), envelope.business.document_id]
        case MessageKind.UPDATE:
            candidates = [envelope.business.document_id]
        case MessageKind.REPLACE:
            candidates = [*(item.document_id for item in envelope.business.replacements), envelope.business.document_id]
    named = dict.fromkeys(document_key(text) for text in candidates if text)
    return tuple(named) or (document_key(document_id),)


def concerned_id(envelope: Envelope, document_id: str) -> str:
    """The first of `concerned_ids`: in its lane the package goes."""
    return concerned_ids(envelope, document_id)[0]
