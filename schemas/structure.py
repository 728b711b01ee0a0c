"""The skeleton of a package: which element is the envelope, what must be signed, where signatures stand."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
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
    children,
    default_namespace,
    is_element,
    local,
    named,
    split,
)

_TRACE: Final = ("TraceHeaderList",)
_SIGNATURES: Final = tuple(f"{{*}}{name}" for name in SIGNATURES)


@dataclass(frozen=True, slots=True)
class SignedParts:
    """The parts of a package that a signature must cover, as elements of its tree."""

    header: etree._Element
    business: etree._Element | None
    manifest: etree._Element | None


def envelope_of(root: etree._Element) -> etree._Element:
    """The envelope of a package: a child of the root, or the root itself.

    Raises `SchemaError` with `not-edxml`, saying what else the bytes look like, or `repeated`.
    """
    if not named(root, (*ROOT, *ENVELOPE)):
        raise SchemaError(Violation("not-edxml", "", _looks_like(root)))
    inside = children(root, ENVELOPE)
    itself = named(root, ENVELOPE) or bool(children(root, HEADER))
    if len(inside) + (itself and bool(children(root, HEADER))) > 1:
        raise SchemaError(Violation("repeated", "edXMLEnvelope", "may stand here only once"))
    if inside:
        return inside[0]
    if itself:
        return root
    raise SchemaError(Violation("missing", "edXMLEnvelope", "is required"))


def signed_parts(root: etree._Element) -> SignedParts:
    """The message header, the business block (else *new* could be turned into *recall*) and the manifest.

    Raises `SchemaError` when the message header is missing or any of them could be meant by two elements.
    """
    envelope = envelope_of(root)
    header = _only(envelope, HEADER)
    message = None if header is None else _only(header, ("MessageHeader",))
    if header is None or message is None:
        raise SchemaError(Violation("missing", "MessageHeader", "is required"))
    trace, body = _only(header, _TRACE), _only(envelope, BODY)
    return SignedParts(
        header=message,
        business=None if trace is None else _only(trace, BUSINESS),
        manifest=None if body is None else _only(body, MANIFEST),
    )


def signatures(root: etree._Element) -> tuple[etree._Element, ...]:
    """Every element named Signature or DigitalSignature, in document order, whatever its namespace and place.

    The judge refuses extra ones, so none is left out, a signature inside another's KeyInfo neither; only what is in a
    `ds:Object` of a signature is that signature's own affair. An element without any content, as the .NET library
    writes it, is no signature: empty counts as absent.
    """
    private: set[etree._Element] = set()
    for held in root.iter("{*}Object"):
        owner = held.getparent()
        if owner is not None and local(owner) in SIGNATURES and owner not in private:
            private.update(held.iter(*_SIGNATURES))
    return tuple(e for e in root.iter(*_SIGNATURES) if e not in private and not _hollow(e))


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
    header = _only(envelope_of(root), HEADER)
    if header is None:
        raise SchemaError(Violation("missing", "edXMLHeader", "is required"))
    return header


def _only(parent: etree._Element, names: tuple[str, ...]) -> etree._Element | None:
    found = children(parent, names)
    if len(found) > 1:
        raise SchemaError(Violation("repeated", names[0], "may stand here only once"))
    return found[0] if found else None


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
