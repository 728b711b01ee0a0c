"""What is read from outlines is what is read from a tree: held to lxml, on bent and on random headers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from lxml import etree

from schemas.edxml import assemble, read_message, read_parts
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.names import NAMESPACE, local
from schemas.outline import Outline, outline_of
from schemas.structure import SignedParts, signed_parts
from schemas.xml import parse_xml
from tests.unit.schemas.test_layout import LIMITS, RAW

NAMES = (
    *("From", "To", "OrganId", "OrganName", "Email", "Code", "CodeNumber", "CodeNotation", "Subject", "DocumentId"),
    *("PromulgationInfo", "Place", "PromulgationDate", "DocumentType", "Type", "TypeName", "SignerInfo", "FullName"),
    *("OtherInfo", "Priority", "Direction", "Appendixes", "Appendix", "ToPlaces", "ResponseFor", "ResponseForTask"),
    *("TaskCode", "DueDate", "SteeringType", "Content", "StatusCode", "TraceHeader", "Timestamp", "Unknown"),
    *(
        "Business",
        "Bussiness",
        "BussinessDocType",
        "BusinessDocType",
        "BussinessDocReason",
        "BusinessDocReason",
        "Paper",
    ),
    *("BussinessDocumentInfo", "BusinessDocumentInfo", "DocumentInfo", "ReceiverList", "Receiver", "ReceiverType"),
    *("ReplacementInfoList", "ReplacementInfo", "OrganIdList", "StaffInfo", "Staff", "StaffId", "DepartmentId"),
    *("Reference", "ContentId", "AttachmentName", "ContentType", "Description", "href", "edXMLManifest"),
)
VALUES = (
    *(
        "",
        " ",
        "\n\t",
        "0",
        "1",
        "3",
        " 2 ",
        "12345678901",
        "null",
        "true",
        "No",
        "x",
        " x\n",
        "\u00a0x",
        "\u0110\u1ed9",
    ),
    *("000.00.01.H99", " 000.00.02.H99 ", "000..H99", "2026/11/23", "2026/02/30", "23/11/2026 01:02:03", "cid:0.pdf"),
    *("a & b", "a < b > c", "&amp;lt;", "\"'", "\U00020000"),
)


def parts_of(raw: bytes) -> SignedParts:
    return signed_parts(parse_xml(raw, LIMITS).root)


def by_tree(element: etree._Element) -> Outline | str:
    found: Outline = {}
    for child in element:
        found.setdefault(local(child), []).append(by_tree(child))
    return found or element.text or ""


def agree(parts: SignedParts) -> str:
    """Hold what is read from the outlines to what is read from the tree of these parts; say what it was."""
    header, business, manifest = parts.header, parts.business, parts.manifest
    assert business is not None
    assert manifest is not None
    octets = [etree.tostring(part, method="c14n", exclusive=True) for part in (header, business, manifest)]
    outlines = [outline_of(one) for one in octets]
    assert outlines == [by_tree(part) or {} for part in (header, business, manifest)]
    read = read_parts(*octets)
    assert read == read_parts(*octets), "what is remembered"
    try:
        long = read_message(assemble(header, business, manifest))
    except SchemaError:
        assert read is None
        return "refused"
    if not isinstance(long.message, Envelope) or "StatusCode" in outlines[0]:
        assert read is None
        return "left to the long way"
    assert read == long
    return "noted" if long.notes else "plain"


def test_what_our_writer_writes_is_read_alike() -> None:
    assert agree(parts_of(RAW)) == "plain"


def at(*names: str) -> Callable[[SignedParts], etree._Element]:
    def find(parts: SignedParts) -> etree._Element:
        node = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}[names[0]]
        assert node is not None
        for name in names[1:]:
            node = next(child for child in node if local(child) == name)
        return node

    return find


def put(parent: etree._Element, name: str, text: str = "", *below: tuple[str, str]) -> None:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    element.text = text
    for inner, value in below:
        put(element, inner, value)


HEADER, BUSINESS, REFERENCE = at("MessageHeader"), at("Bussiness"), at("edXMLManifest", "Reference")


def retold(find: Callable[[SignedParts], etree._Element], text: str) -> Callable[[SignedParts], None]:
    def bend(parts: SignedParts) -> None:
        find(parts).text = text

    return bend


def unnamed(parts: SignedParts) -> None:
    """An element that has the name of an attribute."""
    place = REFERENCE(parts)
    place.remove(at("edXMLManifest", "Reference", "ContentId")(parts))
    put(place, "href", "x")


def emptied(parts: SignedParts) -> None:
    sender = at("MessageHeader", "From")(parts)
    for child in list(sender):
        sender.remove(child)
    sender.text = "000.00.01.H99"


def spaced_receiver(parts: SignedParts) -> None:
    replacement = (("DocumentId", "x"), ("OrganIdList", ""))
    put(BUSINESS(parts), "ReplacementInfoList", "", ("ReplacementInfo", ""))
    inside = at("Bussiness", "ReplacementInfoList", "ReplacementInfo")(parts)
    for name, text in replacement:
        put(inside, name, text)
    put(at("Bussiness", "ReplacementInfoList", "ReplacementInfo", "OrganIdList")(parts), "OrganId", " 000.00.02.H99")


def another_spelling(parts: SignedParts) -> None:
    put(BUSINESS(parts), "BusinessDocReason", "x")
    put(BUSINESS(parts), "Unknown")


BENT: dict[str, tuple[Callable[[SignedParts], None], str]] = {
    "references": (retold(at("MessageHeader", "Subject"), "a & b < c > d &amp;lt; \" '"), "plain"),
    "white space around a value": (retold(at("MessageHeader", "Subject"), " x\n"), "plain"),
    "white space around a code": (retold(at("MessageHeader", "From", "OrganId"), " 000.00.01.H99"), "noted"),
    "white space around a code of many": (spaced_receiver, "noted"),
    "white space alone": (retold(at("MessageHeader", "Subject"), " \n"), "refused"),
    "no code": (retold(at("MessageHeader", "From", "OrganId"), "x y"), "refused"),
    "a text where elements stand": (emptied, "refused"),
    "elements where a text stands": (
        lambda parts: put(at("MessageHeader", "Subject")(parts), "x", "y"),
        "refused",
    ),
    "one twice": (lambda parts: put(HEADER(parts), "Subject", "x"), "refused"),
    "one twice, in two spellings": (lambda parts: put(BUSINESS(parts), "BusinessDocType", "1"), "refused"),
    "another spelling": (lambda parts: put(BUSINESS(parts), "BusinessDocReason", "x"), "plain"),
    "another spelling beside what nobody knows": (
        another_spelling,
        "noted",
    ),
    "the code of an answer": (
        lambda parts: put(HEADER(parts), "ResponseFor", "", ("OrganId", "000.00.02.H99"), ("Code", "1/CV")),
        "plain",
    ),
    "an empty element": (lambda parts: put(HEADER(parts), "OtherInfo", "", ("Unknown", " ")), "plain"),
    "an element nobody knows": (lambda parts: put(HEADER(parts), "Unknown", "", ("Subject", "x")), "noted"),
    "an attribute's name": (unnamed, "noted"),
    "a status": (lambda parts: put(HEADER(parts), "StatusCode"), "left to the long way"),
}


@pytest.mark.parametrize("what", BENT)
def test_what_is_bent_is_read_alike(what: str) -> None:
    bend, expected = BENT[what]
    parts = parts_of(RAW)
    bend(parts)
    assert agree(parts) == expected


def bend(chance: random.Random, parts: SignedParts) -> None:
    """Change one element of these parts, so that each still holds elements or a text."""
    part = chance.choice([parts.header, parts.header, parts.business, parts.manifest])
    assert part is not None
    node = chance.choice([*part.iter()])
    if node is part or chance.random() < 0.4:
        if not len(node):
            node.text = None
        put(node, chance.choice(NAMES), chance.choice(VALUES))
        node.insert(chance.randrange(len(node)), node[-1])
        return
    above = node.getparent()
    assert above is not None
    match chance.randrange(4):
        case 0 if not len(node):
            node.text = chance.choice(VALUES)
        case 1:
            node.tag = f"{{{NAMESPACE}}}{chance.choice(NAMES)}"
        case 2:
            above.append(etree.fromstring(etree.tostring(node)))
        case _:
            above.remove(node)


def test_whatever_stands_in_the_parts_is_read_alike() -> None:
    chance, found = random.Random(20261202), Counter[str]()
    for _ in range(400):
        parts = parts_of(RAW)
        for _ in range(chance.randint(1, 4)):
            bend(chance, parts)
        found[agree(parts)] += 1
    assert min(found[what] for what in ("refused", "noted", "plain")) > 20, found
