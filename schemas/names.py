"""Names on the wire: the namespace, the spellings seen, and formats that only look like ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, cast

from lxml import etree

NAMESPACE: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
"""An identifier; never fetched."""

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
"""The namespace of XML signatures."""

OURS: Final = frozenset({NAMESPACE, ""})
"""Namespaces in which our element names count. No namespace at all is tolerated, and noted."""

ROOT: Final = ("edXML", "EdXML")
ENVELOPE: Final = ("edXMLEnvelope", "EdXMLEnvelope")
HEADER: Final = ("edXMLHeader", "EdXMLHeader")
BODY: Final = ("edXMLBody", "EdXMLBody")
MANIFEST: Final = ("edXMLManifest", "EdXMLManifest")
BUSINESS: Final = ("Bussiness", "Business")
SIGNATURES: Final = ("Signature", "DigitalSignature")

FOREIGN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "http://www.go.vn/eDoc": "the flat eDoc format (www.go.vn/eDoc) that edXML replaced",
        "http://www.e-doc.vn/Schema/": "the old SOAP interface of e-doc.vn",
        "http://edxml.gov.vn/schema": "the edxml.gov.vn profile for other reports, carried in SOAP",
        "http://schemas.xmlsoap.org/soap/envelope/": "a SOAP 1.1 message",
        "http://www.w3.org/2003/05/soap-envelope": "a SOAP 1.2 message",
        "http://www.w3.org/1999/xhtml": "a web page",
    }
)
"""Formats that use some of the same element names and are not edXML of QCVN 102:2016."""


def default_namespace(uri: str) -> Mapping[str, str]:
    """A namespace map for lxml that declares `uri` without a prefix (its type stubs do not know of that)."""
    return cast("Mapping[str, str]", {None: uri})


def is_element(node: etree._Element) -> bool:
    """Say whether a child of a tree is an element, not a comment, processing instruction or entity reference."""
    return isinstance(node.tag, str)


def split(element: etree._Element) -> tuple[str, str]:
    """Namespace (empty for none) and local name of an element."""
    tag = str(element.tag)
    if tag[0] == "{":
        namespace, _, local = tag[1:].rpartition("}")
        return namespace, local
    return "", tag


def local(element: etree._Element) -> str:
    """The local name of an element."""
    return split(element)[1]


def named(element: etree._Element, names: tuple[str, ...]) -> bool:
    """Say whether `element` is one of ours with one of these local names."""
    return element.tag in tags_of(names)


def children(element: etree._Element, names: tuple[str, ...]) -> tuple[etree._Element, ...]:
    """The child elements of ours with one of these local names, in document order."""
    tags = tags_of(names)
    return tuple([child for child in element if child.tag in tags])


@lru_cache(maxsize=64)
def tags_of(names: tuple[str, ...]) -> frozenset[str]:
    """Every tag under which one of ours may stand."""
    return frozenset(f"{{{namespace}}}{name}" if namespace else name for name in names for namespace in sorted(OURS))
