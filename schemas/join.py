"""Puts attachments that lie beside an envelope back into it, for peers that take one XML document only."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from lxml import etree

from schemas.envelope import AttachmentInfo
from schemas.limits import XmlLimits
from schemas.names import split
from schemas.trace import serialise
from schemas.xml import parse_xml


def join_frame(envelope: bytes, infos: Sequence[AttachmentInfo]) -> tuple[bytes, ...]:
    """The octets before, between and behind the base64 of each attachment: one more than there are attachments.

    Signatures of parts, and the package digest, are the same in both forms; one over the whole document is broken. Its
    digest of the envelope makes a mark that no envelope can hold. Raises what `parse_xml` raises.
    """
    root = parse_xml(envelope, XmlLimits()).root
    namespace = split(root)[0]
    mark = f"axis-join-{sha256(envelope).hexdigest()}-"

    def add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
        made = etree.SubElement(parent, f"{{{namespace}}}{name}" if namespace else name)
        made.text = text
        return made

    encoded = add(root, "AttachmentEncoded")
    for info in infos:
        attachment = add(encoded, "Attachment")
        add(attachment, "ContentId", f"cid:{info.content_id}")
        add(attachment, "AttachmentName", info.name)
        if info.content_type:
            add(attachment, "ContentType", info.content_type)
        add(attachment, "ContentTransferEncoded", mark)
    return tuple(serialise(root).split(mark.encode()))
