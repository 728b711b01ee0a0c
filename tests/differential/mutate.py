"""Mutants of signed packages, by a seed: the tree bent in one to three ways, signed again or not, or bytes changed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from tests.differential.packages import DS, EXC, NAMES, Base, base, parse, resign

Node = etree._Element
Bend = Callable[[random.Random, Node], None]

NS: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
XML: Final = "{http://www.w3.org/XML/1998/namespace}"
WSU: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
DSIG: Final = DS[1:-1]
URIS: Final = (
    "",
    "#",
    "#MessageHeader-1",
    "#Bussiness-1",
    "#edXMLManifest-1",
    "#absent",
    "cid:a1",
    "cid:a2",
    "#xpointer(/)",
    "#xpointer(id('MessageHeader-1'))",
    "?x",
    "data:,x",
)
ALGORITHMS: Final = (
    EXC,
    EXC + "WithComments",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/TR/xml-exc-c14n#",
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    "http://www.w3.org/2000/09/xmldsig#base64",
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmlenc#sha512",
    "http://www.w3.org/2000/09/xmldsig#sha1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    "urn:unknown",
)
TEXTS: Final = ("", " ", "x", "000.00.66.H99", "cid:a2", "1", "Đ", "\u00a0", "AAAA", "\n")


@dataclass(frozen=True)
class Mutant:
    """`steps` says what was done, for people. `signed`: digests and value were computed again."""

    seed: int
    base: Base
    octets: bytes
    steps: tuple[str, ...]
    signed: bool


def mutant(seed: int) -> Mutant:
    """The mutant of this seed: always the same but for the value of a signature that was made again with RSASSA-PSS."""
    chance = random.Random(seed)
    of = base(chance.choice(NAMES))
    if chance.random() < 0.2:
        name = chance.choice(list(BYTES))
        return Mutant(seed, of, BYTES[name](chance, of.octets), (name,), False)
    root = parse(of.octets)
    steps = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        name = chance.choice(list(BENDS))
        BENDS[name](chance, root)
        steps.append(name)
    signed = chance.random() < 0.6
    if signed:
        resign(root, of)
    return Mutant(seed, of, etree.tostring(root, xml_declaration=True, encoding="UTF-8"), tuple(steps), signed)


# --- where


def _any(chance: random.Random, root: Node, inside: str | None = None) -> Node:
    """Any element but the root; of the signature three times in four, because that is where attacks live."""
    signature = next(root.iter(DS + "Signature"), None)
    if inside is not None:
        found = list(root.iter(DS + inside))
    elif signature is not None and chance.random() < 0.7:
        found = list(signature.iter("*"))
    else:
        found = [element for element in root.iter("*") if element is not root]
    return chance.choice(found) if found else root[0]


def _detach(element: Node) -> Node:
    """Take it out and leave its tail where it was."""
    parent, before = element.getparent(), element.getprevious()
    assert parent is not None
    if element.tail:
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
        element.tail = None
    parent.remove(element)
    return element


def _put(chance: random.Random, root: Node, element: Node) -> None:
    places = [place for place in root.iter("*") if len(place) or place is root]
    place = chance.choice(places) if places else root
    place.insert(chance.randint(0, len(place)), element)


# --- what is done to the tree


def move(chance: random.Random, root: Node) -> None:
    _put(chance, root, _detach(_any(chance, root)))


def double(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    twin = copy.deepcopy(element)
    twin.tail = None
    if chance.random() < 0.5:
        for node in twin.iter("*"):
            node.attrib.pop("Id", None)
    if chance.random() < 0.5:
        element.addnext(twin)
    else:
        _put(chance, root, twin)


def remove(chance: random.Random, root: Node) -> None:
    _detach(_any(chance, root))


def rename(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    space, _, local = str(element.tag).rpartition("}")
    other = chance.choice((f"{{{NS}}}", DS, "{urn:x}", ""))
    element.tag = chance.choice(
        (f"{other}{local}", f"{space}}}{local}x" if space else f"{local}x", f"{space}}}From"[-60:])
    )


def swap(chance: random.Random, root: Node) -> None:
    one = _any(chance, root)
    other = one.getnext()
    if other is not None and isinstance(other.tag, str):
        other.addnext(_detach(one))


def attribute(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    name = chance.choice(("Id", "ID", "id", XML + "id", XML + "lang", XML + "space", WSU + "Id", "x", "Type", "URI"))
    element.set(name, chance.choice(("MessageHeader-1", "Bussiness-1", "new", "vi", "")))


def less_attribute(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    if element.attrib:
        del element.attrib[chance.choice([str(name) for name in element.attrib])]


def swap_attributes(chance: random.Random, root: Node) -> None:
    one, other = _any(chance, root), _any(chance, root)
    mine, theirs = dict(one.attrib), dict(other.attrib)
    one.attrib.clear()
    one.attrib.update(theirs)
    other.attrib.clear()
    other.attrib.update(mine)


def uri(chance: random.Random, root: Node) -> None:
    _any(chance, root, "Reference").set("URI", chance.choice(URIS))


def algorithm(chance: random.Random, root: Node) -> None:
    names = ("Transform", "DigestMethod", "SignatureMethod", "CanonicalizationMethod")
    _any(chance, root, chance.choice(names)).set("Algorithm", chance.choice(ALGORITHMS))


def transform(chance: random.Random, root: Node) -> None:
    element = _any(chance, root, "Transforms")
    if chance.random() < 0.5:
        made = etree.Element(DS + "Transform", {"Algorithm": chance.choice(ALGORITHMS)})
        element.insert(chance.randint(0, len(element)), made)
    elif len(element):
        element.remove(element[0])


def prefix_list(chance: random.Random, root: Node) -> None:
    element = _any(chance, root, chance.choice(("Transform", "CanonicalizationMethod")))
    etree.SubElement(
        element, f"{{{EXC}}}InclusiveNamespaces", {"PrefixList": chance.choice(("edXML", "xades ds", "none"))}
    )


def text(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    if chance.random() < 0.7:
        element.text = chance.choice(TEXTS)
    else:
        element.tail = chance.choice(TEXTS)


def white_space(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    space = chance.choice((" ", "\n", "\t", "\r\n  "))
    if chance.random() < 0.5:
        element.tail = (element.tail or "") + space
    else:
        element.text = space + (element.text or "")


def comment(chance: random.Random, root: Node) -> None:
    _node(chance, root, etree.Comment("x"))


def instruction(chance: random.Random, root: Node) -> None:
    _node(chance, root, etree.ProcessingInstruction("x", "y"))


def _node(chance: random.Random, root: Node, node: Node) -> None:
    element = _any(chance, root)
    if chance.random() < 0.5 and element.text:
        at = chance.randint(0, len(element.text))
        element.text, node.tail = element.text[:at], element.text[at:]
        element.insert(0, node)
    else:
        element.addnext(node)


def cdata(chance: random.Random, root: Node) -> None:
    element = _any(chance, root)
    if element.text and not len(element):
        element.text = etree.CDATA(element.text)


def base64(chance: random.Random, root: Node) -> None:
    names = ("DigestValue", "SignatureValue", "X509Certificate")
    element = _any(chance, root, chance.choice(names))
    value = element.text or "AAAA"
    at = chance.randrange(len(value))
    element.text = chance.choice(
        (
            value[:at] + " " + value[at:],
            value[:at] + "\n" + value[at:],
            value[:at] + "*" + value[at:],
            value.replace("+", "-").replace("/", "_"),
            value.rstrip("="),
            value + "=",
            value[:-1],
            value[:at] + ("B" if value[at] == "A" else "A") + value[at + 1 :],
            value + value,
        )
    )


def clash(chance: random.Random, root: Node) -> None:
    """Somebody else has the Id of what was signed."""
    names = ("Id", "ID", "id", XML + "id", WSU + "Id")
    ids = [element.get("Id") or "" for element in root.iter("*") if element.get("Id")]
    if ids:
        _any(chance, root).set(chance.choice(names), chance.choice(ids))


def namespace(chance: random.Random, root: Node) -> None:
    """Declare a prefix again, or another, on an element of the tree."""
    element = _any(chance, root)
    parent = element.getparent()
    if parent is None:
        return
    made = etree.Element(
        element.tag,
        dict(element.attrib),
        {**element.nsmap, chance.choice(("x", "ds", "edXML", "xades")): chance.choice((NS, DSIG, "urn:x", "relative"))},
    )
    made.text, made.tail = element.text, element.tail
    made.extend(list(element))
    parent.replace(element, made)


def wrap(chance: random.Random, root: Node) -> None:
    """The signed part goes aside, a forged one takes its place."""
    signed = [element for element in root.iter("*") if element.get("Id") and not str(element.tag).startswith(DS)]
    if not signed:
        return
    good = chance.choice(signed)
    evil = copy.deepcopy(good)
    for node in evil.iter("*"):
        if chance.random() < 0.7:
            node.attrib.pop("Id", None)
        if not len(node) and chance.random() < 0.3:
            node.text = "000.00.66.H99"
    parent = good.getparent()
    if parent is None:
        return
    evil.tail = good.tail
    parent.replace(good, evil)
    good.tail = None
    if chance.random() < 0.4:
        evil.insert(chance.randint(0, len(evil)), good)
    else:
        box = etree.Element(chance.choice((f"{{{NS}}}Extension", "{urn:x}Box", DS + "Object")))
        box.append(good)
        _put(chance, root, box)


def second_signature(chance: random.Random, root: Node) -> None:
    signature = next(root.iter(DS + "Signature"), None)
    if signature is not None:
        twin = copy.deepcopy(signature)
        twin.tail = None
        for node in twin.iter("*"):
            node.attrib.pop("Id", None)
        _put(chance, root, twin)


def key_info(chance: random.Random, root: Node) -> None:
    element = _any(chance, root, "KeyInfo")
    made = chance.choice(
        (
            etree.Element(DS + "KeyName"),
            etree.Element(DS + "X509Data"),
            etree.Element(DS + "RetrievalMethod", {"URI": "#x"}),
            etree.Element("{urn:x}Key"),
        )
    )
    element.insert(chance.randint(0, len(element)), made)


def reference(chance: random.Random, root: Node) -> None:
    """Drop a reference, or add one more."""
    element = _any(chance, root, "Reference")
    if chance.random() < 0.6:
        _detach(element)
    else:
        twin = copy.deepcopy(element)
        twin.set("URI", chance.choice(URIS))
        element.addnext(twin)


BENDS: Final[dict[str, Bend]] = {
    bend.__name__: bend
    for bend in (
        *(move, double, remove, rename, swap, attribute, less_attribute, swap_attributes, uri, algorithm, transform),
        *(prefix_list, text, white_space, comment, instruction, cdata, base64, clash, namespace, wrap),
        *(second_signature, key_info, reference),
    )
}


# --- what is done to bytes


def flip(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(8)]) + octets[at + 1 :]


def cut(chance: random.Random, octets: bytes) -> bytes:
    at, size = chance.randrange(len(octets)), chance.choice((1, 2, 8))
    return octets[:at] + octets[at + size :]


def insert(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    pieces = (b" ", b"\n", b"x", b"<!-- -->", b"<?x?>", b"&#32;", b"<x/>", b"]]>", b"\0", "ă".encode(), b"<![CDATA[]]>")
    return octets[:at] + chance.choice(pieces) + octets[at:]


def repeat(chance: random.Random, octets: bytes) -> bytes:
    at, size = chance.randrange(len(octets)), chance.choice((1, 4, 40))
    return octets[:at] + octets[at : at + size] + octets[at:]


def around(chance: random.Random, octets: bytes) -> bytes:
    body = octets[octets.index(b"?>") + 2 :]
    heads = (
        b"\xef\xbb\xbf" + octets,
        body,
        b'<?xml version="1.1"?>' + body,
        b"<!DOCTYPE edXML>" + body,
        b"<!-- x -->" + body,
        b"<?x y?>" + body,
        octets + b"\n<!-- x -->",
        octets + b"x",
        octets.replace(b"><", b">\n<"),
        octets.replace(b"\n", b"\r\n"),
        body.decode().encode("utf-16"),
    )
    return chance.choice(heads)


def prefixes(chance: random.Random, octets: bytes) -> bytes:
    """Other prefixes throughout, or in one place."""
    old = chance.choice((b"ds:", b"edXML:", b"xades:"))
    new = chance.choice((b"q:", b"x:"))
    if chance.random() < 0.5:
        return (
            octets.replace(b"<" + old, b"<" + new)
            .replace(b"</" + old, b"</" + new)
            .replace(b"xmlns:" + old[:-1] + b"=", b"xmlns:" + new[:-1] + b"=")
        )
    return octets.replace(b"<" + old, b"<" + new, 1)


BYTES: Final[dict[str, Callable[[random.Random, bytes], bytes]]] = {
    change.__name__: change for change in (flip, cut, insert, repeat, around, prefixes)
}
