"""What is taken as it came is what canonicalisation gives, or is not taken: held to lxml on bent documents."""

from __future__ import annotations

import random
import re

import pytest
from lxml import etree

from schemas.errors import SchemaError
from schemas.limits import XmlLimits
from schemas.xml import parse_xml
from signing import as_it_came
from tests.pki import pki
from tests.unit.signing.test_shape import package

DS = "http://www.w3.org/2000/09/xmldsig#"
BEGIN, END = b"<ds:Signature ", b"</ds:Signature>"
RAW = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="urn:r"><p:E xmlns:p="urn:p"><p:B a="1">b</p:B><p:H Id="h">'
    b'<p:S>text</p:S><p:T>more</p:T></p:H><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">x</ds:Signature>'
    b'<p:M version="1.0" Id="m"/></p:E><A><p:C xmlns:p="urn:p">YQ==</p:C><F/></A></R>\n'
)
"""A document in the form of our writer's, with all that it may have."""


def exclusive(node: etree._Element) -> bytes:
    return etree.tostring(node, method="c14n", exclusive=True, with_comments=False)


def taken(raw: bytes) -> list[str] | None:
    """Which of the element and the document are taken as they came; `None` where the gate finds `raw` not plain.

    Whatever is taken must be what canonicalisation gives.
    """
    try:
        parsed = parse_xml(raw, XmlLimits())
    except SchemaError:
        return None
    root, found = parsed.root, []
    if parsed.plain is None:
        return None
    for name in ("h", "m"):
        ours = [element for element in root.iter("*") if element.get("Id") == name]
        if len(ours) == 1:
            namespace = etree.QName(ours[0]).namespace or ""
            try:
                octets = as_it_came.element(raw, name.encode(), namespace.encode())
            except ValueError:
                octets = None
            if octets is not None:
                assert octets == exclusive(ours[0])
                found.append(name)
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) == 1 and BEGIN in raw and END in raw:
        begin, end = raw.index(BEGIN), raw.index(END) + len(END)
        try:
            document = as_it_came.whole(raw, begin, end)
        except ValueError:
            document = None
        if document is not None:
            whole = exclusive(root)
            assert document == whole[: whole.index(BEGIN)] + whole[whole.index(END) + len(END) :]
            found.append("whole")
    return found


def test_what_our_writer_writes_is_taken_as_it_came() -> None:
    assert taken(RAW) == ["h", "m", "whole"]
    for whole in (True, False):
        for attachments in (0, 1, 3):
            raw = package(pki().good.signer(), whole=whole, attachments=attachments)
            root, begin, end = etree.fromstring(raw), raw.index(BEGIN), raw.index(END) + len(END)
            octets = exclusive(root)
            assert as_it_came.whole(raw, begin, end) == SIGNATURE.sub(b"", octets)
            for name in ("MessageHeader-1", "Bussiness-1", "edXMLManifest-1"):
                for element in root.iterfind(f".//*[@Id='{name}']"):
                    namespace = etree.QName(element).namespace or ""
                    assert as_it_came.element(raw, name.encode(), namespace.encode()) == exclusive(element)


