"""The usual package of our own network, read once: from what its signature covers, and from nothing else.

`axis.flow.package` reads every package as it came, to find out what must be covered, and again from what was signed. Of
a package that is nothing but its parts, one signature over them and attachments that name themselves, all of that is
known without reading. What is not so, or not good in every respect, is `None` here and goes the long way, which alone
refuses (ADR 0031).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from axis.flow.package import Opened, hold_to_fields, inspect_parts, opened
from axis.flow.place import Place, place_of
from schemas import attachment, edxml
from schemas.content import Decoded
from schemas.edxml import SignedParts
from schemas.envelope import AttachmentInfo, Envelope
from schemas.errors import SchemaError
from schemas.limits import FieldLimits, XmlLimits
from schemas.structure import holds_nothing_else
from schemas.xml import Parsed, parse_parts
from signing.pdf import form_of
from signing.policy import SignaturePolicy
from signing.verify import InMemory, Inspection, Octets, Verified


@dataclass(frozen=True, slots=True)
class Usual:
    """A package of that shape. `octets` are its decoded attachments, or what is known of large ones, under the ids that
    they name themselves."""

    parsed: Parsed
    parts: SignedParts
    encoded: tuple[attachment.EncodedAttachment, ...]
    octets: Mapping[str, InMemory | Decoded]

    def inspect(self, policy: SignaturePolicy, at: datetime) -> Inspection:
        """As `inspect_package`."""
        return inspect_parts(self.parsed, self.parts, self.octets, True, policy, at)

    def read(self, verified: Verified, limits: XmlLimits, fields: FieldLimits | None) -> Opened | None:
        """As `open_package`, but read from what was signed. `None` where both might not be the same."""
        parts = verified.parts
        if verified.whole is not None or "MessageHeader" not in parts:
            return None
        try:
            root = dict(zip(parts, parse_parts([*parts.values()], limits), strict=True))
            reading = edxml.read_parts(root["MessageHeader"], root.get("Bussiness"), root.get("edXMLManifest"))
            if reading is None or not isinstance(reading.message, Envelope):
                return None
            hold_to_fields(reading.message, fields)
            pairs = attachment.matched(reading.message, self.encoded)
            if any(info.content_id != one.content_id for info, one in pairs):
                return None
            carried = [_carried(info, self.octets[info.content_id]) for info, _ in pairs]
            return opened(self.parsed, reading, carried, fields, inside=True)
        except SchemaError:
            return None


def _carried(info: AttachmentInfo, one: InMemory | Decoded) -> tuple[AttachmentInfo, Octets, str | None, Place]:
    if isinstance(one, Decoded):
        return info, one, form_of(one.head), place_of(one)
    return info, one, form_of(one.octets), one.octets


def usual_of(parsed: Parsed) -> Usual | None:
    """The package as one of that shape, `None` for any other."""
    if parsed.plain is None:
        return None
    try:
        parts = edxml.signed_parts(parsed.root)
        encoded = attachment.encoded_attachments(parsed)
        octets = {one.content_id: _held(attachment.decoded(one)) for one in encoded}
    except SchemaError:
        return None
    return Usual(parsed, parts, encoded, octets) if holds_nothing_else(parsed.root, parts) else None


def _held(found: bytes | Decoded) -> InMemory | Decoded:
    return InMemory(found) if isinstance(found, bytes) else found
