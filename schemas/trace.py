"""Appends a hop to a copy of a package, for peers that expect the trace inside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from lxml import etree

from schemas.codes import AgencyCode
from schemas.content import Content
from schemas.dates import write_timestamp
from schemas.errors import SchemaError, Violation
from schemas.limits import XmlLimits
from schemas.names import children, split
from schemas.structure import signature_place
from schemas.xml import parse_xml

_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def with_trace(raw: bytes, organ: AgencyCode, at: datetime, limits: XmlLimits | None = None) -> bytes:
    """A copy of a document package with one more TraceHeader, the last; the rest of the tree is as it was.

    Breaks any signature over the whole package: ask the verdict what is covered first. A status message has no
    TraceHeaderList and comes back as it is. `at` must have a zone. Raises what `parse_xml` raises, and `repeated`.
    """
    parsed = parse_xml(raw, limits or XmlLimits())
    header = signature_place(parsed.root)
    lists = children(header, ("TraceHeaderList",))
    if len(lists) > 1:
        raise SchemaError(Violation("repeated", "TraceHeaderList", "may stand here only once"))
    if not lists and any(children(message, ("StatusCode",)) for message in children(header, ("MessageHeader",))):
        return raw
    trace_list = lists[0] if lists else _new_list(header)
    hop = _sibling(trace_list, "TraceHeader", header)
    _sibling(hop, "OrganId", header).text = str(organ)
    _sibling(hop, "Timestamp", header).text = write_timestamp(at)
    _keep_layout(trace_list, hop)
    return restore(serialise(parsed.root), parsed.cuts)


def serialise(root: etree._Element) -> bytes:
    """The octets of a package: XML declaration, UTF-8, nothing added to the tree."""
    return _DECLARATION + etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=False)


def restore(octets: bytes, cuts: Mapping[str, Content]) -> bytes:
    """Put the cut contents back in place of their placeholders."""
    if not cuts:
        return octets
    pattern = re.compile(b"|".join(re.escape(placeholder.encode()) + rb"(?![0-9])" for placeholder in cuts))
    pieces: list[bytes] = []
    at = 0
    for found in pattern.finditer(octets):
        pieces += (octets[at : found.start()], *cuts[found[0].decode()].pieces())
        at = found.end()
    return b"".join((*pieces, octets[at:]))


def _new_list(header: etree._Element) -> etree._Element:
    """A TraceHeaderList after the message header, before any signature."""
    created = _sibling(header, "TraceHeaderList", header)
    messages = children(header, ("MessageHeader",))
    if messages:
        messages[-1].addnext(created)
    return created


def _sibling(parent: etree._Element, name: str, like: etree._Element) -> etree._Element:
    namespace = split(like)[0]
    return etree.SubElement(parent, f"{{{namespace}}}{name}" if namespace else name)


def _keep_layout(trace_list: etree._Element, hop: etree._Element) -> None:
    """Give the new hop the white space that the one before it has, so that an indented package stays readable."""
    before = hop.getprevious()
    if before is not None:
        hop.tail, before.tail = before.tail, trace_list.text