SIGNATURE = re.compile(rb"<ds:Signature .*</ds:Signature>", re.DOTALL)
LEFT = ["m", "whole"]
BENT: dict[str, tuple[bytes, bytes, list[str]]] = {
    # in the content of an element
    "an empty tag": (b"<p:T>more</p:T>", b"<p:T/>", LEFT),
    "an empty tag of another prefix": (b"<p:T>more</p:T>", b"<T/>", LEFT),
    "another prefix": (b"<p:T>more</p:T>", b"<T>more</T>", LEFT),
    "another prefix for the same": (b' xmlns:p="urn:p"><p:B', b' xmlns:p="urn:p" xmlns:q="urn:p"><p:B', ["h", "m"]),
    "another prefix, in use": (
        b'xmlns="urn:r"><p:E xmlns:p="urn:p">',
        b'xmlns="urn:r"><p:E xmlns:p="urn:p" xmlns:q="urn:p"><q:B></q:B>',
        ["h", "m"],
    ),
    "one of its own name inside": (b"<p:T>more</p:T>", b"<p:H>more</p:H>", ["m", "whole"]),
    "one of its own name inside, and an empty tag": (b"<p:T>more</p:T>", b"<p:H><p:T/></p:H>", LEFT),
    "one of a longer name inside": (b"<p:T>more</p:T>", b"<p:HH>more</p:HH>", ["h", "m", "whole"]),
    "an end tag that is spaced, and one more": (
        b"<p:T>more</p:T></p:H>",
        b"<p:T>more</p:T></p:H ><p:H>x</p:H>",
        ["m"],
    ),
    "a reference": (b"more", b"m&#111;re", ["m"]),
    "a reference that must stay": (b"more", b"m&amp;re", ["m"]),
    "an angle": (b"more", b"m>re", ["m"]),
    "an angle behind a solidus": (b"more", b"m/>re", ["m"]),
    "a line end of two octets": (b"more", b"m\r\nre", ["m"]),
    "a line end": (b"more", b"m\nre", ["h", "m", "whole"]),
    "a tab": (b"more", b"m\tre", ["h", "m", "whole"]),
    "space in a start tag": (b"<p:T>", b"<p:T >", ["m"]),
    "space in an end tag": (b"</p:T>", b"</p:T >", ["m"]),
    "a line end in a tag": (b"</p:T>", b"</p:T\n>", ["m"]),
    "a tab in a tag": (b"</p:T>", b"</p:T\t>", ["m"]),
    "an attribute": (b"<p:T>", b'<p:T a="1">', LEFT),
    "an attribute in other quotes": (b"<p:T>", b"<p:T a='1'>", ["m"]),
    "attributes in no order": (b"<p:T>", b'<p:T b="1" a="2">', LEFT),
    "a sign in a text": (b"more", b"m=re", ["m"]),
    "a default namespace that nothing uses": (b"<p:T>", b'<p:T xmlns="urn:q">', ["m"]),
    "a declaration that nothing uses": (b"<p:T>", b'<p:T xmlns:q="urn:q">', ["m"]),
    # in its own tag
    "attributes before the Id": (b'<p:H Id="h">', b'<p:H A="1" Id="h">', ["h", "m", "whole"]),
    "attributes in no order there": (b'<p:H Id="h">', b'<p:H b="1" a="2" Id="h" a-b="3">', ["h", "m", "whole"]),
    "its Id in other quotes": (b'Id="h"', b"Id='h'", ["m"]),
    "an attribute in other quotes there": (b'<p:H Id="h">', b"<p:H a='1' Id=\"h\">", ["m"]),
    "an angle in an attribute": (b'<p:H Id="h">', b'<p:H a=">" Id="h">', ["m"]),
    "a reference in an attribute": (b'<p:H Id="h">', b'<p:H a="&#65;" Id="h">', ["m"]),
    "a tab in an attribute": (b'<p:H Id="h">', b'<p:H a="\t" Id="h">', ["m"]),
    "a line end in an attribute": (b'<p:H Id="h">', b'<p:H a="\n" Id="h">', ["m"]),
    "a carriage return in an attribute": (b'<p:H Id="h">', b'<p:H a="\r" Id="h">', ["m"]),
    "an attribute with a prefix": (b'<p:H Id="h">', b'<p:H xml:lang="vi" Id="h">', ["m"]),
    "an attribute with a prefix that must be declared": (b'<p:H Id="h">', b'<p:H p:a="1" Id="h">', ["m"]),
    "a default namespace there": (b'<p:H Id="h">', b'<p:H Id="h" xmlns="urn:q">', ["m"]),
    "a declaration there": (b'<p:H Id="h">', b'<p:H Id="h" xmlns:p="urn:p">', ["m"]),
    "two spaces there": (b'<p:H Id="h">', b'<p:H  Id="h">', ["m"]),
    "a line there": (b'<p:H Id="h">', b'<p:H\n Id="h">', ["m"]),
    "space behind the Id": (b'<p:H Id="h">', b'<p:H Id="h" >', ["m"]),
    "its Id in a text before it": (b">b</p:B>", b'> Id="h"</p:B>', ["m"]),
    "its Id in a text behind an empty tag": (b"<p:H Id", b'<p:X a="1"/> Id="h"<p:H Id', ["m"]),
    "its Id in an attribute before it": (b'<p:B a="1">', b"<p:B a=' Id=\"h\"'>", ["m"]),
    "the default namespace": (
        b'<p:H Id="h"><p:S>text</p:S><p:T>more</p:T></p:H>',
        b'<H Id="h"><S>x</S></H>',
        ["h", *LEFT],
    ),
    "the default namespace, and a prefix": (
        b'<p:H Id="h"><p:S>text</p:S><p:T>more</p:T></p:H>',
        b'<H Id="h"><p:S>x</p:S></H>',
        LEFT,
    ),
    # around: only the whole document
    "no declaration of XML": (b'<?xml version="1.0" encoding="UTF-8"?>\n', b"", ["h", "m", "whole"]),
    "lines behind the root": (b"</R>\n", b"</R>\n\r\n \t", ["h", "m", "whole"]),
    "no default namespace": (b'<R xmlns="urn:r">', b"<R>", ["h", "m"]),
    "a prefix at the root": (b'<R xmlns="urn:r">', b'<R xmlns="urn:r" xmlns:q="urn:q">', ["h", "m"]),
    "a root that declares what it does not use": (b'<R xmlns="urn:r">', b'<R xmlns:q="urn:q">', ["h", "m"]),
    "an envelope that declares what it does not use": (
        b'<p:E xmlns:p="urn:p">',
        b'<p:E xmlns:q="urn:q" xmlns:p="urn:p">',
        ["h", "m"],
    ),
    "a reference in a namespace": (b'xmlns="urn:r"', b'xmlns="urn:&#114;"', ["h", "m"]),
    "a namespace in other quotes": (b'xmlns="urn:r"', b"xmlns='urn:r'", ["h", "m"]),
    "space in the root's end": (b"</R>", b"</R >", ["h", "m"]),
    "a declaration again, within the envelope": (
        b"<p:B",
        b'<p:C xmlns:p="urn:p">x</p:C><p:B',
        ["h", "m"],
    ),
    "a declaration again, of another": (b"<p:B", b'<p:C xmlns:p="urn:q">x</p:C><p:B', ["h", "m"]),
    "a declaration around a declaration": (
        b'<p:C xmlns:p="urn:p">YQ==</p:C>',
        b'<p:C xmlns:p="urn:p"><p:C xmlns:p="urn:p">YQ==</p:C></p:C>',
        ["h", "m"],
    ),
    "a declaration that a leaf does not use": (b"<A>", b'<A xmlns:q="urn:q">', ["h", "m"]),
    "a leaf of a declaration and its default": (b"<A>", b'<A xmlns="urn:r">', ["h", "m"]),
    "a leaf without a namespace": (b"<A>", b'<A xmlns="">', ["h", "m"]),
    "a leaf with a reference": (b"YQ==", b"YQ&#61;=", ["h", "m"]),
    "a leaf with a line end of two octets": (b"YQ==", b"YQ\r\nx==", ["h", "m"]),
    "a leaf with an angle": (b"YQ==", b"YQ=>=", ["h", "m"]),
    "a leaf in other quotes": (b'<p:C xmlns:p="urn:p">', b"<p:C xmlns:p='urn:p'>", ["h", "m"]),
    "an empty tag, spaced": (b"<F/>", b"<F />", ["h", "m"]),
    "an empty tag with a declaration": (b"<F/>", b'<F xmlns="urn:r"/>', ["h", "m"]),
    "more empty tags than are worth it": (b"<F/>", b"<F/>" * 9, ["h", "m"]),
    "a few empty tags": (b"<F/>", b"<F/>" * 4, ["h", "m", "whole"]),
    "text that looks like an empty tag": (b"<F/>", b"<F>x/></F>", ["h", "m"]),
    "an envelope of its own name": (b'<p:B a="1">b</p:B>', b"<p:E></p:E>", ["h", "m", "whole"]),
}


