"""The only XML parser of the project: bytes in, a bounded tree out, large attachments beside it."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lxml import etree

from schemas.content import Content
from schemas.cuts import Scanner, Skeleton, placed
from schemas.errors import SchemaError, Violation
from schemas.gate import Raw, check_prolog, checked, refusal
from schemas.limits import XmlLimits
from schemas.names import is_element
from schemas.plain import is_plain

_TYPES: Final = etree.ErrorTypes
_CODES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        _TYPES.ERR_RESOURCE_LIMIT: ("xml-limit", "elements are nested too deep, or a text or attribute is too long"),
        _TYPES.ERR_NAME_TOO_LONG: ("xml-limit", "a name is too long"),
        _TYPES.NS_ERR_XML_NAMESPACE: ("xml-namespace", "a reserved or empty namespace is bound to a prefix"),
        _TYPES.WAR_NS_URI: ("xml-namespace", "a namespace name is not a URI"),
        _TYPES.DTD_ID_REDEFINED: ("xml-id", "an xml:id occurs twice"),
        _TYPES.NS_ERR_UNDEFINED_NAMESPACE: ("xml-malformed", "a prefix is not bound to a namespace"),
        _TYPES.ERR_TAG_NAME_MISMATCH: ("xml-malformed", "an end tag does not match its start tag"),
        _TYPES.ERR_DOCUMENT_END: ("xml-malformed", "there is something after the end of the root element"),
        _TYPES.ERR_UNDECLARED_ENTITY: ("xml-malformed", "an entity is used that XML does not define"),
        _TYPES.ERR_INVALID_CHAR: ("xml-malformed", "there is a character that XML does not allow"),
    }
)
_OTHERWISE: Final = ("xml-malformed", "the XML is not well-formed")
_ABSOLUTE: Final = re.compile(
    rb"(?::[^\s=\"'<>&]+)?="
    rb"(?:\"[A-Za-z][A-Za-z0-9+.-]{0,30}:[^\"<>&]{0,200}\"|'[A-Za-z][A-Za-z0-9+.-]{0,30}:[^'<>&]{0,200}')"
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A package as a tree, and the attachment contents that were kept out of it.

    `cuts` maps a placeholder to the content that stands in its place. Each placeholder is the whole text of exactly
    one `ContentTransferEncoded`, in document order. The content is base64 alphabet and white space only, so putting it
    back into canonical octets, too, is plain replacement.

    """

    root: etree._Element
    cuts: Mapping[str, Content]


def parse_xml(raw: Raw, limits: XmlLimits) -> Parsed:
    """Read one package behind the byte gate and the limits. Nothing is resolved, fetched or expanded.

    Of a large package nothing is held but its skeleton, the octets around large attachment contents. `raw` must stay
    as it is while `cuts` are in use.

    Raises `SchemaError`: those of `schemas.gate`; `xml-malformed` with line and column; `xml-limit`, `xml-namespace`,
    `xml-pi` (all `malformed`); `xml-mixed` for a comment or processing instruction inside a leaf, `xml-id`, `xml-base`
    (well-formed, and refused). Never the parser's own words, never input bytes.
    """
    return parse_gated(gated(raw, limits), limits)


def gated(raw: Raw, limits: XmlLimits) -> Skeleton:
    """Octets that passed the gate, of a package that may be parsed. `SchemaError` of the gate, and `xml-limit`.

    Every octet is looked at once. Whoever has more than `tree_bytes` besides contents gets one more than those.
    """
    if len(raw) <= limits.cut_above:
        skeleton = Skeleton(b"".join(checked(raw, limits)))
    else:
        scanner = Scanner(raw, limits.cut_above, 2 * limits.elements)
        for piece in checked(raw, limits):
            scanner.take(piece)
        skeleton = scanner.skeleton(limits.tree_bytes)
    check_prolog(skeleton.octets)
    _check_counts(skeleton.octets, limits)
    return skeleton


def parse_gated(skeleton: Skeleton, limits: XmlLimits) -> Parsed:
    """What `parse_xml` does with octets that passed the gate."""
    declarations = _declarations(skeleton.octets, limits)
    root = _parse(skeleton)
    if not placed(root, skeleton.cuts):
        raise refusal("xml-malformed", "attachment content stands where none can be")
    _check_namespaces(root, declarations, limits)
    if not is_plain(root, skeleton.octets, limits):
        _check_surroundings(root)
        _check_tree(root, limits)
        if b"xml:base" in skeleton.octets and root.xpath("//@*[name()='xml:base']"):
            raise SchemaError(Violation("xml-base", "", "xml:base is not accepted"))
    return Parsed(root, MappingProxyType(skeleton.cuts))


def _check_counts(octets: bytes, limits: XmlLimits) -> None:
    """Bound the work of whoever reads on: each element takes at least one `<`, each attribute one `=`."""
    if len(octets) > limits.tree_bytes:
        raise refusal("xml-limit", f"more than {limits.tree_bytes} bytes besides attachment content")
    if len(octets) > limits.elements:
        _check_marks(octets, limits)


def _declarations(octets: bytes, limits: XmlLimits) -> list[bytes]:
    """What follows each `xmlns`."""
    declarations = octets.split(b"xmlns", limits.declarations + 1)[1:]
    if len(declarations) > limits.declarations:
        raise refusal("xml-limit", f"more than {limits.declarations} namespace declarations")
    return declarations


