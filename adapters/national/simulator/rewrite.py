"""Re-serialise a package the way the real axis was seen to do, by comparing packages sent and fetched.

Children are re-ordered, the axis's own TraceHeader is appended, empty elements collapse, and an XML signature moves
from its own namespace into that of the package, with the same DigestValue. So no signature over the envelope survives.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Final

from lxml import etree

from schemas.dates import write_timestamp
from schemas.names import BUSINESS, NAMESPACE, children, is_element, local, split
from schemas.structure import signature_place
from schemas.xml import Parsed

XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"

_ORDER: Final = {
    "MessageHeader": (
        *("From", "To", "Code", "PromulgationInfo", "DocumentType", "Subject", "Content", "SignerInfo", "DueDate"),
        *("ToPlaces", "OtherInfo", "ResponseFor", "SteeringType", "ResponseForTask", "ApplicationType", "DocumentId"),
    ),
    "TraceHeaderList": ("TraceHeader", *BUSINESS),
    "edXMLHeader": ("MessageHeader", "TraceHeaderList", "Signature", "DigitalSignature"),
}
"""The order of the .NET library: ToPlaces before OtherInfo, DocumentId last, TraceHeader before Bussiness."""


def rewrite(parsed: Parsed, at: datetime, organ: str | None) -> bytes:
    """The package as the axis gives it on: the same content, other octets. `organ` names the axis in its hop.

    `parsed` is left as it is. `SchemaError` for a package without a header.
    """
    root = deepcopy(parsed.root)
    _append_hop(signature_place(root), at, organ)
    for element in list(root.iter()):
        if not is_element(element):
            _drop(element)
    for element in list(root.iter()):
        namespace, name = split(element)
        if namespace == XMLDSIG:
            element.tag = f"{{{NAMESPACE}}}{name}"
        _collapse(element)
        _reorder(element, name)
    etree.cleanup_namespaces(root)
    octets: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    for placeholder, content in parsed.cuts.items():
        octets = octets.replace(placeholder.encode(), content.text(), 1)
    return octets


def _append_hop(header: etree._Element, at: datetime, organ: str | None) -> None:
    namespace = split(header)[0]
    prefix = f"{{{namespace}}}" if namespace else ""
    found = children(header, ("TraceHeaderList",))
    trace = found[0] if found else etree.SubElement(header, f"{prefix}TraceHeaderList")
    hop = etree.SubElement(trace, f"{prefix}TraceHeader")
    if organ is not None:
        etree.SubElement(hop, f"{prefix}OrganId").text = organ
    etree.SubElement(hop, f"{prefix}Timestamp").text = write_timestamp(at)


def _drop(node: etree._Element) -> None:
    parent = node.getparent()
    if parent is not None:
        node.tail = None
        parent.remove(node)


def _collapse(element: etree._Element) -> None:
    if not (element.text or "").strip():
        element.text = None
    for child in element:
        if not (child.tail or "").strip():
            child.tail = None


def _reorder(element: etree._Element, name: str) -> None:
    order = _ORDER.get(name)
    if order is None:
        return
    place = {child: index for index, child in enumerate(order)}
    element[:] = sorted(element, key=lambda child: place.get(local(child), len(order)))
