"""The usual package of our own network, read once: from what its signature covers, and from nothing else.

`axis.flow.package` parses every package as it came, to find out what must be covered, and again what was signed. Where
everything lies in a package that our writer wrote is found without a parser (`schemas.layout`), and only what its
signature covers is read, without a tree (`schemas.outline`). What is not so, or not good in every respect, is `None`
here and goes the long way, which alone refuses (ADR 0061).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from axis.core.octets import Held
from axis.flow.package import Carried, Contents, Part, beside, contents, hold_to_fields
from axis.flow.place import Place, place_of
from schemas import attachment, edxml
from schemas.content import Decoded
from schemas.cuts import Skeleton
from schemas.envelope import AttachmentInfo, Envelope
from schemas.errors import SchemaError
from schemas.layout import Layout, layout_of
from schemas.limits import FieldLimits, XmlLimits
from signing.pdf import form_of
from signing.policy import SignaturePolicy
from signing.verify import InMemory, Inspection, Octets, inspect_laid

_READ: Final = ("MessageHeader", "Bussiness", "edXMLManifest")


@dataclass(frozen=True, slots=True)
class Usual:
    """A package of that form. `octets` are its attachments under their ids: those that it holds, or `parts`."""

    gated: Skeleton
    layout: Layout
    octets: Mapping[str, Octets]
    parts: Sequence[Part[Held]]

    def inspect(self, policy: SignaturePolicy, at: datetime) -> Inspection | None:
        """As `inspect_package`; `None` where the signature is of another shape, or not good."""
        return inspect_laid(self.layout, self.octets, not self.parts, policy, at, self.layout.cuts)

    def read(self, fields: FieldLimits | None) -> Contents | None:
        """As `open_package`, but from what is signed: to be asked of what `inspect` found good. `None` where both might
        not be the same."""
        header, business, manifest = [self.layout.parts[name].octets for name in _READ]
        try:
            reading = edxml.read_parts(header, business, manifest)
            if reading is None or not isinstance(reading.message, Envelope):
                return None
            hold_to_fields(reading.message, fields)
            carried = self._carried(reading.message)
            if carried is None:
                return None
            return contents(reading, carried, fields, self.layout.envelope_octets())
        except SchemaError:
            return None

    def _carried(self, envelope: Envelope) -> Carried | None:
        """What is attached, if everything has the id under which its digest was signed."""
        if self.parts:
            found = [*beside(envelope, self.parts)]
            return found if all(info.content_id in self.octets for info, *_ in found) else None
        encoded = tuple([one.encoded for one in self.layout.attachments])
        pairs = attachment.matched(envelope, encoded)
        if any(info.content_id != one.content_id for info, one in pairs):
            return None
        return [_carried(info, self.octets[info.content_id]) for info, _ in pairs]


def _carried(info: AttachmentInfo, one: Octets) -> tuple[AttachmentInfo, Octets, str | None, Place]:
    if isinstance(one, Decoded):
        return info, one, form_of(one.head), place_of(one)
    assert isinstance(one, InMemory)
    return info, one, form_of(one.octets), one.octets


def usual_of(gated: Skeleton, limits: XmlLimits, parts: Sequence[Part[Held]] = ()) -> Usual | None:
    """The package as one of that form, with the attachments `parts` beside it; `None` for any other."""
    layout = layout_of(gated, limits)
    if layout is None or (parts and layout.attachments):
        return None
    if parts:
        octets: dict[str, Octets] = {part.id: part for part in parts if part.id is not None}
    else:
        octets = octets_in(layout)
    return Usual(gated, layout, octets, parts) if len(octets) == len(parts or layout.attachments) else None


def octets_in(layout: Layout) -> dict[str, Octets]:
    """What is attached inside the package, by its ids: one less where an id stands twice."""
    return {
        encoded.content_id: InMemory(content) if isinstance(content, bytes) else content
        for encoded, content in layout.attachments
    }
