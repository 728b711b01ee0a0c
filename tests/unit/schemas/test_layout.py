"""Where a layout is found, a parser finds the same: held to lxml and to the readers, on bent and on random octets."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from lxml import etree

from schemas.attachment import decoded, encoded_attachments
from schemas.cuts import Skeleton
from schemas.digest import envelope_octets
from schemas.edxml import read_message, read_parts, signatures, signed_parts
from schemas.errors import SchemaError
from schemas.layout import Layout, layout_of
from schemas.limits import XmlLimits
from schemas.xml import gated, parse_gated
from tests.pki import pki
from tests.unit.signing.test_shape import package

LIMITS, CUT = XmlLimits(), XmlLimits(cut_above=64)
RAW = package(pki().good.signer(), whole=False, attachments=2)
BEGIN, END = RAW.index(b"<ds:Signature "), RAW.index(b"</ds:Signature>") + len(b"</ds:Signature>")
SIGNATURE = RAW[BEGIN:END]


def exclusive(node: etree._Element) -> bytes:
    return etree.tostring(node, method="c14n", exclusive=True, with_comments=False)


def path_of(node: etree._Element) -> str:
    above = node.getparent()
    return f"{'' if above is None else path_of(above)}/{etree.QName(node).localname}"


def laid(raw: bytes, limits: XmlLimits = LIMITS) -> bool:
    """Say whether `raw` has a layout. If so, it says what a parser, canonicalisation and the readers say, in which any
    one element may stand for the signature."""
    try:
        skeleton = gated(raw, limits)
    except SchemaError:
        return False
    layout = layout_of(skeleton, limits)
    if layout is not None:
        octets = layout.octets[: layout.begin] + SIGNATURE + layout.octets[layout.end :]
        again = layout_of(Skeleton(octets, skeleton.cuts), limits)
        assert again is not None
        _agrees(again, limits)
    return layout is not None


def _agrees(layout: Layout, limits: XmlLimits) -> None:
    try:
        parsed = parse_gated(Skeleton(layout.octets, layout.cuts), limits)
        root, parts = parsed.root, signed_parts(parsed.root)
    except SchemaError as error:
        raise AssertionError("a layout of what is no package") from error
    assert len(signatures(root)) == 1
    (signature,) = signatures(root)
    assert signature.getparent() is parts.place
    assert layout.octets[layout.begin : layout.end] == SIGNATURE
    assert layout.place == path_of(parts.place)
    named = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
    assert layout.parts.keys() == named.keys()
    for name, part in layout.parts.items():
        element = named[name]
        assert element is not None
        assert part == (element.get("Id", "").encode(), path_of(element), exclusive(element))
    inside = [*signature.iter("*")]
    around = [node for node in root.iter("*") if node not in inside]
    attributes = [(node, str(name)) for node in around for name in node.keys()]  # noqa: SIM118 - an element is no mapping
    expected = [(node, "Id") for node in named.values()] + [(parts.manifest, "version")]
    assert sorted(attributes, key=str) == sorted(expected, key=str)
    assert layout.envelope_octets() == envelope_octets(root)
    told = encoded_attachments(parsed)
    assert [one.encoded for one in layout.attachments] == [*told]
    assert [one.content for one in layout.attachments] == [decoded(one) for one in told]
    _reads_alike(layout, root)
    parts.place.remove(signature)
    assert layout.without_signature() == exclusive(root)


def _reads_alike(layout: Layout, root: etree._Element) -> None:
    header, business, manifest = [part.octets for part in layout.parts.values()]
    read = read_parts(header, business, manifest)
    try:
        long = read_message(root)
    except SchemaError:
        assert read is None
    else:
        assert read == (None if b"<edXML:StatusCode>" in header else long)


@pytest.mark.parametrize("limits", [LIMITS, CUT], ids=["small", "cut out"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("attachments", [0, 1, 3])
def test_what_our_writer_writes_has_a_layout(attachments: int, whole: bool, limits: XmlLimits) -> None:
    raw = package(
        pki().good.signer(), whole=whole, attachments=attachments, subject="A & B < C > \"D\" 'E' = \u00a0\t\n"
    )
    assert laid(raw, limits)


STAYS: dict[str, tuple[bytes, bytes]] = {
    "no declaration of XML": (b'<?xml version="1.0" encoding="UTF-8"?>\n', b""),
    "no line behind it": (b'encoding="UTF-8"?>\n', b'encoding="UTF-8"?>'),
    "lines at the end": (b"</edXML>", b"</edXML>\n\n"),
    "an element nobody knows": (b"<edXML:Subject>", b"<edXML:Unknown>1</edXML:Unknown><edXML:Subject>"),
    "one that holds others": (
        b"<edXML:Subject>",
        b"<edXML:A><edXML:A>1</edXML:A><edXML:B><edXML:A>2</edXML:A></edXML:B></edXML:A><edXML:Subject>",
    ),
    "an empty one": (b"<edXML:Subject>", b"<edXML:A></edXML:A><edXML:Subject>"),
    "a part within a part": (b"<edXML:Subject>", b"<edXML:Bussiness>1</edXML:Bussiness><edXML:Subject>"),
    "a status code": (b"<edXML:Subject>", b"<edXML:StatusCode>01</edXML:StatusCode><edXML:Subject>"),
    "the three references that stay": (b"Subject>V", b"Subject>&amp;&lt;&gt;V"),
    "quotation marks and signs": (b"Subject>V", b"Subject>\"'=/?!;#V"),
    "delete, next line, line separator": (b"Subject>V", b"Subject>\x7f\xc2\x85\xe2\x80\xa8V"),
    "beyond the first plane": (b"Subject>V", b"Subject>\xf0\xa0\x80\x80V"),
    "an Id of letters and signs": (b'Id="MessageHeader-1"', b'Id="_a.b-c"'),
    "a longer name that ends so": (b"<edXML:Subject>", b"<edXML:MySignature>1</edXML:MySignature><edXML:Subject>"),
    "base64 in lines": (b"JVBERi0x", b"JVBE\nRi0x"),
    "a type of content less": (b"<ContentType>application/pdf</ContentType><edXML:", b"<edXML:"),
    "a description": (b"</AttachmentName>", b"</AttachmentName><Description>x y</Description>"),
}


@pytest.mark.parametrize("change", STAYS)
def test_what_stays_canonical_has_a_layout_still(change: str) -> None:
    before, after = STAYS[change]
    assert before in RAW
    assert laid(RAW.replace(before, after, 1))


NONE: dict[str, tuple[bytes, bytes]] = {
    "another version": (b'version="1.0" encoding', b'version="1.1" encoding'),
    "other quotes in the declaration": (b'<?xml version="1.0"', b"<?xml version='1.0'"),
    "a mark in front": (b"<?xml", b"\xef\xbb\xbf<?xml"),
    "a line in front": (b"?>\n<edXML ", b"?>\n\n<edXML "),
    "an instruction in front": (b"?>\n", b"?>\n<?x?>"),
    "a comment in front": (b"?>\n", b"?>\n<!-- -->"),
    "a comment behind": (b"</edXML>", b"</edXML><!-- -->"),
    "something behind": (b"</edXML>", b"</edXML>x"),
    "another carriage return behind": (b"</edXML>", b"</edXML>\r\n"),
    "another root": (b"<edXML xmlns", b"<EdXML xmlns"),
    "another namespace of the root": (b'<edXML xmlns="http:', b'<edXML xmlns="https:'),
    "another namespace of the envelope": (b'xmlns:edXML="http:', b'xmlns:edXML="https:'),
    "a declaration more": (b"<edXML:edXMLEnvelope ", b'<edXML:edXMLEnvelope xmlns:q="urn:q" '),
    "an attribute": (b"<edXML:Subject>", b'<edXML:Subject a="1">'),
    "an Id": (b"<edXML:Subject>", b'<edXML:Subject Id="MessageHeader-1">'),
    "an attribute beside the Id": (b' Id="MessageHeader-1"', b' Id="MessageHeader-1" id="x"'),
    "an Id in other quotes": (b'Id="MessageHeader-1"', b"Id='MessageHeader-1'"),
    "an Id with a colon": (b'Id="MessageHeader-1"', b'Id="a:b"'),
    "an Id with a reference": (b'Id="MessageHeader-1"', b'Id="a&#65;"'),
    "an Id of two lines": (b'Id="MessageHeader-1"', b'Id="a\nb"'),
    "space in a start tag": (b"<edXML:Subject>", b"<edXML:Subject >"),
    "space in an end tag": (b"</edXML:Subject>", b"</edXML:Subject >"),
    "space between tags": (b"<edXML:Subject>", b" <edXML:Subject>"),
    "text between tags": (b"<edXML:Subject>", b"x<edXML:Subject>"),
    "text behind the header": (b"</edXML:MessageHeader>", b"</edXML:MessageHeader>x"),
    "another prefix": (b"<edXML:Subject>", b"<Subject>1</Subject><edXML:Subject>"),
    "an end tag of another": (b"</edXML:Subject>", b"</edXML:Object>"),
    "an end tag of a longer one": (b"</edXML:Subject>", b"</edXML:Subjects>"),
    "an end tag too few": (b"</edXML:Subject>", b""),
    "an end tag too many": (b"</edXML:Subject>", b"</edXML:Subject></edXML:Subject>"),
    "an end tag of what is around": (b"<edXML:Subject>", b"<edXML:Subject></edXML:MessageHeader>"),
    "an empty tag": (b"<edXML:Subject>", b"<edXML:A/><edXML:Subject>"),
    "elements beside a text": (b"Subject>V", b"Subject><edXML:A>1</edXML:A>V"),
    "a level too many": (
        b"<edXML:Subject>",
        b"<edXML:A><edXML:A><edXML:A><edXML:A><edXML:A>1</edXML:A></edXML:A></edXML:A></edXML:A></edXML:A><edXML:Subject>",
    ),
    "a reference to a character": (b"Subject>V", b"Subject>&#86;"),
    "a reference that does not stay": (b"Subject>V", b"Subject>&quot;V"),
    "an ampersand": (b"Subject>V", b"Subject>&V"),
    "an angle": (b"Subject>V", b"Subject>>V"),
    "the end of CDATA": (b"Subject>V", b"Subject>]]>V"),
    "CDATA": (b"Subject>V", b"Subject><![CDATA[V]]>"),
    "a comment": (b"Subject>V", b"Subject><!-- -->V"),
    "an instruction": (b"Subject>V", b"Subject><?x?>V"),
    "a carriage return": (b"Subject>V", b"Subject>\rV"),
    "a line end of two octets": (b"Subject>V", b"Subject>\r\nV"),
    "a character that XML does not take": (b"Subject>V", b"Subject>\x0bV"),
    "one more": (b"Subject>V", b"Subject>\x1fV"),
    "the last of the plane": (b"Subject>V", b"Subject>\xef\xbf\xbfV"),
    "the one before": (b"Subject>V", b"Subject>\xef\xbf\xbeV"),
    "a signature in the header": (b"<edXML:Subject>", b"<edXML:Signature>1</edXML:Signature><edXML:Subject>"),
    "one of another name": (
        b"<edXML:Subject>",
        b"<edXML:DigitalSignature>1</edXML:DigitalSignature><edXML:Subject>",
    ),
    "one in the business": (b"<edXML:Paper>", b"<edXML:Signature>1</edXML:Signature><edXML:Paper>"),
    "attachments in the header": (
        b"<edXML:Subject>",
        b"<edXML:AttachmentEncoded>1</edXML:AttachmentEncoded><edXML:Subject>",
    ),
    "attachments in the manifest": (
        b"<edXML:Reference>",
        b"<edXML:AttachmentEncoded>1</edXML:AttachmentEncoded><edXML:Reference>",
    ),
    "a hop": (b"</edXML:TraceHeaderList>", b"<edXML:TraceHeader>1</edXML:TraceHeader></edXML:TraceHeaderList>"),
    "a second header": (
        b"<edXML:TraceHeaderList>",
        b"<edXML:MessageHeader>1</edXML:MessageHeader><edXML:TraceHeaderList>",
    ),
    "a second signature": (b"</edXML:edXMLHeader>", SIGNATURE + b"</edXML:edXMLHeader>"),
    "something before the signature": (b"<ds:Signature ", b"<edXML:A>1</edXML:A><ds:Signature "),
    "another end tag of a content": (b"</edXML:ContentTransferEncoded>", b"</edXML:ContentTransferEncodes>"),
    "another end tag of the attachments": (b"</AttachmentEncoded>", b"</AttachmentEncodes>"),
    "something behind the signature": (b"</edXML:edXMLHeader>", b"<edXML:A>1</edXML:A></edXML:edXMLHeader>"),
    "something in the body": (b"</edXML:edXMLBody>", b"<edXML:A>1</edXML:A></edXML:edXMLBody>"),
    "something in the envelope": (b"</edXML:edXMLEnvelope>", b"<edXML:A>1</edXML:A></edXML:edXMLEnvelope>"),
    "something in the root": (b"<AttachmentEncoded>", b"<edXML:A>1</edXML:A><AttachmentEncoded>"),
    "another version of the manifest": (b'version="1.0" Id', b'version="1.1" Id'),
    "its attributes in their order": (b'version="1.0" Id="edXMLManifest-1"', b'Id="edXMLManifest-1" version="1.0"'),
    "an attachment in another order": (
        b"<ContentId>cid:0.pdf</ContentId><AttachmentName>0.pdf</AttachmentName>",
        b"<AttachmentName>0.pdf</AttachmentName><ContentId>cid:0.pdf</ContentId>",
    ),
    "an attachment without a name": (b"<AttachmentName>0.pdf</AttachmentName>", b""),
    "one with a reference in its name": (b"<AttachmentName>0.pdf", b"<AttachmentName>&amp;.pdf"),
    "one with space around its name": (b"<AttachmentName>0.pdf<", b"<AttachmentName> 0.pdf<"),
    "one with space behind its name": (b"<AttachmentName>0.pdf<", b"<AttachmentName>0.pdf <"),
    "one with an attribute": (b"<Attachment>", b'<Attachment Id="x">'),
    "one with an element more": (b"</Attachment>", b"<A>1</A></Attachment>"),
    "a content that declares another prefix": (
        b'<edXML:ContentTransferEncoded xmlns:edXML="',
        b'<edXML:ContentTransferEncoded xmlns:q="',
    ),
    "a content that is no base64": (b"JVBERi0x", b"JVBERi0*"),
    "a content with a carriage return": (b"JVBERi0x", b"JVBE\r\nRi0x"),
    "a content with a reference": (b"JVBERi0x", b"JVBE&#10;Ri0x"),
    "text between attachments": (b"<Attachment>", b"x<Attachment>"),
    "text behind them": (b"</AttachmentEncoded>", b"x</AttachmentEncoded>"),
    "a second block": (b"</edXML>", b"<AttachmentEncoded/></edXML>"),
}


@pytest.mark.parametrize("change", NONE)
def test_what_is_not_of_the_form_has_no_layout(change: str) -> None:
    before, after = NONE[change]
    assert before in RAW
    assert not laid(RAW.replace(before, after, 1))


def test_a_package_without_its_block_has_a_layout_and_one_without_business_has_none() -> None:
    begin, end = RAW.index(b"<AttachmentEncoded>"), RAW.index(b"</edXML>")
    assert laid(RAW[:begin] + RAW[end:])
    assert laid(RAW[:begin] + b"<AttachmentEncoded/>" + RAW[end:])
    begin, end = RAW.index(b"<edXML:TraceHeaderList>"), RAW.index(b"<ds:Signature ")
    assert not laid(RAW[:begin] + RAW[end:])
    assert not laid(RAW[:end] + RAW[END:])


def test_content_that_was_cut_out_stands_in_its_attachment() -> None:
    """A header may have an element of that name, too."""
    text = b"QUJD" * 100
    held = b"<edXML:ContentTransferEncoded>%b</edXML:ContentTransferEncoded><edXML:Subject>" % text
    raw = RAW.replace(b"<edXML:Subject>", held)
    assert laid(raw)
    assert not laid(raw, CUT)
    placed = gated(RAW, CUT)
    first, second = placed.cuts
    octets = placed.octets.replace(first.encode(), b"0").replace(second.encode(), first.encode())
    twisted = Skeleton(octets.replace(b">0<", b">%b<" % second.encode()), placed.cuts)
    assert layout_of(placed, CUT) is not None
    assert layout_of(twisted, CUT) is None
    lost = Skeleton(placed.octets.replace(second.encode(), b"QUJD"), placed.cuts)
    assert layout_of(lost, CUT) is None


def test_limits_are_kept() -> None:
    count, size = RAW.count(b"<"), len(RAW)
    assert laid(RAW, replace(LIMITS, elements=count))
    for less in (
        replace(LIMITS, elements=count // 2, cut_above=1 << 20),
        replace(LIMITS, depth=12),
        replace(LIMITS, attributes=1),
        replace(LIMITS, namespaces=2),
        replace(LIMITS, declarations=4),
        replace(LIMITS, name_length=30),
    ):
        assert layout_of(Skeleton(RAW), less) is None, less
    assert layout_of(Skeleton(RAW), replace(LIMITS, tree_bytes=size - 1)) is None
    many = RAW.replace(
        b"<Attachment>", RAW[RAW.index(b"<Attachment>") : RAW.index(b"</Attachment>") + 13] * 40 + b"<Attachment>", 1
    )
    assert layout_of(Skeleton(many), LIMITS) is not None
    assert layout_of(Skeleton(many), replace(LIMITS, declarations=40)) is None


def test_what_is_large_is_parsed() -> None:
    long = RAW.replace(b"Subject>V", b"Subject>" + b"x" * (1 << 20) + b"V", 1)
    assert layout_of(Skeleton(long), LIMITS) is None


LEVELS = b"<edXML:A>" * 4 + b"1" + b"</edXML:A>" * 4
HOSTILE: dict[str, bytes] = {
    "elements that never end": b"<edXML:A>" * 60_000,
    "pairs": b"<edXML:A>1</edXML:A>" * 50_000,
    "texts": b"<edXML:A>" + b"x" * 1_000_000,
    "references": b"<edXML:A>" + b"&amp;" * 200_000,
    "references that break off": (b"<edXML:A>" + b"&amp;" * 1_000 + b"&am") * 200,
    "levels": (LEVELS[:-3] + b":B>") * 12_000,
    "levels that are good but for the last": LEVELS * 500 + b"<edXML:A>",
    "many such levels": LEVELS * 12_000 + b"<edXML:A>",
    "long names": b"<edXML:" + b"A" * 1_000_000,
    "names": (b"<edXML:" + b"A" * 60 + b">1</edXML:" + b"A" * 59 + b">") * 7_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_no_octets_take_long(what: str) -> None:
    head = RAW[: RAW.index(b"<edXML:From>")]
    octets = (head + HOSTILE[what])[: 1 << 20]
    begun = time.process_time()
    assert layout_of(Skeleton(octets), replace(LIMITS, elements=1 << 20)) is None
    assert time.process_time() - begun < 1, "100 ms, on a machine that nobody else uses"


def test_whatever_is_changed_has_the_layout_that_a_parser_finds_or_none() -> None:
    chance, found = random.Random(20261201), 0
    bends = [*STAYS.values(), *NONE.values()]
    snippets = [after for _, after in bends] + [
        b" ",
        b">",
        b"/>",
        b"\r",
        b"=",
        b"&amp;",
        b"'",
        b"</edXML:To>",
        b"\xef\xbf\xbe",
    ]
    for _ in range(1500):
        octets = bytearray(RAW)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(octets))
            match chance.randrange(4):
                case 0:
                    octets[at:at] = chance.choice(snippets)
                case 1:
                    del octets[at : at + chance.randint(1, 3)]
                case 2:
                    before, after = chance.choice(bends)
                    octets = octets.replace(before, after, 1)
                case _:
                    octets[at] ^= 1 << chance.randrange(8)
        found += laid(bytes(octets))
    assert found > 150
