"""The skeleton of a package: which element is the envelope, what must be signed, where signatures stand."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lxml import etree

from schemas.errors import SchemaError, Violation
from schemas.names import (
    BODY,
    BUSINESS,
    ENVELOPE,
    FOREIGN,
    HEADER,
    MANIFEST,
    ROOT,
    SIGNATURES,
    default_namespace,
    is_element,
    local,
    named,
    split,
    tags_of,
)

Element = etree._Element
"""A node of a package that is being made, for those who only pass it on."""

_OUTERMOST: Final = (*ROOT, *ENVELOPE)
_TRACE: Final = ("TraceHeaderList",)
_MESSAGE: Final = ("MessageHeader",)
_SIGNATURES: Final = tuple(f"{{*}}{name}" for name in SIGNATURES)


@dataclass(frozen=True, slots=True)
class SignedParts:
    """The parts of a package that a signature must cover, as elements of its tree; `place` is where it stands."""

    place: etree._Element
    header: etree._Element
    business: etree._Element | None
    manifest: etree._Element | None


def envelope_of(root: etree._Element) -> etree._Element:
    """The envelope of a package: a child of the root, or the root itself.

    Raises `SchemaError` with `not-edxml`, saying what else the bytes look like, or `repeated`.
    """
    if not named(root, _OUTERMOST):
        raise SchemaError(Violation("not-edxml", "", _looks_like(root)))
    top = _filed(root)
    inside, direct = top.get(ENVELOPE, ()), HEADER in top
    if len(inside) + direct > 1:
        raise SchemaError(Violation("repeated", "edXMLEnvelope", "may stand here only once"))
    if inside:
        return inside[0]
    if direct or named(root, ENVELOPE):
        return root
    raise SchemaError(Violation("missing", "edXMLEnvelope", "is required"))


def signed_parts(root: etree._Element) -> SignedParts:
    """The message header, the business block (else *new* could be turned into *recall*) and the manifest.

    Raises `SchemaError` when the message header is missing or any of them could be meant by two elements.
    """
    inside = _filed(envelope_of(root))
    header = _only(inside, HEADER)
    head = {} if header is None else _filed(header)
    message = _only(head, _MESSAGE)
    if header is None or message is None:
        raise SchemaError(Violation("missing", "MessageHeader", "is required"))
    trace, body = _only(head, _TRACE), _only(inside, BODY)
    business = None if trace is None else _only(_filed(trace), BUSINESS)
    manifest = None if body is None else _only(_filed(body), MANIFEST)
    return SignedParts(header, message, business, manifest)


def signatures(root: etree._Element) -> tuple[etree._Element, ...]:
    """Every element named Signature or DigitalSignature, in document order, whatever its namespace and place.

    The judge refuses extra ones, so none is left out, a signature inside another's KeyInfo neither; only what is in a
    `ds:Object` of a signature is that signature's own affair. An element without any content, as the .NET library
    writes it, is no signature: empty counts as absent.
    """
    found = tuple(root.iter(*_SIGNATURES))
    if len(found) < 2:
        return tuple(e for e in found if not _hollow(e))
    private: set[etree._Element] = set()
    for held in root.iter("{*}Object"):
        owner = held.getparent()
        if owner is not None and local(owner) in SIGNATURES and owner not in private:
            private.update(held.iter(*_SIGNATURES))
    return tuple(e for e in found if e not in private and not _hollow(e))


def _hollow(element: etree._Element) -> bool:
    return not (len(element) or (element.text or "").strip() or element.attrib)


def assemble(
    header: etree._Element, business: etree._Element | None, manifest: etree._Element | None
) -> etree._Element:
    """A fresh package that holds copies of these parts and nothing else; `read_message` reads it like any other.

    Meant for parts that were re-parsed from verified octets: whatever else the original tree held cannot be read by
    mistake. Attachments and the trace of hops are not in it.
    """
    namespace = split(header)[0] or None
    prefix = f"{{{namespace}}}" if namespace else ""
    root = etree.Element(f"{prefix}edXML", nsmap=default_namespace(namespace) if namespace else None)
    envelope = etree.SubElement(root, f"{prefix}edXMLEnvelope")
    head = etree.SubElement(envelope, f"{prefix}edXMLHeader")
    head.append(_copy(header))
    if business is not None:
        etree.SubElement(head, f"{prefix}TraceHeaderList").append(_copy(business))
    if manifest is not None:
        etree.SubElement(envelope, f"{prefix}edXMLBody").append(_copy(manifest))
    return root


def signature_place(root: etree._Element) -> etree._Element:
    """The element whose last child a signature becomes: the edXMLHeader."""
    header = _only(_filed(envelope_of(root)), HEADER)
    if header is None:
        raise SchemaError(Violation("missing", "edXMLHeader", "is required"))
    return header


_Names = tuple[str, ...]
_FILES: Final[Mapping[object, _Names]] = MappingProxyType(
    {tag: names for names in (ENVELOPE, HEADER, BODY, _MESSAGE, _TRACE, BUSINESS, MANIFEST) for tag in tags_of(names)}
)


def _filed(parent: etree._Element) -> dict[_Names, list[etree._Element]]:
    """The child elements of ours that the skeleton is made of, by their names, in document order."""
    found: dict[_Names, list[etree._Element]] = {}
    for child in parent:
        names = _FILES.get(child.tag)
        if names is not None:
            found.setdefault(names, []).append(child)
    return found


def _only(filed: Mapping[_Names, list[etree._Element]], names: _Names) -> etree._Element | None:
    found = filed.get(names)
    if found is None:
        return None
    if len(found) > 1:
        raise SchemaError(Violation("repeated", names[0], "may stand here only once"))
    return found[0]


def _copy(element: etree._Element) -> etree._Element:
    copy = deepcopy(element)
    copy.tail = None
    return copy


def _looks_like(root: etree._Element) -> str:
    """Say what the bytes look like, by the namespaces of the first elements."""
    for namespace in (split(element)[0] for element in _first_elements(root)):
        if namespace in FOREIGN:
            return f"this is {FOREIGN[namespace]}; send edXML of QCVN 102:2016"
    return "the root element is not edXML of QCVN 102:2016"


def _first_elements(root: etree._Element) -> list[etree._Element]:
    """The inner elements first: a SOAP envelope is better named after what it carries."""
    bodies = [child for child in root if is_element(child)]
    return [*(inner for body in bodies for inner in body if is_element(inner)), *bodies, root]