@pytest.mark.parametrize("bend", BENT)
def test_what_is_bent_is_canonical_or_not_taken(bend: str) -> None:
    before, after, wanted = BENT[bend]
    assert RAW.count(before) == 1
    assert taken(RAW.replace(before, after)) == wanted


def test_the_prefix_xml_is_declared_by_nobody() -> None:
    name = b"http://www.w3.org/XML/1998/namespace"
    element = b'<xml:H Id="h"><xml:S>text</xml:S></xml:H>'
    assert taken(re.sub(rb"<p:H .*</p:H>", element, RAW)) == ["m"]
    for before, after in ((b"p:E", b"xml:E"), (b"p:C", b"xml:C")):
        raw = RAW.replace(before, after).replace(
            b'<%b xmlns:p="urn:p">' % after, b'<%b xmlns:xml="%b">' % (after, name)
        )
        raw = raw.replace(b"<p:", b"<").replace(b"</p:", b"</") if before == b"p:E" else raw
        assert "whole" not in (taken(raw) or [])


def test_whatever_is_changed_is_canonical_or_not_taken() -> None:
    chance = random.Random(20261130)
    snippets = [after for _, after, _ in BENT.values()] + [b" ", b">", b"/>", b"\r", b"=", b"&amp;", b"'", b"</p:H>"]
    plain = 0
    for _ in range(1500):
        octets = bytearray(RAW)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(octets))
            match chance.randrange(3):
                case 0:
                    octets[at:at] = chance.choice(snippets)
                case 1:
                    del octets[at : at + chance.randint(1, 3)]
                case _:
                    before, after, _ = chance.choice([*BENT.values()])
                    octets = octets.replace(before, after, 1)
        plain += taken(bytes(octets)) is not None
    assert plain > 300