def _check_marks(octets: bytes, limits: XmlLimits) -> None:
    if _count(octets, b"<") > 2 * limits.elements or _count(octets, b"=") > limits.elements:
        raise refusal("xml-limit", f"more than {limits.elements} elements or attributes")
    if _count(octets, b"&") > 4 * limits.elements:
        raise refusal("xml-limit", f"more than {4 * limits.elements} character references")
    if any(_count(octets, mark) > 4 * limits.elements for mark in (b'"', b">")):
        # Each is six or four octets where it is canonicalised: 9 MB became 54.
        raise refusal("xml-limit", f"more than {4 * limits.elements} quotation marks or angle brackets")


def _count(octets: bytes, byte: bytes) -> int:
    """How often a byte occurs, in constant time per byte; `bytes.count` is thirty times slower where it is dense."""
    return len(octets) - len(octets.translate(None, byte))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=False,
        remove_pis=False,
        remove_blank_text=False,
        strip_cdata=False,
        collect_ids=True,
    )


class _PerThread(threading.local):
    """To make a parser costs a quarter of what the usual package takes it, and threads would wait for a common one.
    libxml2 resets it before each document."""

    def __init__(self) -> None:
        self.parser = _parser()


_PARSERS: Final = _PerThread()


def _parse(skeleton: Skeleton) -> etree._Element:
    parser = _PARSERS.parser
    try:
        root = etree.fromstring(skeleton.octets, parser)
    except (etree.LxmlError, ValueError):
        root = None
    if root is None:
        for entry in parser.error_log:
            raise _complaint(skeleton, entry.type, entry.line, entry.column)
        raise refusal(*_OTHERWISE)
    return root


def _check_namespaces(root: etree._Element, declarations: list[bytes], limits: XmlLimits) -> None:
    """Refuse relative namespace URIs: canonicalisation fails on them. libxml2 warns of unprefixed ones only.

    Long ones, too, because it writes them again for each element that uses them (140 kB became 400 MB), and many in
    scope of one element, because it asks for each whether it is declared (65 kB took 9 s). The tree is walked only when
    the bytes hold something else than a few plain absolute declarations.
    """
    if len(declarations) <= limits.namespaces and all(map(_ABSOLUTE.match, declarations)):
        return
    in_scope = 0
    for event, found in etree.iterwalk(root, events=("start-ns", "end-ns")):
        if event == "end-ns":
            in_scope -= 1
            continue
        in_scope, uri = in_scope + 1, found[1]
        if in_scope > limits.namespaces:
            raise refusal("xml-limit", f"more than {limits.namespaces} namespaces in scope of one element")
        if len(uri) > limits.name_length:
            raise refusal("xml-limit", f"a namespace name of more than {limits.name_length} characters")
        if uri and not _SCHEME.match(uri):
            raise refusal("xml-namespace", "a namespace name is a relative URI")


def _complaint(skeleton: Skeleton, kind: int, line: int, column: int) -> SchemaError:
    code, detail = _CODES.get(kind, _OTHERWISE)
    line, exact = skeleton.original_line(line)
    where = f"line {line}, column {column}" if exact else f"line {line}"
    return SchemaError(Violation(code, "", f"{detail}, at {where}"), malformed=code != "xml-id")


def _check_surroundings(root: etree._Element) -> None:
    for preceding in (True, False):
        for node in root.itersiblings(preceding=preceding):
            if not isinstance(node, etree._Comment):
                raise refusal("xml-pi", "processing instructions are not accepted")


def _check_tree(root: etree._Element, limits: XmlLimits) -> None:
    level, depth, total, filled = [root], 0, 0, set[etree._Element]()
    while level:
        depth += 1
        total += len(level)
        if depth > limits.depth:
            raise refusal("xml-limit", f"more than {limits.depth} levels of elements")
        below: list[etree._Element] = []
        for element in level:
            if not is_element(element):
                _check_odd(element, filled)
                continue
            if len(element.tag) > limits.name_length:
                _check_name(element.tag, limits)
            if attributes := element.keys():
                if len(attributes) > limits.attributes:
                    raise refusal("xml-limit", f"more than {limits.attributes} attributes on one element")
                for name in attributes:
                    _check_name(name, limits)
            if count := len(element):
                if total + len(below) + count > limits.elements:
                    raise refusal("xml-limit", f"more than {limits.elements} elements")
                below.extend(element)
        level = below


def _check_name(name: str | bytes, limits: XmlLimits) -> None:
    if len(str(name).rpartition("}")[2]) > limits.name_length:
        raise refusal("xml-limit", f"a name of more than {limits.name_length} characters")


def _check_odd(node: etree._Element, filled: set[etree._Element]) -> None:
    """Refuse a comment inside a leaf (readers disagree on what the text is then), and every processing instruction."""
    parent = node.getparent()
    assert parent is not None
    if parent not in filled and not any(is_element(sibling) for sibling in parent):
        raise SchemaError(Violation("xml-mixed", "", "there is a comment or processing instruction inside a value"))
    filled.add(parent)
    if not isinstance(node, etree._Comment):
        raise refusal("xml-pi", "processing instructions are not accepted")
